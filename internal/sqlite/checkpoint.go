package sqlite

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/atocore/atocore/internal/lockfile"
)

// Commits are appended to the write-ahead log. A checkpoint copies them into the
// database; only then, and only when no reader needs what is in the log, can it
// begin anew. Left to itself SQLite never gets there while readers overlap: each
// new one reads from the log again. Under the write lock it does. Nothing is
// appended then, so once all is copied new readers use the database alone, and
// the old ones go away; the log begins anew as soon as the last of them has.
//
// The limit is cut into four steps. The commit that completes the first leaves
// turn and lock to a checkpoint that copies what it can without waiting, which is
// enough if there happens to be no reader when the next writer comes. After each
// further step the checkpoint waits for readers, a moment only, since writers wait
// for it. Readers wait for nothing. A reader that stays longer makes the log grow
// past its limit; it is then tried again at growing intervals, also with nothing
// being written.

// Mode says how far a checkpoint goes.
type Mode uint8

const (
	// Passive copies what can be copied without waiting for readers.
	Passive Mode = iota

	// Truncate copies everything, waits for readers of the log, and empties it.
	Truncate
)

// CheckpointResult says what a checkpoint did.
type CheckpointResult struct {
	// LogBytes is the size of the write-ahead log's file afterwards.
	LogBytes int64

	// Frames is how many pages were in the log, Copied how many of them the
	// database has by now. Both are 0 after a Truncate.
	Frames, Copied int

	// Complete reports that everything was copied and, with Truncate, the log
	// emptied. If it is not, readers were in the way.
	Complete bool
}

// Checkpoint copies the write-ahead log into the database. Truncate waits for
// readers until ctx is done, or for [DefaultWait]; if they are still there, the
// result says so and the error matches [ErrBusy]. Writers wait meanwhile. While
// the database is copied there are no checkpoints: [ErrBusy] at once.
func (db *DB) Checkpoint(ctx context.Context, mode Mode) (CheckpointResult, error) {
	if db.closing.Load() {
		return CheckpointResult{}, db.closedError("checkpoint")
	}
	if db.readOnly() {
		return CheckpointResult{}, &Error{Op: "checkpoint", Path: db.path, Kind: ErrReadOnly, Err: errors.New("it was opened to be read")}
	}
	ctx, cancel := withDefaultWait(ctx)
	defer cancel()
	m := sqlite3.CHECKPOINT_PASSIVE
	if mode == Truncate {
		m = sqlite3.CHECKPOINT_TRUNCATE
	}
	var res CheckpointResult
	err := db.exclusively(ctx, "checkpoint", func(c *conn) (err error) {
		res, err = db.checkpoint(ctx, c, m)
		return err
	})
	return res, err
}

// checkpoint runs under the write lock. It waits for readers until ctx is done.
func (db *DB) checkpoint(ctx context.Context, c *conn, mode sqlite3.CheckpointMode) (res CheckpointResult, err error) {
	still, err := db.standStill()
	if err != nil {
		res.LogBytes = db.logBytes()
		return res, err
	}
	defer still()
	c.patience = ctx
	err = c.do(ctx, "checkpoint", "", func() (err error) {
		res.Frames, res.Copied, err = c.c.WALCheckpoint("main", mode)
		return err
	})
	res.LogBytes = db.logBytes()
	res.Complete = err == nil && res.Frames == res.Copied
	db.ckpt.mu.Lock()
	defer db.ckpt.mu.Unlock()
	db.ckpt.last = int64(res.Frames)
	if err == nil && mode != sqlite3.CHECKPOINT_PASSIVE {
		db.ckpt.last = 0
	}
	return res, err
}

// standStill keeps copies of the database from beginning, until the function that
// it returns is called. It does not wait for one that is running: whoever copies
// waits for the write lock in turn.
func (db *DB) standStill() (release func(), err error) {
	ok, err := db.lock.TryLock(lockfile.RangeCopy, lockfile.Exclusive)
	switch {
	case err != nil:
		return nil, db.lockError("checkpoint", nil, err)
	case !ok:
		return nil, &Error{Op: "checkpoint", Path: db.path, Kind: ErrBusy, Err: errCopying}
	}
	return func() {
		if err := db.lock.Unlock(lockfile.RangeCopy); err != nil {
			db.log.Error("copy lock not released", "path", db.path, "err", err)
		}
	}, nil
}

var errCopying = errors.New("the database is being copied")

func (db *DB) logBytes() int64 {
	fi, err := os.Stat(db.path + "-wal")
	if err != nil {
		return 0
	}
	return fi.Size()
}

