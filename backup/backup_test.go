package backup_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// cache is shared by all tests, and with those of other packages.
var cache = filepath.Join(os.TempDir(), "atocore-test-wasm")

func TestMain(m *testing.M) {
	if role := os.Getenv(asChild); role != "" {
		flag.Parse()
		if err := children[role](flag.Args()); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// noon is when the clock of tests stands.
var noon = time.Date(2026, 4, 9, 12, 0, 0, 0, time.UTC)

// config is for a store in dir/data with its snapshots in dir/snapshots.
func config(dir string) backup.Config {
	return backup.Config{
		Data: filepath.Join(dir, "data"), Snapshots: filepath.Join(dir, "snapshots"),
		Version: "v0.0.0-test", Build: "abcdef", CompileCache: cache,
	}
}

func sqliteConfig(c backup.Config) sqlite.Config {
	return sqlite.Config{
		Path: filepath.Join(c.Data, backup.DatabaseName), LockPath: filepath.Join(c.Data, backup.LockName),
		ApplicationID: schema.ApplicationID, Migrations: schema.Migrations(), CacheDir: cache,
	}
}

// openStore opens the store as a program would, creating it if there is none.
func openStore(t testing.TB, c backup.Config) *sqlite.DB {
	t.Helper()
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(context.Background(), sqliteConfig(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// newStore makes a store with so many memories and three documents whose originals
// are kept.
func newStore(t testing.TB, memories int) (backup.Config, *sqlite.DB) {
	t.Helper()
	c := config(t.TempDir())
	db := openStore(t, c)
	write(t, db, `INSERT INTO spaces (space, name, dimensions, fingerprint, active) VALUES (1, 'test', 4, 'f', 1)`)
	remember(t, db, "m", memories)
	for i := range 3 {
		keep(t, c, db, fmt.Sprintf("original %d\n", i))
	}
	return c, db
}

func write(t testing.TB, db *sqlite.DB, script string) {
	t.Helper()
	if err := db.Write(context.Background(), func(tx *sqlite.Tx) error { return tx.ExecScript(script) }); err != nil {
		t.Fatal(err)
	}
}

// remember adds memories with unit, full text, and vector.
func remember(t testing.TB, db *sqlite.DB, prefix string, n int) {
	t.Helper()
	if err := db.Write(context.Background(), func(tx *sqlite.Tx) error { return rememberTx(tx, prefix, n) }); err != nil {
		t.Fatal(err)
	}
}

func rememberTx(tx *sqlite.Tx, prefix string, n int) error {
	for i := range n {
		id := fmt.Sprintf("%s%05d", prefix, i)
		if _, err := tx.Exec(`INSERT INTO memories (id, type, status, content, content_key, confidence, tags, metadata,
			actor, client, session, speaker, source, reinforced, reason, created_at, updated_at)
			VALUES (?1, 'knowledge', 'active', ?1 || ' the quay is deep', ?1, 1, '[]', '{}', '', '', '', '', '', 0, '', '', '')`, id); err != nil {
			return err
		}
		if err := unit(tx, "memory", id); err != nil {
			return err
		}
	}
	return nil
}

// unit adds what is derived from a record.
func unit(tx *sqlite.Tx, kind, id string) error {
	ix := index.NewWriter(tx)
	u := index.Unit{Kind: kind, ID: id, Status: "active", Tags: "[]", Confidence: 1, Siblings: 1}
	n, _, err := ix.Put(&u, func() (head, body []string) { return nil, []string{id, "quay", "deep"} })
	if err != nil {
		return err
	}
	if err := ix.Finish(); err != nil {
		return err
	}
	vector := binary.LittleEndian.AppendUint32(make([]byte, 12, 16), 0x3f800000)
	_, err = tx.Exec(`INSERT INTO vectors (space, unit, vector) VALUES (1, ?, ?)`, n, vector)
	return err
}

// keep adds a document and its original, and gives the original's hash.
func keep(t testing.TB, c backup.Config, db *sqlite.DB, text string) string {
	t.Helper()
	sum := sumOf([]byte(text))
	name := originalPath(c.Data, sum)
	writeFile(t, name, text)
	if err := db.Write(context.Background(), func(tx *sqlite.Tx) error {
		if _, err := tx.Exec(`INSERT INTO documents (id, origin, path, title, summary, media_type, sha256, size, tags, metadata,
			session, speaker, kept, actor, created_at, updated_at)
			VALUES (?1, '', ?1, '', '', 'text/plain', ?1, ?2, '[]', '{}', '', '', 1, '', '', '')`, sum, len(text)); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO chunks (id, document, ordinal, heading, start, "end", text) VALUES (?1 || '.0', ?1, 0, '[]', 0, ?2, ?3)`,
			sum, len(text), text); err != nil {
			return err
		}
		return unit(tx, "chunk", sum+".0")
	}); err != nil {
		t.Fatal(err)
	}
	return sum
}

func originalPath(data, sum string) string { return filepath.Join(data, "files", sum[:2], sum) }

func writeFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func digestOf(t testing.TB, db *sqlite.DB) (digest string) {
	t.Helper()
	if err := db.Read(context.Background(), func(tx *sqlite.Tx) (err error) {
		digest, _, err = schema.Digest(tx)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return digest
}

func create(t testing.TB, c backup.Config, o backup.CreateOptions) backup.Snapshot {
	t.Helper()
	s, err := backup.Create(context.Background(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func list(t testing.TB, c backup.Config) []backup.Snapshot {
	t.Helper()
	all, err := backup.List(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func stampsOf(all []backup.Snapshot) []string {
	stamps := make([]string, len(all))
	for i, s := range all {
		stamps[i] = s.Stamp
	}
	return stamps
}

func validate(t testing.TB, c backup.Config, stamp string, o backup.ValidateOptions) backup.Report {
	t.Helper()
	r, err := backup.Validate(context.Background(), c, stamp, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.OK != (len(r.Findings) == 0) {
		t.Errorf("ok is %v with %d findings", r.OK, len(r.Findings))
	}
	for _, f := range r.Findings {
		if !slices.Contains(backup.Codes(), f.Code) || f.Path == "" || f.Expected == "" || f.Found == "" || f.Hint == "" {
			t.Errorf("finding %+v says too little", f)
		}
	}
	return r
}

// codes gives the codes of findings, sorted, each once.
func codes(findings []backup.Finding) []string {
	all := []string{}
	for _, f := range findings {
		all = append(all, f.Code)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// wantCodes wants exactly these codes.
func wantCodes(t testing.TB, r backup.Report, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := codes(r.Findings); !slices.Equal(got, want) {
		t.Errorf("got findings %+v, want codes %q", r.Findings, want)
	}
}

// hidden lists what is in the directory of the snapshots and not listed, the lock
// and the check records excepted.
func hidden(t testing.TB, c backup.Config) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(c.Dir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") && e.Name() != ".lock" && e.Name() != ".checks" {
			names = append(names, e.Name())
		}
	}
	return names
}

// tree gives the content of every file below dir, and every directory.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil || e.IsDir() {
			all[rel] = "directory"
			return err
		}
		if e.Type()&fs.ModeSymlink != 0 {
			all[rel], err = os.Readlink(name)
			return err
		}
		b, err := os.ReadFile(name)
		all[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// clone copies a snapshot to a directory of its own, where it can be damaged, and
// gives a Config for it.
func clone(t testing.TB, c backup.Config, s backup.Snapshot) (backup.Config, string) {
	t.Helper()
	c.Snapshots = t.TempDir()
	dir := filepath.Join(c.Snapshots, s.Stamp)
	if err := os.CopyFS(dir, os.DirFS(s.Path)); err != nil {
		t.Fatal(err)
	}
	return c, dir
}

// rewrite changes the manifest of the snapshot in dir and makes its checksum, and
// the hashes of its files, agree, as somebody who means harm would.
func rewrite(t testing.TB, dir string, change func(*backup.Manifest)) {
	t.Helper()
	m, _, f := backup.ParseManifest(readFile(t, filepath.Join(dir, backup.ManifestName)))
	if f != nil {
		t.Fatal(f)
	}
	for i := range m.Files {
		b := readFile(t, filepath.Join(dir, filepath.FromSlash(m.Files[i].Path)))
		m.Files[i].Size, m.Files[i].SHA256 = int64(len(b)), sumOf(b)
	}
	if change != nil {
		change(&m)
	}
	b, _, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, backup.ManifestName), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// edit runs a script on the database of the snapshot in dir.
func edit(t testing.TB, dir, script string) {
	t.Helper()
	err := sqlite.Edit(context.Background(), sqlite.Config{Path: filepath.Join(dir, backup.DatabaseName), CacheDir: cache}, false,
		func(tx *sqlite.Tx) error { return tx.ExecScript(script) })
	if err != nil {
		t.Fatal(err)
	}
}
