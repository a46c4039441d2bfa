package sqlite_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/atocore/atocore/internal/sqlite"
)

// Whatever root does with the database of another user, that one can go on.
func TestRootLeavesTheDatabaseToItsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	ctx := context.Background()
	c := config(t.TempDir())
	db, err := sqlite.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := insert(db, ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	const user = 1000
	if err := os.Chown(c.Path, user, user); err != nil {
		t.Fatal(err)
	}
	for name, use := range map[string]func() (*sqlite.DB, error){
		"open": func() (*sqlite.DB, error) { return sqlite.Open(ctx, c) },
		"copy": func() (*sqlite.DB, error) {
			db, err := sqlite.OpenAsIs(ctx, c)
			if err == nil {
				_, err = db.Copy(ctx, filepath.Join(t.TempDir(), "copy"), sqlite.CopyOptions{})
			}
			return db, err
		},
	} {
		for _, file := range []string{c.Path + "-wal", c.Path + "-shm", c.LockPath} {
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
		db, err := use()
		if err != nil {
			t.Fatal(name, err)
		}
		seen := 0
		for _, file := range []string{c.Path, c.Path + "-wal", c.Path + "-shm", c.LockPath} {
			info, err := os.Stat(file)
			if err != nil {
				continue
			}
			seen++
			if st := info.Sys().(*syscall.Stat_t); st.Uid != user {
				t.Errorf("%s: %s is user %d's", name, filepath.Base(file), st.Uid)
			}
		}
		if seen != 4 {
			t.Errorf("%s: %d files of 4", name, seen)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
