package sqlite

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/atocore/atocore/internal/lockfile"
)

// Watch is a file system that sees what SQLite does to the database and its log.
type Watch struct {
	name string
	db   atomic.Pointer[DB]

	// Fail, if set, is asked before each operation that changes files and may
	// refuse it.
	Fail func(op, path string) error

	LogWrites   atomic.Int64 // to the write-ahead log
	FileWrites  atomic.Int64 // to the database, which in this mode is a checkpoint
	Removals    atomic.Int64 // of the log or journal
	mu          sync.Mutex
	outsideLock []string
}

var watches atomic.Int64

// Watch makes the configuration use a new watching file system.
func (c *Config) Watch() *Watch {
	w := &Watch{name: fmt.Sprintf("watch%d", watches.Add(1))}
	vfs.Register(w.name, watchFS{vfs.Find(vfsName).(vfs.VFSFilename), w})
	c.vfs = w.name
	c.opening = w.db.Store
	return w
}

// OutsideLock lists the changes of files that were made without the write lock.
func (w *Watch) OutsideLock() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.outsideLock
}

func (w *Watch) change(op, path string) error {
	if strings.HasSuffix(path, "-shm") || path == "" {
		return nil
	}
	if db := w.db.Load(); db == nil || !db.lock.Held(lockfile.RangeWrite) {
		w.mu.Lock()
		w.outsideLock = append(w.outsideLock, op+" "+path)
		w.mu.Unlock()
	}
	switch {
	case op == "delete":
		w.Removals.Add(1)
	case strings.HasSuffix(path, "-wal"):
		w.LogWrites.Add(1)
	default:
		w.FileWrites.Add(1)
	}
	if w.Fail != nil {
		return w.Fail(op, path)
	}
	return nil
}

type watchFS struct {
	vfs.VFSFilename
	w *Watch
}

func (f watchFS) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	file, out, err := f.VFSFilename.OpenFilename(name, flags)
	if err != nil || flags&(vfs.OPEN_MAIN_DB|vfs.OPEN_WAL|vfs.OPEN_MAIN_JOURNAL) == 0 {
		return file, out, err
	}
	return watchFile{file.(fullFile), f.w, name.String()}, out, nil
}

func (f watchFS) Delete(path string, syncDir bool) error {
	if err := f.w.change("delete", path); err != nil {
		return err
	}
	return f.VFSFilename.Delete(path, syncDir)
}

type watchFile struct {
	fullFile
	w    *Watch
	path string
}

func (f watchFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.w.change("write", f.path); err != nil {
		return 0, err
	}
	return f.fullFile.WriteAt(p, off)
}

func (f watchFile) Truncate(size int64) error {
	if err := f.w.change("truncate", f.path); err != nil {
		return err
	}
	return f.fullFile.Truncate(size)
}

func (f watchFile) Sync(flags vfs.SyncFlag) error {
	if f.w.Fail != nil {
		if err := f.w.Fail("sync", f.path); err != nil {
			return err
		}
	}
	return f.fullFile.Sync(flags)
}

// Panic has the driver panic with p, as far as the package can tell: the
// connection is broken.
func (tx *Tx) Panic(p any) error {
	return tx.do("test", "", func() error { panic(p) })
}

// IdleReaders counts the connections of the pool.
func (db *DB) IdleReaders() int {
	db.readers.mu.Lock()
	defer db.readers.mu.Unlock()
	return len(db.readers.free)
}

// InLine counts the writers that wait for their turn.
func (db *DB) InLine() int {
	db.w.mu.Lock()
	defer db.w.mu.Unlock()
	return len(db.w.line)
}

// PatientGroups lets writes join a group for as long as a test may take.
func (c *Config) PatientGroups() { c.groupAge = time.Hour }

// CacheNote is what the engine says about its cache.
func CacheNote() (dir, note string) { return engine.cacheDir, engine.noCache }
