package sqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/atocore/atocore/internal/sqlite"
)

// asChild names the role in which a copy of the test program runs.
const asChild = "SQLITE_TEST_CHILD"

// children are the roles. The first argument is the directory of the database,
// the second that of the compiled WebAssembly.
var children map[string]func(args []string) error

func init() {
	children = map[string]func([]string) error{
		"open":   childOpen,
		"write":  childWrite,
		"read":   childRead,
		"commit": childCommit,
	}
}

func childConfig(args []string) sqlite.Config {
	cacheDir = args[1]
	return config(args[0])
}

type process struct {
	*exec.Cmd
	out    io.ReadCloser
	errors bytes.Buffer
}

func startChild(t testing.TB, role string, args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(exe, args...)}
	p.Env = append(os.Environ(), asChild+"="+role)
	p.Stderr = &p.errors
	if p.out, err = p.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Process.Kill()
		p.Wait()
	})
	return p
}

// finish waits for the process and gives what it printed.
func (p *process) finish(t testing.TB) string {
	t.Helper()
	out, err := io.ReadAll(p.out)
	if err != nil {
		t.Error(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("%v: %s", err, p.errors.String())
	}
	return string(out)
}

// childOpen opens the database, prints a count and the state of the cache.
func childOpen(args []string) error {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, childConfig(args))
	if err != nil {
		return err
	}
	defer db.Close()
	var n int64
	err = db.Read(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.QueryRow(func(r sqlite.Row) { n = r.Int64(0) }, "SELECT count(*) FROM item")
		return err
	})
	if err != nil {
		return err
	}
	dir, note := sqlite.CacheNote()
	fmt.Printf("%d rows, cache %q: %s\n", n, dir, note)
	return db.Close()
}

// childWrite writes so many rows under its own prefix, from two goroutines, and
// reports writes outside the lock.
func childWrite(args []string) error {
	c := childConfig(args)
	c.WALLimit = 1 << 20
	w := c.Watch()
	prefix := args[2]
	n, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	db, err := sqlite.Open(ctx, c)
	if err != nil {
		return err
	}
	errs := make(chan error, 2)
	for g := range 2 {
		go func() {
			var err error
			for i := g; i < n && err == nil; i += 2 {
				err = db.Write(ctx, func(tx *sqlite.Tx) error {
					_, err := tx.Exec("INSERT INTO item (name, data) VALUES (?, randomblob(500))", fmt.Sprintf("%s-%d", prefix, i))
					return err
				})
				if i%200 == 199 && err == nil {
					if _, err = db.Checkpoint(ctx, sqlite.Passive); errors.Is(err, sqlite.ErrBusy) {
						err = nil // a copy is being made, and it waits for none
					}
				}
			}
			errs <- err
		}()
	}
	err = errors.Join(<-errs, <-errs, db.Close())
	if out := w.OutsideLock(); len(out) > 0 {
		err = errors.Join(err, fmt.Errorf("%d changes outside the lock, such as %s", len(out), out[0]))
	}
	fmt.Println(w.FileWrites.Load(), "pages copied by checkpoints")
	return err
}

// childRead reads until standard input is closed. Rows only ever get more, and
// each snapshot is one.
func childRead(args []string) error {
	c := childConfig(args)
	w := c.Watch()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	db, err := sqlite.Open(ctx, c)
	if err != nil {
		return err
	}
	closed := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(closed)
	}()
	var last int64
	reads := 0
	for {
		select {
		case <-closed:
			err := db.Close()
			if out := w.OutsideLock(); len(out) > 0 {
				err = errors.Join(err, fmt.Errorf("%d changes outside the lock, such as %s", len(out), out[0]))
			}
			fmt.Println(reads, "reads")
			return err
		default:
		}
		err := db.Read(ctx, func(tx *sqlite.Tx) error {
			var counts [2]int64
			for i := range counts {
				if _, err := tx.QueryRow(func(r sqlite.Row) { counts[i] = r.Int64(0) }, "SELECT count(*) FROM item"); err != nil {
					return err
				}
			}
			if counts[0] != counts[1] || counts[0] < last {
				return fmt.Errorf("counted %d, then %d after %d", counts[0], counts[1], last)
			}
			last = counts[0]
			return nil
		})
		if err != nil {
			return err
		}
		reads++
	}
}

