package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/atocore/atocore/internal/lockfile"
)

// CopyOptions says how to copy. A zero one is a plain copy.
type CopyOptions struct {
	// View, if not nil, runs while the copy is made, in a read transaction that
	// sees exactly what is copied. It has the connection for as long as it takes,
	// also when the copy is done.
	View func(*Tx) error

	// Progress, if not nil, hears of the bytes written.
	Progress func(done, total int64)
}

// CopyResult describes a copy.
type CopyResult struct {
	Size    int64         // bytes
	SHA256  string        // of the copy, as it was written
	At      time.Time     // the instant that was copied
	Paused  time.Duration // how long the write lock was held
	ViewErr error         // of CopyOptions.View
}

// Copy writes the database as it is at one instant into the file dst, which must
// not exist, and syncs it. Others go on reading and writing: the write lock is held
// for the instant only. Meanwhile there are no checkpoints, of any process, so that
// the file stands still and the log grows.
//
// The copy is the file's bytes with the pages that the log has committed put in
// their places: what a checkpoint would make of it. Nothing is beside it.
//
// An error leaves no dst. ViewErr is no error of the copy.
func (db *DB) Copy(ctx context.Context, dst string, o CopyOptions) (_ CopyResult, err error) {
	if db.closing.Load() {
		return CopyResult{}, db.closedError("copy")
	}
	waitCtx, cancel := withDefaultWait(ctx)
	defer cancel()

	release, err := db.holdOffCheckpoints(waitCtx)
	if err != nil {
		return CopyResult{}, err
	}
	defer func() { release() }()

	c, err := db.connect(waitCtx, roleReader)
	if err != nil {
		return CopyResult{}, err
	}
	defer func() {
		c.rollback()
		if e := c.close(); err == nil {
			err = e
		}
	}()

	src, err := db.openSource()
	if err != nil {
		return CopyResult{}, err
	}
	defer src.close()
	var r CopyResult
	if r.At, r.Paused, err = db.instant(waitCtx, c, src); err != nil {
		return CopyResult{}, err
	}
	if err := src.settle(); err != nil {
		return CopyResult{}, db.copyError(dst, err)
	}

	viewCtx, stopView := context.WithCancel(ctx)
	defer stopView()
	view := make(chan error, 1)
	go func() {
		view <- db.view(viewCtx, c, o.View)
	}()
	r.Size, r.SHA256, err = src.copyTo(ctx, dst, o.Progress)
	if err != nil {
		stopView()
	}
	release() // the view's own transaction is enough for it
	release = func() {}
	r.ViewErr = <-view
	if err != nil {
		return CopyResult{}, db.copyError(dst, err)
	}
	return r, nil
}

func (db *DB) copyError(dst string, err error) error {
	return &Error{Op: "copy", Path: dst, Kind: fileKind(err), Err: err}
}

// view runs fn on a connection whose transaction has begun.
func (db *DB) view(ctx context.Context, c *conn, fn func(*Tx) error) error {
	if fn == nil {
		return nil
	}
	tx := &Tx{c: c, ctx: ctx}
	defer func() {
		c.guarded = false
		tx.end()
		c.interruptBy(context.Background())
	}()
	c.interruptBy(ctx)
	c.guarded = true
	if err := fn(tx); err != nil {
		return err
	}
	return tx.lost
}

// holdOffCheckpoints keeps the database's file still. Copies may run side by side.
func (db *DB) holdOffCheckpoints(ctx context.Context) (release func(), err error) {
	if db.exclusive() || db.cfg.immutable {
		return func() {}, nil
	}
	// A file of its own, since db.lock may already be at it for another copy.
	lock, err := lockfile.OpenExisting(db.cfg.LockPath)
	if err != nil {
		return nil, db.lockFileError(err)
	}
	if err := lock.Lock(ctx, lockfile.RangeCopy, lockfile.Shared); err != nil {
		return nil, errors.Join(db.lockError("copy", ErrBusy, err), lock.Close())
	}
	return func() { _ = lock.Close() }, nil
}

// instant begins the read transaction of c and takes in the log up to the same
// commit. Under the write lock the two cannot differ.
func (db *DB) instant(ctx context.Context, c *conn, src *source) (at time.Time, paused time.Duration, err error) {
	// Most of the log is read before, so that the writers wait for the rest only.
	if err := src.scan(); err != nil {
		return at, 0, db.copyError(db.path, err)
	}
	if !db.exclusive() && !db.cfg.immutable {
		lock, err := lockfile.OpenExisting(db.cfg.LockPath)
		if err != nil {
			return at, 0, db.lockFileError(err)
		}
		defer func() { _ = lock.Close() }()
		if err := lock.Lock(ctx, lockfile.RangeWrite, lockfile.Exclusive); err != nil {
			return at, 0, db.lockError("copy", ErrBusy, err)
		}
	}
	at = time.Now()
	defer func() { paused = time.Since(at) }()
	if err := c.exec(ctx, "begin", "BEGIN"); err != nil {
		return at, 0, err
	}
	// A transaction begins to read with its first statement. This may also be
	// where a rollback journal is played back, into the file.
	var n int64
	if err := c.int64s(ctx, "begin", "SELECT count(*) FROM sqlite_schema", &n); err != nil {
		return at, 0, err
	}
	db.adopt()
	if err := src.scan(); err != nil {
		return at, 0, db.copyError(db.path, err)
	}
	return at, 0, nil
}

