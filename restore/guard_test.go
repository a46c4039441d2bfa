package restore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/restore"
)

// While a snapshot is restored, nobody can prune it away.
func TestNoPruneDuringARestore(t *testing.T) {
	r := newRig(t)
	r.create("newer")
	var pruned error
	once := sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, pruned = backup.Prune(ctx, r.c.Config, backup.Policy{KeepLast: 1}, backup.PruneOptions{})
	})
	r.run(func(o *restore.Options) {
		o.NoPreSnapshot = true
		o.Progress = func(p backup.Progress) {
			if p.Step == "swap" {
				once()
			}
		}
	})
	if !errors.Is(pruned, sqlite.ErrBusy) {
		t.Errorf("prune during a restore: got %v, want ErrBusy", pruned)
	}
	if _, err := backup.Find(t.Context(), r.c.Config, r.stamp); err != nil {
		t.Errorf("the snapshot that was restored: %v", err)
	}
	r.wants(r.was)
}

// What is to be replaced is proven to be saved before it is replaced: here the
// disk changes a byte of the pre-restore snapshot while it is written.
func TestPreRestoreSnapshotIsProven(t *testing.T) {
	r := newRig(t)
	spoilt := false
	_, err := restore.Run(t.Context(), r.c, restore.Options{
		Stamp: r.stamp, ConfirmServiceStopped: true,
		Progress: func(p backup.Progress) {
			if p.Step != "copy" || p.Done != p.Total || spoilt {
				return
			}
			names, err := filepath.Glob(filepath.Join(r.c.Dir(), ".*.tmp", backup.DatabaseName))
			if err != nil || len(names) != 1 {
				t.Errorf("unfinished snapshots: %v, %v", names, err)
				return
			}
			f, err := os.OpenFile(names[0], os.O_RDWR, 0)
			if err != nil {
				t.Error(err)
				return
			}
			var b [1]byte
			_, err = f.ReadAt(b[:], 2000)
			b[0] ^= 1
			if err == nil {
				_, err = f.WriteAt(b[:], 2000)
			}
			if err = errors.Join(err, f.Close()); err != nil {
				t.Error(err)
			}
			spoilt = true
		},
	})
	if !spoilt || !errors.Is(err, backup.ErrUnsound) {
		t.Errorf("spoilt %v, got %v, want ErrUnsound", spoilt, err)
	}
	r.wants(r.now)
}
