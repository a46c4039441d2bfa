package restore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/restore"
)

// A rig is a store with a snapshot of what it was before.
type rig struct {
	t        testing.TB
	data     string
	c        restore.Config
	stamp    string
	was, now state // at the snapshot, and since
}

func newRig(t testing.TB) *rig {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, data: data, c: config(data)}
	writeFile(t, filepath.Join(data, "notes.txt"), "the operator's")
	writeFile(t, filepath.Join(data, "files", "README"), "the operator's, too")
	addTo(t, data, "kept", "removed later")
	r.was = stateOf(t, data)
	r.stamp = r.create("")
	db := openStore(t, data)
	forget(t, db, data, "removed later")
	add(t, db, data, "added later")
	closeStore(t, db)
	r.now = stateOf(t, data)
	return r
}

func (r *rig) create(label string) (stamp string) {
	r.t.Helper()
	s, err := backup.Create(r.t.Context(), r.c.Config, backup.CreateOptions{Label: label})
	if err != nil {
		r.t.Fatal(err)
	}
	if !s.Sound() {
		r.t.Fatalf("the snapshot is unsound: %+v", s)
	}
	return s.Stamp
}

func forget(t testing.TB, db *sqlite.DB, dir, name string) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`DELETE FROM documents WHERE id = ?`, name)
		return err
	})
	if err == nil {
		err = os.Remove(filepath.Join(dir, originalName(name)))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// run restores the snapshot and wants it to succeed.
func (r *rig) run(change func(*restore.Options)) restore.Report {
	r.t.Helper()
	o := restore.Options{Stamp: r.stamp, ConfirmServiceStopped: true}
	if change != nil {
		change(&o)
	}
	report, err := restore.Run(r.t.Context(), r.c, o)
	if err != nil {
		r.t.Fatal(err)
	}
	if !report.RestoredIntegrityOK || !report.DigestOK || !report.WALRemoved || report.RolledBack || len(report.Findings) > 0 {
		r.t.Fatalf("report: %+v", report)
	}
	return report
}

func (r *rig) undo() restore.Report {
	r.t.Helper()
	report, err := restore.Undo(r.t.Context(), r.c, restore.Options{ConfirmServiceStopped: true})
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

// wants compares the store with what it should be.
func (r *rig) wants(want state) {
	r.t.Helper()
	if diff := cmp.Diff(want, stateOf(r.t, r.data)); diff != "" {
		r.t.Fatalf("the store (-want +got):\n%s", diff)
	}
}

// bytesOf is the content of every file in a directory, without the locks and check
// records of package backup.
func bytesOf(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".checks" {
			return filepath.SkipDir
		}
		if err == nil && d.Type().IsRegular() && d.Name() != ".lock" {
			all[name] = sum(readFile(t, name))
			if d.Name() == backup.LockName {
				all[name] = "who had it when" // is all that it says
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRun(t *testing.T) {
	r := newRig(t)
	var steps []string
	report := r.run(func(o *restore.Options) {
		o.Stamp = backup.Latest
		o.Progress = func(p backup.Progress) {
			if p.Done > p.Total {
				t.Errorf("progress of %s: %d of %d bytes", p.Step, p.Done, p.Total)
			}
			if !slices.Contains(steps, p.Step) {
				steps = append(steps, p.Step)
			}
		}
	})
	r.wants(r.was)
	if report.Stamp != r.stamp || report.Digest != r.was.Digest || report.PreRestoreSnapshot == "" || report.FilesRestored != 1 {
		t.Errorf("report: %+v", report)
	}
	if !slices.Contains(steps, "swap") || !slices.Contains(steps, "verify") {
		t.Errorf("progress of %q", steps)
	}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"stamp", "restored_integrity_ok", "digest_ok", "pre_restore_snapshot", "wal_removed",
		"vectors_restored", "files_restored", "rolled_back", "steps", "findings", "digest"} {
		if _, ok := keys[key]; !ok {
			t.Errorf("the report lacks %s: %s", key, text)
		}
	}
	if n := len(report.Steps); n < 7 || report.Steps[0].Name != "validate" || report.Steps[n-1].Name != "finish" {
		t.Errorf("steps: %v", report.Steps)
	}
}

func TestConfirm(t *testing.T) {
	r := newRig(t)
	before := bytesOf(t, r.data)
	if _, err := restore.Run(t.Context(), r.c, restore.Options{Stamp: r.stamp}); !errors.Is(err, backup.ErrInvalid) || !strings.Contains(err.Error(), "--confirm-service-stopped") {
		t.Errorf("Run: %v", err)
	}
	if _, err := restore.Undo(t.Context(), r.c, restore.Options{}); err == nil {
		t.Error("Undo went ahead unconfirmed")
	}
	if diff := cmp.Diff(before, bytesOf(t, r.data)); diff != "" {
		t.Errorf("something was touched:\n%s", diff)
	}
}

// Onto a machine where there is nothing yet.
func TestFreshDirectory(t *testing.T) {
	r := newRig(t)
	delete(r.was.Files, "notes.txt")
	delete(r.was.Files, "files/README")
	for _, there := range []bool{false, true} {
		data := filepath.Join(t.TempDir(), "data")
		if there {
			if err := os.Mkdir(data, 0o750); err != nil {
				t.Fatal(err)
			}
		}
		f := &rig{t: t, data: data, c: config(data), stamp: r.stamp}
		f.c.Snapshots = r.c.Dir()
		if report := f.run(nil); report.PreRestoreSnapshot != "" {
			t.Errorf("there was nothing to save, but there is %s", report.PreRestoreSnapshot)
		}
		f.wants(r.was)
	}
}

func TestNotFound(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "data")
	o := restore.Options{Stamp: backup.Latest, ConfirmServiceStopped: true}
	if _, err := restore.Run(t.Context(), config(nowhere), o); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("without a store: %v", err)
	}
	if _, err := os.Stat(nowhere); err == nil {
		t.Error("a directory was made for nothing")
	}
	r := newRig(t)
	for _, stamp := range []string{"20000101T000000Z", "../x", ""} {
		o := restore.Options{Stamp: stamp, ConfirmServiceStopped: true}
		if _, err := restore.Run(t.Context(), r.c, o); err == nil {
			t.Errorf("Run of %q succeeded", stamp)
		}
	}
	o.Stamp = ""
	if _, err := restore.Undo(t.Context(), r.c, o); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("Undo without a restore: %v", err)
	}
	o.Stamp = r.stamp
	if _, err := restore.Undo(t.Context(), r.c, o); !errors.Is(err, backup.ErrInvalid) {
		t.Errorf("Undo to a snapshot of another kind: %v", err)
	}
	r.wants(r.now)
}

func TestUnsound(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"bit": func(t *testing.T, dir string) {
			name := filepath.Join(dir, "atocore.db")
			b := []byte(readFile(t, name))
			b[len(b)/2] ^= 1
			writeFile(t, name, string(b))
		},
		"original": func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, originalName("kept"))); err != nil {
				t.Fatal(err)
			}
		},
		"manifest": func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "manifest.json"), "{}")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			damage(t, filepath.Join(r.c.Dir(), r.stamp))
			before := bytesOf(t, r.data)
			report, err := restore.Run(t.Context(), r.c, restore.Options{Stamp: r.stamp, ConfirmServiceStopped: true})
			var unsound *backup.UnsoundError
			if !errors.As(err, &unsound) || !errors.Is(err, backup.ErrUnsound) || len(unsound.Findings) == 0 || len(report.Findings) == 0 {
				t.Fatalf("got %v, %+v", err, report)
			}
			if diff := cmp.Diff(before, bytesOf(t, r.data)); diff != "" {
				t.Errorf("something was touched:\n%s", diff)
			}
			r.wants(r.now)
		})
	}
}

