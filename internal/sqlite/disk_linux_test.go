package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/atocore/atocore/internal/sqlite"
)

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// mountReadOnly makes what is in dir read-only, for the superuser too.
func mountReadOnly(t *testing.T, dir string) {
	t.Helper()
	mountOver(t, dir, dir, "", "", unix.MS_BIND)
	if err := unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
}

func mount(t *testing.T, dir, options string, flags uintptr) {
	t.Helper()
	mountOver(t, "tmpfs", dir, "tmpfs", options, flags)
}

func mountOver(t *testing.T, source, dir, kind, options string, flags uintptr) {
	t.Helper()
	if err := unix.Mount(source, dir, kind, flags, options); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("cannot mount a file system, and CI has to: %v", err)
		}
		t.Skipf("cannot mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

// fill takes all space of the file system of dir, up to so many bytes.
func fill(t *testing.T, dir string, leave int64) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 4096)
	for {
		if _, err := f.Write(chunk); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			break
		}
	}
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(max(fi.Size()-leave, 0)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// On a full disk a write fails whole and says why; when there is space again all
// goes on. Readers and what was there are not affected.
func TestFullDisk(t *testing.T) {
	for _, leave := range []int64{0, 4096, 16 << 10, 64 << 10} {
		t.Run(fmt.Sprint(leave), func(t *testing.T) {
			ctx := context.Background()
			dir := t.TempDir()
			mount(t, dir, "size=4m", 0)
			c := config(dir)
			c.WALLimit = 1
			db, err := sqlite.Open(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := insert(db, ctx, "before"); err != nil {
				t.Fatal(err)
			}
			for round := range 3 {
				free := fill(t, dir, leave)
				rows := count(t, db)
				err := db.Write(ctx, func(tx *sqlite.Tx) error {
					for i := range 100 {
						if _, err := tx.Exec("INSERT INTO item (name, data) VALUES (?, randomblob(8000))", fmt.Sprint(round, " ", i)); err != nil {
							return err
						}
					}
					return nil
				})
				if !errors.Is(err, sqlite.ErrFull) {
					t.Errorf("round %d: %v", round, err)
				}
				if n := count(t, db); n != rows {
					t.Errorf("round %d: %d rows, %d before", round, n, rows)
				}
				free()
				if err := insert(db, ctx, fmt.Sprint("after ", round)); err != nil {
					t.Errorf("round %d: with space again: %v", round, err)
				}
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			check(t, c)
		})
	}
}

// A disk too full to open anything on.
func TestFullDiskAtOpen(t *testing.T) {
	ctx := context.Background()
	for _, leave := range []int64{0, 4096, 8192, 16384, 40960} {
		t.Run(fmt.Sprint(leave), func(t *testing.T) {
			dir := t.TempDir()
			mount(t, dir, "size=1m", 0)
			c := config(dir)
			free := fill(t, dir, leave)
			_, err := sqlite.Open(ctx, c)
			if !errors.Is(err, sqlite.ErrFull) {
				t.Errorf("creating: %v", err)
			}
			free()
			db, err := sqlite.Open(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			if err := insert(db, ctx, "x"); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			defer fill(t, dir, 0)()
			// The shared memory alone takes 32 KiB.
			if _, err := sqlite.Open(ctx, c); !errors.Is(err, sqlite.ErrFull) {
				t.Errorf("opening: %v", err)
			}
		})
	}
}

// Without room for another file there is not even a lock file.
func TestNoRoomForTheLockFile(t *testing.T) {
	dir := t.TempDir()
	mount(t, dir, "size=64k,nr_inodes=1", 0)
	_, err := sqlite.Open(context.Background(), config(dir))
	if !errors.Is(err, sqlite.ErrFull) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "free some space") {
		t.Errorf("got %v", err)
	}
}

func TestReadOnlyDirectory(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	mount(t, dir, "size=4m", 0)
	c := config(dir)
	db, err := sqlite.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.Open(ctx, c)
	if !errors.Is(err, sqlite.ErrReadOnly) || !strings.Contains(err.Error(), c.Path) || !strings.Contains(err.Error(), "writable") {
		t.Errorf("database: %v", err)
	}
	c.Path = filepath.Join(t.TempDir(), "elsewhere.db")
	c.LockPath = filepath.Join(dir, "new.lock")
	_, err = sqlite.Open(ctx, c)
	if !errors.Is(err, sqlite.ErrReadOnly) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "writable") {
		t.Errorf("lock file: %v", err)
	}
}
