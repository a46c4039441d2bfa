package atocoretest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/restore"
)

// Options configures RoundTrip. A nil *Options consists entirely of default
// values: one restore of generated content.
type Options struct {
	// Store is how the program opens its stores. Nil is all defaults. Where Now
	// is not set, the clock stands still while answers are compared.
	Store *atocore.Options

	// Seed fills an empty store. Nil is Fill.
	Seed func(ctx context.Context, s *atocore.Store) error

	// Mutate changes the store after the snapshot. Nil changes, removes and adds
	// some records of every kind.
	Mutate func(ctx context.Context, s *atocore.Store) error

	// Probes are queries that have to have hits, and the same ones in the same
	// order, with the same scores, in the restored store. Nil is questions drawn
	// from the content.
	Probes []atocore.Query

	// Faults restores again and again, and lets the first file operation fail,
	// then the second, and so on until the restore succeeds; in a second pass all
	// operations from that one on, as if the process had died there. Each time the
	// store has to be the old one or the new one, whole. It takes some hundred
	// restores: seed few records.
	Faults bool

	// Kills is how many processes to kill with SIGKILL at a random moment of a
	// restore. Each time the store has to be the old one or the new one.
	Kills int

	// Mounts restores where the data directory, files/, the snapshots' directory
	// and atocore.db are bind mounts, each alone and all of them together: each has
	// to have the same inode afterwards. It needs Linux, and root or user
	// namespaces; elsewhere the error matches ErrNoMounts.
	Mounts bool

	// Dir is where the directories of the drill are made; empty is the system's
	// place for temporary files.
	Dir string

	// What tests break. tamper is called with the data directory after each
	// restore, alter with each export, run is restore.Run of Faults.
	tamper func(dir string) error
	alter  func(export []byte) []byte
	run    func(context.Context, restore.Config, restore.Options) (restore.Report, error)
}

// TestRoundTrip fails the test with the error of RoundTrip. Where nothing but
// Options.Mounts cannot be done here it skips the test, or fails it where the
// environment has CI set: what CI does not run, nobody does.
func TestRoundTrip(tb testing.TB, o *Options) {
	tb.Helper()
	err := RoundTrip(tb.Context(), o)
	switch {
	case errors.Is(err, ErrNoMounts) && os.Getenv("CI") == "":
		tb.Skipf("all but a part of the round trip has passed: %v", err)
	case err != nil:
		tb.Fatal(err)
	}
}

// RoundTrip proves that what a program writes comes back. It opens a new store,
// calls Seed, takes a snapshot, calls Mutate, and restores the snapshot into what a
// killed process would have left; then everything that the store holds has to be
// as it was: each record, the journal, kept originals, the hits of Probes, the
// digest; and the store's own check finds nothing. What was restored is exported, its
// records into one new store and its journal into another, and both have to hold the
// same. Then it undoes the restore, and everything has to be as Mutate left it.
//
// It is an error, too, if Seed leaves the store empty, Mutate leaves it as it was,
// or a probe has no hits: then nothing would have been proven.
//
// The error shows what differs, record by record, content included. The directory
// with the stores is named by it and stays; without an error it is removed.
func RoundTrip(ctx context.Context, o *Options) (err error) {
	t := &trip{}
	if o != nil {
		t.o = *o
	}
	if t.o.Seed == nil {
		t.o.Seed = Fill
	}
	if t.o.Mutate == nil {
		t.o.Mutate = scramble
	}
	if t.o.run == nil {
		t.o.run = restore.Run
	}
	t.o.Store = withCache(t.o.Store)
	if t.dir, err = os.MkdirTemp(t.o.Dir, "atocoretest-"); err != nil {
		return err
	}
	err = t.run(ctx)
	if err != nil && !errors.Is(err, ErrNoMounts) {
		return fmt.Errorf("round trip: %w\n(the stores are kept in %s)", err, t.dir)
	}
	return errors.Join(err, os.RemoveAll(t.dir))
}

// A trip is one run of RoundTrip.
type trip struct {
	o     Options
	dir   string
	now   time.Time // of the clock that stands still
	stamp string    // of the snapshot
	left  string    // the data directory as Mutate left it; it is copied for each restore
	old   contents  // what that holds
	new   contents  // what the snapshot holds
	n     int       // copies made
}

func (t *trip) run(ctx context.Context) error {
	if err := t.prepare(ctx); err != nil {
		return err
	}
	if err := t.plain(ctx); err != nil {
		return err
	}
	if t.o.Faults {
		if err := t.faults(ctx); err != nil {
			return err
		}
	}
	if t.o.Kills > 0 {
		if err := t.kills(ctx); err != nil {
			return err
		}
	}
	if t.o.Mounts {
		return t.mounts(ctx)
	}
	return nil
}

