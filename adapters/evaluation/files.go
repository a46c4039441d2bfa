package evaluation

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/atocore/atocore"
)

// A FileError says what is wrong in a file, and where. It matches
// atocore.ErrInvalid.
type FileError struct {
	File   string
	Line   int    // from 1; 0 is the file as a whole
	Field  string // may be empty
	Reason string
}

func (e *FileError) Error() string {
	where := e.File
	if e.Line > 0 {
		where += fmt.Sprintf(":%d", e.Line)
	}
	if e.Field != "" {
		where += ": " + e.Field
	}
	return where + ": " + e.Reason
}

// Is reports whether target is atocore.ErrInvalid.
func (e *FileError) Is(target error) bool { return target == atocore.ErrInvalid }

// maxLine bounds a line: a document of the size that a store takes, with each
// byte of it escaped.
const maxLine = 6*atocore.MaxDocumentBytes + 1<<20

// readFile calls line with each line of a file that is not blank.
func readFile(name string, line func(number int, text string) error) error {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &atocore.NotFoundError{Kind: "file", ID: name}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return readLines(f, name, line)
}

// readLines is readFile for what is open already. What begins as gzip does is
// taken for it, whatever its name is.
func readLines(r io.Reader, name string, line func(number int, text string) error) error {
	in := bufio.NewReader(r)
	if magic, err := in.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return &FileError{File: name, Reason: err.Error()}
		}
		in = bufio.NewReader(unzipped)
	}
	if mark, err := in.Peek(3); err == nil && bytes.Equal(mark, []byte("\ufeff")) {
		_, _ = in.Discard(len(mark))
	}
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, maxLine)
	n := 0
	for scanner.Scan() {
		n++
		text := strings.TrimSuffix(scanner.Text(), "\r")
		if strings.TrimSpace(text) == "" {
			continue
		}
		// A decoder would put U+FFFD for it without a word.
		if !utf8.ValidString(text) {
			return &FileError{File: name, Line: n, Reason: "is not UTF-8"}
		}
		if err := line(n, text); err != nil {
			return err
		}
	}
	if err := scanner.Err(); err != nil {
		return &FileError{File: name, Line: n + 1, Reason: err.Error()}
	}
	return nil
}
