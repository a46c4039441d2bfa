package atocoretest_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/atocoretest"
	"github.com/atocore/atocore/restore"
)

type restoreFunc = func(context.Context, restore.Config, restore.Options) (restore.Report, error)

// overwrite restores as people do by hand: it writes the snapshot's database over
// the store's and removes the log.
func overwrite(_ context.Context, c restore.Config, o restore.Options) (restore.Report, error) {
	content, err := os.ReadFile(filepath.Join(c.Data, "backups", "snapshots", o.Stamp, "atocore.db"))
	if err != nil {
		return restore.Report{}, err
	}
	f, err := c.Ops.OpenFile(filepath.Join(c.Data, "atocore.db"), os.O_WRONLY|os.O_TRUNC)
	if err != nil {
		return restore.Report{}, err
	}
	_, err = f.WriteAt(content, 0)
	err = errors.Join(err, f.Sync(), f.Close())
	for _, name := range []string{"atocore.db-wal", "atocore.db-shm"} {
		if err == nil {
			err = c.Ops.Remove(filepath.Join(c.Data, name))
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	return restore.Report{}, err
}

// TestBadFaults proves that a restore which is no good only when it is interrupted
// is found out by faults.
func TestBadFaults(t *testing.T) {
	tests := []struct {
		name string
		run  restoreFunc
		want string
	}{
		{"writes over the database", overwrite, "fault at file operation"},
		{"says it is done, and is not", func(_ context.Context, c restore.Config, _ restore.Options) (restore.Report, error) {
			_ = c.Ops.SyncDir(c.Data)
			return restore.Report{}, nil
		}, "the restore succeeded, but the store is as it was before"},
		{"is done by other means", func(ctx context.Context, c restore.Config, o restore.Options) (restore.Report, error) {
			c.Ops = nil
			return restore.Run(ctx, c, o)
		}, "did not occur where they matter"},
		{"always fails", func(_ context.Context, c restore.Config, _ restore.Options) (restore.Report, error) {
			return restore.Report{}, errors.New("no luck today")
		}, "no luck today"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			// Without originals, so that overwrite is right as long as it succeeds.
			seed := func(ctx context.Context, s *atocore.Store) error {
				_, err := s.Remember(ctx, atocore.Memory{Type: atocore.Knowledge, Content: "The key is under the mat."})
				return err
			}
			mutate := func(ctx context.Context, s *atocore.Store) error {
				_, err := s.Remember(ctx, atocore.Memory{Type: atocore.Knowledge, Content: "The key is in the shed."})
				return err
			}
			o := &atocoretest.Options{Seed: seed, Mutate: mutate, Probes: keyProbe, Faults: true, Dir: t.TempDir()}
			o.Restore(test.run)
			wantFailure(t, atocoretest.RoundTrip(t.Context(), o), o.Dir, test.want)
		})
	}
}