// prepare seeds a store, takes the snapshot, changes the store, and copies it
// while it is open: what a killed process leaves, with a log.
func (t *trip) prepare(ctx context.Context) error {
	live := filepath.Join(t.dir, "live")
	if err := t.with(ctx, live, t.o.Store, func(s *atocore.Store) error { return t.o.Seed(ctx, s) }); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	t.now = time.Now()
	if err := t.with(ctx, live, t.still(), func(s *atocore.Store) error { return t.snapshot(ctx, s) }); err != nil {
		return err
	}
	err := t.with(ctx, live, t.o.Store, func(s *atocore.Store) error {
		if err := t.o.Mutate(ctx, s); err != nil {
			return err
		}
		t.left = filepath.Join(t.dir, "left")
		return os.CopyFS(t.left, os.DirFS(live))
	})
	if err != nil {
		return fmt.Errorf("mutate: %w", err)
	}
	if t.old, err = t.look(ctx, live); err == nil {
		err = t.old.sound()
	}
	if err != nil {
		return fmt.Errorf("mutate: %w", err)
	}
	if t.old.equal(&t.new) {
		return errors.New("mutate: has changed nothing, so that a restore would prove nothing")
	}
	return nil
}

// snapshot notes what the store holds, and takes the snapshot.
func (t *trip) snapshot(ctx context.Context, s *atocore.Store) (err error) {
	if t.new, err = read(ctx, s, t.o.Probes); err == nil {
		err = t.new.sound()
	}
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	if t.new.empty() {
		return errors.New("seed: has left the store empty, so that a restore would prove nothing")
	}
	if t.o.Probes == nil {
		t.o.Probes = t.new.questions()
		if t.new, err = read(ctx, s, t.o.Probes); err != nil {
			return fmt.Errorf("seed: %w", err)
		}
	} else {
		for name, hits := range t.new.Hits {
			if len(hits) == 0 {
				return fmt.Errorf("probe %s: finds nothing, and so proves nothing", name)
			}
		}
	}
	snap, err := s.Backup(nil).Create(ctx, nil)
	t.stamp = snap.Stamp
	return err
}

// still are the options with a clock that stands still: scores depend on the time.
func (t *trip) still() *atocore.Options {
	opts := *t.o.Store
	if opts.Now == nil {
		opts.Now = func() time.Time { return t.now }
	}
	return &opts
}

func (t *trip) with(ctx context.Context, dir string, o *atocore.Options, fn func(*atocore.Store) error) error {
	s, err := atocore.Open(ctx, dir, o)
	if err != nil {
		return err
	}
	return errors.Join(fn(s), s.Close())
}

// look opens a store as the next process would, and reads it.
func (t *trip) look(ctx context.Context, dir string) (c contents, err error) {
	opts := t.still()
	opts.NoCreate = true
	err = t.with(ctx, dir, opts, func(s *atocore.Store) (err error) {
		c, err = read(ctx, s, t.o.Probes)
		return err
	})
	return c, err
}

// copy is a new data directory as Mutate left it.
func (t *trip) copy() (string, error) {
	t.n++
	dir := filepath.Join(t.dir, fmt.Sprint("data-", t.n))
	return dir, os.CopyFS(dir, os.DirFS(t.left))
}

func (t *trip) backup(dir string) *atocore.Backup {
	return atocore.NewBackup(dir, &atocore.BackupOptions{Options: t.still()})
}

// tampered calls what tests have planted.
func (t *trip) tampered(dir string) error {
	if t.o.tamper == nil {
		return nil
	}
	return t.o.tamper(dir)
}

// plain restores and undoes, and compares each time.
func (t *trip) plain(ctx context.Context) error {
	dir, err := t.copy()
	if err != nil {
		return err
	}
	confirmed := &atocore.RestoreOptions{ConfirmServiceStopped: true}
	report, err := t.backup(dir).Restore(ctx, t.stamp, confirmed)
	if err != nil {
		return err
	}
	if !report.RestoredIntegrityOK || !report.DigestOK || !report.WALRemoved || report.RolledBack || report.PreRestoreSnapshot == "" || !report.VectorsRestored && t.new.Vectors > 0 {
		return fmt.Errorf("restore: reports %+v", report)
	}
	if err := t.holdsNew(ctx, dir); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := t.exports(ctx, dir); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if _, err := t.backup(dir).Undo(ctx, confirmed); err != nil {
		return err
	}
	if err := t.tampered(dir); err != nil {
		return err
	}
	got, err := t.look(ctx, dir)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	if !got.equal(&t.old) {
		return fmt.Errorf("undo: the store is not as it was before the restore (-before +undone):\n%s", t.old.diff(&got))
	}
	return os.RemoveAll(dir)
}

// holdsNew holds the store to what the snapshot was taken of.
func (t *trip) holdsNew(ctx context.Context, dir string) error {
	if err := t.tampered(dir); err != nil {
		return err
	}
	got, err := t.look(ctx, dir)
	if err != nil {
		return err
	}
	if !got.equal(&t.new) {
		return fmt.Errorf("the store is not as it was at the snapshot (-snapshot +restored):\n%s", t.new.diff(&got))
	}
	return nil
}

// which reports whether an interrupted restore left the store as the snapshot has
// it; it is an error if the store is neither that nor as it was before.
func (t *trip) which(ctx context.Context, dir string) (isNew bool, err error) {
	if err := t.tampered(dir); err != nil {
		return false, err
	}
	got, err := t.look(ctx, dir)
	switch {
	case err != nil:
		return false, err
	case got.equal(&t.new):
		return true, nil
	case got.equal(&t.old):
		return false, nil
	}
	return false, fmt.Errorf("the store is neither as the snapshot has it (-snapshot +found):\n%s\nnor as it was before (-before +found):\n%s",
		t.new.diff(&got), t.old.diff(&got))
}
