package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Info describes the open database and the engine.
type Info struct {
	SQLiteVersion string // of SQLite, such as 3.47.0
	VecVersion    string // of sqlite-vec
	UserVersion   int    // the number of migrations applied
	PageSize      int64  // bytes
	PageCount     int64  // pages of the database, the log included
	FreePages     int64  // pages not in use, of those
	Durability    Durability
	Readers       int // size of the read pool

	LogBytes  int64         // size of the write-ahead log
	LogLimit  int64         // below which it is kept
	LogOver   time.Duration // how long it has been above, 0 if it is not
	CacheDir  string        // the directory of compiled WebAssembly in use, or ""
	CacheNote string        // why there is none, or why it is not kept
}

// Info describes the database as it is now.
func (db *DB) Info(ctx context.Context) (Info, error) {
	i := Info{
		Durability: db.cfg.Durability,
		Readers:    db.cfg.Readers,
		LogBytes:   db.logBytes(),
		LogLimit:   db.cfg.WALLimit,
		CacheDir:   engine.cacheDir,
		CacheNote:  engine.noCache,
	}
	db.ckpt.mu.Lock()
	if !db.ckpt.over.IsZero() {
		i.LogOver = time.Since(db.ckpt.over)
	}
	db.ckpt.mu.Unlock()
	err := db.Read(ctx, func(tx *Tx) error {
		_, err := tx.QueryRow(func(r Row) {
			i.SQLiteVersion, i.VecVersion = r.Text(0), r.Text(1)
			i.UserVersion = int(r.Int64(2))
			i.PageSize, i.PageCount, i.FreePages = r.Int64(3), r.Int64(4), r.Int64(5)
		}, `SELECT sqlite_version(), vec_version(), user_version, page_size, page_count, freelist_count
			FROM pragma_user_version, pragma_page_size, pragma_page_count, pragma_freelist_count`)
		return err
	})
	return i, err
}

// IntegrityCheck has SQLite read the whole database and lists what is wrong with
// it, foreign keys included; nil if nothing is. The error is for a check that
// could not be made.
func (db *DB) IntegrityCheck(ctx context.Context) (findings []string, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		// FTS5 checks its index by the structure that the connection has
		// cached, which is a false alarm after another connection's writes.
		// Opening a cursor makes it look again.
		var tables []string
		for row, err := range tx.Query(`SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%USING fts5%'`) {
			if err != nil {
				return err
			}
			tables = append(tables, row.Text(0))
		}
		for _, name := range tables {
			quoted := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
			if _, err := tx.QueryRow(func(Row) {}, "SELECT rowid FROM "+quoted+" LIMIT 1"); err != nil {
				return err
			}
		}
		for row, err := range tx.Query("PRAGMA integrity_check") {
			if err != nil {
				return err
			}
			if s := row.Text(0); s != "ok" {
				findings = append(findings, s)
			}
		}
		return tx.do("check", "", func() error {
			broken, err := foreignKeyFindings(tx.c)
			findings = append(findings, broken...)
			return err
		})
	})
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNotADatabase) {
		return append(findings, err.Error()), nil
	}
	return findings, err
}

// foreignKeyFindings lists the rows that refer to nothing.
func foreignKeyFindings(c *conn) (broken []string, err error) {
	s, err := c.prepare("PRAGMA foreign_key_check")
	if err != nil {
		return nil, err
	}
	defer c.release(s)
	for s.s.Step() {
		broken = append(broken, fmt.Sprintf("row %d of %s refers to a missing row of %s",
			s.s.ColumnInt64(1), s.s.ColumnText(0), s.s.ColumnText(2)))
	}
	return broken, s.s.Err()
}

// watcher is a connection that does nothing but notice changes: SQLite counts
// those of others for each connection, and this one makes none of its own.
type watcher struct {
	mu     sync.Mutex
	conn   *conn
	past   int64 // connections given up; each counts from the start again
	closed bool
}

// DataVersion gives a number that changes whenever anyone, this process included,
// has committed a change since the last call. It says nothing else; numbers of
// two processes, or of two opens, cannot be compared. It costs some
// microseconds.
func (db *DB) DataVersion(ctx context.Context) (int64, error) {
	db.watch.mu.Lock()
	defer db.watch.mu.Unlock()
	if db.watch.closed || db.closing.Load() {
		return 0, db.closedError("watch")
	}
	ctx, cancel := withDefaultWait(ctx)
	defer cancel()
	if db.watch.conn == nil {
		c, err := db.connect(ctx, roleReader)
		if err != nil {
			return 0, err
		}
		db.watch.conn = c
	}
	c := db.watch.conn
	c.patience = ctx
	var v int64
	err := c.int64s(ctx, "watch", "PRAGMA data_version", &v)
	if c.broken != nil {
		db.watch.conn = nil
		db.watch.past++
		_ = c.close()
	}
	return db.watch.past<<32 + v, err
}

func (w *watcher) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.conn != nil {
		_ = w.conn.close()
		w.conn = nil
	}
}
