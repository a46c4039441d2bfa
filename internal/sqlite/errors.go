package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// The classes of failure, for errors.Is. What is returned is an *[Error].
var (
	// ErrBusy: a lock, or a free connection, was not to be had in time. The
	// context's error is wrapped too.
	ErrBusy = errors.New("database is busy")

	// ErrInUse: somebody holds the database exclusively, for example to restore it.
	ErrInUse = errors.New("database is in use")

	// ErrReadOnly: the file, its directory or the file system cannot be written.
	ErrReadOnly = errors.New("database is read-only")

	// ErrFull: no space is left, on the disk or within the quota.
	ErrFull = errors.New("disk is full")

	// ErrCorrupt: the file is damaged.
	ErrCorrupt = errors.New("database is damaged")

	// ErrNotADatabase: the file is something else.
	ErrNotADatabase = errors.New("not a database")

	// ErrForeign: the file is not this program's database, but another's.
	ErrForeign = errors.New("not a database of this program")

	// ErrNewer: the database was written by a newer version of this program.
	ErrNewer = errors.New("database of a newer version")

	// ErrConstraint: the statement broke a constraint of the schema and changed
	// nothing.
	ErrConstraint = errors.New("constraint failed")

	// ErrTooBig: a value or row is larger than MaxValue, or a statement too long.
	ErrTooBig = errors.New("value is too big")

	// ErrMemory: the connection ran out of memory; it has been replaced.
	ErrMemory = errors.New("out of memory")

	// ErrInternal: the driver failed in a way it should not; the connection has
	// been replaced.
	ErrInternal = errors.New("internal failure of the database engine")

	// ErrClosed: the database is closed, or the transaction is over.
	ErrClosed = errors.New("closed")
)

// Error is any failure of this package. It matches one of the sentinels above
// with errors.Is where one applies, and the cause: a context's error, a
// [*fs.PathError].
type Error struct {
	Op   string // what was being done: open, migrate, begin, exec, query, commit, …
	Path string // the file concerned
	SQL  string // the statement, where there was one
	Code int    // SQLite's extended result code, 0 if the failure is not SQLite's
	Hint string // what to do about it, where that is known
	Kind error  // the sentinel, or nil
	Err  error  // the cause; may be nil
}

// Error says what failed, where and why.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Path != "" {
		b.WriteByte(' ')
		b.WriteString(e.Path)
	}
	if e.Kind != nil {
		b.WriteString(": ")
		b.WriteString(e.Kind.Error())
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	if e.SQL != "" {
		fmt.Fprintf(&b, " (in %.200q)", strings.Join(strings.Fields(e.SQL), " "))
	}
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// Unwrap gives the sentinel and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Kind != nil {
		errs = append(errs, e.Kind)
	}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}

// kinds maps SQLite's primary result codes to sentinels. What is missing has
// none: it is a mistake in a statement or has no name that callers need.
var kinds = map[sqlite3.ErrorCode]error{
	sqlite3.BUSY:       ErrBusy,
	sqlite3.PROTOCOL:   ErrBusy, // lost the race for the log too often
	sqlite3.READONLY:   ErrReadOnly,
	sqlite3.PERM:       ErrReadOnly,
	sqlite3.FULL:       ErrFull,
	sqlite3.CORRUPT:    ErrCorrupt,
	sqlite3.NOTADB:     ErrNotADatabase,
	sqlite3.CONSTRAINT: ErrConstraint,
	sqlite3.TOOBIG:     ErrTooBig,
	sqlite3.NOMEM:      ErrMemory,
	sqlite3.INTERNAL:   ErrInternal,
	sqlite3.MISUSE:     ErrInternal,
}

// translate makes an *Error of whatever the driver returned. ctx is the one that
// may have interrupted it; its error takes the place of SQLite's "interrupted".
func translate(ctx context.Context, op, path, sql string, err error) error {
	if err == nil {
		return nil
	}
	var done *Error
	if errors.As(err, &done) {
		return err
	}
	e := &Error{Op: op, Path: path, SQL: sql, Err: err}
	code, ok := resultCode(err)
	if !ok {
		return e
	}
	e.Code = int(code)
	primary := sqlite3.ErrorCode(code)
	e.Kind = kinds[primary]
	switch primary {
	case sqlite3.INTERRUPT:
		if cause := ctx.Err(); cause != nil {
			e.Err = cause
		}
	case sqlite3.BUSY, sqlite3.PROTOCOL:
		if cause := ctx.Err(); cause != nil {
			e.Err = cause
		}
	}
	if code == sqlite3.IOERR_SHMSIZE && noSpace(filepath.Dir(path)) {
		// The driver grows the shared memory's file by itself and keeps the
		// system's answer to itself.
		e.Kind = ErrFull
	}
	return e
}

// resultCode finds SQLite's extended result code in an error of the driver.
func resultCode(err error) (sqlite3.ExtendedErrorCode, bool) {
	var e *sqlite3.Error
	if errors.As(err, &e) {
		return e.ExtendedCode(), true
	}
	var x sqlite3.ExtendedErrorCode
	if errors.As(err, &x) {
		return x, true
	}
	var c sqlite3.ErrorCode
	if errors.As(err, &c) {
		return c.ExtendedCode(), true
	}
	return 0, false
}

func (db *DB) lockFileError(err error) error {
	e := &Error{Op: "open", Path: db.path, Err: err, Kind: fileKind(err)}
	switch {
	case errors.Is(e.Kind, ErrReadOnly):
		e.Hint = "make " + filepath.Dir(db.cfg.LockPath) + " and " + db.cfg.LockPath +
			" writable for this user, or copy the directory to a place that is"
	case errors.Is(e.Kind, ErrFull):
		e.Hint = "free some space on the file system of " + filepath.Dir(db.cfg.LockPath)
	}
	return e
}

// lockError makes an error of a lock that was not had: kind says what that means.
func (db *DB) lockError(op string, kind, err error) error {
	e := &Error{Op: op, Path: db.path, Err: err}
	switch {
	case errors.Is(err, context.Canceled): // the caller has thought better of it
	case errors.Is(err, context.DeadlineExceeded):
		e.Kind = kind
	default:
		e.Kind = fileKind(err)
	}
	return e
}

// fileKind classifies an error of the operating system.
func fileKind(err error) error {
	switch {
	case isFull(err):
		return ErrFull
	case isReadOnly(err), errors.Is(err, fs.ErrPermission), errors.Is(err, os.ErrPermission):
		return ErrReadOnly
	}
	return nil
}