const (
	// drainWait is how long a checkpoint of the package's own waits for readers.
	drainWait = 250 * time.Millisecond

	firstRetry = 250 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// checkpointer is what is known about the log, and the goroutine that tries again
// where readers were in the way.
type checkpointer struct {
	wake chan struct{} // the log is past its limit
	stop context.CancelFunc
	done chan struct{}

	mu   sync.Mutex
	last int64     // frames in the log when it was last checkpointed
	over time.Time // since when the log is past its limit; zero if it is not
}

// frameSize is what a page takes in the log, in bytes.
const frameSize = 4096 + 24

func (db *DB) startCheckpointer() {
	ctx, cancel := context.WithCancel(context.Background())
	k := &db.ckpt
	k.wake = make(chan struct{}, 1)
	k.stop = cancel
	k.done = make(chan struct{})
	go db.retryCheckpoints(ctx)
}

func (db *DB) stopCheckpointer() {
	if db.ckpt.stop == nil {
		return // of a database that is only read
	}
	db.ckpt.stop()
	<-db.ckpt.done
}

// due tells, after a commit that has left so many frames in the log, whether to
// checkpoint now and how.
func (db *DB) due(frames int64) (mode sqlite3.CheckpointMode, due bool) {
	k := &db.ckpt
	k.mu.Lock()
	defer k.mu.Unlock()
	if frames < k.last {
		k.last = 0 // it has begun anew
	}
	limit := db.cfg.WALLimit
	if (frames-k.last)*frameSize < limit/4 {
		return 0, false
	}
	switch {
	case !k.over.IsZero():
		// Waiting for that reader is the retries' business, or every step would
		// hold up the writers.
		return sqlite3.CHECKPOINT_PASSIVE, true
	case frames*frameSize >= limit:
		return sqlite3.CHECKPOINT_TRUNCATE, true
	case frames*frameSize >= limit/2:
		return sqlite3.CHECKPOINT_RESTART, true
	}
	return sqlite3.CHECKPOINT_PASSIVE, true
}

// shorten makes a checkpoint of the package's own and reports whether the log is
// as short as it should be. The caller has the turn and the write lock.
func (db *DB) shorten(c *conn, mode sqlite3.CheckpointMode) bool {
	ctx, cancel := context.WithTimeout(context.Background(), drainWait)
	defer cancel()
	_, err := db.checkpoint(ctx, c, mode)
	if err != nil && !errors.Is(err, ErrBusy) {
		db.log.Error("checkpoint failed", "path", db.path, "err", err)
	}
	size := db.logBytes()
	k := &db.ckpt
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case size <= db.cfg.WALLimit && !k.over.IsZero():
		db.log.Info("write-ahead log is short again", "path", db.path, "bytes", size, "after", time.Since(k.over))
		k.over = time.Time{}
	case size > db.cfg.WALLimit && k.over.IsZero():
		db.log.Warn("write-ahead log is past its limit and cannot begin anew: a reader stays in its snapshot, or the database is copied",
			"path", db.path, "bytes", size, "limit", db.cfg.WALLimit)
		k.over = time.Now()
		select {
		case k.wake <- struct{}{}:
		default:
		}
	}
	return k.over.IsZero()
}

// retryCheckpoints tries again, until ctx is done, when the log is past its limit:
// nothing may be written any more.
func (db *DB) retryCheckpoints(ctx context.Context) {
	k := &db.ckpt
	defer close(k.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		}
		for wait, short := firstRetry, false; !short; wait = min(2*wait, lastRetry) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			k.mu.Lock()
			short = k.over.IsZero()
			k.mu.Unlock()
			if short {
				break // a writer has done it
			}
			// An error is that of a lock, which may be had the next time.
			_ = db.exclusively(ctx, "checkpoint", func(c *conn) error {
				short = db.shorten(c, sqlite3.CHECKPOINT_TRUNCATE)
				return nil
			})
		}
	}
}

// closeWriter closes the writer connection. Under the lock it lets SQLite do what
// it does when a last connection closes: copy the log, and remove it. If another
// process keeps the lock for long it is in the middle of writing, so that this is
// not the last connection anyway.
func (db *DB) closeWriter() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, given, err := db.w.enter(context.Background(), true)
	if err != nil || !given {
		return err
	}
	defer db.w.leave()
	c := db.w.conn
	db.w.conn = nil
	if c == nil {
		return nil
	}
	if err := db.lockWrites(ctx, "close"); err != nil {
		return c.close()
	}
	defer db.unlockWrites()
	still, err := db.standStill()
	if err != nil {
		return c.close() // somebody has the database open to copy it
	}
	defer still()
	c.patience = ctx
	_ = c.do(ctx, "close", "", func() error {
		_, err := c.c.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, false)
		return err
	})
	return c.close()
}
