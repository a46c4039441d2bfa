package atocore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

var confirmed = &atocore.RestoreOptions{ConfirmServiceStopped: true}

// What a snapshot holds comes back, what came later goes, and Undo brings that
// back: from a store that is open, and from a directory alone.
func TestSnapshotAndRestore(t *testing.T) {
	dir := t.TempDir()
	s := openStoreIn(t, dir, nil)
	furnish(t, s)
	before := digest(t, s)
	snap := must(s.Backup(&atocore.BackupOptions{Version: "v9", Build: "abc"}).Create(t.Context(), &atocore.SnapshotOptions{Label: "first"}))(t)
	if m := snap.Manifest; m.Digest != before || m.Label != "first" || m.Tool.Version != "v9" || m.Tool.Build != "abc" || !snap.Sound() {
		t.Errorf("manifest: %+v", m)
	}
	remember(t, s, statement("Said after the snapshot"))
	later := digest(t, s)
	if _, err := s.Backup(nil).Restore(t.Context(), snap.Stamp, confirmed); !errors.Is(err, atocore.ErrInUse) || !strings.Contains(err.Error(), "pid ") {
		t.Errorf("restore of an open store: got %v, want ErrInUse and the holder", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	b := backupOf(dir)
	if diff := cmp.Diff([]atocore.Snapshot{snap}, must(b.List(t.Context()))(t)); diff != "" {
		t.Errorf("list (-created +listed):\n%s", diff)
	}
	if report := must(b.Validate(t.Context(), atocore.LatestSnapshot, nil))(t); !report.OK {
		t.Errorf("validate: %+v", report.Findings)
	}
	var refused *atocore.InvalidError
	if _, err := b.Restore(t.Context(), snap.Stamp, nil); !errors.As(err, &refused) || refused.Field != "confirm-service-stopped" {
		t.Errorf("got %v, want a confirmation to be missing", err)
	}
	r := must(b.Restore(t.Context(), snap.Stamp, confirmed))(t)
	if !r.RestoredIntegrityOK || !r.DigestOK || !r.WALRemoved || !r.VectorsRestored || r.PreRestoreSnapshot == "" || r.Stamp != snap.Stamp || r.VectorsRebuilt != 0 {
		t.Errorf("report: %+v", r)
	}
	wantDigest(t, dir, before)
	u := must(b.Undo(t.Context(), confirmed))(t)
	if u.Stamp != r.PreRestoreSnapshot {
		t.Errorf("undone: %+v", u)
	}
	wantDigest(t, dir, later)
	must(b.Undo(t.Context(), confirmed))(t)
	wantDigest(t, dir, before)
	older := *confirmed
	older.Stamp = r.PreRestoreSnapshot
	if u := must(b.Undo(t.Context(), &older))(t); u.Stamp != older.Stamp {
		t.Errorf("undone: %+v", u)
	}
	wantDigest(t, dir, later)
	older.Stamp = snap.Stamp
	if _, err := b.Undo(t.Context(), &older); !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("undo of a snapshot that no restore took: got %v, want ErrInvalid", err)
	}
}

func wantDigest(t *testing.T, dir, want string) {
	t.Helper()
	s := openStoreIn(t, dir, nil)
	checkStore(t, s)
	if got := digest(t, s); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Vectors that a snapshot has not, or that are not wanted, are made anew; without
// an embedder that works they wait.
func TestRestoreRebuildsVectors(t *testing.T) {
	e := newFake("fake")
	opts := &atocore.Options{Embedder: e, CompileCache: cacheDir}
	dir := t.TempDir()
	s := openStoreIn(t, dir, opts)
	furnish(t, s)
	vectors := must(s.Stats(t.Context()))(t).Vectors
	with := must(s.Backup(nil).Create(t.Context(), nil))(t)
	without := must(s.Backup(nil).Create(t.Context(), &atocore.SnapshotOptions{NoVectors: true}))(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b := atocore.NewBackup(dir, &atocore.BackupOptions{Options: opts})
	down := func(context.Context, []string) ([][]float32, error) { return nil, errDown }
	for _, tt := range []struct {
		name             string
		stamp            string
		vectors          atocore.VectorChoice
		do               func(context.Context, []string) ([][]float32, error)
		rebuilt, pending int
		restored         bool
	}{
		{"taken", with.Stamp, atocore.VectorsAuto, nil, 0, 0, true},
		{"required", with.Stamp, atocore.VectorsRequired, nil, 0, 0, true},
		{"left out of the restore", with.Stamp, atocore.VectorsLeftOut, nil, vectors, 0, false},
		{"left out of the snapshot", without.Stamp, atocore.VectorsAuto, nil, vectors, 0, false},
		{"embedder down", without.Stamp, atocore.VectorsAuto, down, 0, vectors, false},
	} {
		e.behave(tt.do)
		r := must(b.Restore(t.Context(), tt.stamp, &atocore.RestoreOptions{ConfirmServiceStopped: true, Vectors: tt.vectors, NoPreSnapshot: true}))(t)
		if r.VectorsRebuilt != tt.rebuilt || r.VectorsPending != tt.pending || r.VectorsRestored != tt.restored {
			t.Errorf("%s: %d rebuilt, %d pending, restored %v", tt.name, r.VectorsRebuilt, r.VectorsPending, r.VectorsRestored)
		}
		e.behave(nil)
		s := openStoreIn(t, dir, opts)
		checkStore(t, s)
		wantVectors(t, s, vectors-tt.pending, tt.pending)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := b.Restore(t.Context(), without.Stamp, &atocore.RestoreOptions{ConfirmServiceStopped: true, Vectors: atocore.VectorsRequired})
	var unsound *atocore.UnsoundError
	if !errors.Is(err, atocore.ErrUnsound) || !errors.As(err, &unsound) || !slices.Contains(codes(unsound.Findings), "vectors_snapshot_missing") {
		t.Errorf("got %v, want vectors_snapshot_missing", err)
	}
}

// Errors of backup and restore are of the root's classes.
func TestBackupErrors(t *testing.T) {
	ctx := t.Context()
	none := backupOf(filepath.Join(t.TempDir(), "nowhere"))
	dir := furnished(t)
	b := backupOf(dir)
	missing := func(kind string) func(error) bool {
		return func(err error) bool {
			var e *atocore.NotFoundError
			return errors.Is(err, atocore.ErrNotFound) && errors.As(err, &e) && e.Kind == kind
		}
	}
	is := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }
	for _, tt := range []struct {
		name string
		do   func() error
		want func(error) bool
	}{
		{"create", func() error { _, err := none.Create(ctx, nil); return err }, missing("store")},
		{"drill", func() error { _, err := none.Drill(ctx, nil); return err }, missing("store")},
		{"drills", func() error { _, err := none.Drills(ctx); return err }, missing("store")},
		{"check", func() error { _, err := none.Check(ctx); return err }, missing("store")},
		{"validate", func() error { _, err := b.Validate(ctx, "latest", nil); return err }, missing("snapshot")},
		{"restore", func() error { _, err := b.Restore(ctx, "20010101T000000Z", confirmed); return err }, missing("snapshot")},
		{"restore of no stamp", func() error { _, err := b.Restore(ctx, "../x", confirmed); return err }, func(err error) bool {
			return errors.Is(err, atocore.ErrNotFound) || errors.Is(err, atocore.ErrInvalid)
		}},
		{"undo", func() error { _, err := b.Undo(ctx, confirmed); return err }, missing("snapshot")},
		{"prune", func() error { _, err := b.Prune(ctx, atocore.Retention{KeepLast: -1}, nil); return err }, is(atocore.ErrInvalid)},
	} {
		if err := tt.do(); !tt.want(err) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

func TestPrune(t *testing.T) {
	dir := furnished(t)
	b := backupOf(dir)
	var stamps []string
	for range 3 {
		stamps = append(stamps, must(b.Create(t.Context(), &atocore.SnapshotOptions{NoCheck: true}))(t).Stamp)
	}
	for _, dry := range []bool{true, false} {
		r := must(b.Prune(t.Context(), atocore.Retention{KeepLast: 2}, &atocore.PruneOptions{DryRun: dry}))(t)
		if len(r.Kept) != 2 || len(r.Removed) != 1 || r.Removed[0].Stamp != stamps[0] || len(r.Removed[0].Why) == 0 {
			t.Errorf("dry %v: %+v", dry, r)
		}
		if list := must(b.List(t.Context()))(t); len(list) != 3 && dry || len(list) != 2 && !dry {
			t.Errorf("dry %v: %d snapshots are left", dry, len(list))
		}
	}
}

// Check finds what is wrong with a store, whether it opens or not, and says what
// helps.
func TestDiagnosis(t *testing.T) {
	wreck := func(t *testing.T, dir string) {
		if err := os.WriteFile(filepath.Join(dir, "atocore.db"), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	dir := furnished(t)
	b := backupOf(dir)
	diagnose := func(remedy atocore.Remedy, code, snapshot string) {
		t.Helper()
		d := must(b.Check(ctx))(t)
		if d.Remedy != remedy || d.Snapshot != snapshot || d.OK != (code == "") || code != "" && !slices.Contains(codes(d.Findings), code) {
			t.Errorf("got %+v, want %s with %s, snapshot %q", d, code, remedy, snapshot)
		}
	}
	diagnose(atocore.RemedyNone, "", "")
	damage(t, dir, `DELETE FROM vectors`)
	diagnose(atocore.RemedyRepair, "vectors_missing", "")
	s := openUnchecked(t, dir, nil)
	if err := errors.Join(s.Repair(ctx), s.Close()); err != nil {
		t.Fatal(err)
	}
	diagnose(atocore.RemedyNone, "", "")

	sound := must(b.Create(ctx, nil))(t)
	saved := must(os.ReadFile(filepath.Join(dir, "atocore.db")))(t)
	wreck(t, dir)
	diagnose(atocore.RemedyRestore, "foreign_database", sound.Stamp)
	if _, err := b.Create(ctx, nil); err != nil && !errors.Is(err, atocore.ErrForeign) {
		t.Errorf("snapshot of a store that does not open: %v", err)
	}
	diagnose(atocore.RemedyRestore, "foreign_database", sound.Stamp) // a copy of the wreck is no remedy

	if err := os.WriteFile(filepath.Join(dir, "atocore.db"), saved, 0o600); err != nil {
		t.Fatal(err)
	}
	r := must(b.Restore(ctx, sound.Stamp, confirmed))(t)
	wreck(t, dir)
	diagnose(atocore.RemedyUndo, "foreign_database", r.PreRestoreSnapshot)
	if err := os.RemoveAll(b.Snapshots()); err != nil {
		t.Fatal(err)
	}
	diagnose(atocore.RemedySalvage, "foreign_database", "")
}

// Snapshots can be anywhere, and the clock is the store's.
func TestBackupPlaces(t *testing.T) {
	c := newClock()
	elsewhere := filepath.Join(t.TempDir(), "a", "b")
	s := openStore(t, &atocore.Options{Now: c.now})
	furnish(t, s)
	b := s.Backup(&atocore.BackupOptions{Snapshots: elsewhere})
	snap := must(b.Create(t.Context(), nil))(t)
	if want := c.now().Format("20060102T150405Z"); snap.Stamp != want || filepath.Dir(snap.Path) != elsewhere {
		t.Errorf("snapshot %s in %s, want %s in %s", snap.Stamp, snap.Path, want, elsewhere)
	}
	if _, err := os.Stat(filepath.Join(s.Dir(), "backups")); err == nil {
		t.Error("the default place was made too")
	}
	c.advance(time.Hour)
	r := must(b.Drill(t.Context(), &atocore.DrillOptions{Stamp: snap.Stamp, Scratch: t.TempDir()}))(t)
	if r.RPO != float64(time.Hour/time.Millisecond) {
		t.Errorf("recovery point %v ms, want an hour", r.RPO)
	}
}

// A snapshot is not a store: to open it would change it.
func TestASnapshotIsNotOpened(t *testing.T) {
	s := openStore(t, nil)
	remember(t, s, statement("one"))
	snap, err := s.Backup(nil).Create(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := atocore.Open(t.Context(), snap.Path, &atocore.Options{CompileCache: cacheDir}); !errors.Is(err, atocore.ErrForeign) {
		if err == nil {
			opened.Close()
		}
		t.Errorf("got %v, want ErrForeign", err)
	}
	if report, err := s.Backup(nil).Validate(t.Context(), snap.Stamp, nil); err != nil || !report.OK {
		t.Errorf("the snapshot has changed: %+v, %v", report.Findings, err)
	}
}
