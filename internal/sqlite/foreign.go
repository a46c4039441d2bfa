package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// OpenForeign opens another program's database, to read it: a copy that the caller
// has made and nobody else knows. A log or hot journal beside it is recovered, so
// that the copy changes; its schema is nobody's business here and runs nothing. Of
// Config, Path, CacheDir and Logger count.
//
// Errors are those of OpenImmutable. A file that is locked, encrypted or damaged
// shows with the first Read.
func OpenForeign(ctx context.Context, c Config) (*DB, error) {
	c.NoCreate, c.immutable = true, true // as for the locks: nobody else is there
	c.Readers = 1
	db, err := newDB(c)
	if err != nil {
		return nil, err
	}
	db.cfg.immutable, db.cfg.foreign = false, true
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
