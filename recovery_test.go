package atocore_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/restore"
)

var errDied = errors.New("the process died")

// mortal are the file operations of a restore that dies when it is decided: no
// operation after the one that writes its journal is done.
type mortal struct {
	restore.Ops
	deciding func() // is called just before
	before   bool   // whether it dies before its journal is there
	dead     atomic.Bool
}

func (m *mortal) do(op func() error) error {
	if m.dead.Load() {
		return errDied
	}
	return op()
}

func (m *mortal) Mkdir(name string) error {
	return m.do(func() error { return m.Ops.Mkdir(name) })
}

func (m *mortal) OpenFile(name string, flag int) (f restore.File, err error) {
	err = m.do(func() error { f, err = m.Ops.OpenFile(name, flag); return err })
	return f, err
}

func (m *mortal) Link(from, name string) error {
	return m.do(func() error { return m.Ops.Link(from, name) })
}

func (m *mortal) Rename(from, to string) error {
	return m.do(func() error {
		if filepath.Base(to) == "journal.json" {
			m.deciding()
			if m.before {
				m.dead.Store(true)
				return errDied
			}
			defer m.dead.Store(true)
		}
		return m.Ops.Rename(from, to)
	})
}

func (m *mortal) Remove(name string) error {
	return m.do(func() error { return m.Ops.Remove(name) })
}

func (m *mortal) SyncDir(name string) error {
	return m.do(func() error { return m.Ops.SyncDir(name) })
}

// deadRestore begins a restore of the snapshot and dies when it is decided.
func deadRestore(t *testing.T, dir, stamp string, deciding func()) {
	t.Helper()
	dieIn(t, dir, stamp, &mortal{Ops: restore.System(), deciding: deciding})
}

func dieIn(t *testing.T, dir, stamp string, m *mortal) {
	t.Helper()
	_, err := restore.Run(t.Context(), restore.Config{Config: backup.Config{Data: dir, CompileCache: cacheDir}, Ops: m},
		restore.Options{Stamp: stamp, ConfirmServiceStopped: true, NoPreSnapshot: true})
	if err == nil || !m.dead.Load() {
		t.Fatalf("the restore did not die: %v", err)
	}
}

// restorable is a closed store that has changed since its snapshot.
func restorable(t *testing.T) (dir, stamp, then, now string) {
	t.Helper()
	dir = furnished(t)
	s := openStoreIn(t, dir, nil)
	stamp, then = must(s.Backup(nil).Create(t.Context(), nil))(t).Stamp, digest(t, s)
	remember(t, s, statement("Said after the snapshot"))
	now = digest(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, stamp, then, now
}

// Open finishes a restore that was interrupted, and so does everything else that
// looks at the data directory.
func TestOpenFinishesRestore(t *testing.T) {
	for name, use := range map[string]func(t *testing.T, dir string){
		"open":   func(t *testing.T, dir string) {},
		"create": func(t *testing.T, dir string) { must(backupOf(dir).Create(t.Context(), nil))(t) },
		"check": func(t *testing.T, dir string) {
			if d := must(backupOf(dir).Check(t.Context()))(t); !d.OK {
				t.Errorf("check: %+v", d)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, stamp, then, now := restorable(t)
			deadRestore(t, dir, stamp, func() {})
			if !restore.Pending(dir) || then == now {
				t.Fatal("nothing is left to finish")
			}
			use(t, dir)
			wantDigest(t, dir, then)
			if restore.Pending(dir) {
				t.Error("the restore is still pending")
			}
		})
	}
}

// What a restore had staged that died before it was decided is removed by the next
// Open, which finds the old store.
func TestOpenRemovesWhatWasStaged(t *testing.T) {
	dir, stamp, _, now := restorable(t)
	dieIn(t, dir, stamp, &mortal{Ops: restore.System(), deciding: func() {}, before: true})
	left := func() []string { return must(filepath.Glob(filepath.Join(dir, "atocore.restore")))(t) }
	if restore.Pending(dir) || len(left()) == 0 {
		t.Fatal("nothing is staged, or it is decided")
	}
	wantDigest(t, dir, now)
	if left := left(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A restore that is only staging keeps Open out, which touches nothing of it.
func TestOpenWhileRestoreStages(t *testing.T) {
	dir, stamp, then, _ := restorable(t)
	m := &mortal{Ops: restore.System(), deciding: func() {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		s, err := atocore.Open(ctx, dir, options())
		if !errors.Is(err, atocore.ErrInUse) {
			t.Errorf("got %v, want ErrInUse", err)
		}
		if s != nil {
			s.Close()
		}
	}}
	dieIn(t, dir, stamp, m)
	wantDigest(t, dir, then)
}

// A restore that begins and dies while Open waits for its lock is finished as
// well: the look before the lock does not count.
func TestOpenLooksUnderTheLock(t *testing.T) {
	dir, stamp, then, _ := restorable(t)
	opened := make(chan *atocore.Store, 1)
	deadRestore(t, dir, stamp, func() {
		go func() {
			s, err := atocore.Open(t.Context(), dir, options())
			if err != nil {
				t.Error(err)
			}
			opened <- s
		}()
		waitFor(t, "atocore.Open(", "lockfile.(*File).poll")
	})
	s := <-opened
	if s == nil {
		return
	}
	defer s.Close()
	if got := digest(t, s); got != then {
		t.Errorf("digest %s, want %s", got, then)
	}
	if restore.Pending(dir) {
		t.Error("the restore is still pending")
	}
	if left, err := filepath.Glob(filepath.Join(dir, "atocore.restore*")); len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}

// waitFor waits until some goroutine is in all of the functions.
func waitFor(t *testing.T, functions ...string) {
	t.Helper()
	buf := make([]byte, 1<<20)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); runtime.Gosched() {
	next:
		for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			for _, f := range functions {
				if !strings.Contains(stack, f) {
					continue next
				}
			}
			return
		}
	}
	t.Fatalf("no goroutine came to be in %v", functions)
}
