package restore_test

import (
	"context"
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

// A liar is a disk that keeps something else than what it was given.
type liar struct {
	restore.Ops
	dir  string // where the databases are that it lies about: data or stage-1
	lies int    // how often
}

func (l *liar) OpenFile(name string, flag int) (restore.File, error) {
	f, err := l.Ops.OpenFile(name, flag)
	if err == nil && strings.HasSuffix(name, filepath.Join(l.dir, "atocore.db")) && flag != os.O_RDONLY {
		return lyingFile{f, l}, nil
	}
	return f, err
}

type lyingFile struct {
	restore.File
	l *liar
}

func (f lyingFile) WriteAt(p []byte, off int64) (int, error) {
	if f.l.lies > 0 {
		f.l.lies--
		p = slices.Clone(p)
		p[len(p)/2] ^= 1
	}
	return f.File.WriteAt(p, off)
}

// What does not verify is not left in place.
func TestRollBack(t *testing.T) {
	r := newRig(t)
	r.c.Ops = &liar{restore.System(), "data", 1}
	report, err := restore.Run(t.Context(), r.c, restore.Options{Stamp: r.stamp, ConfirmServiceStopped: true})
	if !errors.Is(err, restore.ErrFailed) || !report.RolledBack || report.RestoredIntegrityOK || report.PreRestoreSnapshot == "" || len(report.Findings) == 0 {
		t.Fatalf("got %v, %+v", err, report)
	}
	if code := report.Findings[0].Code; !slices.Contains(restore.Codes(), code) {
		t.Errorf("code %s is not listed", code)
	}
	r.wants(r.now)
	r.run(nil)
	r.wants(r.was)
}

// Nothing to go back to, or the way back fails as well: the store stays closed until
// a restore succeeds.
func TestRollBackFails(t *testing.T) {
	for _, noPre := range []bool{true, false} {
		r := newRig(t)
		r.c.Ops = &liar{restore.System(), "data", 1000}
		o := restore.Options{Stamp: r.stamp, ConfirmServiceStopped: true, NoPreSnapshot: noPre}
		report, err := restore.Run(t.Context(), r.c, o)
		if !errors.Is(err, restore.ErrFailed) || report.RolledBack || !strings.Contains(err.Error(), "pending") {
			t.Fatalf("got %v, %+v", err, report)
		}
		if !restore.Pending(r.data) {
			t.Fatal("a store that does not verify can be opened")
		}
		if err := restore.Recover(t.Context(), r.c); !errors.Is(err, restore.ErrFailed) || !restore.Pending(r.data) {
			t.Errorf("Recover on a disk that still fails: %v", err)
		}
		r.c.Ops = nil
		if err := restore.Recover(t.Context(), r.c); err != nil {
			t.Fatal(err)
		}
		if noPre {
			r.wants(r.was)
		} else {
			r.wants(r.now) // it was on its way back
		}
	}
}

// diesDecided ends as soon as the restore is decided.
type diesDecided struct{ *faulty }

func (d diesDecided) Rename(from, to string) error {
	err := d.faulty.Rename(from, to)
	if filepath.Base(to) == "journal.json" {
		d.at = d.n
	}
	return err
}

// Copies that are not what was validated are found before anything is changed.
func TestBadCopy(t *testing.T) {
	r := newRig(t)
	o := restore.Options{Stamp: r.stamp, ConfirmServiceStopped: true, NoPreSnapshot: true}
	r.c.Ops = noLink{&liar{restore.System(), "stage-1", 1}}
	if report, err := restore.Run(t.Context(), r.c, o); err == nil || !strings.Contains(err.Error(), "the disk") || report.RolledBack || restore.Pending(r.data) {
		t.Errorf("a disk that does not keep what it is given: %v", err)
	}
	r.wants(r.now)

	s := newScene(t)
	dir := s.copy()
	c := config(dir)
	c.Ops = noLink{restore.System()}
	name := filepath.Join(s.snapshot, "atocore.db")
	b := readFile(t, name)
	writeFile(t, name, b[:len(b)-1]+"?")
	if err := restore.Swap(t.Context(), c, s.snapshot, s.manifest); err == nil || !strings.Contains(err.Error(), "changed since") {
		t.Errorf("a snapshot that has changed since it was validated: %v", err)
	}
	if got := s.which(dir); got != "old" {
		t.Errorf("the store is the %s one", got)
	}
}

// Several processes find the same interrupted restore; one of them carries it out.
func TestRecoverTogether(t *testing.T) {
	s := newScene(t)
	dir := s.copy()
	c := config(dir)
	c.Ops = diesDecided{&faulty{Ops: restore.System(), at: -1, dead: true}}
	if err := restore.Swap(t.Context(), c, s.snapshot, s.manifest); !errors.Is(err, errFault) || !restore.Pending(dir) {
		t.Fatalf("not interrupted as it should be: %v", err)
	}
	errs := make(chan error)
	for range 4 {
		go func() {
			err := restore.Recover(context.Background(), config(dir))
			if err == nil {
				// Now it is opened, which must not keep the others waiting.
				var db *sqlite.DB
				if db, err = sqlite.Open(context.Background(), storeConfig(dir)); err == nil {
					t.Cleanup(func() { db.Close() })
				}
			}
			errs <- err
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	// What was not decided does not disturb those who have the store open.
	if err := os.Mkdir(filepath.Join(dir, "atocore.restore"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := restore.Recover(t.Context(), config(dir)); err != nil {
		t.Error(err)
	}
	if got := digestOf(t, dir); got != s.is.Digest {
		t.Error("the store is not the new one")
	}
}

// What an interrupted restore had prepared is damaged. The store does not open, and
// another restore, or Undo, puts things right.
func TestStuck(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, work string){
		"journal": func(t *testing.T, work string) {
			name := filepath.Join(work, "journal.json")
			writeFile(t, name, strings.Replace(readFile(t, name), `"stamp":"2`, `"stamp":"3`, 1))
		},
		"stage": func(t *testing.T, work string) {
			name := filepath.Join(work, "stage-1", "atocore.db")
			b := readFile(t, name)
			if err := os.Remove(name); err != nil { // it is a second name of the snapshot's
				t.Fatal(err)
			}
			writeFile(t, name, b[:len(b)-1]+"?")
		},
	} {
		for _, undo := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " undo ", undo), func(t *testing.T) {
				r := newRig(t)
				pre := r.run(nil).PreRestoreSnapshot
				r.undo()
				r.c.Ops = diesDecided{&faulty{Ops: restore.System(), at: -1, dead: true}}
				o := restore.Options{Stamp: r.stamp, ConfirmServiceStopped: true, NoPreSnapshot: true}
				if _, err := restore.Run(t.Context(), r.c, o); !errors.Is(err, errFault) || !restore.Pending(r.data) {
					t.Fatalf("not interrupted as it should be: %v", err)
				}
				r.c.Ops = nil
				damage(t, filepath.Join(r.data, "atocore.restore"))
				if err := restore.Recover(t.Context(), r.c); err == nil || !restore.Pending(r.data) {
					t.Fatalf("Recover: %v", err)
				}
				// Not even another restore that fails opens it.
				r.c.Ops = noLink{&liar{restore.System(), "stage-2", 1}}
				o.NoPreSnapshot = false
				if _, err := restore.Run(t.Context(), r.c, o); err == nil || !restore.Pending(r.data) {
					t.Fatalf("a restore that fails: %v", err)
				}
				r.c.Ops = nil
				if !undo {
					r.run(nil)
					r.wants(r.was)
					return
				}
				o.Stamp = pre
				if _, err := restore.Undo(t.Context(), r.c, o); err != nil {
					t.Fatal(err)
				}
				r.wants(r.now)
			})
		}
	}
}

// Every operation of a whole restore fails once: with a pre-restore snapshot to go
// back to it ends as the old store or the new one there and then.
func TestFaultInRun(t *testing.T) {
	r := newRig(t)
	pristine := filepath.Join(t.TempDir(), "data")
	copyTree(t, r.data, pristine)
	count := map[string]int{}
	for i := 0; ; i += 1 + i/8 {
		if err := os.RemoveAll(r.data); err != nil {
			t.Fatal(err)
		}
		copyTree(t, pristine, r.data)
		f := &faulty{Ops: restore.System(), at: i}
		r.c.Ops = f
		report, err := restore.Run(t.Context(), r.c, restore.Options{Stamp: r.stamp, ConfirmServiceStopped: true})
		if err != nil && !errors.Is(err, errFault) {
			t.Fatalf("operation %d: %v", i, err)
		}
		r.c.Ops = nil
		if err := restore.Recover(t.Context(), r.c); err != nil {
			t.Fatalf("operation %d: %v", i, err)
		}
		got := stateOf(t, r.data)
		switch {
		case err == nil && f.n <= i:
			if count["old"] < 3 || count["rolled back"] < 3 {
				t.Errorf("faults did not occur where they matter: %v", count)
			}
			t.Logf("%v", count)
			return
		case report.RolledBack && cmp.Equal(got, r.now):
			count["rolled back"]++
		case err != nil && cmp.Equal(got, r.now):
			count["old"]++
		case cmp.Equal(got, r.was):
			count["new"]++
		default:
			t.Fatalf("operation %d: %v: neither store:\n%s\n%s", i, err, cmp.Diff(r.now, got), cmp.Diff(r.was, got))
		}
	}
}

func TestVectors(t *testing.T) {
	r := newRig(t)
	db := openStore(t, r.data)
	addVectors(t, db)
	closeStore(t, db)
	want := stateOf(t, r.data)
	r.stamp = r.create("with vectors")
	if got := r.run(func(o *restore.Options) { o.Vectors = restore.VectorsRequired }); !got.VectorsRestored {
		t.Error("vectors_restored is false")
	}
	if n := countVectors(t, r.data); n != 1 {
		t.Errorf("%d vectors, want 1", n)
	}
	before := bytesOf(t, filepath.Join(r.c.Dir(), r.stamp))
	if got := r.run(func(o *restore.Options) { o.Vectors = restore.VectorsLeftOut }); got.VectorsRestored {
		t.Error("vectors_restored is true")
	}
	if n := countVectors(t, r.data); n != 0 {
		t.Errorf("%d vectors, want none", n)
	}
	r.wants(want)
	if diff := cmp.Diff(before, bytesOf(t, filepath.Join(r.c.Dir(), r.stamp))); diff != "" {
		t.Errorf("the snapshot has changed:\n%s", diff)
	}

	s, err := backup.Create(t.Context(), r.c.Config, backup.CreateOptions{NoVectors: true})
	if err != nil {
		t.Fatal(err)
	}
	r.stamp = s.Stamp
	_, err = restore.Run(t.Context(), r.c, restore.Options{Stamp: s.Stamp, ConfirmServiceStopped: true, Vectors: restore.VectorsRequired})
	var unsound *backup.UnsoundError
	if !errors.As(err, &unsound) || unsound.Findings[0].Code != "vectors_snapshot_missing" {
		t.Errorf("got %v", err)
	}
	if got := r.run(func(o *restore.Options) { o.Vectors = restore.VectorsLeftOut }); got.VectorsRestored || !got.DigestOK {
		t.Errorf("leaving out what is not there: %+v", got)
	}
	if got := r.run(nil); got.VectorsRestored {
		t.Error("vectors_restored of a snapshot that has none")
	}
	r.wants(want)
}

// addVectors writes a memory with everything that is derived from it.
func addVectors(t testing.TB, db *sqlite.DB) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *sqlite.Tx) error {
		return tx.ExecScript(`
			INSERT INTO memories (id, type, status, content, content_key, project, confidence, tags, metadata, actor, client, session,
				speaker, source, reinforced, reason, created_at, updated_at)
			VALUES ('m', 'knowledge', 'active', 'content', 'content', NULL, 1, '[]', '{}', '', '', '', '', '', 0, '',
				'2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z');
			INSERT INTO units (unit, kind, id, type, status, tags, time, made_from, confidence, thread, place, siblings, head_length, body_length)
			VALUES (1, 'memory', 'm', 'knowledge', 'active', '[]', '2026-01-01T00:00:00.000000Z', 1, 1, 0, 0, 1, 0, 1);
			INSERT INTO unit_terms (unit, terms) VALUES (1, x'000186636f6e74656e74'); -- "content" in the body
			INSERT INTO spaces (space, name, dimensions, fingerprint, active) VALUES (1, 'test', 2, 'f', 1);
			INSERT INTO vectors (space, unit, vector) VALUES (1, 1, x'0000803f00000000');`)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func countVectors(t testing.TB, data string) (n int64) {
	t.Helper()
	db := openStore(t, data)
	defer closeStore(t, db)
	err := db.Read(t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.QueryRow(func(r sqlite.Row) { n = r.Int64(0) }, `SELECT count(*) FROM vectors`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
