package restore_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/restore"
)

// cacheDir is shared with the tests of other packages: compiling the engine takes
// longer than most of them.
var cacheDir = filepath.Join(os.TempDir(), "atocore-test-wasm")

func storeConfig(dir string) sqlite.Config {
	return sqlite.Config{
		Path:          filepath.Join(dir, "atocore.db"),
		LockPath:      filepath.Join(dir, "atocore.lock"),
		ApplicationID: schema.ApplicationID,
		Migrations:    schema.Migrations(),
		CacheDir:      cacheDir,
		Readers:       2,
	}
}

func openStore(t testing.TB, dir string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), storeConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// add writes a record, and a document whose original is text, for each name.
func add(t testing.TB, db *sqlite.DB, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		writeFile(t, filepath.Join(dir, originalName(name)), name)
	}
	err := db.Write(t.Context(), func(tx *sqlite.Tx) error {
		for _, name := range names {
			if _, err := tx.Exec(`INSERT INTO projects (name, aliases, description, created_at, updated_at)
				VALUES (?, '[]', '', '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z')`, name); err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO documents (id, project, origin, path, title, summary, media_type, sha256, size, tags, metadata,
					session, speaker, time, kept, actor, created_at, updated_at)
				VALUES (?1, ?1, 'test', ?1, '', '', 'text/plain', ?2, ?3, '[]', '{}',
					'', '', NULL, 1, 'test', '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z')`,
				name, sum(name), len(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// addTo opens the store, adds and closes it.
func addTo(t testing.TB, dir string, names ...string) {
	t.Helper()
	db := openStore(t, dir)
	add(t, db, dir, names...)
	closeStore(t, db)
}

func closeStore(t testing.TB, db *sqlite.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

// originalName is where the original with the text is kept.
func originalName(text string) string {
	s := sum(text)
	return filepath.Join("files", s[:2], s)
}

func writeFile(t testing.TB, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A state is what a store holds, as far as anybody who opens it can tell.
type state struct {
	Digest string
	Files  map[string]string // under files/ and beside the store: hash of the content
}

// stateOf opens the store, as everybody does, and closes it.
func stateOf(t testing.TB, dir string) state {
	t.Helper()
	return state{Digest: digestOf(t, dir), Files: tree(t, dir)}
}

func digestOf(t testing.TB, dir string) string {
	t.Helper()
	db := openStore(t, dir)
	defer closeStore(t, db)
	findings, err := db.IntegrityCheck(t.Context())
	if err != nil || len(findings) > 0 {
		t.Fatalf("check of %s: %v %v", dir, findings, err)
	}
	var digest string
	err = db.Read(t.Context(), func(tx *sqlite.Tx) (err error) {
		digest, _, err = schema.Digest(tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// tree lists what is in the data directory besides the database, the lock file and
// the snapshots. Leftovers of a restore would be in it.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		switch {
		case rel == "backups":
			return fs.SkipDir
		case strings.HasPrefix(rel, "atocore.db"), rel == "atocore.lock":
		case d.IsDir():
			if rel == "atocore.restore" {
				files[rel] = "directory"
			}
		default:
			files[filepath.ToSlash(rel)] = sum(readFile(t, name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// copyTree copies a directory that nobody uses.
func copyTree(t testing.TB, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// manifestOf describes a directory as a snapshot, for the tests that begin where
// the files have been validated.
func manifestOf(t testing.TB, dir string) *backup.Manifest {
	t.Helper()
	m := &backup.Manifest{Stamp: "20260409T131321Z", Kind: backup.KindStore}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		text := readFile(t, name)
		m.Files = append(m.Files, backup.File{Path: filepath.ToSlash(rel), Size: int64(len(text)), SHA256: sum(text)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Slice(m.Files, func(i, k int) bool { return m.Files[i].Path < m.Files[k].Path })
	return m
}

// A scene is an old store and a snapshot that is about to take its place.
type scene struct {
	t        testing.TB
	dir      string
	copies   int
	old      string // the old store; it is copied for each attempt
	snapshot string
	manifest *backup.Manifest
	was, is  state // of the old store and of the new one
	seen     map[string]string
}

// newScene makes an old store whose newest commits are in its log alone, as a
// process leaves them that was killed, and the snapshot of another.
func newScene(t testing.TB) *scene {
	t.Helper()
	dir := scratch(t)
	s := &scene{t: t, dir: dir, old: filepath.Join(dir, "old"), snapshot: filepath.Join(dir, "snapshot"), seen: map[string]string{}}
	live := t.TempDir()
	addTo(t, live, "both", "old only", strings.Repeat("larger than the new one ", 500))
	writeFile(t, filepath.Join(live, "notes.txt"), "the operator's")
	writeFile(t, filepath.Join(live, "files", "README"), "the operator's, too")
	db := openStore(t, live)
	add(t, db, live, "in the log alone")
	copyTree(t, live, s.old)
	closeStore(t, db)
	if info, err := os.Stat(filepath.Join(s.old, "atocore.db-wal")); err != nil || info.Size() == 0 {
		t.Fatalf("the old store has no log: %v", err)
	}

	next := t.TempDir()
	addTo(t, next, "both", "new only", "new, too")
	db = openStore(t, next)
	if err := os.MkdirAll(s.snapshot, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Copy(t.Context(), filepath.Join(s.snapshot, "atocore.db"), sqlite.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	closeStore(t, db)
	copyTree(t, filepath.Join(next, "files"), filepath.Join(s.snapshot, "files"))
	if larger, smaller := size(t, s.old), size(t, s.snapshot); larger <= smaller {
		t.Fatalf("the old database has %d bytes, the new one %d: it should be smaller", larger, smaller)
	}
	s.manifest = manifestOf(t, s.snapshot)

	s.was = stateOf(t, s.copy())
	done := s.copy()
	if err := restore.Swap(t.Context(), config(done), s.snapshot, s.manifest); err != nil {
		t.Fatal(err)
	}
	s.is = stateOf(t, done)
	if s.is.Digest != digestOf(t, next) || s.is.Digest == s.was.Digest {
		t.Fatal("the swap did not make the new store of the old one")
	}
	want := tree(t, next)
	want["notes.txt"], want["files/README"] = sum("the operator's"), sum("the operator's, too")
	if diff := cmp.Diff(want, s.is.Files); diff != "" {
		t.Fatalf("files after the swap (-want +got):\n%s", diff)
	}
	return s
}

func size(t testing.TB, dir string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, "atocore.db"))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func (s *scene) copy() string {
	s.copies++
	dir := filepath.Join(s.dir, fmt.Sprint(s.copies), "data")
	copyTree(s.t, s.old, dir)
	return dir
}

// scratch is a directory in memory where there is one: the tests that restore a
// thousand times would wait for a disk most of the time.
func scratch(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "atocore-restore-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func config(dir string) restore.Config {
	return restore.Config{Config: backup.Config{Data: dir, CompileCache: cacheDir}}
}

// which says whether the store, once recovered, is the old one or the new one; it
// fails the test for anything in between.
func (s *scene) which(dir string) string {
	s.t.Helper()
	c := config(dir)
	if err := restore.Recover(s.t.Context(), c); err != nil {
		s.t.Fatalf("recover: %v", err)
	}
	if restore.Pending(dir) {
		s.t.Fatal("still pending after Recover")
	}
	files := tree(s.t, dir)
	// Most attempts end in the same bytes: one look by SQLite is enough for each.
	var all strings.Builder
	for _, name := range []string{"atocore.db", "atocore.db-wal", "atocore.db-journal"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s %d %s\n", name, len(b), b)
	}
	key := sum(all.String())
	if s.seen[key] == "" {
		s.seen[key] = digestOf(s.t, dir)
	}
	got := state{s.seen[key], files}
	if cmp.Equal(got, s.was) {
		return "old"
	}
	if cmp.Equal(got, s.is) {
		return "new"
	}
	s.t.Fatalf("neither the old store nor the new one\n(-old +got):\n%s(-new +got):\n%s", cmp.Diff(s.was, got), cmp.Diff(s.is, got))
	return ""
}

func TestSwap(t *testing.T) {
	s := newScene(t)
	dir := s.copy()
	if got := s.which(dir); got != "old" {
		t.Fatalf("before: got the %s store", got)
	}
	if err := restore.Swap(t.Context(), config(dir), s.snapshot, s.manifest); err != nil {
		t.Fatal(err)
	}
	if got := s.which(dir); got != "new" {
		t.Fatalf("after: got the %s store", got)
	}
}
