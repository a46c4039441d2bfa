package sqlite

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/ncruces/go-sqlite3"
	"github.com/tetratelabs/wazero/api"
)

// conn is one connection of the driver, used by one goroutine at a time.
type conn struct {
	c    *sqlite3.Conn
	path string

	stmts   map[string]*stmt // cached, by text
	own     map[string]*stmt // those compiled outside the guard; never mixed
	tick    int64            // orders the cache by use
	running map[*stmt]bool   // stepped and not yet reset

	// guarded: statements come from a transaction's function and must not end the
	// transaction, checkpoint, or change how the connection is set up.
	guarded bool

	// patience bounds the waiting for locks of SQLite's own.
	patience context.Context

	// logFrames is the length of the write-ahead log after the last commit here.
	logFrames int

	// broken is set when the driver panicked. The connection is then as a process
	// that died: nothing more is asked of it, its files are closed.
	broken error
}

type role uint8

const (
	roleReader role = iota
	roleWriter
	roleMigrator // a writer that may create the file, with foreign keys off
)

// connect opens a connection. It reads the file but writes nothing to it.
func (db *DB) connect(ctx context.Context, r role) (_ *conn, err error) {
	c := &conn{
		path:     db.path,
		stmts:    map[string]*stmt{},
		own:      map[string]*stmt{},
		running:  map[*stmt]bool{},
		patience: ctx,
	}
	flags := sqlite3.OPEN_READWRITE | sqlite3.OPEN_URI
	switch {
	case r == roleMigrator:
		flags |= sqlite3.OPEN_CREATE
	case db.cfg.immutable:
		flags = sqlite3.OPEN_READONLY | sqlite3.OPEN_URI
	}
	err = c.do(ctx, "open", "", func() (err error) {
		c.c, err = sqlite3.OpenFlags(db.uri(), flags)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = c.close()
		}
	}()
	err = c.do(ctx, "open", "", func() error { return c.setUp(db.cfg, r) })
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (c *conn) setUp(cfg Config, r role) error {
	if err := c.c.BusyHandler(c.onBusy); err != nil {
		return err
	}
	for op, on := range map[sqlite3.DBConfig]bool{
		// The last connection to close would checkpoint, outside our lock.
		sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE: true,
		// A crafted schema must not call functions, nor a statement edit the schema.
		sqlite3.DBCONFIG_TRUSTED_SCHEMA: false,
		sqlite3.DBCONFIG_DEFENSIVE:      true,
	} {
		if _, err := c.c.Config(op, on); err != nil {
			return err
		}
	}
	c.c.Limit(sqlite3.LIMIT_LENGTH, MaxValue)
	c.c.Limit(sqlite3.LIMIT_SQL_LENGTH, 16<<20)
	c.c.Limit(sqlite3.LIMIT_ATTACHED, 0)

	// Temporary data goes to (unlinked) files rather than into the instance's
	// memory, where a large sort would exhaust it.
	var p strings.Builder
	p.WriteString("PRAGMA temp_store = FILE;")
	fmt.Fprintf(&p, "PRAGMA foreign_keys = %t;", r != roleMigrator)
	if r == roleReader {
		fmt.Fprintf(&p, "PRAGMA cache_size = -%d; PRAGMA query_only = ON;", readerCache)
	} else {
		// secure_delete: what is forgotten must not stay on free pages.
		fmt.Fprintf(&p, "PRAGMA cache_size = -%d; PRAGMA secure_delete = ON;", writerCache)
		fmt.Fprintf(&p, "PRAGMA journal_size_limit = %d;", cfg.WALLimit)
		if cfg.Durability == Normal && r == roleWriter {
			p.WriteString("PRAGMA synchronous = NORMAL;")
		} else {
			p.WriteString("PRAGMA synchronous = FULL;")
		}
	}
	if err := c.c.Exec(p.String()); err != nil {
		return err
	}
	if err := c.c.WALAutoCheckpoint(0); err != nil {
		return err
	}
	// After the line above, which uses the same hook. The driver's default of
	// checkpointing every 1000 pages is gone either way.
	c.c.WALHook(func(_ *sqlite3.Conn, _ string, frames int) error {
		c.logFrames = frames
		return nil
	})
	return c.c.SetAuthorizer(c.authorize)
}

// do calls the driver, translates its error and turns its panic into one.
func (c *conn) do(ctx context.Context, op, sql string, f func() error) (err error) {
	if c.broken != nil {
		return c.broken
	}
	defer func() {
		if p := recover(); p != nil {
			err = c.breakDown(op, sql, p)
		}
	}()
	if err := f(); err != nil {
		return translate(ctx, op, c.path, sql, err)
	}
	return nil
}

// breakDown marks the connection broken because of a panic.
func (c *conn) breakDown(op, sql string, p any) error {
	e := &Error{Op: op, Path: c.path, SQL: sql, Kind: ErrInternal, Err: panicError(p)}
	// The driver panics with the words of the result code where SQLite is out of
	// memory; there is no code to be had.
	if err, ok := p.(error); ok && err.Error() == sqlite3.NOMEM.Error() {
		e.Kind, e.Code = ErrMemory, int(sqlite3.NOMEM)
	}
	if c.broken == nil {
		c.broken = e
	}
	return e
}

// onBusy waits a little for a lock of SQLite's own: another process recovering
// the log, or closing the file; never a commit or a checkpoint, which our lock
// keeps apart.
func (c *conn) onBusy(ctx context.Context, count int) bool {
	if c.patience.Err() != nil {
		return false
	}
	pause := time.Duration(1+count) * 50 * time.Microsecond
	time.Sleep(min(pause, 2*time.Millisecond))
	return c.patience.Err() == nil
}

// close closes the connection without a checkpoint.
func (c *conn) close() error {
	if c.broken == nil {
		err := c.do(context.Background(), "close", "", func() error {
			for _, s := range slices.Collect(c.c.Stmts()) {
				_ = s.Close() // its error is that of its last step
			}
			return c.c.Close()
		})
		if err == nil {
			return nil
		}
		c.broken = err
	}
	// Ending the instance closes its files, which frees their locks, and its
	// memory. SQLite is made to have its process die.
	if m := moduleOf(c.c); m != nil {
		_ = noPanic(func() error { return m.Close(context.Background()) })
	}
	return c.broken
}

// moduleOf gets at the connection's WebAssembly instance. The driver keeps it to
// itself and closes it only after SQLite has closed in good order, so that a
// connection that panicked would hold its locks and memory for good.
func moduleOf(c *sqlite3.Conn) api.Module {
	if c == nil {
		return nil
	}
	v := reflect.ValueOf(c).Elem().FieldByName("sqlite")
	if !v.IsValid() || v.Kind() != reflect.Pointer || v.IsNil() {
		return nil
	}
	v = v.Elem().FieldByName("mod")
	if !v.IsValid() || !v.CanAddr() {
		return nil
	}
	m, _ := reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem().Interface().(api.Module)
	return m
}

// readable lists the PRAGMAs that a transaction may use: all of them only look,
// or last as long as the transaction. FTS5 itself asks for data_version.
var readable = map[string]bool{
	"application_id": true, "cache_size": true, "collation_list": true,
	"compile_options": true, "data_version": true, "database_list": true,
	"encoding": true, "foreign_key_check": true, "foreign_key_list": true,
	"foreign_keys": true, "freelist_count": true,
	"function_list": true, "index_info": true, "index_list": true,
	"index_xinfo": true, "integrity_check": true, "journal_mode": true,
	"module_list": true, "page_count": true, "page_size": true,
	"pragma_list": true, "query_only": true, "quick_check": true,
	"schema_version": true, "secure_delete": true, "synchronous": true,
	"table_info": true, "table_list": true, "table_xinfo": true,
	"temp_store": true, "trusted_schema": true, "user_version": true, "wal_autocheckpoint": true,
}

// withArgument lists those of them whose argument does not set anything.
var withArgument = map[string]bool{
	"foreign_key_check": true, "foreign_key_list": true, "index_info": true,
	"index_list": true, "index_xinfo": true, "integrity_check": true,
	"quick_check": true, "table_info": true, "table_list": true,
	"table_xinfo": true,
}

func (c *conn) authorize(action sqlite3.AuthorizerActionCode, name, arg, _, _ string) sqlite3.AuthorizerReturnCode {
	if !c.guarded {
		return sqlite3.AUTH_OK
	}
	switch action {
	case sqlite3.AUTH_TRANSACTION, sqlite3.AUTH_SAVEPOINT, sqlite3.AUTH_ATTACH, sqlite3.AUTH_DETACH:
		return sqlite3.AUTH_DENY
	case sqlite3.AUTH_PRAGMA:
		name = strings.ToLower(name)
		switch {
		case name == "defer_foreign_keys":
		case !readable[name], arg != "" && !withArgument[name]:
			return sqlite3.AUTH_DENY
		}
	}
	return sqlite3.AUTH_OK
}

// stmt is a prepared statement.
type stmt struct {
	s      *sqlite3.Stmt
	sql    string
	params int
	cols   int
	reads  bool // changes nothing
	cached bool
	used   int64
}

// maxStmts bounds the cache of a connection. Statements are constants of the
// program, so that this many are there to stay.
const maxStmts = 256

var errTail = errors.New("more than one statement")

// prepare finds the statement in the cache or compiles it. What follows it in
// the text is an error.
func (c *conn) prepare(sql string) (*stmt, error) {
	cache := c.own
	if c.guarded {
		cache = c.stmts
	}
	s := cache[sql]
	if s != nil && !c.running[s] {
		c.tick++
		s.used = c.tick
		return s, nil
	}
	ds, tail, err := c.c.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT)
	if err != nil {
		return nil, err
	}
	if ds == nil {
		return nil, errors.New("no statement")
	}
	if strings.TrimSpace(tail) != "" {
		_ = ds.Close()
		return nil, errTail
	}
	ns := &stmt{s: ds, sql: sql, params: ds.BindCount(), cols: ds.ColumnCount(), reads: ds.ReadOnly()}
	if s != nil {
		return ns, nil // the cached one is in the middle of its rows
	}
	if c.guarded && len(cache) >= maxStmts {
		c.evict()
	}
	c.tick++
	ns.cached, ns.used = true, c.tick
	cache[sql] = ns
	return ns, nil
}

