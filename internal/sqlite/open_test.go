package sqlite_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/lockfile"
	"github.com/atocore/atocore/internal/sqlite"
)

func isBusy(err error) bool { return errors.Is(err, sqlite.ErrBusy) }

// contents gives every file below dir with its content.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		got[d.Name()] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// make creates a database with the given mark and migrations and gives its bytes.
func makeDB(t *testing.T, id int32, migrations []sqlite.Migration) []byte {
	t.Helper()
	c := config(t.TempDir())
	c.ApplicationID, c.Migrations = id, migrations
	db, err := sqlite.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	// Without a writer the log would be left; its content belongs into the file.
	if _, err := db.Checkpoint(context.Background(), sqlite.Truncate); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A file that is not ours is refused, and neither it nor anything beside it
// changes.
func TestRefusedFiles(t *testing.T) {
	ours := makeDB(t, testID, testSchema)
	unmarked := bytes.Clone(ours)
	binary.BigEndian.PutUint32(unmarked[68:], 0)
	more := append(testSchema[:2:2], sqlite.Migration{Name: "future", SQL: "CREATE TABLE future (x INTEGER) STRICT"})
	for _, tt := range []struct {
		name    string
		content []byte
		want    error
	}{
		{"text", []byte("Dear diary, this is not a database, but it is a file with some length to it, so that is what it is."), sqlite.ErrNotADatabase},
		{"short", []byte("x"), sqlite.ErrNotADatabase},
		{"zeros", make([]byte, 8192), sqlite.ErrNotADatabase},
		{"cut off", ours[:50], sqlite.ErrNotADatabase},
		{"another program's", makeDB(t, 4711, testSchema), sqlite.ErrForeign},
		{"unmarked", unmarked, sqlite.ErrForeign},
		{"newer", makeDB(t, testID, more), sqlite.ErrNewer},
	} {
		for _, lock := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/lock %t", tt.name, lock), func(t *testing.T) {
				c := config(t.TempDir())
				if err := os.WriteFile(c.Path, tt.content, 0o666); err != nil {
					t.Fatal(err)
				}
				if lock {
					f, err := lockfile.Open(c.LockPath)
					if err != nil {
						t.Fatal(err)
					}
					f.Close()
				}
				before := contents(t, filepath.Dir(c.Path))
				db, err := sqlite.Open(context.Background(), c)
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				var e *sqlite.Error
				if !errors.As(err, &e) || e.Path == "" {
					t.Errorf("no path in %v", err)
				}
				if db != nil {
					t.Error("a database came with the error")
				}
				if diff := cmp.Diff(before, contents(t, filepath.Dir(c.Path))); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// The version that matters may be in the log alone. Database and log stay as
// they are.
func TestNewerVersionInTheLog(t *testing.T) {
	ctx := context.Background()
	c := config(t.TempDir())
	c.Migrations = testSchema[:1]
	db, err := sqlite.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Checkpoint(ctx, sqlite.Truncate); err != nil {
		t.Fatal(err)
	}
	newer := config(filepath.Dir(c.Path))
	other, err := sqlite.Open(ctx, newer) // migrates, without a checkpoint
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	defer db.Close()
	before := contents(t, filepath.Dir(c.Path))
	if before["test.db-wal"] == "" {
		t.Fatal("no log")
	}
	if _, err := sqlite.Open(ctx, c); !errors.Is(err, sqlite.ErrNewer) {
		t.Errorf("got %v", err)
	}
	after := contents(t, filepath.Dir(c.Path))
	for _, name := range []string{"test.db", "test.db-wal"} {
		if before[name] != after[name] {
			t.Errorf("%s has changed", name)
		}
	}
}

func TestNoCreate(t *testing.T) {
	c := config(t.TempDir())
	c.NoCreate = true
	if _, err := sqlite.Open(context.Background(), c); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if got := contents(t, filepath.Dir(c.Path)); len(got) > 0 {
		t.Errorf("created %v", got)
	}
	c.NoCreate = false
	open(t, c)
	c.NoCreate = true
	open(t, c)

	c = config(filepath.Join(t.TempDir(), "missing"))
	if _, err := sqlite.Open(context.Background(), c); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
}

func TestDirectoryInItsPlace(t *testing.T) {
	c := config(t.TempDir())
	if err := os.Mkdir(c.Path, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(context.Background(), c); !errors.Is(err, sqlite.ErrNotADatabase) {
		t.Errorf("got %v", err)
	}
}

// Names that mean something in a URI, and links, which the driver refuses.
func TestPaths(t *testing.T) {
	for _, name := range []string{"a b?c=d#e%41.db", "ünïcode.db", "x&vfs=os.db"} {
		if runtime.GOOS == "windows" && strings.Contains(name, "?") {
			continue
		}
		c := config(t.TempDir())
		c.Path = filepath.Join(filepath.Dir(c.Path), name)
		db := open(t, c)
		if err := insert(db, context.Background(), "x"); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(c.Path); err != nil {
			t.Error(err)
		}
	}
	c := config(t.TempDir())
	db := open(t, c)
	link := c
	link.Path = filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(c.Path, link.Path); err != nil {
		t.Skip(err)
	}
	linked := open(t, link)
	if err := insert(linked, context.Background(), "x"); err != nil {
		t.Error(err)
	}
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows through the link", n)
	}
	if linked.Path() != db.Path() {
		t.Errorf("%s and %s", linked.Path(), db.Path())
	}
}

// A database is created and migrated once, however many do it at the same time.
func TestMigrationRace(t *testing.T) {
	for range 5 {
		c := config(t.TempDir())
		dir := filepath.Dir(c.Path)
		var ps []*process
		for range 3 {
			ps = append(ps, startChild(t, "open", dir, cacheDir))
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				db, err := sqlite.Open(context.Background(), c)
				if err != nil {
					t.Error(err)
					return
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, p := range ps {
			p.finish(t)
		}
		open(t, c)
	}
}

func TestMigrations(t *testing.T) {
	ctx := context.Background()
	c := config(t.TempDir())
	c.Migrations = testSchema[:1]
	db, err := sqlite.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := insert(db, ctx, "kept"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	// One that fails, in whichever way, leaves the version before it.
	for name, sql := range map[string]string{
		"syntax":      "CREATE TABLE half (x INTEGER) STRICT; CREATE TABEL other (x);",
		"constraint":  "CREATE TABLE half (x INTEGER) STRICT; INSERT INTO item (name) VALUES ('kept');",
		"commit":      "CREATE TABLE half (x INTEGER) STRICT; COMMIT;",
		"foreign key": "CREATE TABLE half (x INTEGER REFERENCES item(id)) STRICT; INSERT INTO half VALUES (99);",
		"version":     "CREATE TABLE half (x INTEGER) STRICT; PRAGMA user_version = 7;",
	} {
		bad := c
		bad.Migrations = append(testSchema[:1:1], sqlite.Migration{Name: name, SQL: sql})
		_, err := sqlite.Open(ctx, bad)
		if err == nil || !strings.Contains(err.Error(), "migration 2 ("+name+")") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if db, err = sqlite.Open(ctx, c); err != nil { // the old program still can
		t.Fatal(err)
	}
	info, err := db.Info(ctx)
	if err != nil || info.UserVersion != 1 {
		t.Errorf("%+v, %v", info, err)
	}
	for _, name := range []string{"half", "other"} {
		err := db.Read(ctx, func(tx *sqlite.Tx) error {
			found, err := tx.QueryRow(func(sqlite.Row) {}, "SELECT 1 FROM sqlite_schema WHERE name = ?", name)
			if found {
				t.Errorf("table %s is left of a failed migration", name)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows", n)
	}

	// A table can be rebuilt although others refer to it.
	c.Migrations = append(testSchema[:2:2], sqlite.Migration{Name: "rebuild", SQL: `
		CREATE TABLE item2 (id INTEGER PRIMARY KEY, name TEXT NOT NULL, data BLOB, more TEXT) STRICT;
		INSERT INTO item2 SELECT id, name, data, NULL FROM item;
		DROP TABLE item;
		ALTER TABLE item2 RENAME TO item;`})
	db.Close()
	if db, err = sqlite.Open(ctx, c); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows after rebuilding", n)
	}
}

func TestForeignKeysAreEnforced(t *testing.T) {
	db := open(t, config(t.TempDir()))
	err := db.Write(context.Background(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec("INSERT INTO part (item) VALUES (99)")
		return err
	})
	if !errors.Is(err, sqlite.ErrConstraint) {
		t.Errorf("got %v", err)
	}
}

func TestInUse(t *testing.T) {
	c := config(t.TempDir())
	f, err := lockfile.Open(c.LockPath)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if ok, err := f.TryLock(lockfile.RangeOpen, lockfile.Exclusive); !ok || err != nil {
		t.Fatal(ok, err)
	}
	ctx, cancel := short(t)
	defer cancel()
	if _, err := sqlite.Open(ctx, c); !errors.Is(err, sqlite.ErrInUse) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(c.Path); err == nil {
		t.Error("created all the same")
	}
	if err := f.Unlock(lockfile.RangeOpen); err != nil {
		t.Fatal(err)
	}
	db := open(t, c)
	if ok, err := f.TryLock(lockfile.RangeOpen, lockfile.Exclusive); ok || err != nil {
		t.Errorf("exclusive beside an open database: %t, %v", ok, err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if ok, err := f.TryLock(lockfile.RangeOpen, lockfile.Exclusive); !ok || err != nil {
		t.Errorf("exclusive after closing: %t, %v", ok, err)
	}
}

// After Close there is nothing but ErrClosed, and no goroutine and no file of the
// package; running transactions end first.
func TestClose(t *testing.T) {
	ctx := context.Background()
	c := config(t.TempDir())
	open(t, c).Close() // the engine is there and does not count
	goroutines := runtime.NumGoroutine()
	db, err := sqlite.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.DataVersion(ctx); err != nil {
		t.Error(err)
	}
	hold := make(chan struct{})
	var wg sync.WaitGroup
	var running sync.WaitGroup
	running.Add(2)
	for _, run := range []func(context.Context, func(*sqlite.Tx) error) error{db.Read, db.Write} {
		wg.Go(func() {
			err := run(ctx, func(tx *sqlite.Tx) error {
				running.Done()
				<-hold
				_, err := tx.QueryRow(func(sqlite.Row) {}, "SELECT count(*) FROM item")
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	closed := make(chan error)
	go func() { closed <- db.Close() }()
	waitFor(t, func() bool {
		_, err := db.DataVersion(ctx)
		return errors.Is(err, sqlite.ErrClosed)
	})
	close(hold)
	wg.Wait()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	nothing := func(*sqlite.Tx) error { t.Error("called"); return nil }
	_, checkpoint := db.Checkpoint(ctx, sqlite.Passive)
	_, version := db.DataVersion(ctx)
	_, info := db.Info(ctx)
	_, findings := db.IntegrityCheck(ctx)
	for i, err := range []error{db.Read(ctx, nothing), db.Write(ctx, nothing), checkpoint, version, info, findings} {
		if !errors.Is(err, sqlite.ErrClosed) {
			t.Errorf("%d: %v", i, err)
		}
	}
	waitFor(t, func() bool { return runtime.NumGoroutine() <= goroutines })
}

func TestDataVersion(t *testing.T) {
	ctx := context.Background()
	c := config(t.TempDir())
	a, b := open(t, c), open(t, c)
	version := func() int64 {
		t.Helper()
		v, err := a.DataVersion(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := version()
	if got := version(); got != v {
		t.Errorf("changed from %d to %d by nothing", v, got)
	}
	for i, db := range []*sqlite.DB{a, b} {
		if err := insert(db, ctx, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		if got := version(); got == v {
			t.Errorf("%d: not changed", i)
		} else {
			v = got
		}
	}
}

// Damage is found, and does not go unnoticed by those who read it either.
func TestDamage(t *testing.T) {
	ctx := context.Background()
	c := config(t.TempDir())
	db, err := sqlite.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if err := writeKB(db, ctx, 3); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 2 * 4096; i < len(b); i += 4096 { // the heads of all but the first pages
		copy(b[i:], "damaged page")
	}
	if err := os.WriteFile(c.Path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	db, err = sqlite.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	findings, err := db.IntegrityCheck(ctx)
	if err != nil || len(findings) == 0 {
		t.Errorf("findings %q, %v", findings, err)
	}
	err = db.Read(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.QueryRow(func(sqlite.Row) {}, "SELECT max(length(data)) FROM item")
		return err
	})
	if !errors.Is(err, sqlite.ErrCorrupt) {
		t.Errorf("reading: %v", err)
	}
}

// What is deleted is not to be found in the files after a checkpoint.
func TestDeletedContentIsGone(t *testing.T) {
	ctx := context.Background()
	c := config(t.TempDir())
	db := open(t, c)
	secret := strings.Repeat("the secret ", 1000)
	if err := insert(db, ctx, secret); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Checkpoint(ctx, sqlite.Truncate); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(c.Path); !bytes.Contains(b, []byte("the secret")) {
		t.Fatal("not there to begin with")
	}
	if err := db.Write(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec("DELETE FROM item")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Checkpoint(ctx, sqlite.Truncate); err != nil {
		t.Fatal(err)
	}
	for name, b := range contents(t, filepath.Dir(c.Path)) {
		if strings.Contains(b, "the secret") {
			t.Errorf("still in %s", name)
		}
	}
}
