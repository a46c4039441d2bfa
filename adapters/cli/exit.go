package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/atocore/atocore"
)

// The exit codes. Scripts depend on them.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitNotFound = 3
	exitFaults   = 4
	exitInUse    = 5
)

// errFaults is the outcome of a check that ran and found something.
var errFaults = errors.New("faults found")

// A usageError is a command line that cannot be understood.
type usageError struct {
	command string // as far as it was understood
	reason  string
}

func (e *usageError) Error() string { return e.reason }

// errUsage is the class of every usageError.
var errUsage = errors.New("wrong usage")

func (e *usageError) Is(target error) bool { return target == errUsage }

// classes is the one table from error to exit code and to the code of an error
// printed as JSON. The first match counts: a lock that was not had by the
// context's deadline is busy, not a timeout.
var classes = []struct {
	err  error
	code string
	exit int
}{
	{errUsage, "usage", exitUsage},
	{errFaults, "faults", exitFaults},
	{atocore.ErrUnsound, "unsound", exitFaults},
	{atocore.ErrInvalid, "invalid", exitUsage},
	{atocore.ErrNotFound, "not_found", exitNotFound},
	{atocore.ErrBusy, "busy", exitInUse},
	{atocore.ErrInUse, "in_use", exitInUse},
	{atocore.ErrConflict, "conflict", exitFailed},
	{atocore.ErrSpaceMismatch, "space_mismatch", exitFailed},
	{atocore.ErrNewer, "newer", exitFailed},
	{atocore.ErrForeign, "foreign", exitFailed},
	{atocore.ErrCorrupt, "corrupt", exitFailed},
	{atocore.ErrFull, "full", exitFailed},
	{atocore.ErrReadOnly, "read_only", exitFailed},
	{atocore.ErrClosed, "closed", exitFailed},
	{context.Canceled, "canceled", exitFailed},
	{context.DeadlineExceeded, "timeout", exitFailed},
}

func classify(err error) (code string, exit int) {
	if err == nil {
		return "", exitDone
	}
	for _, c := range classes {
		if errors.Is(err, c.err) {
			return c.code, c.exit
		}
	}
	return "failed", exitFailed
}

func exitCode(err error) int {
	_, exit := classify(err)
	return exit
}

// report prints err on standard error: a line for people, or with --json the
// one document {"error":{"code":…,"message":…,"exit":…}}.
func (s *session) report(err error) {
	code, exit := classify(err)
	if s.out.json {
		type body struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Exit    int    `json:"exit"`
		}
		if doc, docErr := document(map[string]body{"error": {code, err.Error(), exit}}); docErr == nil {
			_, _ = s.stderr.Write(doc) // there is nowhere left to complain
			return
		}
	}
	fmt.Fprintf(s.stderr, "atocore: %s\n", safe(err.Error()))
	if usage, ok := errors.AsType[*usageError](err); ok {
		command := usage.command
		if command == "" {
			command = "atocore"
		}
		fmt.Fprintf(s.stderr, "Run \"%s --help\" for how to use it.\n", command)
	}
}
