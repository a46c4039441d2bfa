package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/atocore/atocore/internal/lockfile"
)

// Writers take turns. Whoever has the turn may use the writer connection; with
// the turn goes the group, the transaction that is open and what it holds for
// others. A function that is done passes turn and group on to the next in line,
// or commits the group if there is nobody, and everyone in it has the same
// result. So while one commit waits for the disk, the next group gathers.
//
// Functions run in their callers' goroutines, one after the other.

const (
	// A group ends with so many members, or when its first has waited so long:
	// sharing a commit must not keep anyone waiting for much longer than having
	// one's own.
	groupMembers = 128
	groupAge     = 5 * time.Millisecond
)

type writer struct {
	mu     sync.Mutex
	active bool        // somebody has the turn
	line   []*turnWait // the others, first come first served

	conn *conn // of whoever has the turn; nil until needed and after a breakdown
}

type turnWait struct {
	turn chan *group
	solo bool // wants no open group
}

// group is an open transaction with the functions that have succeeded in it.
type group struct {
	members []chan error
	since   time.Time // when the first of them was done
}

// enter waits for the turn. With it may come an open group, unless solo is set.
// If ctx is done first, the turn may have been given already; it is then the
// caller's to pass on, which given reports.
func (w *writer) enter(ctx context.Context, solo bool) (g *group, given bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	w.mu.Lock()
	if !w.active {
		w.active = true
		w.mu.Unlock()
		return nil, true, nil
	}
	me := &turnWait{turn: make(chan *group, 1), solo: solo}
	w.line = append(w.line, me)
	w.mu.Unlock()

	select {
	case g := <-me.turn:
		return g, true, nil
	case <-ctx.Done():
	}
	w.mu.Lock()
	for i, other := range w.line {
		if other == me {
			w.line = append(w.line[:i], w.line[i+1:]...)
			w.mu.Unlock()
			return nil, false, ctx.Err()
		}
	}
	w.mu.Unlock()
	return <-me.turn, true, ctx.Err()
}

// join passes the turn with the open group to the next in line, if there is one
// who may have it.
func (w *writer) join(g *group, age time.Duration) bool {
	if len(g.members) >= groupMembers || time.Since(g.since) >= age {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.line) == 0 || w.line[0].solo {
		return false
	}
	w.next(g)
	return true
}

// leave passes the turn on, with no group open.
func (w *writer) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.line) == 0 {
		w.active = false
		return
	}
	w.next(nil)
}

func (w *writer) next(g *group) {
	first := w.line[0]
	w.line[0] = nil
	w.line = w.line[1:]
	first.turn <- g
}

// Write runs fn in a write transaction and commits it, possibly together with
// those of other callers. fn runs once at most, in the calling goroutine. Its
// error, or a panic, undoes what it did and nothing else, and is passed on.
//
// ctx bounds the waiting for the write lock ([ErrBusy] if that was too long) and
// stops fn between its statements and between rows, in most cases also within
// one. Once fn has returned nil with ctx not done, the outcome is that of the
// commit, however long it takes.
//
// fn must not call Write, Checkpoint or Close: they would wait for fn to end.
// Another caller's function can delay the commit; keep fn short.
func (db *DB) Write(ctx context.Context, fn func(*Tx) error) error {
	if db.closing.Load() {
		return db.closedError("write")
	}
	if db.readOnly() {
		return &Error{Op: "write", Path: db.path, Kind: ErrReadOnly, Err: errors.New("it was opened to be read")}
	}
	lockCtx, cancel := withDefaultWait(ctx)
	defer cancel()

	g, given, err := db.w.enter(lockCtx, false)
	if err != nil {
		if given {
			db.finish(g)
		}
		return db.lockError("write", ErrBusy, err)
	}
	if g == nil {
		if db.closing.Load() {
			db.w.leave()
			return db.closedError("write")
		}
		if g, err = db.beginGroup(lockCtx); err != nil {
			db.w.leave()
			return err
		}
	}

	done := make(chan error, 1)
	if err := db.runInGroup(ctx, g, done, fn); err != nil {
		return err
	}
	return <-done
}

// beginGroup takes the write lock and begins a transaction.
func (db *DB) beginGroup(ctx context.Context) (*group, error) {
	if err := db.lockWrites(ctx, "write"); err != nil {
		return nil, err
	}
	c, err := db.writerConn(ctx)
	if err == nil {
		c.patience = ctx
		err = c.exec(ctx, "begin", "BEGIN IMMEDIATE")
	}
	if err != nil {
		db.unlockWrites()
		return nil, err
	}
	return &group{}, nil
}

const savepoint = "member"

