package atocore_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/atocore/atocore"
)

// cacheDir is the compiled engine of all tests of a run.
var cacheDir = filepath.Join(os.TempDir(), "atocore-test-wasm")

// openStore opens a store in a new directory. At the end of the test it is
// checked and closed.
func openStore(t testing.TB, o *atocore.Options) *atocore.Store {
	t.Helper()
	return openStoreIn(t, t.TempDir(), o)
}

func openStoreIn(t testing.TB, dir string, o *atocore.Options) *atocore.Store {
	t.Helper()
	s := openUnchecked(t, dir, o)
	if _, ok := t.(*testing.B); ok {
		return s // its stores are large, and checked by tests
	}
	t.Cleanup(func() { checkStore(t, s) })
	return s
}

// openUnchecked is openStoreIn for a test that damages the store.
func openUnchecked(t testing.TB, dir string, o *atocore.Options) *atocore.Store {
	t.Helper()
	var opts atocore.Options
	if o != nil {
		opts = *o
	}
	if opts.CompileCache == "" {
		opts.CompileCache = cacheDir
	}
	s, err := atocore.Open(t.Context(), dir, &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// checkStore holds a store to its own check, unless the test has closed it.
func checkStore(t testing.TB, s *atocore.Store) {
	t.Helper()
	report, err := s.Check(context.Background()) // the test's own is over in a cleanup
	if errors.Is(err, atocore.ErrClosed) {
		return
	}
	if err != nil {
		t.Errorf("check of the store: %v", err)
	}
	for _, f := range report.Findings {
		t.Errorf("check of the store: %+v", f)
	}
}

// A clock stands still until it is set; Options.Now is its now.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

// newClock shows noon of 1 March 2026.
func newClock() *clock {
	return &clock{t: time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

// advance moves the clock on and returns what it shows then.
func (c *clock) advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
	return c.t
}

func digest(t testing.TB, s *atocore.Store) string {
	t.Helper()
	d, err := s.Digest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// collect returns all of a listing.
func collect[T any](t testing.TB, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var all []T
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

func lastSeq(t testing.TB, s *atocore.Store) int64 {
	t.Helper()
	stats, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stats.Journal
}

// wantUnchanged calls fn, which is to fail with target, and holds the store,
// its journal included, to be what it was. It returns fn's error.
func wantUnchanged(t testing.TB, s *atocore.Store, target error, fn func() error) error {
	t.Helper()
	before := digest(t, s)
	err := fn()
	if !errors.Is(err, target) {
		t.Errorf("got error %v, want one that is %v", err, target)
	}
	if got := digest(t, s); got != before {
		t.Errorf("the call failed (%v), and changed the store", err)
	}
	return err
}

// wantOps holds the journal's entries after seq to be these, each as op, a
// blank and the ID.
func wantOps(t testing.TB, s *atocore.Store, after int64, want ...string) {
	t.Helper()
	var got []string
	for _, e := range collect(t, s.Journal(t.Context(), after)) {
		got = append(got, e.Op+" "+e.EntityID)
	}
	if len(got) == len(want) {
		same := true
		for i := range got {
			same = same && got[i] == want[i]
		}
		if same {
			return
		}
	}
	t.Errorf("journal entries: got %q, want %q", got, want)
}

// must returns v, or ends the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func remember(t testing.TB, s *atocore.Store, m atocore.Memory) atocore.Memory {
	t.Helper()
	return must(s.Remember(t.Context(), m))(t)
}

// statement is a memory of type Knowledge.
func statement(content string) atocore.Memory {
	return atocore.Memory{Type: atocore.Knowledge, Content: content}
}

func addProject(t testing.TB, s *atocore.Store, name string, aliases ...string) {
	t.Helper()
	must(s.AddProject(t.Context(), atocore.Project{Name: name, Aliases: aliases}))(t)
}

// first is what a listing yields first.
func first[T any](seq iter.Seq2[T, error]) (v T, err error) {
	for v, err := range seq {
		return v, err
	}
	return v, nil
}

// names lists what is in a directory.
func names(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	for _, e := range must(os.ReadDir(dir))(t) {
		out = append(out, e.Name())
	}
	return out
}
