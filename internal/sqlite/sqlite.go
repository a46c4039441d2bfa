// Package sqlite is the storage engine: one SQLite file, one writer at a time,
// several readers, any number of processes.
//
// Start with [Open], then [DB.Write] and [DB.Read].
//
// # Guarantees
//
//   - A Write that returned nil is on the disk ([Full]) and survives the death of
//     the process and of the machine; one that returned an error left nothing.
//   - Every write transaction, every migration and every checkpoint, including
//     the one that SQLite makes when a last connection closes, runs under the
//     store's write lock, inside the process and across processes. SQLite 3.47.0
//     loses pages when a checkpoint meets a commit of another connection; under
//     the lock they cannot meet.
//   - Readers never take that lock. They see one snapshot each and are delayed by
//     no writer.
//   - No operation waits for ever: a lock is waited for until the context is
//     done, or for [DefaultWait] where the context has no deadline.
//   - Failures of SQLite and of its driver, panics included, come back as
//     *[Error], classified by result code.
//
// # Caveats
//
// One transaction that writes more than the WAL limit makes the log as large as
// itself, and so does a reader that stays in one snapshot while others write; the
// log shrinks once that is over.
//
// An error from the commit itself means that the transaction is undone; but if
// the disk fails at the very end of it and then takes no further write, neither
// the next commit nor that of closing, it may be found done after all.
//
// The files must lie on a local file system: SQLite's shared memory does not work
// over a network. On Windows the driver keeps a copy of that memory for each
// connection; everything here is built for it but only tested on Unix.
//
// # The driver
//
// Nothing else in the module imports it. It runs SQLite 3.47.0 with sqlite-vec
// as WebAssembly, one instance of up to 512 MiB a connection.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/atocore/atocore/internal/lockfile"
)

// DefaultWait is how long a lock or a free connection is waited for when the
// context has no deadline.
const DefaultWait = 30 * time.Second

// MaxValue is the size of the largest text or blob that can be stored, in bytes,
// and also bounds a whole row. Anything larger is [ErrTooBig].
const MaxValue = 64 << 20

const (
	// DefaultWALLimit is the size in bytes below which the write-ahead log is
	// kept when Config does not say.
	DefaultWALLimit = 64 << 20

	minWALLimit = 256 << 10

	// Page caches, in KiB. With MaxValue they decide how much of an instance's
	// memory can be in use at once.
	writerCache = 32 << 10
	readerCache = 16 << 10
)

// Durability says when a write is on the disk.
type Durability uint8

const (
	// Full: when Write returns. Every commit waits for the disk; concurrent
	// callers share the wait.
	Full Durability = iota

	// Normal: when the log is next copied into the database. A loss of power or a
	// crash of the operating system can undo the last commits, newest first; the
	// death of the process alone undoes nothing, and the database stays
	// consistent in any case.
	Normal
)

// String gives the name of the durability.
func (d Durability) String() string {
	if d == Normal {
		return "normal"
	}
	return "full"
}

// Config says what to open and how. Path and LockPath are required.
type Config struct {
	// Path names the database file. Symbolic links are followed, so that the
	// files that SQLite keeps beside it are beside the target.
	Path string

	// LockPath names the file of advisory locks. All openers of one database must
	// use the same. It is created and never removed.
	LockPath string

	// ApplicationID marks the database as ours. A file with another one is
	// refused.
	ApplicationID int32

	// Migrations are the schema's history, oldest first. The database's
	// user_version counts those applied.
	Migrations []Migration

	// Readers is how many Reads may run at once; 0 means as many as processors,
	// but at least 2 and at most 8. A reader takes 2 to 20 MB once it is used.
	Readers int

	// Durability is Full unless set otherwise.
	Durability Durability

	// CacheDir is a directory for the compiled WebAssembly, created if missing;
	// "" means none, and then each process compiles for about a second of CPU
	// time. A directory that cannot be used, or that others may write to, is
	// passed over; Info says why. The process's first Open decides for all.
	CacheDir string

	// NoCreate makes a missing file an error that matches fs.ErrNotExist. Nothing
	// is created then.
	NoCreate bool

	// WALLimit is the size in bytes below which the write-ahead log is kept; 0
	// means DefaultWALLimit. The least is 256 KiB.
	WALLimit int64

	// Logger hears of what the package does on its own behalf; nil is silence.
	Logger *slog.Logger

	// Locked is called by Open when it holds the file together with others, so
	// that nobody can hold it exclusively, and before it reads it. Its error is
	// Open's. Nil is nothing to do.
	Locked func() error

	// Exclusive is a lock file of the caller's, with RangeOpen held exclusively,
	// for OpenAsIs. No other locks are taken then.
	Exclusive *lockfile.File

	immutable bool // nobody changes the file
	asIs      bool // of any schema, and not to be written
	foreign   bool // a copy of another program's, and not to be written

	// For tests: vfs replaces the file system, opening hears of the database
	// before anything is done with it, groupAge replaces the constant.
	vfs      string
	opening  func(*DB)
	groupAge time.Duration
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	cfg  Config
	path string // without symbolic links
	log  *slog.Logger
	lock *lockfile.File // nil for one that is immutable or the caller's alone

	w       writer
	readers readers
	ckpt    checkpointer
	watch   watcher

	closing   atomic.Bool
	closeOnce sync.Once
	closeErr  error
}