func (c *conn) evict() {
	var oldest *stmt
	for _, s := range c.stmts {
		if !c.running[s] && (oldest == nil || s.used < oldest.used) {
			oldest = s
		}
	}
	if oldest != nil {
		delete(c.stmts, oldest.sql)
		_ = oldest.s.Close()
	}
}

// bind sets the statement's parameters.
func (c *conn) bind(s *stmt, args []any) error {
	if len(args) != s.params {
		return fmt.Errorf("%d arguments for %d parameters", len(args), s.params)
	}
	for i, a := range args {
		if err := bindOne(s.s, i+1, a); err != nil {
			return err
		}
	}
	return nil
}

func bindOne(s *sqlite3.Stmt, i int, arg any) error {
	switch v := arg.(type) {
	case nil:
		return s.BindNull(i)
	case bool:
		return s.BindBool(i, v)
	case int:
		return s.BindInt(i, v)
	case int64:
		return s.BindInt64(i, v)
	case float64:
		return s.BindFloat(i, v)
	case string:
		if len(v) > MaxValue {
			return sqlite3.TOOBIG
		}
		return s.BindText(i, v)
	case []byte:
		if len(v) > MaxValue {
			return sqlite3.TOOBIG
		}
		return s.BindBlob(i, v)
	}
	return fmt.Errorf("argument %d: %T cannot be stored", i, arg)
}

