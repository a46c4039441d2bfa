package atocoretest

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/atocore/atocore/restore"
)

// faults restores with a fault at the i-th operation, for every i.
func (t *trip) faults(ctx context.Context) error {
	for _, dead := range []bool{false, true} {
		left := map[bool]int{}
		for i := 0; ; i++ {
			done, isNew, err := t.fault(ctx, i, dead)
			if err != nil {
				return fmt.Errorf("fault at file operation %d (and from there on: %v): %w", i, dead, err)
			}
			if done {
				break
			}
			left[isNew]++
		}
		// A restore that meets no fault before or after its point of no return was
		// not tested.
		if left[false] == 0 || left[true] == 0 {
			return fmt.Errorf("faults (and from there on: %v): %d left the old store and %d the new one: they did not occur where they matter",
				dead, left[false], left[true])
		}
	}
	return nil
}

// fault restores with a fault at operation i. done reports that there were not so
// many operations.
func (t *trip) fault(ctx context.Context, i int, dead bool) (done, isNew bool, err error) {
	dir, err := t.copy()
	if err != nil {
		return false, false, err
	}
	ops := &faulty{Ops: restore.System(), at: i, dead: dead}
	c := restore.Config{Ops: ops}
	c.Data, c.CompileCache = dir, t.o.Store.CompileCache
	// A pre-restore snapshot for each would take most of the time, and is not what
	// the store's state rests on here.
	_, failed := t.o.run(ctx, c, restore.Options{Stamp: t.stamp, ConfirmServiceStopped: true, NoPreSnapshot: true})
	if ctx.Err() != nil {
		return false, false, ctx.Err()
	}
	if isNew, err = t.which(ctx, dir); err != nil {
		if failed != nil {
			err = fmt.Errorf("%w\n(the restore itself said: %w)", err, failed)
		}
		return false, false, err
	}
	done = ops.n <= i
	switch {
	case failed == nil && !isNew:
		return false, false, errors.New("the restore succeeded, but the store is as it was before")
	case done && failed != nil:
		return false, false, failed
	}
	return done, isNew, os.RemoveAll(dir)
}

var errFault = errors.New("injected fault")

// faulty fails at one operation, or from it on. A write of many bytes counts
// several times, so that it can stop in the middle.
type faulty struct {
	restore.Ops
	at   int // counted from 0
	dead bool
	n    int
}

func (f *faulty) fault() error {
	i := f.n
	f.n++
	if i == f.at || f.dead && i > f.at {
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
	piece := max(len(p)/2, 4096)
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
