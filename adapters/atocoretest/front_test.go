package atocoretest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/atocoretest"
)

// A recorder is a test that may fail.
type recorder struct {
	testing.TB
	said     []string
	skipped  bool
	cleanups []func()
}

func (r *recorder) Helper()           {}
func (r *recorder) Cleanup(fn func()) { r.cleanups = append(r.cleanups, fn) }
func (r *recorder) Error(args ...any) { r.said = append(r.said, fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatal(args ...any) {
	r.Error(args...)
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = true
	runtime.Goexit()
}

// record runs a test and its cleanups to their end, and returns what it said.
func record(t *testing.T, test func(tb testing.TB)) *recorder {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		test(r)
	}()
	<-done
	for _, fn := range r.cleanups {
		fn()
	}
	return r
}

// TestFronts proves that a test fails where the check does.
func TestFronts(t *testing.T) {
	tests := []struct {
		name string
		run  func(tb testing.TB)
		want string // empty: nothing is said
	}{
		{"a sound round trip", func(tb testing.TB) {
			atocoretest.TestRoundTrip(tb, &atocoretest.Options{Seed: little})
		}, ""},
		{"a round trip that fails", func(tb testing.TB) {
			o := &atocoretest.Options{Seed: little, Dir: tb.TempDir()}
			o.Tamper(func(string) error { return errors.New("no luck today") })
			atocoretest.TestRoundTrip(tb, o)
		}, "no luck today"},
		{"a sound embedder", func(tb testing.TB) { atocoretest.TestEmbedder(tb, atocore.DefaultEmbedder()) }, ""},
		{"a broken embedder", func(tb testing.TB) {
			atocoretest.TestEmbedder(tb, bent{embed: refuse(func([]string) bool { return true })})
		}, "refused"},
		{"a sound store", func(tb testing.TB) {
			if err := little(tb.Context(), atocoretest.NewStore(tb, nil)); err != nil {
				tb.Error(err)
			}
		}, ""},
		{"a store that the test closes", func(tb testing.TB) {
			if err := atocoretest.NewStore(tb, nil).Close(); err != nil {
				tb.Error(err)
			}
		}, ""},
		{"a store that has lost an original", func(tb testing.TB) {
			s := atocoretest.NewStore(tb, nil)
			err := little(tb.Context(), s)
			name, missing := original(s.Dir())
			if err := errors.Join(err, missing, os.Remove(name)); err != nil {
				tb.Error(err)
			}
		}, "original_missing"},
		{"a store that does not open", func(tb testing.TB) {
			atocoretest.NewStore(tb, &atocore.Options{NoCreate: true})
		}, "not found"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := record(t, test.run)
			if test.want == "" && len(r.said) > 0 || !strings.Contains(strings.Join(r.said, "\n"), test.want) {
				t.Errorf("got %q, want %q", r.said, test.want)
			}
		})
	}
}

// TestNoMounts wants mounts that are not to be had to be skipped, and to fail in
// CI; and nothing else to be skipped, whatever the system does not support.
func TestNoMounts(t *testing.T) {
	tests := []struct {
		err  error
		ci   string
		skip bool
	}{
		{atocoretest.ErrNoMounts, "", true},
		{atocoretest.ErrNoMounts, "true", false},
		{errors.ErrUnsupported, "", false},
		{syscall.ENOSYS, "", false},
	}
	for _, test := range tests {
		t.Setenv("CI", test.ci)
		o := &atocoretest.Options{Seed: little, Dir: t.TempDir()}
		o.Tamper(func(string) error { return fmt.Errorf("restore: %w", test.err) })
		r := record(t, func(tb testing.TB) { atocoretest.TestRoundTrip(tb, o) })
		if r.skipped != test.skip || (len(r.said) > 0) == test.skip {
			t.Errorf("%v, CI %q: skipped is %v, and it said %q", test.err, test.ci, r.skipped, r.said)
		}
	}
}

// TestNewStore wants the caller's options to be those of the store, and left as
// they are.
func TestNewStore(t *testing.T) {
	o := &atocore.Options{Actor: "somebody"}
	s := atocoretest.NewStore(t, o)
	m, err := s.Remember(context.Background(), atocore.Memory{Type: atocore.Knowledge, Content: "x"})
	if err != nil || m.Provenance.Actor != "somebody" || o.CompileCache != "" {
		t.Errorf("got %+v, %v, options %+v", m, err, o)
	}
}
