package cli

import (
	"io"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"github.com/atocore/atocore/adapters/wire"
)

var (
	Classify      = classify
	Safe          = safe
	ASCIIControls = wire.EscapeControls
	OneLine       = oneLine
)

// Usage is an error of the usage class.
func Usage() error { return &usageError{reason: "usage"} }

// ErrFaults is the outcome of a check that found something.
var ErrFaults = errFaults

// Model is the command line as kong sees it, on Linux.
func Model() (*kong.Application, error) {
	var p program
	k, err := newParser(&p, directories("linux", func(string) string { return "" }), io.Discard, io.Discard)
	if err != nil {
		return nil, err
	}
	return k.Model, nil
}

// Directories returns the data, configuration and cache directories.
func Directories(goos string, getenv func(string) string) (data, config, cache string) {
	l := directories(goos, getenv)
	return l.data, l.config, l.cache
}

// Block is what text comes out as on a terminal or elsewhere.
func Block(text string, terminal bool) string {
	o := &output{terminal: terminal}
	o.block(text)
	return o.buf.String()
}

// Linked is what version says when the linker has set these.
func Linked(set [3]string, info *debug.BuildInfo) (v, sha, at string) {
	was := [3]string{version, buildSHA, buildTime}
	defer func() { version, buildSHA, buildTime = was[0], was[1], was[2] }()
	version, buildSHA, buildTime = set[0], set[1], set[2]
	doc := versionOf(info)
	return doc.Version, doc.Revision, doc.BuildTime
}
