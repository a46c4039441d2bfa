package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/atocore/atocore/internal/lockfile"
)

// Migration is one step of the schema's history. What has been released never
// changes.
type Migration struct {
	// Name is for messages.
	Name string

	// SQL is a script. It runs in one transaction, with foreign keys checked only
	// at its end, so that tables can be rebuilt.
	SQL string
}

// found is what a look at the file's header tells, without SQLite.
type found struct {
	missing bool // or empty, or never finished, which is the same
	wal     bool // in write-ahead logging mode
	journal bool // with a rollback journal that may have to be played back
}

const headerSize = 100

// inspect looks at the file without changing a byte, there or beside it: SQLite
// would create files and might play back a journal or a log. The header in the
// file can be older than the log's, but our mark is in the file from its first
// transaction on, and versions only grow.
func (db *DB) inspect() (found, error) {
	var f found
	fi, err := os.Stat(db.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if db.cfg.NoCreate {
			return f, &Error{Op: "open", Path: db.path, Err: fs.ErrNotExist}
		}
		f.missing = true
		return f, nil
	case err != nil:
		return f, &Error{Op: "open", Path: db.path, Kind: fileKind(err), Err: err}
	case !fi.Mode().IsRegular():
		return f, &Error{Op: "open", Path: db.path, Kind: ErrNotADatabase, Err: fmt.Errorf("is a %s", fileType(fi.Mode()))}
	}
	var unborn bool
	f.journal, unborn = inspectJournal(db.path + "-journal")
	file, writeErr := os.OpenFile(db.path, os.O_RDWR, 0)
	if writeErr != nil {
		// Whose file it is comes first: nobody should make another program's file
		// writable for our sake.
		if file, err = os.Open(db.path); err != nil {
			return f, &Error{Op: "open", Path: db.path, Kind: fileKind(err), Err: err}
		}
	}
	defer file.Close()
	var h [headerSize]byte
	n, err := io.ReadFull(file, h[:])
	if n == 0 && errors.Is(err, io.EOF) {
		f.missing = true
		return f, db.writeError(writeErr)
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return f, &Error{Op: "open", Path: db.path, Err: err}
	}
	if n < headerSize || string(h[:16]) != "SQLite format 3\x00" {
		if unborn {
			f.missing = true
			return f, db.writeError(writeErr)
		}
		return f, &Error{Op: "open", Path: db.path, Kind: ErrNotADatabase}
	}
	if id := int32(binary.BigEndian.Uint32(h[68:])); id != db.cfg.ApplicationID {
		return f, db.foreignError(id)
	}
	if v := int64(int32(binary.BigEndian.Uint32(h[60:]))); v > int64(len(db.cfg.Migrations)) && !db.cfg.asIs {
		return f, db.newerError(v)
	}
	f.wal = h[18] == 2 && h[19] == 2
	return f, db.writeError(writeErr)
}

// inspectJournal looks at the rollback journal: whether there is one that may
// have to be played back, and whether that would leave the database empty. The
// latter is the trace of a creation that was cut short, by a full disk or a
// crash; what the file holds is then nobody's content.
func inspectJournal(path string) (hot, unborn bool) {
	f, err := os.Open(path)
	if err != nil {
		return false, false
	}
	defer f.Close()
	var h [20]byte
	n, _ := io.ReadFull(f, h[:])
	magic := string(h[:8]) == "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
	return n > 0, n == len(h) && magic && binary.BigEndian.Uint32(h[16:]) == 0
}

func (db *DB) writeError(err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Op: "open", Path: db.path, Kind: fileKind(err), Err: err}
	if errors.Is(e.Kind, ErrReadOnly) {
		e.Hint = "make the file writable for this user, or copy it to a place where it is"
	}
	return e
}

func fileType(m fs.FileMode) string {
	if m.IsDir() {
		return "directory"
	}
	return "special file"
}

func (db *DB) foreignError(id int32) error {
	return &Error{Op: "open", Path: db.path, Kind: ErrForeign,
		Err: fmt.Errorf("application id %d instead of %d", id, db.cfg.ApplicationID)}
}

func (db *DB) newerError(v int64) error {
	return &Error{Op: "open", Path: db.path, Kind: ErrNewer,
		Err:  fmt.Errorf("schema version %d, this program knows %d", v, len(db.cfg.Migrations)),
		Hint: "use a newer version of the program"}
}

// inspectUnderLock looks again where a first look failed: another process may
// have been in the middle of creating the file. Without a lock file there is no
// such process.
func (db *DB) inspectUnderLock(ctx context.Context, first error) error {
	lock, err := lockfile.OpenExisting(db.cfg.LockPath)
	if err != nil {
		return first
	}
	defer func() { _ = lock.Close() }()
	if err := lock.Lock(ctx, lockfile.RangeWrite, lockfile.Exclusive); err != nil {
		return first
	}
	if _, err := db.inspect(); err != nil {
		return err
	}
	return &Error{Op: "open", Path: db.path, Kind: ErrBusy, Err: errors.New("the file was being created; open it again")}
}

