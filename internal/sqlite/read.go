package sqlite

import (
	"context"
	"sync"
)

// readers is the pool of read-only connections. They are opened when needed and
// used last in, first out, so that few are when little goes on.
type readers struct {
	slots chan struct{} // one for each connection that may be in use

	mu   sync.Mutex
	free []*conn
}

func (r *readers) init(n int) {
	r.slots = make(chan struct{}, n)
}

// Read runs fn on one consistent snapshot of the database, which nothing that is
// written meanwhile changes. fn runs in the calling goroutine and must not write;
// a statement that does is [ErrReadOnly].
//
// ctx bounds the waiting for a connection ([ErrBusy]) and stops statements. The
// snapshot keeps the write-ahead log from being emptied; do not stay in it.
func (db *DB) Read(ctx context.Context, fn func(*Tx) error) error {
	if db.closing.Load() {
		return db.closedError("read")
	}
	waitCtx, cancel := withDefaultWait(ctx)
	defer cancel()
	c, err := db.acquireReader(waitCtx)
	if err != nil {
		return err
	}
	defer db.releaseReader(c)
	c.patience = waitCtx

	if err := c.exec(ctx, "begin", "BEGIN"); err != nil {
		return err
	}
	tx := &Tx{c: c, ctx: ctx}
	defer func() { // on a panic of fn too
		c.guarded = false
		tx.end()
		c.rollback()
	}()
	c.interruptBy(ctx)
	c.guarded = true
	if err := fn(tx); err != nil {
		return err
	}
	// A row that could not be fetched, for example, which fn cannot have seen.
	if tx.lost != nil {
		return tx.lost
	}
	return nil
}

// acquireReader waits for a slot, then takes or opens a connection.
func (db *DB) acquireReader(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, db.lockError("read", ErrBusy, err)
	}
	select {
	case db.readers.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, db.lockError("read", ErrBusy, ctx.Err())
	}
	if db.closing.Load() {
		<-db.readers.slots
		return nil, db.closedError("read")
	}
	r := &db.readers
	r.mu.Lock()
	if n := len(r.free); n > 0 {
		c := r.free[n-1]
		r.free = r.free[:n-1]
		r.mu.Unlock()
		return c, nil
	}
	r.mu.Unlock()
	c, err := db.connect(ctx, roleReader)
	if err != nil {
		<-db.readers.slots
		return nil, err
	}
	return c, nil
}

func (db *DB) releaseReader(c *conn) {
	if c.broken != nil {
		db.log.Error("connection replaced", "path", db.path, "err", c.broken)
		_ = c.close()
	} else {
		db.readers.mu.Lock()
		db.readers.free = append(db.readers.free, c)
		db.readers.mu.Unlock()
	}
	<-db.readers.slots
}

// drain waits for all readers to come back and closes them.
func (r *readers) drain() error {
	for range cap(r.slots) {
		r.slots <- struct{}{}
	}
	return r.closeAll()
}

func (r *readers) closeAll() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	for _, c := range r.free {
		if e := c.close(); err == nil {
			err = e
		}
	}
	r.free = nil
	return err
}