// runInGroup runs fn as the group's next member, then passes the group on or
// commits it. The commit's outcome goes to done; an error returned is fn's own.
func (db *DB) runInGroup(ctx context.Context, g *group, done chan error, fn func(*Tx) error) error {
	c := db.w.conn
	first := len(g.members) == 0
	tx := &Tx{c: c, ctx: ctx}

	returned := false
	defer func() {
		if !returned { // fn panicked, or ended its goroutine
			db.undo(c, g, tx, first)
			db.finish(g)
		}
	}()

	var err error
	if first {
		// SQLite undoes a whole transaction when one of its writing statements is
		// interrupted, so only a function that is alone in it can be.
		c.interruptBy(ctx)
	} else {
		err = c.exec(ctx, "begin", "SAVEPOINT "+savepoint)
	}
	if err == nil {
		c.guarded = true
		err = fn(tx)
		c.guarded = false
	}
	returned = true

	if err == nil {
		err = tx.usable("commit", "")
	}
	tx.end()
	c.interruptBy(context.Background())
	if err == nil && !first {
		err = c.exec(ctx, "commit", "RELEASE "+savepoint)
	}
	if err != nil {
		db.undo(c, g, tx, first)
	} else {
		if len(g.members) == 0 {
			g.since = time.Now()
		}
		g.members = append(g.members, done)
	}
	db.finish(g)
	return err
}

// undo takes back what the function of tx did. If SQLite has rolled back the
// whole group, or the connection is broken, the members before it are told that
// they are lost too.
func (db *DB) undo(c *conn, g *group, tx *Tx, first bool) {
	c.guarded = false
	tx.end()
	c.interruptBy(context.Background())
	bg := context.Background()
	if !first && c.broken == nil && c.inTransaction() {
		err := c.exec(bg, "rollback", "ROLLBACK TO "+savepoint)
		if err == nil {
			err = c.exec(bg, "rollback", "RELEASE "+savepoint)
		}
		if err == nil {
			return
		}
		tx.lost = err
	}
	c.rollback()
	cause := tx.lost
	if cause == nil {
		cause = c.broken
	}
	g.fail(db.path, cause)
}

// fail tells the members that their transaction is gone.
func (g *group) fail(path string, cause error) {
	for _, done := range g.members {
		e := &Error{Op: "commit", Path: path, Err: fmt.Errorf("the transaction it shared was undone: %w", cause)}
		var known *Error
		if errors.As(cause, &known) {
			e.Kind, e.Code = known.Kind, known.Code
		}
		done <- e
	}
	g.members = nil
}

// finish passes the turn on, with the group if somebody may join it, and commits
// the group otherwise.
func (db *DB) finish(g *group) {
	if g == nil {
		db.w.leave()
		return
	}
	if len(g.members) > 0 && db.w.join(g, db.cfg.groupAge) {
		return
	}
	c := db.w.conn
	var err error
	if len(g.members) > 0 {
		// What is to be committed is nobody's to cancel any more.
		ctx, cancel := context.WithTimeout(context.Background(), DefaultWait)
		c.patience = ctx
		err = c.exec(ctx, "commit", "COMMIT")
		cancel()
	}
	if err != nil || c.broken != nil || c.inTransaction() {
		c.rollback()
	}
	committed := err == nil && len(g.members) > 0 && c.broken == nil
	for _, done := range g.members {
		done <- err
	}
	release := func() {
		db.dropBrokenWriter()
		db.unlockWrites()
		db.w.leave()
	}
	if committed {
		if mode, due := db.due(int64(c.logFrames)); due {
			// With turn and lock, so that nobody can write before it has been made;
			// but the caller need not wait for it.
			go func() {
				defer release()
				db.shorten(c, mode)
			}()
			return
		}
	}
	release()
}

// exclusively runs fn with the turn and the write lock, and no transaction open.
func (db *DB) exclusively(ctx context.Context, op string, fn func(*conn) error) error {
	ctx, cancel := withDefaultWait(ctx)
	defer cancel()
	_, given, err := db.w.enter(ctx, true)
	if given {
		defer db.w.leave()
	}
	if err != nil {
		return db.lockError(op, ErrBusy, err)
	}
	if db.closing.Load() {
		return db.closedError(op)
	}
	if err := db.lockWrites(ctx, op); err != nil {
		return err
	}
	defer db.unlockWrites()
	c, err := db.writerConn(ctx)
	if err != nil {
		return err
	}
	defer db.dropBrokenWriter()
	c.patience = ctx
	return fn(c)
}

// lockWrites takes the write lock of all processes. The caller has the turn.
func (db *DB) lockWrites(ctx context.Context, op string) error {
	if err := db.lock.Lock(ctx, lockfile.RangeWrite, lockfile.Exclusive); err != nil {
		return db.lockError(op, ErrBusy, err)
	}
	return nil
}

func (db *DB) unlockWrites() {
	if err := db.lock.Unlock(lockfile.RangeWrite); err != nil {
		db.log.Error("write lock not released", "path", db.path, "err", err)
	}
}

// writerConn gives the writer connection. The caller has the turn and the lock.
func (db *DB) writerConn(ctx context.Context) (*conn, error) {
	if db.w.conn == nil {
		c, err := db.connect(ctx, roleWriter)
		if err != nil {
			return nil, err
		}
		db.w.conn = c
	}
	return db.w.conn, nil
}

// dropBrokenWriter closes the connection if it is of no more use, while the lock
// is still held.
func (db *DB) dropBrokenWriter() {
	if c := db.w.conn; c != nil && c.broken != nil {
		db.w.conn = nil
		db.log.Error("connection replaced", "path", db.path, "err", c.broken)
		_ = c.close()
	}
}

func (db *DB) closedError(op string) error {
	return &Error{Op: op, Path: db.path, Kind: ErrClosed}
}
