package periodic_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/atocoretest"
	"github.com/atocore/atocore/adapters/periodic"
)

// lines is told of each write, which is a line of a log.
type lines func(string)

func (fn lines) Write(p []byte) (int, error) {
	fn(string(p))
	return len(p), nil
}

// runJobs has a Runner run on a store until it has had so many results.
func runJobs(t *testing.T, store *atocore.Store, backup *atocore.Backup, o periodic.Options, n int) (map[periodic.Job]periodic.Result, *periodic.Runner) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := map[periodic.Job]periodic.Result{}
	o.OnResult = func(r periodic.Result) {
		if got[r.Job] = r; len(got) == n {
			cancel()
		}
	}
	r, err := periodic.New(store, backup, &o)
	if err != nil {
		t.Fatal(err)
	}
	r.Run(ctx)
	return got, r
}

// The real jobs on a real store, in one process and then in another that finds
// nothing to do.
func TestStore(t *testing.T) {
	store := atocoretest.NewStore(t, nil)
	if _, err := store.Remember(t.Context(), atocore.Memory{Type: atocore.Knowledge, Content: "The boiler is serviced each May."}); err != nil {
		t.Fatal(err)
	}
	backup := store.Backup(nil)
	for range 2 {
		if _, err := backup.Create(t.Context(), &atocore.SnapshotOptions{Label: "by hand"}); err != nil {
			t.Fatal(err)
		}
	}
	hourly := schedule(t, "1h")
	o := periodic.Options{
		Jitter: noJitter, Checkpoint: hourly, Validate: hourly, Prune: hourly, Drill: hourly, Keep: atocore.Retention{KeepLast: 1}, Scratch: t.TempDir(),
		// A day later, so that the snapshots by hand are old.
		Now: func() time.Time { return time.Now().Add(24 * time.Hour) },
	}
	o.Snapshot = hourly
	got, r := runJobs(t, store, backup, o, 5)
	for job, result := range got {
		if !result.OK || result.Error != "" || result.Findings != 0 {
			t.Errorf("%s: %+v", job, result)
		}
	}
	if got[periodic.Prune].Removed != 2 || got[periodic.Validate].Stamp != got[periodic.Snapshot].Stamp || got[periodic.Drill].RTO <= 0 {
		t.Errorf("results %+v", got)
	}
	for _, s := range r.Status() {
		if !s.OK || s.Running || s.Runs != 1 {
			t.Errorf("status %+v", s)
		}
	}
	list, err := backup.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Stamp != got[periodic.Snapshot].Stamp {
		t.Errorf("snapshots %v, %v", list, err)
	}
	if left, err := os.ReadDir(o.Scratch); len(left) > 0 || err != nil {
		t.Errorf("left in the scratch directory: %v, %v", left, err)
	}

	// Another process, by the real clock and without the file: the snapshot and the drill
	// are of just now, by the store's word.
	if err := os.Remove(filepath.Join(store.Dir(), "periodic.json")); err != nil {
		t.Fatal(err)
	}
	o.Now, o.Prune, o.Checkpoint = nil, periodic.Schedule{}, periodic.Schedule{}
	got, r = runJobs(t, store, backup, o, 1)
	if _, ok := got[periodic.Validate]; !ok {
		t.Errorf("results %+v", got)
	}
	for _, s := range r.Status() {
		if left := time.Until(s.Next); left < 50*time.Minute || left > time.Hour {
			t.Errorf("%s runs next in %v", s.Name, left)
		}
	}
}

// A store that is new has nothing to fail with; one that was emptied has.
func TestStoreEmpty(t *testing.T) {
	store := atocoretest.NewStore(t, nil)
	o := periodic.Options{Jitter: noJitter, Validate: schedule(t, "1h"), Drill: schedule(t, "1h"), Scratch: t.TempDir()}
	backup := store.Backup(nil)
	ctx, cancel := context.WithCancel(t.Context())
	waits := 0
	o.Logger = slog.New(slog.NewTextHandler(lines(func(line string) {
		if strings.Contains(line, "nothing for periodic work yet") {
			waits++
		}
		if strings.Contains(line, "failed") || waits == 2 {
			cancel()
		}
	}), nil))
	r, err := periodic.New(store, backup, &o)
	if err != nil {
		t.Fatal(err)
	}
	r.Run(ctx)
	for _, s := range r.Status() {
		if s.Failing > 0 || waits != 2 {
			t.Errorf("of a new store: %+v", s)
		}
	}

	m, err := store.Remember(t.Context(), atocore.Memory{Type: atocore.Knowledge, Content: "The boiler is serviced each May."})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Forget(t.Context(), "", m.ID); err != nil {
		t.Fatal(err)
	}
	o.Validate, o.Logger = periodic.Schedule{}, nil
	got, r := runJobs(t, store, backup, o, 1)
	if d := got[periodic.Drill]; d.OK || d.Error != "" || len(d.Codes) != 1 || d.Codes[0] != "drill_empty_store" || r.Status()[0].Failing != 1 {
		t.Errorf("of a store that was emptied: %+v", d)
	}
	left, err := os.ReadDir(o.Scratch)
	if err != nil || len(left) != 1 {
		t.Errorf("the copy of a drill with faults: %v, %v", left, err)
	}
}

// What a restore has saved of the store that it replaced is no snapshot of the one that
// there is.
func TestStoreRestored(t *testing.T) {
	dir := t.TempDir()
	store, err := atocore.Open(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	snap, err := store.Backup(nil).Create(t.Context(), nil)
	if err := errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
	backup := atocore.NewBackup(dir, nil)
	if _, err := backup.Restore(t.Context(), snap.Stamp, &atocore.RestoreOptions{ConfirmServiceStopped: true}); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(snap.Path); err != nil {
		t.Fatal(err)
	}
	if store, err = atocore.Open(t.Context(), dir, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if report, err := store.Check(context.Background()); err != nil || !report.OK {
			t.Errorf("check: %+v, %v", report, err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	o := periodic.Options{Jitter: noJitter, Snapshot: schedule(t, "1h"), OnResult: func(periodic.Result) { cancel() }}
	var r *periodic.Runner
	o.Logger = slog.New(slog.NewTextHandler(lines(func(string) {
		if time.Until(r.Status()[0].Next) > time.Minute {
			cancel() // it is put off
		}
	}), nil))
	if r, err = periodic.New(store, backup, &o); err != nil {
		t.Fatal(err)
	}
	r.Run(ctx)
	if s := r.Status()[0]; s.Runs != 1 || !s.OK {
		t.Errorf("no snapshot but that of a restore: %+v", s)
	}
}
