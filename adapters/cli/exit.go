package cli

import (
	"errors"
	"fmt"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/wire"
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

// exits are the exit codes by the code of the error, where they are not exitFailed.
var exits = map[string]int{
	"usage":     exitUsage,
	"faults":    exitFaults,
	"unsound":   exitFaults,
	"invalid":   exitUsage,
	"not_found": exitNotFound,
	"busy":      exitInUse,
	"in_use":    exitInUse,
}

// classify gives the code of an error, which is also printed as JSON, and the exit
// code.
func classify(err error) (code string, exit int) {
	switch {
	case err == nil:
		return "", exitDone
	case errors.Is(err, errUsage):
		code = "usage"
	case errors.Is(err, errFaults):
		code = "faults"
	default:
		code = atocore.ErrorCode(err)
	}
	if exit, ok := exits[code]; ok {
		return code, exit
	}
	return code, exitFailed
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
		if doc, docErr := wire.Encode(map[string]body{"error": {code, err.Error(), exit}}); docErr == nil {
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
