//go:build linux || darwin

package restore_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/restore"
)

func init() { plainProgram = lockLikeSQLite }

// lockLikeSQLite takes one lock that a reader has: it is all that is seen of a
// program that opens the database with SQLite alone.
func lockLikeSQLite(data, which string) error {
	name, at := filepath.Join(data, "atocore.db"), int64(0x40000000+2)
	if which == "shm" {
		name, at = name+"-shm", 123
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	l := syscall.Flock_t{Type: syscall.F_RDLCK, Whence: io.SeekStart, Start: at, Len: 1}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &l); err != nil {
		return err
	}
	fmt.Println("ready")
	time.Sleep(time.Hour) // until it is killed
	return nil
}

// A program that has the database open and knows nothing of the lock file keeps a
// restore from writing over what it reads, and is named.
func TestPlainSQLiteHasItOpen(t *testing.T) {
	for _, which := range []string{"db", "shm"} {
		t.Run(which, func(t *testing.T) {
			r := newRig(t)
			cmd := start(t, "plain "+which, r.data)
			_, err := restore.Run(t.Context(), r.c, restore.Options{Stamp: r.stamp, ConfirmServiceStopped: true})
			if !errors.Is(err, sqlite.ErrInUse) {
				t.Errorf("got %v, want ErrInUse", err)
			} else if want := fmt.Sprintf("pid %d", cmd.Process.Pid); !strings.Contains(err.Error(), want) {
				t.Errorf("%v: does not name %s", err, want)
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			r.wants(r.now)
			r.run(nil)
			r.wants(r.was)
		})
	}
}

// A journal that is no file is a damaged one, and not waited for.
func TestJournalIsNoFile(t *testing.T) {
	r := newRig(t)
	work := filepath.Join(r.data, "atocore.restore")
	if err := errors.Join(os.Mkdir(work, 0o700), syscall.Mkfifo(filepath.Join(work, "journal.json"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := restore.Recover(t.Context(), r.c); err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("got %v", err)
	}
	r.run(nil)
	r.wants(r.was)
}
