package backup_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/sqlite"
)

func mount(t *testing.T, dir, options string, flags uintptr) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("cannot mount a file system, and CI has to: %v", err)
		}
		t.Skipf("cannot mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

// On a disk of any size too small a snapshot fails, and nothing of it is left.
func TestFullDisk(t *testing.T) {
	c, _ := newStore(t, 500)
	need := create(t, c, backup.CreateOptions{}).Bytes / 1024
	for _, noVectors := range []bool{false, true} {
		failed := 0
		for size := int64(4); ; size += max(need/8, 1) {
			c.Snapshots = t.TempDir()
			mount(t, c.Snapshots, fmt.Sprintf("size=%dk", size), 0)
			s, err := backup.Create(t.Context(), c, backup.CreateOptions{NoVectors: noVectors})
			if err == nil && s.Check != nil {
				wantCodes(t, validate(t, c, s.Stamp, backup.ValidateOptions{}))
				break
			}
			failed++
			if !errors.Is(err, sqlite.ErrFull) {
				t.Errorf("%d KiB: got %v", size, err)
			}
			if got := list(t, c); len(got) != 0 || hidden(t, c) != nil {
				t.Errorf("%d KiB: got %v, left %q", size, got, hidden(t, c))
			}
		}
		if failed < 5 {
			t.Errorf("failed %d times only: the test shows nothing", failed)
		}
	}
}

func TestReadOnlyTarget(t *testing.T) {
	c, _ := newStore(t, 10)
	parent := t.TempDir()
	mount(t, parent, "size=4m", 0)
	c.Snapshots = filepath.Join(parent, "snapshots")
	s := create(t, c, backup.CreateOptions{NoCheck: true})
	writeFile(t, filepath.Join(c.Snapshots, ".20200101T000000Z.tmp", "x"), "x")
	if err := syscall.Mount("", parent, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	before := tree(t, parent)
	if _, err := backup.Create(t.Context(), c, backup.CreateOptions{}); !errors.Is(err, sqlite.ErrReadOnly) {
		t.Errorf("create: %v", err)
	}
	// What only reads works, without lock and check record.
	wantCodes(t, validate(t, c, s.Stamp, backup.ValidateOptions{}))
	if got := list(t, c); len(got) != 1 || got[0].Check != nil {
		t.Errorf("got %+v", got)
	}
	if _, err := backup.Prune(t.Context(), c, backup.Policy{KeepLabels: []string{"x"}}, backup.PruneOptions{}); err != nil {
		t.Errorf("prune with nothing to remove: %v", err)
	}
	if got := tree(t, parent); len(got) != len(before) {
		t.Errorf("got %v, want %v", got, before)
	}
	c.Snapshots = filepath.Join(parent, "other")
	if _, err := backup.Create(t.Context(), c, backup.CreateOptions{}); !errors.Is(err, sqlite.ErrReadOnly) {
		t.Errorf("create in a directory that cannot be made: %v", err)
	}
}
