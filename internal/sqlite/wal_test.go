package sqlite_test

import (
	"context"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/atocore/atocore/internal/sqlite"
)

func fileSize(path string) int64 {
	fi, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return fi.Size()
}

// Readers overlap all the time, so that without a policy the log would only ever
// grow; the first open snapshot is closed only when the next one is open.
func TestLogStaysShortUnderOverlappingReaders(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := config(t.TempDir())
	c.WALLimit = 1 << 20
	c.Readers = 4
	db := open(t, c)

	var snapshots atomic.Int64
	var wg sync.WaitGroup
	inSnapshot := make(chan struct{}, 1)
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				err := db.Read(context.Background(), func(tx *sqlite.Tx) error {
					if _, err := tx.QueryRow(func(sqlite.Row) {}, "SELECT count(*) FROM item"); err != nil {
						return err
					}
					snapshots.Add(1)
					// Stay until another reader has its snapshot.
					select {
					case inSnapshot <- struct{}{}:
					case <-inSnapshot:
					case <-ctx.Done():
					}
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	const kb, writes = 16, 1000 // sixteen times the limit
	most := int64(0)
	for range writes {
		if err := writeKB(db, ctx, kb); err != nil {
			t.Fatal(err)
		}
		most = max(most, fileSize(c.Path+"-wal"))
	}
	cancel()
	wg.Wait()
	// A reader that the system keeps waiting holds its snapshot for as long, and
	// the log with it: on a busy machine it grows somewhat beyond the limit.
	if most > 2*c.WALLimit {
		t.Errorf("the log had %d bytes, the limit is %d", most, c.WALLimit)
	}
	if most == 0 || snapshots.Load() == 0 {
		t.Errorf("log of %d bytes, %d snapshots", most, snapshots.Load())
	}
	t.Logf("at most %d bytes of log for %d written, %d snapshots", most, writes*kb<<10, snapshots.Load())
}

// A reader that stays makes the log grow; that is told, and is over when the
// reader is gone, also with nothing being written any more.
func TestLogShrinksAfterALongReader(t *testing.T) {
	ctx := context.Background()
	c := config(t.TempDir())
	c.WALLimit = 256 << 10
	db := open(t, c)
	stay, reading, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- db.Read(ctx, func(tx *sqlite.Tx) error {
			if _, err := tx.QueryRow(func(sqlite.Row) {}, "SELECT count(*) FROM item"); err != nil {
				return err
			}
			close(reading)
			<-stay
			var n int64
			_, err := tx.QueryRow(func(r sqlite.Row) { n = r.Int64(0) }, "SELECT count(*) FROM item")
			if n != 0 {
				t.Errorf("the snapshot has %d rows by now", n)
			}
			return err
		})
	}()
	<-reading
	for range 100 {
		if err := writeKB(db, ctx, 16); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, func() bool {
		i, err := db.Info(ctx)
		return err == nil && i.LogOver > 0 && i.LogBytes > c.WALLimit
	})
	close(stay)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		i, err := db.Info(ctx)
		return err == nil && i.LogOver == 0 && i.LogBytes <= c.WALLimit
	})
}

// waitFor asks until it is so; the test's own time limit ends the waiting.
func waitFor(t *testing.T, f func() bool) {
	t.Helper()
	for !f() {
		runtime.Gosched()
	}
}

func TestCheckpoint(t *testing.T) {
	ctx := context.Background()
	c := config(t.TempDir())
	db := open(t, c)
	if err := writeKB(db, ctx, 100); err != nil {
		t.Fatal(err)
	}
	res, err := db.Checkpoint(ctx, sqlite.Passive)
	if err != nil || !res.Complete || res.Frames == 0 || res.Copied != res.Frames || res.LogBytes == 0 {
		t.Errorf("passive: %+v, %v", res, err)
	}
	err = db.Read(ctx, func(tx *sqlite.Tx) error {
		if _, err := tx.QueryRow(func(sqlite.Row) {}, "SELECT count(*) FROM item"); err != nil {
			return err
		}
		if err := writeKB(db, ctx, 100); err != nil {
			return err
		}
		// Now a reader is in the way.
		if res, err := db.Checkpoint(ctx, sqlite.Passive); err != nil || res.Complete {
			t.Errorf("passive beside a reader: %+v, %v", res, err)
		}
		ctx, cancel := short(t)
		defer cancel()
		res, err := db.Checkpoint(ctx, sqlite.Truncate)
		if !isBusy(err) || res.Complete {
			t.Errorf("truncate beside a reader: %+v, %v", res, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	res, err = db.Checkpoint(ctx, sqlite.Truncate)
	if err != nil || !res.Complete || res.LogBytes != 0 || fileSize(c.Path+"-wal") != 0 {
		t.Errorf("truncate: %+v, %v", res, err)
	}
}

// The last one to close leaves one file; others leave the log to those who stay.
func TestCloseLeavesOneFile(t *testing.T) {
	ctx := context.Background()
	c := config(t.TempDir())
	a, b := open(t, c), open(t, c)
	for _, db := range []*sqlite.DB{a, b} {
		if err := writeKB(db, ctx, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if fileSize(c.Path+"-wal") == 0 {
		t.Error("log is gone while the database is open")
	}
	if n := count(t, b); n != 2 {
		t.Errorf("%d rows", n)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if _, err := os.Stat(c.Path + suffix); err == nil {
			t.Errorf("%s is left", suffix)
		}
	}
}
