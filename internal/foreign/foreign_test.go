package foreign_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/atocore/atocore/internal/foreign"
	"github.com/atocore/atocore/internal/sqlite"
)

var cacheDir = filepath.Join(os.TempDir(), "atocore-test-wasm")

// create makes a database with the statements and returns its name. It is in WAL
// mode, and part of it may be in the log.
func create(t *testing.T, statements string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "other.db")
	c := sqlite.Config{Path: path, LockPath: path + ".lock", CacheDir: cacheDir, Migrations: []sqlite.Migration{{Name: "1", SQL: statements}}}
	db, err := sqlite.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path + ".lock"); err != nil {
		t.Fatal(err)
	}
	return path
}

// edit changes a database that create made.
func edit(t *testing.T, path, statements string) {
	t.Helper()
	err := sqlite.Edit(t.Context(), sqlite.Config{Path: path, CacheDir: cacheDir}, false, func(tx *sqlite.Tx) error { return tx.ExecScript(statements) })
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, path string, o *foreign.Options) *foreign.DB {
	t.Helper()
	db, err := tryOpen(t, t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// tryOpen opens the database, and sees to it that nothing stays of the copy.
func tryOpen(t *testing.T, ctx context.Context, path string, o *foreign.Options) (*foreign.DB, error) {
	t.Helper()
	if o == nil {
		o = &foreign.Options{}
	}
	o.CompileCache, o.TempDir = cacheDir, t.TempDir()
	db, err := foreign.Open(ctx, path, o)
	t.Cleanup(func() {
		if db != nil {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
		if left, err := os.ReadDir(o.TempDir); err != nil || len(left) > 0 {
			t.Errorf("left of the copy: %v, %v", left, err)
		}
	})
	if err == nil && runtime.GOOS != "windows" {
		copies, err := filepath.Glob(filepath.Join(o.TempDir, "*"))
		if err != nil || len(copies) != 1 {
			t.Fatalf("copies: %q, %v", copies, err)
		}
		if info, err := os.Stat(copies[0]); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("the copy's directory: %v, %v", info, err)
		}
	}
	return db, err
}

var notes = foreign.Table{Name: "notes", Need: []string{"id", "text"}, Want: []string{"more"}, Order: []string{"id"}}

// texts reads the table notes.
func texts(t *testing.T, db *foreign.DB) (out []string, err error) {
	t.Helper()
	err = db.View(t.Context(), func(v *foreign.View) error {
		for r, err := range v.Rows(notes) {
			if err != nil {
				return err
			}
			out = append(out, r.Text("text"))
		}
		return nil
	})
	return out, err
}

func wantTexts(t *testing.T, db *foreign.DB, want ...string) {
	t.Helper()
	if got, err := texts(t, db); err != nil || !slices.Equal(got, want) {
		t.Errorf("texts %q, %v, want %q", got, err, want)
	}
}

const table = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);"

func TestRead(t *testing.T) {
	path := create(t, table+`INSERT INTO notes VALUES (2, 'two'), (1, 'one');`)
	db := open(t, path, nil)
	wantTexts(t, db, "one", "two")

	// Links lead to the file, and to what lies beside it.
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	wantTexts(t, open(t, link, nil), "one", "two")
}

func TestValues(t *testing.T) {
	path := create(t, `CREATE TABLE notes (id INTEGER PRIMARY KEY, text, more AS (text || text), "od""d" TEXT);
		INSERT INTO notes (id, text) VALUES (1, 7), (2, 1.5), (3, x'0102'), (4, NULL), (5, CAST(x'61ff62' AS TEXT)), (6, '42'), (7, 1e300), (8, zeroblob(16777217));
		UPDATE notes SET "od""d" = 'odd' WHERE id = 1;`)
	db := open(t, path, nil)
	type value struct {
		text   string
		number int64
		null   bool
		long   string
	}
	var got []value
	odd := foreign.Table{Name: "notes", Need: []string{"id", "text", `od"d`}, Want: []string{"more", "none"}, Order: []string{"id"}}
	err := db.View(t.Context(), func(v *foreign.View) error {
		for r, err := range v.Rows(odd) {
			if err != nil {
				return err
			}
			long, _ := r.TooLong()
			got = append(got, value{r.Text("text"), r.Int("text"), r.IsNull("text"), long})
			if r.Int("id") == 1 && r.Text(`od"d`) != "odd" {
				t.Errorf("a column of an odd name is %q", r.Text(`od"d`))
			}
			if !r.IsNull("more") || !r.IsNull("none") {
				t.Error("a computed column, or none, has a value")
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []value{
		{"7", 7, false, ""}, {"1.5", 1, false, ""}, {"\x01\x02", 0x102, false, ""}, {"", 0, true, ""}, {"a\uFFFDb", 0, false, ""},
		{"42", 42, false, ""}, {"1e+300", 0, false, ""}, {"", 0, true, "text"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("values %+v, want %+v", got, want)
	}
}

// TestMissing wants what is not there named, beside what is.
func TestMissing(t *testing.T) {
	path := create(t, `CREATE TABLE other (id INTEGER PRIMARY KEY, x TEXT);`+table)
	err := open(t, path, nil).View(t.Context(), func(v *foreign.View) error {
		return v.Check(notes, foreign.Table{Name: "gone", Need: []string{"id"}})
	})
	var missing *foreign.MissingError
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "table gone is missing, found notes, other") {
		t.Errorf("error %v", err)
	}
	err = open(t, path, nil).View(t.Context(), func(v *foreign.View) error {
		return v.Check(foreign.Table{Name: "other", Need: []string{"id", "text"}})
	})
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "column text of table other is missing, found id, x") {
		t.Errorf("error %v", err)
	}
}

// TestHostile has views and virtual tables stand where tables should.
func TestHostile(t *testing.T) {
	for name, statements := range map[string]string{
		"a view that never ends": `CREATE VIEW notes AS WITH RECURSIVE n(id, text) AS (SELECT 1, 'x' UNION ALL SELECT id + 1, text FROM n) SELECT id, text FROM n;`,
		"a virtual table":        `CREATE VIRTUAL TABLE notes USING fts5(id, text);`,
	} {
		t.Run(name, func(t *testing.T) {
			var missing *foreign.MissingError
			if got, err := texts(t, open(t, create(t, statements), nil)); !errors.As(err, &missing) {
				t.Errorf("texts %q, %v, want a table that is missing", got, err)
			}
		})
	}
	t.Run("a trigger", func(t *testing.T) {
		path := create(t, table+`INSERT INTO notes VALUES (1, 'one');
			CREATE TRIGGER t AFTER INSERT ON notes BEGIN DELETE FROM notes; END;
			CREATE VIEW v AS SELECT load_extension('x') AS id;`)
		wantTexts(t, open(t, path, nil), "one")
	})
}

func TestNotADatabase(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, path := range []string{write("empty", ""), write("short", "SQLite"), write("text", strings.Repeat("text ", 1000))} {
		if _, err := tryOpen(t, t.Context(), path, nil); !errors.Is(err, foreign.ErrNotADatabase) {
			t.Errorf("%s: error %v", path, err)
		}
	}
	if _, err := tryOpen(t, t.Context(), filepath.Join(dir, "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: error %v", err)
	}
	if _, err := tryOpen(t, t.Context(), dir, nil); err == nil {
		t.Error("a directory is opened")
	}
	damaged := write("damaged", "SQLite format 3\x00"+strings.Repeat("\x01", 8000))
	db, err := tryOpen(t, t.Context(), damaged, nil)
	if err == nil {
		_, err = texts(t, db)
	}
	if !errors.Is(err, foreign.ErrNotADatabase) && !errors.Is(err, foreign.ErrCorrupt) {
		t.Errorf("a damaged file: error %v", err)
	}
}

// TestPipe must not wait for a pipe that stands where a log would.
func TestPipe(t *testing.T) {
	path := create(t, table)
	if err := exec.Command("mkfifo", path+"-wal").Run(); err != nil {
		t.Skip("no pipes here: ", err)
	}
	if _, err := tryOpen(t, t.Context(), path, nil); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("error %v", err)
	}
}

// TestWrittenMeanwhile has the file change while it is copied.
func TestWrittenMeanwhile(t *testing.T) {
	path := create(t, table+`INSERT INTO notes VALUES (1, 'one');`)
	times := 0
	o := &foreign.Options{}
	o.Copied(func() {
		if times++; times <= 2 {
			edit(t, path, `INSERT INTO notes (text) VALUES ('more')`)
		}
	})
	wantTexts(t, open(t, path, o), "one", "more", "more")
	if times != 3 {
		t.Errorf("%d attempts, want 3", times)
	}

	// A file that comes into being counts as a change.
	times = 0
	o = &foreign.Options{}
	o.Copied(func() {
		if times++; times == 1 {
			if err := os.WriteFile(path+"-journal", nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})
	open(t, path, o)
	if times != 2 {
		t.Errorf("%d attempts, want 2", times)
	}
}

func TestNeverAtRest(t *testing.T) {
	path := create(t, table)
	synctest.Test(t, func(t *testing.T) {
		times := 0
		o := &foreign.Options{TempDir: filepath.Dir(path), CompileCache: cacheDir}
		o.Copied(func() {
			times++
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString("x"); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		})
		_, err := foreign.Open(t.Context(), path, o)
		if !errors.Is(err, foreign.ErrBusy) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "stop the program") {
			t.Errorf("error %v", err)
		}
		if times < 3 {
			t.Errorf("%d attempts", times)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := foreign.Open(ctx, path, o); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: error %v", err)
		}
	})
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "atocore-import-*")); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

// TestSuperJournal wants the file that a hostile journal names left alone: whoever
// rolls such a journal back removes it.
func TestSuperJournal(t *testing.T) {
	for _, there := range []bool{true, false} {
		path := create(t, table+`INSERT INTO notes VALUES (1, 'one');`)
		precious := filepath.Join(t.TempDir(), "precious")
		if there {
			if err := os.WriteFile(precious, []byte(path+"-gone-journal\x00"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path+"-journal", hostileJournal(t, path, precious), 0o600); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(path + "-journal")
		if err != nil {
			t.Fatal(err)
		}
		wantTexts(t, open(t, path, nil), "one")
		if _, err := os.Stat(precious); (err == nil) != there {
			t.Errorf("the file that the journal names: %v, want it there: %v", err, there)
		}
		if after, err := os.ReadFile(path + "-journal"); err != nil || string(after) != string(before) {
			t.Errorf("the journal has changed, %v", err)
		}
	}
}

// hostileJournal is a hot journal that changes nothing and names a super-journal.
func hostileJournal(t *testing.T, path, super string) []byte {
	t.Helper()
	// The database must be in rollback mode for the journal to count.
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 100)
	if _, err := f.ReadAt(head, 0); err != nil {
		t.Fatal(err)
	}
	head[18], head[19] = 1, 1
	if _, err := f.WriteAt(head, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	magic := []byte{0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7}
	j := make([]byte, 512)
	copy(j, magic)
	binary.BigEndian.PutUint32(j[12:], 1)                                          // nonce
	binary.BigEndian.PutUint32(j[16:], binary.BigEndian.Uint32(head[28:]))         // pages
	binary.BigEndian.PutUint32(j[20:], 512)                                        // sector
	binary.BigEndian.PutUint32(j[24:], uint32(binary.BigEndian.Uint16(head[16:]))) // page
	var sum uint32
	for _, c := range []byte(super) {
		sum += uint32(int32(int8(c)))
	}
	j = binary.BigEndian.AppendUint32(j, 0x40000000/uint32(binary.BigEndian.Uint16(head[16:]))+1)
	j = append(j, super...)
	j = binary.BigEndian.AppendUint32(j, uint32(len(super)))
	j = binary.BigEndian.AppendUint32(j, sum)
	return append(j, magic...)
}

// TestDamaged wants an error about the file that was named, not about its copy.
func TestDamaged(t *testing.T) {
	path := create(t, table)
	edit(t, path, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO notes SELECT i, printf('%.*c', 200, 'x') FROM n;`)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 64<<10), 40<<10); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = texts(t, open(t, path, nil))
	if !errors.Is(err, foreign.ErrCorrupt) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}

// TestOrder wants rows that come again, as in a file whose pages stand under each
// other, to be told from rows.
func TestOrder(t *testing.T) {
	path := create(t, `CREATE TABLE notes (id, text TEXT); INSERT INTO notes VALUES (1, 'one'), (2, 'two'), (2, 'two');`)
	if got, err := texts(t, open(t, path, nil)); !errors.Is(err, foreign.ErrCorrupt) || len(got) != 2 {
		t.Errorf("texts %q, %v", got, err)
	}
}

func TestCopyFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	name, remove, err := foreign.CopyFile(t.Context(), path, dir)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "content" {
		t.Errorf("the copy has %q, %v", b, err)
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
	if _, _, err := foreign.CopyFile(t.Context(), filepath.Join(dir, "none"), dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: error %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "atocore-import-*")); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}
