package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/atocore/atocore/internal/sqlite"
)

// Everything that changes the database file or its log does so under the write
// lock: creation, migrations, commits, checkpoints of every kind, breakdowns and
// closing.
func TestNothingIsWrittenOutsideTheLock(t *testing.T) {
	ctx := context.Background()
	c := config(t.TempDir())
	c.WALLimit = 1 // the least
	w := c.Watch()
	for range 3 {
		db, err := sqlite.Open(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		before := w.FileWrites.Load()
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for j := range 100 {
					if err := writeKB(db, ctx, 8); err != nil {
						t.Error(err)
					}
					if i == 0 && j%30 == 0 {
						if _, err := db.Checkpoint(ctx, sqlite.Truncate); err != nil && !errors.Is(err, sqlite.ErrBusy) {
							t.Error(err)
						}
					}
				}
			})
			wg.Go(func() {
				for range 100 {
					count(t, db)
				}
			})
		}
		wg.Wait()
		if err := db.Write(ctx, func(tx *sqlite.Tx) error { return tx.Panic("test") }); !errors.Is(err, sqlite.ErrInternal) {
			t.Error(err)
		}
		if err := writeKB(db, ctx, 8); err != nil {
			t.Error(err)
		}
		if w.FileWrites.Load() == before {
			t.Error("no checkpoint was seen")
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	if w.LogWrites.Load() == 0 || w.Removals.Load() == 0 {
		t.Errorf("%d writes to the log and %d removals seen", w.LogWrites.Load(), w.Removals.Load())
	}
	if got := w.OutsideLock(); len(got) > 0 {
		t.Errorf("%d changes outside the lock, such as %s", len(got), got[0])
	}
	check(t, c)
}

// writeKB inserts one row of so many kilobytes.
func writeKB(db *sqlite.DB, ctx context.Context, kb int) error {
	return db.Write(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec("INSERT INTO item (name, data) VALUES (hex(randomblob(16)), randomblob(?))", kb<<10)
		return err
	})
}

// Each file operation in turn fails, once or from then on. What was acknowledged
// is there afterwards, what was not is not, and nothing is damaged.
func TestFailingFileOperations(t *testing.T) {
	for _, tt := range []struct {
		name    string
		code    error
		lasting bool
		want    error
	}{
		{"full once", sqlite3.FULL, false, sqlite.ErrFull},
		{"full from then on", sqlite3.FULL, true, sqlite.ErrFull},
		{"failing once", errors.New("bad sector"), false, nil},
		{"failing from then on", errors.New("bad sector"), true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			step := 1
			if testing.Short() {
				step = 5
			}
			failures := 0
			for i := 1; ; i += step {
				failed, done := failAt(t, i, tt.lasting, tt.code, tt.want)
				failures += failed
				if done {
					break
				}
			}
			if failures == 0 {
				t.Error("no operation failed")
			}
			t.Logf("%d failures", failures)
		})
	}
}

func failAt(t *testing.T, n int, lasting bool, code, want error) (failed int, done bool) {
	ctx := context.Background()
	c := config(t.TempDir())
	plain := c
	w := c.Watch()
	ops := 0
	unknown := false
	w.Fail = func(op, path string) error {
		ops++
		if ops == n || lasting && ops > n {
			// What is in the log cannot be taken back if nothing can be written.
			unknown = unknown || lasting && ops == n && op == "sync" && strings.HasSuffix(path, "-wal")
			return code
		}
		return nil
	}
	kept, refused := map[string]bool{}, map[string]bool{}
	try := func(err error) bool {
		if err != nil {
			failed++
			if want != nil && !errors.Is(err, want) {
				t.Errorf("operation %d: %v", n, err)
			}
		}
		return err == nil
	}
	db, err := sqlite.Open(ctx, c)
	if try(err) {
		for i := range 4 {
			name := fmt.Sprintf("row %d", i)
			if try(insert(db, ctx, name)) {
				kept[name] = true
			} else {
				refused[name] = true
			}
			if i%2 == 1 {
				_, err := db.Checkpoint(ctx, sqlite.Truncate)
				try(err)
			}
		}
		db.Close()
	}
	w.Fail = nil

	db, err = sqlite.Open(ctx, plain)
	if err != nil {
		t.Fatalf("after failing operation %d: %v", n, err)
	}
	defer db.Close()
	got := names(t, db)
	for name := range kept {
		if !got[name] {
			t.Errorf("operation %d: %q was acknowledged and is lost", n, name)
		}
	}
	for name := range refused {
		if got[name] && !unknown {
			t.Errorf("operation %d: %q was refused and is there", n, name)
		}
	}
	if findings, err := db.IntegrityCheck(ctx); err != nil || findings != nil {
		t.Errorf("operation %d: %q, %v", n, findings, err)
	}
	return failed, ops < n
}

func names(t testing.TB, db *sqlite.DB) map[string]bool {
	t.Helper()
	got := map[string]bool{}
	err := db.Read(context.Background(), func(tx *sqlite.Tx) error {
		for row, err := range tx.Query("SELECT name FROM item ORDER BY name") {
			if err != nil {
				return err
			}
			got[row.Text(0)] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}