func TestManyProcesses(t *testing.T) {
	const writers, readers = 4, 4
	each := 500
	if testing.Short() {
		each = 100
	}
	ctx := context.Background()
	c := config(t.TempDir())
	dir := filepath.Dir(c.Path)

	// Nobody has created it yet: that is a race too.
	var ws, rs []*process
	var inputs []io.Closer
	for i := range writers {
		ws = append(ws, startChild(t, "write", dir, cacheDir, fmt.Sprint("w", i), fmt.Sprint(each)))
	}
	for range readers {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		p := &process{Cmd: exec.Command(exe, dir, cacheDir)}
		p.Env = append(os.Environ(), asChild+"=read")
		p.Stderr = &p.errors
		in, err := p.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if p.out, err = p.StdoutPipe(); err != nil {
			t.Fatal(err)
		}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Process.Kill() })
		rs, inputs = append(rs, p), append(inputs, in)
	}
	for _, p := range ws {
		t.Log(strings.TrimSpace(p.finish(t)))
	}
	for _, in := range inputs {
		in.Close()
	}
	for _, p := range rs {
		t.Log(strings.TrimSpace(p.finish(t)))
	}

	db, err := sqlite.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	got := names(t, db)
	for i := range writers {
		for j := range each {
			if name := fmt.Sprintf("w%d-%d", i, j); !got[name] {
				t.Fatalf("%s is lost", name)
			}
		}
	}
	if len(got) != writers*each {
		t.Errorf("%d rows, want %d", len(got), writers*each)
	}
	if findings, err := db.IntegrityCheck(ctx); err != nil || findings != nil {
		t.Errorf("%q, %v", findings, err)
	}
}

// childCommit commits rows from several goroutines and prints the name of each
// once that is acknowledged, until killed.
func childCommit(args []string) error {
	ctx := context.Background()
	c := childConfig(args)
	c.WALLimit = 1 // so that checkpoints are under way too
	db, err := sqlite.Open(ctx, c)
	if err != nil {
		return err
	}
	errs := make(chan error)
	for g := range 3 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%s-%d-%d", args[2], g, i)
				err := db.Write(ctx, func(tx *sqlite.Tx) error {
					if _, err := tx.Exec("INSERT INTO item (name, data) VALUES (?, randomblob(3000))", name); err != nil {
						return err
					}
					_, err := tx.Exec("INSERT INTO part (item) VALUES (?)", tx.LastInsertRowID())
					return err
				})
				if err != nil {
					errs <- err
					return
				}
				os.Stdout.WriteString(name + "\n") // one write, so whole or not at all
			}
		}()
	}
	return <-errs
}

var kills = flag.Int("sqlite.kills", 100, "how often to kill a committing process")

// A process is killed in the middle of its commits and checkpoints, again and
// again, on the same database. What it has acknowledged is there, whole.
func TestKilledProcessLosesNothing(t *testing.T) {
	n := *kills
	switch {
	case testing.Short():
		n = min(n, 10)
	case raceEnabled:
		n = min(n, 30)
	}
	ctx := context.Background()
	c := config(t.TempDir())
	dir := filepath.Dir(c.Path)
	total := 0
	for k := range n {
		// Every other time somebody has the database open all along. Otherwise the
		// shared memory is gone too and the log has to be recovered.
		var bystander *sqlite.DB
		if k%2 == 0 {
			var err error
			if bystander, err = sqlite.Open(ctx, c); err != nil {
				t.Fatal(err)
			}
			count(t, bystander)
		}
		p := startChild(t, "commit", dir, cacheDir, fmt.Sprint("k", k))
		lines := bufio.NewReader(p.out)
		var acked []string
		for len(acked) == 0 || rand.N(60) != 0 {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("%v: %s", err, p.errors.String())
			}
			acked = append(acked, strings.TrimSpace(line))
		}
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(lines)
		if err != nil {
			t.Fatal(err)
		}
		p.Wait()
		acked = append(acked, strings.Fields(string(rest))...)
		total += len(acked)

		db, err := sqlite.Open(ctx, c)
		if err != nil {
			t.Fatalf("after kill %d: %v", k, err)
		}
		var missing, broken int64
		err = db.Read(ctx, func(tx *sqlite.Tx) error {
			for _, name := range acked {
				found, err := tx.QueryRow(func(sqlite.Row) {}, "SELECT 1 FROM item WHERE name = ?", name)
				if err != nil {
					return err
				}
				if !found {
					missing++
				}
			}
			_, err := tx.QueryRow(func(r sqlite.Row) { broken = r.Int64(0) },
				"SELECT (SELECT count(*) FROM item) - (SELECT count(*) FROM part)")
			return err
		})
		if err != nil || missing > 0 || broken != 0 {
			t.Errorf("after kill %d: %d of %d acknowledged are lost, %d in halves, %v", k, missing, len(acked), broken, err)
		}
		if k%10 == 9 || k == n-1 {
			if findings, err := db.IntegrityCheck(ctx); err != nil || findings != nil {
				t.Errorf("after kill %d: %q, %v", k, findings, err)
			}
			// Keep it small, and the work of each round the same.
			if err := db.Write(ctx, func(tx *sqlite.Tx) error {
				return tx.ExecScript("DELETE FROM part; DELETE FROM item")
			}); err != nil {
				t.Error(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if bystander != nil {
			if err := bystander.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	t.Logf("%d kills, %d acknowledged writes", n, total)
}