// prepareSchema makes the database ready for use. In the common case, a file
// that needs nothing done, it takes no write lock, so that a long write of
// another process does not delay it.
func (db *DB) prepareSchema(ctx context.Context) error {
	f, err := db.inspect()
	if err == nil && !f.missing && f.wal && !f.journal {
		c, err := db.connect(ctx, roleReader)
		if err != nil {
			return err
		}
		v, err := db.checkVersion(ctx, c)
		if err == nil && v == len(db.cfg.Migrations) {
			db.readers.free = append(db.readers.free, c)
			return nil
		}
		if e := c.close(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
	}
	if err := db.lock.Lock(ctx, lockfile.RangeWrite, lockfile.Exclusive); err != nil {
		return db.lockError("migrate", ErrBusy, err)
	}
	err = db.migrate(ctx)
	if e := db.lock.Unlock(lockfile.RangeWrite); err == nil && e != nil {
		err = db.lockError("migrate", nil, e)
	}
	return err
}

// checkVersion reads mark and version through SQLite, which knows the log.
func (db *DB) checkVersion(ctx context.Context, c *conn) (int, error) {
	var id, v int64
	if err := c.int64s(ctx, "open", "PRAGMA application_id", &id); err != nil {
		return 0, err
	}
	if err := c.int64s(ctx, "open", "PRAGMA user_version", &v); err != nil {
		return 0, err
	}
	switch {
	case int32(id) != db.cfg.ApplicationID:
		return 0, db.foreignError(int32(id))
	case v < 0 || v > int64(len(db.cfg.Migrations)):
		return 0, db.newerError(v)
	}
	return int(v), nil
}

// migratedInMemory is up to which size, in bytes, a database is migrated without
// temporary files: a step sets aside each page that it changes. So a store can be
// made where nothing temporary can.
const migratedInMemory = 16 << 20

// size is that of the file and its log, in bytes, as far as they are there.
func (db *DB) size() (n int64) {
	for _, name := range []string{db.path, db.path + "-wal"} {
		if fi, err := os.Stat(name); err == nil {
			n += fi.Size()
		}
	}
	return n
}

// migrate creates the file and applies the migrations that it lacks. The write
// lock is held; still, each step reads the version again inside its transaction,
// so that even a process without the lock could not make it run twice.
func (db *DB) migrate(ctx context.Context) (err error) {
	f, err := db.inspect()
	if err != nil {
		return err
	}
	c, err := db.connect(ctx, roleMigrator)
	if err != nil {
		return err
	}
	defer func() {
		if e := c.close(); err == nil {
			err = e
		}
	}()
	c.interruptBy(ctx)

	if db.size() <= migratedInMemory {
		if err := c.exec(ctx, "migrate", "PRAGMA temp_store = MEMORY"); err != nil {
			return err
		}
	}
	if f.missing || f.journal {
		if err := db.mark(ctx, c); err != nil {
			return err
		}
	}
	if mode, err := c.text(ctx, "create", "PRAGMA journal_mode = WAL"); err != nil {
		return err
	} else if mode != "wal" {
		return &Error{Op: "create", Path: db.path, Err: fmt.Errorf("journal mode is %q, not wal", mode)}
	}
	for {
		v, err := db.checkVersion(ctx, c)
		if err != nil {
			return err
		}
		if v == len(db.cfg.Migrations) {
			return nil
		}
		if err := db.migrateOne(ctx, c); err != nil {
			return err
		}
	}
}

// mark makes an empty database ours. That comes first, and goes into the file
// itself and not a log: from here on it can be told from another program's. An
// unfinished creation has been rolled back by SQLite by now.
func (db *DB) mark(ctx context.Context, c *conn) error {
	return db.inTransaction(ctx, c, func() error {
		var id, v, objects int64
		if err := c.int64s(ctx, "create", `SELECT application_id, user_version,
				(SELECT count(*) FROM sqlite_schema)
			FROM pragma_application_id, pragma_user_version`, &id, &v, &objects); err != nil {
			return err
		}
		if id != 0 || v != 0 || objects != 0 {
			return nil // checkVersion judges
		}
		return c.exec(ctx, "create", fmt.Sprintf("PRAGMA application_id = %d", db.cfg.ApplicationID))
	})
}

func (db *DB) migrateOne(ctx context.Context, c *conn) error {
	return db.inTransaction(ctx, c, func() error {
		v, err := db.checkVersion(ctx, c)
		if err != nil || v == len(db.cfg.Migrations) {
			return err
		}
		m := db.cfg.Migrations[v]
		c.guarded = true
		err = c.do(ctx, "migrate", "", func() error { return c.c.Exec(m.SQL) })
		c.guarded = false
		if err == nil {
			err = db.checkForeignKeys(ctx, c)
		}
		if err == nil {
			err = c.exec(ctx, "migrate", fmt.Sprintf("PRAGMA user_version = %d", v+1))
		}
		if err != nil {
			return fmt.Errorf("migration %d (%s): %w", v+1, m.Name, err)
		}
		db.log.Info("schema migrated", "path", db.path, "version", v+1, "name", m.Name)
		return nil
	})
}

func (db *DB) checkForeignKeys(ctx context.Context, c *conn) error {
	var broken []string
	err := c.do(ctx, "migrate", "", func() (err error) {
		broken, err = foreignKeyFindings(c)
		return err
	})
	if err == nil && len(broken) > 0 {
		err = &Error{Op: "migrate", Path: db.path, Kind: ErrConstraint, Err: errors.New(broken[0])}
	}
	return err
}

// inTransaction runs f in a transaction of a connection that is ours alone.
func (db *DB) inTransaction(ctx context.Context, c *conn, f func() error) error {
	if err := c.exec(ctx, "begin", "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		err = c.exec(ctx, "commit", "COMMIT")
	}
	if err != nil {
		c.rollback()
		c.interruptBy(ctx)
	}
	return err
}
