package restore_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/atocore/atocore/restore"
)

var errFault = errors.New("injected fault")

var thorough = flag.Bool("restore.thorough", false, "interrupt recoveries after every operation of the restore, not after every fourth")

// stride is how many operations lie between two restores whose recovery is tested.
func stride() int {
	if *thorough {
		return 1
	}
	return 4
}

// faulty fails at one operation, or from it on. Every call of Ops and of its files
// counts, and a write of many bytes counts several times, so that it can stop in the
// middle.
type faulty struct {
	restore.Ops
	at   int  // which operation fails, counted from 0; negative is none
	dead bool // and so do all after it, as if the process had ended
	n    int
}

func (f *faulty) fault() error {
	i := f.n
	f.n++
	if f.at >= 0 && (i == f.at || f.dead && i > f.at) {
		return errFault
	}
	return nil
}

func (f *faulty) Mkdir(name string) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.Ops.Mkdir(name)
}

func (f *faulty) OpenFile(name string, flag int) (restore.File, error) {
	if err := f.fault(); err != nil {
		return nil, err
	}
	file, err := f.Ops.OpenFile(name, flag)
	if err != nil {
		return nil, err
	}
	return faultyFile{file, f}, nil
}

func (f *faulty) Link(from, name string) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.Ops.Link(from, name)
}

func (f *faulty) Rename(from, to string) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.Ops.Rename(from, to)
}

func (f *faulty) Remove(name string) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.Ops.Remove(name)
}

func (f *faulty) SyncDir(name string) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.Ops.SyncDir(name)
}

type faultyFile struct {
	restore.File
	f *faulty
}

func (f faultyFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.f.fault(); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f faultyFile) WriteAt(p []byte, off int64) (n int, err error) {
	piece := max(len(p)/4, 512)
	for n < len(p) {
		if err := f.f.fault(); err != nil {
			return n, err
		}
		m, err := f.File.WriteAt(p[n:min(n+piece, len(p))], off+int64(n))
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (f faultyFile) Truncate(size int64) error {
	if err := f.f.fault(); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f faultyFile) Sync() error {
	if err := f.f.fault(); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f faultyFile) Reserve(size int64) error {
	if err := f.f.fault(); err != nil {
		return err
	}
	return f.File.Reserve(size)
}

// noLink has no second names, so that everything is copied.
type noLink struct{ restore.Ops }

func (noLink) Link(string, string) error { return errors.ErrUnsupported }

// shapes are the two ways of staging.
func shapes(t *testing.T, run func(t *testing.T, base restore.Ops)) {
	t.Run("link", func(t *testing.T) { run(t, restore.System()) })
	t.Run("copy", func(t *testing.T) { run(t, noLink{restore.System()}) })
}

// Every operation fails once, and then the process goes on (it may clean up) or dies
// on the spot. Whatever it was, the next open finds the old store or the new one.
func TestFaultAtEveryOperation(t *testing.T) {
	shapes(t, func(t *testing.T, base restore.Ops) {
		s := newScene(t)
		for _, dead := range []bool{false, true} {
			count := map[string]int{}
			for i := 0; ; i++ {
				dir := s.copy()
				c := config(dir)
				c.Ops = &faulty{Ops: base, at: i, dead: dead}
				err := restore.Swap(t.Context(), c, s.snapshot, s.manifest)
				which := s.which(dir)
				if err == nil && which != "new" {
					t.Fatalf("operation %d: succeeded, but the store is the %s one", i, which)
				}
				if err == nil && c.Ops.(*faulty).n <= i {
					break
				}
				count[which]++
				_ = os.RemoveAll(dir)
			}
			t.Logf("dead %v: %v", dead, count)
			if count["old"] < 10 || count["new"] < 10 {
				t.Errorf("dead %v: faults left %d old and %d new stores: they did not occur where they matter", dead, count["old"], count["new"])
			}
		}
	})
}

// The recovery of an interrupted restore is itself interrupted, at every operation.
func TestFaultInRecovery(t *testing.T) {
	s := newScene(t)
	count := 0
	for i := 0; ; i += stride() {
		dir := s.copy()
		c := config(dir)
		c.Ops = &faulty{Ops: restore.System(), at: i, dead: true}
		if err := restore.Swap(t.Context(), c, s.snapshot, s.manifest); err == nil {
			break
		}
		for k := 0; ; k += 1 + k/3 { // not all pairs: each alone is dealt with above
			again := dir + fmt.Sprint("-", k)
			copyTree(t, dir, again)
			c := config(again)
			c.Ops = &faulty{Ops: restore.System(), at: k, dead: true}
			err := restore.Recover(t.Context(), c)
			s.which(again)
			_ = os.RemoveAll(again)
			if err == nil && c.Ops.(*faulty).n <= k {
				break
			}
			count++
		}
	}
	if count < 100 {
		t.Errorf("%d recoveries were interrupted", count)
	}
	t.Logf("%d recoveries were interrupted", count)
}