// Open opens the database, creates it unless told not to, and brings its schema
// up to date. Several processes may do so at once.
//
// Errors: [ErrInUse] when the file is held exclusively and stays so until ctx is
// done; [ErrNotADatabase], [ErrForeign] and [ErrNewer] when the file is not one
// to touch, and then not a byte of it has changed; [ErrReadOnly] and [ErrFull]
// when the place is; [ErrCorrupt]; [fs.ErrNotExist] with NoCreate, or when the
// directory is missing.
func Open(ctx context.Context, c Config) (_ *DB, err error) {
	given := ctx
	ctx, cancel := withDefaultWait(given)
	defer cancel()
	db, err := newDB(c)
	if err != nil {
		return nil, err
	}

	// Before anything is created: a file that is not ours gets no lock file beside
	// it either.
	if _, err := db.inspect(); err != nil {
		return nil, db.inspectUnderLock(ctx, err)
	}

	if err := db.hold(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = db.lock.Close()
		}
	}()
	if err := startEngine(c.CacheDir); err != nil {
		return nil, &Error{Op: "open", Path: db.path, Err: err}
	}
	// The time that this takes on a slow machine is none that a lock was waited for.
	ctx, cancel = withDefaultWait(given)
	defer cancel()

	if err := db.prepareSchema(ctx); err != nil {
		_ = db.readers.closeAll()
		return nil, err
	}
	db.adopt()
	db.startCheckpointer()
	return db, nil
}

// newDB applies the defaults. It touches no file.
func newDB(c Config) (_ *DB, err error) {
	if c.Path == "" || c.LockPath == "" && !c.immutable {
		return nil, errors.New("sqlite: Config needs Path and LockPath")
	}
	if !vfs.SupportsSharedMemory || !vfs.SupportsFileLocking {
		return nil, fmt.Errorf("sqlite: %s/%s: %w", runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)
	}
	if c.Readers <= 0 {
		c.Readers = min(max(runtime.GOMAXPROCS(0), 2), 8)
	}
	if c.WALLimit <= 0 {
		c.WALLimit = DefaultWALLimit
	}
	c.WALLimit = max(c.WALLimit, minWALLimit)
	if c.groupAge == 0 {
		c.groupAge = groupAge
	}
	db := &DB{cfg: c, log: c.Logger}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	if db.path, err = resolve(c.Path); err != nil {
		return nil, &Error{Op: "open", Path: c.Path, Err: err}
	}
	db.readers.init(c.Readers)
	return db, nil
}

// hold opens the lock file and holds the database together with others.
func (db *DB) hold(ctx context.Context) (err error) {
	if db.lock, err = lockfile.Open(db.cfg.LockPath); err != nil {
		return db.lockFileError(err)
	}
	if db.cfg.opening != nil {
		db.cfg.opening(db)
	}
	// First without waiting: what is free is not in use, however late it is.
	free, err := db.lock.TryLock(lockfile.RangeOpen, lockfile.Shared)
	if err == nil && !free {
		err = db.lock.Lock(ctx, lockfile.RangeOpen, lockfile.Shared)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", lockfile.Held(db.cfg.LockPath), err)
		}
		err = db.lockError("open", ErrInUse, err)
	} else if db.cfg.Locked != nil {
		err = db.cfg.Locked()
	}
	if err != nil {
		return errors.Join(err, db.lock.Close())
	}
	if err := db.lock.Announce(lockfile.Self()); err != nil {
		// It is for the messages of others only.
		db.log.Debug("holder not announced", "path", db.cfg.LockPath, "err", err)
	}
	return nil
}

// Close waits for running transactions, then closes the database. The last
// process to close it empties the write-ahead log. Closing twice does nothing.
// It must not be called from inside a transaction.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		db.closing.Store(true)
		db.stopCheckpointer()
		err := db.readers.drain()
		db.watch.close()
		err = errors.Join(err, db.closeWriter())
		if db.lock != nil {
			err = errors.Join(err, db.lock.Close())
		}
		if err != nil {
			db.closeErr = &Error{Op: "close", Path: db.path, Err: err}
		}
	})
	return db.closeErr
}

// Path gives the name of the database file, without symbolic links.
func (db *DB) Path() string { return db.path }

// resolve makes the path absolute and follows links: SQLite's driver refuses to
// open a link, and two routes to one file must lead to one write-ahead log.
func resolve(path string) (string, error) {
	p, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		// It may come into being at any moment: only a link can be to nowhere.
		if fi, e := os.Lstat(path); e == nil && fi.Mode()&fs.ModeSymlink != 0 {
			return "", err
		}
		var dir string
		if dir, err = filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
			p = filepath.Join(dir, filepath.Base(path))
		}
	}
	if err != nil {
		return "", err
	}
	return filepath.Abs(p)
}

// withDefaultWait bounds what would otherwise wait for ever.
func withDefaultWait(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, DefaultWait)
}