// source is the files of a database that is copied.
type source struct {
	path     string
	main     *os.File
	wal      *os.File // nil where there is none, or what is in it does not count
	log      *walScan
	pageSize int64
}

func (db *DB) openSource() (*source, error) {
	s := &source{path: db.path}
	var err error
	if s.main, err = os.Open(db.path); err != nil {
		return nil, FileError("copy", db.path, err)
	}
	return s, nil
}

func (s *source) close() {
	_ = s.main.Close()
	s.dropLog()
}

func (s *source) dropLog() {
	if s.wal != nil {
		_ = s.wal.Close()
	}
	s.wal, s.log = nil, nil
}

// scan takes in the log as far as it is committed.
func (s *source) scan() error {
	if s.log != nil {
		same, err := s.log.same()
		if err != nil {
			return err
		}
		if same {
			return s.log.advance()
		}
		s.dropLog()
	}
	wal, err := os.Open(s.path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	s.wal = wal
	if s.log, err = newWALScan(wal); err != nil {
		return err
	}
	return s.log.advance()
}

// settle decides whether the log counts. It does if some of it is not in the
// database's file yet: then it cannot begin anew before the next checkpoint. If all
// of it is there already, the next commit may write over it, but then the file
// alone has what is to be copied.
func (s *source) settle() error {
	var header [headerSize]byte
	if _, err := s.main.ReadAt(header[:], 0); err != nil {
		return err
	}
	s.pageSize = int64(binary.BigEndian.Uint16(header[16:]))
	if s.pageSize == 1 {
		s.pageSize = 64 << 10
	}
	if s.pageSize < 512 || s.pageSize&(s.pageSize-1) != 0 {
		return fmt.Errorf("%s has pages of %d bytes", s.path, s.pageSize)
	}
	if s.log == nil || len(s.log.pages) == 0 {
		s.dropLog()
		return nil
	}
	if int64(s.log.pageSize) != s.pageSize {
		return fmt.Errorf("%s has pages of %d bytes, its log of %d", s.path, s.pageSize, s.log.pageSize)
	}
	info, err := s.main.Stat()
	if err != nil {
		return err
	}
	copied := info.Size() == int64(s.log.size)*s.pageSize
	page, logged := make([]byte, s.pageSize), make([]byte, s.pageSize)
	for n, at := range s.log.pages {
		if !copied {
			break
		}
		if n > s.log.size {
			continue // the database has shrunk since
		}
		if _, err := s.main.ReadAt(page, int64(n-1)*s.pageSize); err != nil {
			return err
		}
		if _, err := s.wal.ReadAt(logged, at); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		copied = string(page) == string(logged)
	}
	same, err := s.log.same()
	if err != nil {
		return err
	}
	if copied || !same {
		s.dropLog()
	}
	return nil
}

const (
	copyBlock = 1 << 20 // bytes, a multiple of every page size

	// flushEvery is how much is written between flushes, in bytes. Where a file system
	// writes what is dirty before it commits anything (ext4 does), the commits of
	// the database would otherwise wait for all of the copy.
	flushEvery = 8 * copyBlock
)

// copyTo writes the copy, hashes it on the way, and syncs it.
func (s *source) copyTo(ctx context.Context, dst string, progress func(done, total int64)) (size int64, sum string, err error) {
	info, err := s.main.Stat()
	if err != nil {
		return 0, "", err
	}
	size = info.Size()
	if s.log != nil {
		size = int64(s.log.size) * s.pageSize
	}
	// 0600: it holds what people told the store in confidence.
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, "", err
	}
	defer func() {
		err = errors.Join(err, out.Close())
		if err != nil {
			err = errors.Join(err, os.Remove(dst))
		}
	}()
	hash := sha256.New()
	block := make([]byte, copyBlock)
	for at := int64(0); at < size; at += copyBlock {
		if err := ctx.Err(); err != nil {
			return 0, "", err
		}
		b := block[:min(copyBlock, size-at)]
		n, err := s.main.ReadAt(b, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, "", err
		}
		if n < len(b) && s.log == nil {
			return 0, "", fmt.Errorf("%s: %w", s.path, io.ErrUnexpectedEOF)
		}
		clear(b[n:]) // pages that are in the log alone
		if s.log != nil {
			for p := int64(0); p < int64(len(b)); p += s.pageSize {
				where, ok := s.log.pages[uint32((at+p)/s.pageSize)+1]
				if !ok {
					continue
				}
				if _, err := s.wal.ReadAt(b[p:p+s.pageSize], where); err != nil {
					return 0, "", err
				}
			}
		}
		if _, err := out.Write(b); err != nil {
			return 0, "", err
		}
		hash.Write(b)
		if next := at + copyBlock; next%flushEvery == 0 {
			flush(out, next-flushEvery, flushEvery)
		}
		if progress != nil {
			progress(at+int64(len(b)), size)
		}
	}
	if err := out.Sync(); err != nil {
		return 0, "", err
	}
	return size, hex.EncodeToString(hash.Sum(nil)), nil
}
