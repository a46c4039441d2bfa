package backup_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/atocore/atocore/backup"
)

// What root takes of another user's store is that user's.
func TestRootLeavesSnapshotsToTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	c, _ := newStore(t, 2)
	c.Snapshots = "" // in the data directory
	const user = 1000
	err := filepath.WalkDir(c.Data, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(name, user, user)
	})
	if err != nil {
		t.Fatal(err)
	}
	create(t, c, backup.CreateOptions{})
	files := 0
	err = filepath.WalkDir(filepath.Join(c.Data, "backups"), func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		files++
		if st := info.Sys().(*syscall.Stat_t); st.Uid != user {
			t.Errorf("%s is user %d's", name, st.Uid)
		}
		return nil
	})
	if err != nil || files < 8 {
		t.Errorf("%d files seen, %v", files, err)
	}
}
