package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/sqlite"
)

// group starts n writes that all end up in one transaction, the first of which
// holds the turn until the others are in line. Each inserts its number as name
// and then runs fn. It gives their errors.
func group(t *testing.T, db *sqlite.DB, n int, fn func(ctx context.Context, i int, tx *sqlite.Tx) error) []error {
	t.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	begun := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			errs[i] = errors.New("did not return")
			defer func() {
				if p := recover(); p != nil {
					errs[i] = fmt.Errorf("panic: %v", p)
				}
			}()
			errs[i] = db.Write(context.Background(), func(tx *sqlite.Tx) error {
				if i == 0 {
					close(begun)
					for db.InLine() < n-1 {
						runtime.Gosched()
					}
				}
				if _, err := tx.Exec("INSERT INTO item (name) VALUES (?)", fmt.Sprint(i)); err != nil {
					return err
				}
				return fn(context.Background(), i, tx)
			})
		})
		if i == 0 {
			<-begun
		} else if i < n-1 { // keep the order; the last one sets all going
			for db.InLine() < i {
				runtime.Gosched()
			}
		}
	}
	wg.Wait()
	return errs
}

var errTest = errors.New("test")

func TestGroupMembersFailAlone(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(tx *sqlite.Tx) error
		want func(error) bool
	}{
		{"error", func(*sqlite.Tx) error { return errTest },
			func(err error) bool { return errors.Is(err, errTest) }},
		{"panic", func(*sqlite.Tx) error { panic(errTest) },
			func(err error) bool { return err != nil && err.Error() == "panic: test" }},
		{"goexit", func(*sqlite.Tx) error { runtime.Goexit(); return nil },
			func(err error) bool { return err != nil && err.Error() == "did not return" }},
		{"constraint", func(tx *sqlite.Tx) error {
			_, err := tx.Exec("INSERT INTO item (name) VALUES ('0')")
			if err == nil {
				_, err = tx.Exec("INSERT INTO item (name) VALUES ('0')")
			}
			return err
		}, func(err error) bool { return errors.Is(err, sqlite.ErrConstraint) }},
	} {
		for _, failing := range []int{0, 2, 4} { // first, in the middle, last
			t.Run(fmt.Sprintf("%s/%d", tt.name, failing), func(t *testing.T) {
				c := config(t.TempDir())
				c.PatientGroups()
				db := open(t, c)
				errs := group(t, db, 5, func(_ context.Context, i int, tx *sqlite.Tx) error {
					if i == failing {
						return tt.fail(tx)
					}
					return nil
				})
				want := map[string]bool{"0": true, "1": true, "2": true, "3": true, "4": true}
				delete(want, fmt.Sprint(failing))
				for i, err := range errs {
					if i == failing && !tt.want(err) || i != failing && err != nil {
						t.Errorf("%d: %v", i, err)
					}
				}
				if diff := cmp.Diff(want, names(t, db)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// Where SQLite or the driver gives up the whole transaction, all who share it
// hear of it, and none of it is there.
func TestGroupIsLostTogether(t *testing.T) {
	c := config(t.TempDir())
	c.PatientGroups()
	db := open(t, c)
	errs := group(t, db, 5, func(_ context.Context, i int, tx *sqlite.Tx) error {
		if i == 2 {
			tx.Panic("driver") // and fn pays no attention
		}
		return nil
	})
	for i, err := range errs {
		if lost := i <= 2; lost != errors.Is(err, sqlite.ErrInternal) || !lost && err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if diff := cmp.Diff(map[string]bool{"3": true, "4": true}, names(t, db)); diff != "" {
		t.Error(diff)
	}
}

func TestCancelledBeforeCommit(t *testing.T) {
	db := open(t, config(t.TempDir()))
	ctx, cancel := context.WithCancel(context.Background())
	err := db.Write(ctx, func(tx *sqlite.Tx) error {
		if _, err := tx.Exec("INSERT INTO item (name) VALUES ('x')"); err != nil {
			return err
		}
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n := count(t, db); n != 0 {
		t.Errorf("%d rows", n)
	}
	if err := insert(db, ctx, "y"); !errors.Is(err, context.Canceled) {
		t.Errorf("done before it began: %v", err)
	}
}

const endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "

// A running statement is stopped, reading or writing, and the database goes on.
func TestInterrupt(t *testing.T) {
	db := open(t, config(t.TempDir()))
	for name, run := range map[string]func(context.Context, func(*sqlite.Tx) error) error{"Read": db.Read, "Write": db.Write} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := short(t)
			defer cancel()
			err := run(ctx, func(tx *sqlite.Tx) error {
				_, err := tx.QueryRow(func(sqlite.Row) {}, endless+"SELECT count(*) FROM c")
				if err == nil {
					t.Error("endless query ended")
				}
				return err
			})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
	ctx, cancel := short(t)
	defer cancel()
	err := db.Write(ctx, func(tx *sqlite.Tx) error {
		tx.Exec("INSERT INTO item (name) VALUES ('first')")
		if _, err := tx.Exec(endless + "INSERT INTO item (name) SELECT 'n' || x FROM c"); err == nil {
			t.Error("endless statement ended")
		}
		// SQLite has rolled back: this must not be a transaction of its own.
		if _, err := tx.Exec("INSERT INTO item (name) VALUES ('second')"); err == nil {
			t.Error("statement after the transaction was lost")
		}
		return nil
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if n := count(t, db); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if err := insert(db, context.Background(), "after"); err != nil {
		t.Error(err)
	}
}

func TestBusy(t *testing.T) {
	c := config(t.TempDir())
	c.Readers = 1
	db, other := open(t, c), open(t, c)
	hold, held := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := db.Write(context.Background(), func(tx *sqlite.Tx) error {
			close(held)
			<-hold
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	for name, db := range map[string]*sqlite.DB{"same": db, "other": other} {
		ctx, cancel := short(t)
		err := insert(db, ctx, name)
		if !errors.Is(err, sqlite.ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		_, err = db.Checkpoint(ctx, sqlite.Passive)
		if !errors.Is(err, sqlite.ErrBusy) {
			t.Errorf("%s: checkpoint: %v", name, err)
		}
		if n := count(t, db); n != 0 { // readers do not care
			t.Errorf("%s: %d rows", name, n)
		}
		cancel()
	}
	// Nor does opening, which has nothing to write.
	ctx, cancel := short(t)
	defer cancel()
	third, err := sqlite.Open(ctx, c)
	if err != nil {
		t.Error(err)
	} else {
		third.Close()
	}
	close(hold)
	wg.Wait()

	err = db.Read(context.Background(), func(*sqlite.Tx) error {
		ctx, cancel := short(t)
		defer cancel()
		return db.Read(ctx, func(*sqlite.Tx) error { return nil })
	})
	if !errors.Is(err, sqlite.ErrBusy) {
		t.Errorf("more readers than allowed: %v", err)
	}
}

func TestReadIsASnapshot(t *testing.T) {
	ctx := context.Background()
	db := open(t, config(t.TempDir()))
	err := db.Read(ctx, func(tx *sqlite.Tx) error {
		for i := range 3 {
			var n int64
			if _, err := tx.QueryRow(func(r sqlite.Row) { n = r.Int64(0) }, "SELECT count(*) FROM item"); err != nil {
				return err
			}
			if n != 0 {
				t.Errorf("%d rows", n)
			}
			if err := insert(db, ctx, fmt.Sprint(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := count(t, db); n != 3 {
		t.Errorf("%d rows", n)
	}
}

// What would get around the locks, or end the transaction, is refused; also when
// the package has the same statement in its own cache.
func TestRefusedStatements(t *testing.T) {
	ctx := context.Background()
	db := open(t, config(t.TempDir()))
	for i := range 3 { // by now everything is cached
		if err := insert(db, ctx, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		count(t, db)
	}
	for _, sql := range []string{
		"COMMIT", "ROLLBACK", "BEGIN", "BEGIN IMMEDIATE", "END", "SAVEPOINT member", "RELEASE member", "ROLLBACK TO member",
		"PRAGMA wal_checkpoint", "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA wal_autocheckpoint = 1",
		"PRAGMA journal_mode = DELETE", "PRAGMA locking_mode = EXCLUSIVE", "PRAGMA query_only = OFF",
		"PRAGMA synchronous = OFF", "PRAGMA user_version = 9", "PRAGMA application_id = 9",
		"PRAGMA writable_schema = ON", "PRAGMA secure_delete = OFF", "PRAGMA foreign_keys = OFF",
		"ATTACH 'x.db' AS x", "DETACH x", "VACUUM", "VACUUM INTO 'x.db'",
	} {
		for name, run := range map[string]func(context.Context, func(*sqlite.Tx) error) error{"Read": db.Read, "Write": db.Write} {
			var got error
			err := run(ctx, func(tx *sqlite.Tx) error {
				_, got = tx.Exec(sql)
				if script := tx.ExecScript("SELECT 1; " + sql); script == nil {
					t.Errorf("%s %q: allowed in a script", name, sql)
				}
				return nil
			})
			if got == nil || err != nil {
				t.Errorf("%s %q: %v, %v", name, sql, got, err)
			}
		}
	}
	if got := len(names(t, db)); got != 3 {
		t.Errorf("%d rows", got)
	}
}

func TestStatementMistakes(t *testing.T) {
	ctx := context.Background()
	db := open(t, config(t.TempDir()))
	err := db.Write(ctx, func(tx *sqlite.Tx) error {
		for _, f := range []func() error{
			func() error { _, err := tx.Exec("SELEC 1"); return err },
			func() error { _, err := tx.Exec(""); return err },
			func() error { _, err := tx.Exec("SELECT 1; SELECT 2"); return err },
			func() error { _, err := tx.Exec("SELECT ?"); return err },
			func() error { _, err := tx.Exec("SELECT ?", 1, 2); return err },
			func() error { _, err := tx.Exec("SELECT ?", struct{}{}); return err },
			func() error { _, err := tx.Exec("SELECT * FROM nowhere"); return err },
		} {
			err := f()
			var e *sqlite.Error
			if !errors.As(err, &e) || e.Path == "" {
				t.Errorf("got %v", err)
			}
		}
		_, err := tx.Exec("INSERT INTO item (name) VALUES ('fine')")
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows", n)
	}
	var leaked *sqlite.Tx
	var row sqlite.Row
	if err := db.Read(ctx, func(tx *sqlite.Tx) error {
		leaked = tx
		_, err := tx.QueryRow(func(r sqlite.Row) { row = r }, "SELECT name FROM item")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := leaked.Exec("SELECT 1"); !errors.Is(err, sqlite.ErrClosed) {
		t.Errorf("transaction used after its end: %v", err)
	}
	if p := panicOf(func() { row.Text(0) }); p == nil {
		t.Error("row used after its query: no panic")
	}
	if err := db.Read(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.QueryRow(func(r sqlite.Row) {
			if p := panicOf(func() { r.Text(1) }); p == nil {
				t.Error("missing column: no panic")
			}
		}, "SELECT name FROM item")
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func panicOf(f func()) (p any) {
	defer func() { p = recover() }()
	f()
	return nil
}

func TestNestedQueries(t *testing.T) {
	ctx := context.Background()
	db := open(t, config(t.TempDir()))
	for i := range 4 {
		if err := insert(db, ctx, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	const sql = "SELECT name FROM item WHERE name > ? ORDER BY name"
	var got []string
	err := db.Read(ctx, func(tx *sqlite.Tx) error {
		var walk func(prefix, after string) error
		walk = func(prefix, after string) error {
			for row, err := range tx.Query(sql, after) {
				if err != nil {
					return err
				}
				name := row.Text(0)
				got = append(got, prefix+name)
				if err := walk(prefix+name, name); err != nil {
					return err
				}
			}
			return nil
		}
		return walk("", "")
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "0 01 012 0123 013 02 023 03 1 12 123 13 2 23 3"
	if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
		t.Error(diff)
	}
}

func TestChangesCountTheStatementAlone(t *testing.T) {
	db := open(t, config(t.TempDir()))
	err := db.Write(context.Background(), func(tx *sqlite.Tx) error {
		for _, tt := range []struct {
			sql  string
			want int64
		}{
			{"INSERT INTO item (name) VALUES ('a'), ('b'), ('c')", 3},
			{"SELECT * FROM item", 0},
			{"CREATE TABLE other (x) STRICT", 0},
			{"UPDATE item SET name = name || 'x' WHERE name <> 'a'", 2},
			{"UPDATE item SET name = 'x' WHERE name = 'nobody'", 0},
			{"DELETE FROM item", 3},
			{"INSERT INTO item (name) VALUES ('d') RETURNING id", 1},
		} {
			if strings.HasPrefix(tt.sql, "CREATE") {
				tt.sql = strings.Replace(tt.sql, "x)", "x INTEGER)", 1)
			}
			got, err := tx.Exec(tt.sql)
			if err != nil || got != tt.want {
				t.Errorf("%s: %d, %v; want %d", tt.sql, got, err, tt.want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Values up to the limit pass, both ways and at once on every connection; larger
// ones, whether given or made in SQL, are refused; running out of memory is an
// error and the next transaction has a connection that works.
func TestBigValuesAndMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("moves hundreds of megabytes")
	}
	ctx := context.Background()
	db := open(t, config(t.TempDir()))
	big := strings.Repeat("x", sqlite.MaxValue-100)
	err := db.Write(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec("INSERT INTO item (name, data) VALUES ('big', ?)", []byte(big))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Read(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.QueryRow(func(r sqlite.Row) {
			if got := r.Blob(0); string(got) != big {
				t.Errorf("%d bytes came back", len(got))
			}
			if got := r.Text(1); len(got) != len(big) {
				t.Errorf("%d bytes of text came back", len(got))
			}
		}, "SELECT data, CAST(data AS TEXT) FROM item WHERE name = 'big'")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		sql  string
		args []any
	}{
		{"INSERT INTO item (name, data) VALUES ('bigger', ?)", []any{make([]byte, sqlite.MaxValue+1)}},
		{"INSERT INTO item (name) VALUES (?)", []any{big + strings.Repeat("x", 200)}},
		{"INSERT INTO item (name, data) VALUES ('row', zeroblob(?))", []any{sqlite.MaxValue + 1}},
		{"INSERT INTO item (name, data) SELECT 'twice', data || data FROM item", nil},
	} {
		err := db.Write(ctx, func(tx *sqlite.Tx) error {
			_, err := tx.Exec(tt.sql, tt.args...)
			return err
		})
		if !errors.Is(err, sqlite.ErrTooBig) {
			t.Errorf("%s: %v", tt.sql, err)
		}
	}
	// Each value is allowed, so many at once are not.
	for name, run := range map[string]func(context.Context, func(*sqlite.Tx) error) error{"Read": db.Read, "Write": db.Write} {
		err := run(ctx, func(tx *sqlite.Tx) error {
			var args []any
			for range 10 {
				args = append(args, big)
			}
			_, err := tx.QueryRow(func(sqlite.Row) {},
				"SELECT length(?) + length(?) + length(?) + length(?) + length(?) + length(?) + length(?) + length(?) + length(?) + length(?)", args...)
			return err
		})
		if !errors.Is(err, sqlite.ErrMemory) {
			t.Errorf("%s: %v", name, err)
		}
		if n := count(t, db); n != 1 {
			t.Errorf("%d rows", n)
		}
		if err := insert(db, ctx, name); err != nil {
			t.Error(err)
		}
		if err := db.Write(ctx, func(tx *sqlite.Tx) error {
			_, err := tx.Exec("DELETE FROM item WHERE name = ?", name)
			return err
		}); err != nil {
			t.Error(err)
		}
	}
}

// A connection whose driver panicked is replaced, with its files and memory, as
// often as it takes, and a panic of fn itself leaves it as good as new.
func TestBrokenConnectionsAreReplaced(t *testing.T) {
	ctx := context.Background()
	c := config(t.TempDir())
	c.Readers = 1
	db := open(t, c)
	before := openFiles(t)
	for i := range 50 {
		for name, run := range map[string]func(context.Context, func(*sqlite.Tx) error) error{"Read": db.Read, "Write": db.Write} {
			err := run(ctx, func(tx *sqlite.Tx) error {
				for row, err := range tx.Query("SELECT name FROM item") {
					_, _ = row, err
				}
				return tx.Panic("driver")
			})
			if !errors.Is(err, sqlite.ErrInternal) {
				t.Fatalf("%s: %v", name, err)
			}
			if p := panicOf(func() { run(ctx, func(*sqlite.Tx) error { panic("fn") }) }); p != "fn" {
				t.Fatalf("%s: recovered %v", name, p)
			}
		}
		if err := insert(db, ctx, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, db); n != 50 {
		t.Errorf("%d rows", n)
	}
	if after := openFiles(t); after > before+20 {
		t.Errorf("%d files open, %d before", after, before)
	}
}