func TestUndo(t *testing.T) {
	r := newRig(t)
	pre := r.run(nil).PreRestoreSnapshot
	if got := r.undo(); got.Stamp != pre || !got.RestoredIntegrityOK || !got.DigestOK {
		t.Errorf("undo of %s: %+v", pre, got)
	}
	r.wants(r.now)
	r.undo()
	r.wants(r.was)
	r.undo()
	r.wants(r.now)
}

// A store that no longer is one is saved byte for byte, and comes back so.
func TestBrokenStore(t *testing.T) {
	r := newRig(t)
	broken := map[string]string{
		"atocore.db":         strings.Repeat("no database ", 1000),
		"atocore.db-wal":     "no log",
		"atocore.db-shm":     "no index",
		"atocore.db-journal": "no journal",
	}
	for name, content := range broken {
		writeFile(t, filepath.Join(r.data, name), content)
	}
	files := tree(t, r.data)
	report := r.run(nil)
	r.wants(r.was)
	if report.PreRestoreSnapshot == "" {
		t.Fatal("the broken store was not saved")
	}
	// As a snapshot to restore it is refused: it proves nothing.
	o := restore.Options{Stamp: report.PreRestoreSnapshot, ConfirmServiceStopped: true}
	if _, err := restore.Run(t.Context(), r.c, o); !errors.Is(err, backup.ErrUnsound) {
		t.Errorf("Run of a raw snapshot: %v", err)
	}
	undone := r.undo()
	if undone.RestoredIntegrityOK || undone.DigestOK {
		t.Errorf("undo: %+v", undone)
	}
	for name, want := range broken {
		if got := readFile(t, filepath.Join(r.data, name)); got != want {
			t.Errorf("%s came back as %.20q", name, got)
		}
	}
	if diff := cmp.Diff(files, tree(t, r.data)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	r.undo() // of the undo
	r.wants(r.was)
}

func TestForeign(t *testing.T) {
	r := newRig(t)
	header := "SQLite format 3\x00" + strings.Repeat("\x00", 52) + "\x12\x34\x56\x78" + strings.Repeat("x", 4000)
	for name, content := range map[string]string{"other": header, "text": "Dear diary, " + strings.Repeat("nothing happened. ", 100)} {
		data := t.TempDir()
		writeFile(t, filepath.Join(data, "atocore.db"), content)
		if name == "other" {
			writeFile(t, filepath.Join(data, "atocore.lock"), "")
		}
		before := bytesOf(t, data)
		c := config(data)
		c.Snapshots = r.c.Dir()
		_, err := restore.Run(t.Context(), c, restore.Options{Stamp: r.stamp, ConfirmServiceStopped: true})
		if !errors.Is(err, sqlite.ErrForeign) || !strings.Contains(err.Error(), data) {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(before, bytesOf(t, data)); diff != "" {
			t.Errorf("%s: something was touched:\n%s", name, diff)
		}
	}
}

func TestInUse(t *testing.T) {
	r := newRig(t)
	holder := start(t, "hold", r.data)
	before := stateOf(t, r.data)
	_, err := restore.Run(t.Context(), r.c, restore.Options{Stamp: r.stamp, ConfirmServiceStopped: true})
	if !errors.Is(err, sqlite.ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d (%s", holder.Process.Pid, filepath.Base(os.Args[0]))) {
		t.Errorf("got %v, want an error that names process %d", err, holder.Process.Pid)
	}
	r.wants(before)
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait()
	r.run(nil)
	r.wants(r.was)

	db := openStore(t, r.data) // in this process
	defer closeStore(t, db)
	if _, err := restore.Run(t.Context(), r.c, restore.Options{Stamp: r.stamp, ConfirmServiceStopped: true}); !errors.Is(err, sqlite.ErrInUse) {
		t.Errorf("open in this process: %v", err)
	}
}

func TestCancel(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := restore.Run(ctx, r.c, restore.Options{Stamp: r.stamp, ConfirmServiceStopped: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	r.wants(r.now)

	for _, step := range []string{"stage", "swap"} {
		ctx, cancel = context.WithCancel(t.Context())
		c := r.c
		c.Ops = noLink{restore.System()}
		o := restore.Options{Stamp: r.stamp, ConfirmServiceStopped: true, NoPreSnapshot: true, Progress: func(p backup.Progress) {
			if p.Step == step {
				cancel()
			}
		}}
		_, err := restore.Run(ctx, c, o)
		cancel()
		if step == "swap" {
			if err != nil {
				t.Errorf("cancelled once it was decided: %v", err)
			}
			r.wants(r.was)
			continue
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled while staging: %v", err)
		}
		r.wants(r.now)
	}
}

// A snapshot of every version of the format that was ever written.
func TestFormats(t *testing.T) {
	dirs, err := filepath.Glob("../backup/testdata/format*/[0-9]*Z")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no snapshots: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(filepath.Dir(dir)), func(t *testing.T) {
			m, _, err := backup.ReadManifest(dir)
			if err != nil {
				t.Fatal(err)
			}
			data := filepath.Join(t.TempDir(), "data")
			copyTree(t, dir, filepath.Join(data, "backups", "snapshots", m.Stamp))
			r := &rig{t: t, data: data, c: config(data), stamp: m.Stamp}
			if got := r.run(nil); got.Digest != m.Digest {
				t.Errorf("digest %s, want %s", got.Digest, m.Digest)
			}
			if got := digestOf(t, data); got != m.Digest {
				t.Errorf("once open, the digest is %s, want %s", got, m.Digest)
			}
		})
	}
}

// The database is somewhere else, and what SQLite keeps beside it as well.
func TestLinkedDatabase(t *testing.T) {
	r := newRig(t)
	link := filepath.Join(r.data, "atocore.db")
	target := filepath.Join(t.TempDir(), "elsewhere.db")
	if err := os.Rename(link, target); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Skip(err)
	}
	writeFile(t, target+"-journal", hotJournal(readFile(t, target)))
	r.run(func(o *restore.Options) { o.NoPreSnapshot = true })
	r.wants(r.was)
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is now %v, %v", info, err)
	}
}
