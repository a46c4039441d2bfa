// Package atocoretest is for the tests of programs that embed atocore.
//
// [NewStore] gives a test a store. [TestRoundTrip] is a restore drill within go
// test: it fills a store, takes a snapshot, changes the store, restores the
// snapshot and compares every record, on request also with faults, with killed
// processes and on bind mounts. [TestEmbedder] holds an embedder of the program's
// own to the rules of the interface.
//
// The checks themselves are [RoundTrip] and [CheckEmbedder], which return an error
// that lists what is wrong and need no testing.
//
// # Child processes
//
// A test binary that imports this package starts itself anew where
// Options.Kills or Options.Mounts ask for a process of its own. Such a process is
// recognised when the package is initialised, does what it was started for and
// ends; tests, TestMain included, do not run in it. There is nothing to set up.
package atocoretest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/atocore/atocore"
)

// NewStore opens a store in a directory of its own for one test. At the end of the
// test it is checked, closed and removed; a finding of the check fails the test.
// The test may close it before. The compiled engine is shared by all tests unless
// o names another Options.CompileCache. A nil o is all defaults.
func NewStore(tb testing.TB, o *atocore.Options) *atocore.Store {
	tb.Helper()
	s, err := atocore.Open(tb.Context(), tb.TempDir(), withCache(o))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		tb.Helper()
		// The test's own context is over in a cleanup.
		report, err := s.Check(context.Background())
		if err != nil && !errors.Is(err, atocore.ErrClosed) {
			tb.Error(err)
		}
		for _, f := range report.Findings {
			tb.Errorf("check of the store: %+v", f)
		}
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// withCache is a copy of o with a compile cache.
func withCache(o *atocore.Options) *atocore.Options {
	var opts atocore.Options
	if o != nil {
		opts = *o
	}
	if opts.CompileCache == "" {
		opts.CompileCache = filepath.Join(os.TempDir(), "atocore-test-wasm")
	}
	return &opts
}