// release ends the statement's run and keeps or closes it. Bindings are let go,
// since they may be large.
func (c *conn) release(s *stmt) {
	delete(c.running, s)
	if !s.cached {
		_ = s.s.Close()
		return
	}
	_ = s.s.Reset() // its error is that of the step, which has been told
	if s.params > 0 {
		_ = s.s.ClearBindings()
	}
}

// exec runs one of our own statements, which has no parameters and no rows.
func (c *conn) exec(ctx context.Context, op, sql string) error {
	return c.do(ctx, op, "", func() error {
		s, err := c.prepare(sql)
		if err != nil {
			return err
		}
		return s.s.Exec()
	})
}

// int64s runs one of our own statements that yields one row of numbers.
func (c *conn) int64s(ctx context.Context, op, sql string, dest ...*int64) error {
	return c.do(ctx, op, sql, func() error {
		s, err := c.prepare(sql)
		if err != nil {
			return err
		}
		defer c.release(s)
		if s.s.Step() {
			for i, d := range dest {
				*d = s.s.ColumnInt64(i)
			}
		}
		return s.s.Err()
	})
}

// text runs one of our own statements that yields one text.
func (c *conn) text(ctx context.Context, op, sql string) (v string, err error) {
	err = c.do(ctx, op, sql, func() error {
		s, err := c.prepare(sql)
		if err != nil {
			return err
		}
		defer c.release(s)
		if s.s.Step() {
			v = s.s.ColumnText(0)
		}
		return s.s.Err()
	})
	return v, err
}

// inTransaction asks SQLite whether a transaction is open. After some errors it
// has rolled back by itself.
func (c *conn) inTransaction() bool {
	open := false
	_ = c.do(context.Background(), "ask", "", func() error {
		open = !c.c.GetAutocommit()
		return nil
	})
	return open
}

// interruptBy has running statements stopped when ctx is done.
func (c *conn) interruptBy(ctx context.Context) {
	_ = c.do(ctx, "interrupt", "", func() error {
		c.c.SetInterrupt(ctx)
		return nil
	})
}

// rollback ends the transaction, if SQLite has not done so already. A connection
// that cannot even do that is given up.
func (c *conn) rollback() {
	bg := context.Background()
	c.interruptBy(bg)
	c.resetAll()
	if !c.inTransaction() {
		return
	}
	if err := c.exec(bg, "rollback", "ROLLBACK"); err != nil && c.broken == nil {
		c.broken = err
	}
}

// resetAll ends the statements whose rows nobody will ask for any more.
func (c *conn) resetAll() {
	for s := range c.running {
		_ = c.do(context.Background(), "reset", "", func() error {
			c.release(s)
			return nil
		})
	}
	clear(c.running)
}
