package cli

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/httpapi"
)

// tokenVariable holds the token of a service. There is no flag for it: everybody on a
// machine can read command lines.
const tokenVariable = "ATOCORE_TOKEN"

// readToken reads the token of a service from a file, or else from the environment; empty
// is none.
func readToken(file string, getenv func(string) string) (string, error) {
	token, where := getenv(tokenVariable), tokenVariable
	if file != "" {
		text, err := readSecret(file)
		if err != nil {
			return "", err
		}
		token, where = text, "token-file"
		if strings.TrimSpace(token) == "" {
			return "", &atocore.InvalidError{Field: where, Reason: file + " is empty"}
		}
	}
	token = strings.TrimSpace(token)
	switch {
	case token == "":
		return "", nil
	case len(token) < httpapi.MinToken:
		return "", &atocore.InvalidError{Field: where, Reason: fmt.Sprintf("holds a token of fewer than %d characters", httpapi.MinToken), Hint: "openssl rand -hex 32 makes one"}
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", &atocore.InvalidError{Field: where, Reason: "holds a token with blanks, or signs that are not ASCII", Hint: "openssl rand -hex 32 makes one"}
	}
	return token, nil
}

// readSecret reads a file that nobody else can.
func readSecret(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("read token: %w", err)
	case info.IsDir():
		return "", &atocore.InvalidError{Field: "token-file", Reason: name + " is a directory"}
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return "", &atocore.InvalidError{Field: "token-file", Reason: fmt.Sprintf("%s can be read by others, with mode %04o", name, info.Mode().Perm()), Hint: "chmod 600 " + name}
	}
	const most = 4096
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	if len(text) > most {
		return "", &atocore.InvalidError{Field: "token-file", Reason: name + " is too long for a token"}
	}
	return string(text), nil
}
