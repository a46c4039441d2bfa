package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/ncruces/go-sqlite3"

	"github.com/atocore/atocore/internal/lockfile"
)

// OpenAsIs opens a database that is there, to read and copy it: it is neither
// created nor migrated, and its schema may be of any version. Write and
// Checkpoint are [ErrReadOnly].
//
// Like Open it holds the file together with others, unless Config.Exclusive says
// that the caller has it alone. Errors are those of Open, without [ErrNewer].
func OpenAsIs(ctx context.Context, c Config) (_ *DB, err error) {
	ctx, cancel := withDefaultWait(ctx)
	defer cancel()
	c.NoCreate, c.asIs = true, true
	db, err := newDB(c)
	if err != nil {
		return nil, err
	}
	f, err := db.inspect()
	if err == nil && f.missing {
		err = &Error{Op: "open", Path: db.path, Kind: ErrNotADatabase, Err: errors.New("the file is empty")}
	}
	if err != nil {
		return nil, err
	}
	if c.Exclusive == nil {
		if err := db.hold(ctx); err != nil {
			return nil, err
		}
	}
	if err := startEngine(c.CacheDir); err != nil {
		return nil, errors.Join(&Error{Op: "open", Path: db.path, Err: err}, db.Close())
	}
	return db, nil
}

// OpenImmutable opens a file that nobody changes, to read it. Nothing is locked,
// a log or journal beside the file is not looked at, and not a byte is written,
// there or beside it; the place may be read-only. Of Config, Path, CacheDir,
// Readers and Logger count. Whose file it is, is the caller's to ask.
//
// Errors: [fs.ErrNotExist], and what reading it gives, [ErrCorrupt] and
// [ErrNotADatabase] above all, which may also come with the first Read.
func OpenImmutable(ctx context.Context, c Config) (*DB, error) {
	c.immutable = true
	db, err := newDB(c)
	if err != nil {
		return nil, err
	}
	switch fi, err := os.Stat(db.path); {
	case err != nil:
		return nil, &Error{Op: "open", Path: db.path, Kind: fileKind(err), Err: err}
	case !fi.Mode().IsRegular():
		return nil, &Error{Op: "open", Path: db.path, Kind: ErrNotADatabase, Err: fs.ErrInvalid}
	case fi.Size() == 0:
		return nil, &Error{Op: "open", Path: db.path, Kind: ErrNotADatabase, Err: errors.New("the file is empty")}
	}
	if err := startEngine(c.CacheDir); err != nil {
		return nil, &Error{Op: "open", Path: db.path, Err: err}
	}
	return db, ctx.Err()
}

func (db *DB) readOnly() bool { return db.cfg.asIs || db.cfg.immutable || db.cfg.foreign }

// Edit changes a file that the caller alone knows, a copy say: fn runs in one
// transaction, the free pages are given back if vacuum is set, and what is left is
// one file, synced, with nothing beside it. After an error the file is not to be
// used.
func Edit(ctx context.Context, c Config, vacuum bool, fn func(*Tx) error) (err error) {
	ctx, cancel := withDefaultWait(ctx)
	defer cancel()
	c.NoCreate, c.immutable = true, true // as for the locks: nobody else is there
	db, err := newDB(c)
	if err != nil {
		return err
	}
	db.cfg.immutable = false
	if err := startEngine(c.CacheDir); err != nil {
		return &Error{Op: "edit", Path: db.path, Err: err}
	}
	conn, err := db.connect(ctx, roleWriter)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, conn.close())
		for _, suffix := range []string{"-wal", "-shm"} {
			if e := os.Remove(db.path + suffix); e != nil && !errors.Is(e, fs.ErrNotExist) {
				err = errors.Join(err, FileError("edit", db.path+suffix, e))
			}
		}
	}()
	conn.interruptBy(ctx)
	err = db.inTransaction(ctx, conn, func() error {
		tx := &Tx{c: conn, ctx: ctx}
		defer tx.end()
		conn.guarded = true
		defer func() { conn.guarded = false }()
		if err := fn(tx); err != nil {
			return err
		}
		return tx.lost
	})
	conn.interruptBy(context.Background()) // the driver's way to interrupt is a statement in progress
	if err == nil && vacuum {
		conn.c.Limit(sqlite3.LIMIT_ATTACHED, 1) // it works by way of a second database
		err = conn.exec(ctx, "edit", "VACUUM")
	}
	if err != nil {
		return err
	}
	// The busy result is a row, not an error.
	var busy, frames, copied int64
	if err := conn.int64s(ctx, "checkpoint", "PRAGMA wal_checkpoint(TRUNCATE)", &busy, &frames, &copied); err != nil {
		return err
	}
	if busy != 0 || frames != copied {
		return &Error{Op: "checkpoint", Path: db.path, Kind: ErrBusy, Err: errors.New("somebody else uses the file")}
	}
	return nil
}

// exclusive reports whether the caller of OpenAsIs has the file alone.
func (db *DB) exclusive() bool {
	return db.cfg.Exclusive != nil && db.cfg.Exclusive.Held(lockfile.RangeOpen)
}
