package sqlite_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/atocore/atocore/internal/sqlite"
)

const testID = 0x61746f63

var testSchema = []sqlite.Migration{
	{Name: "items", SQL: `
		CREATE TABLE item (
			id INTEGER PRIMARY KEY,
			name TEXT NOT NULL UNIQUE,
			data BLOB
		) STRICT;
		CREATE VIRTUAL TABLE item_text USING fts5(body);`},
	{Name: "parts", SQL: `
		CREATE TABLE part (
			id INTEGER PRIMARY KEY,
			item INTEGER NOT NULL REFERENCES item(id)
		) STRICT;`},
}

// cacheDir is shared by all tests, so that SQLite is compiled once.
var cacheDir string

func config(dir string) sqlite.Config {
	return sqlite.Config{
		Path:          filepath.Join(dir, "test.db"),
		LockPath:      filepath.Join(dir, "test.lock"),
		ApplicationID: testID,
		Migrations:    testSchema,
		CacheDir:      cacheDir,
	}
}

// open opens a database for a test, which ends with an integrity check.
func open(t testing.TB, c sqlite.Config) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		check(t, c)
	})
	return db
}

// check opens the database anew and looks for damage.
func check(t testing.TB, c sqlite.Config) {
	t.Helper()
	ctx := context.Background()
	db, err := sqlite.Open(ctx, c)
	if err != nil {
		t.Errorf("open for the check: %v", err)
		return
	}
	defer db.Close()
	findings, err := db.IntegrityCheck(ctx)
	if err != nil || findings != nil {
		t.Errorf("integrity check: %q, %v", findings, err)
	}
}

func insert(db *sqlite.DB, ctx context.Context, name string) error {
	return db.Write(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec("INSERT INTO item (name) VALUES (?)", name)
		return err
	})
}

func count(t testing.TB, db *sqlite.DB) (n int64) {
	t.Helper()
	err := db.Read(context.Background(), func(tx *sqlite.Tx) error {
		_, err := tx.QueryRow(func(r sqlite.Row) { n = r.Int64(0) }, "SELECT count(*) FROM item")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func short(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 50*time.Millisecond)
}

func TestMain(m *testing.M) {
	if role := os.Getenv(asChild); role != "" {
		flag.Parse()
		if err := children[role](flag.Args()); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sqlite-test")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	cacheDir = filepath.Join(dir, "cache")
	return m.Run()
}
