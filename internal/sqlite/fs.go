package sqlite

import (
	"errors"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// vfsName is the file system that all connections use: the driver's own, which
// drops the system's error on the way, with the two that callers must tell apart
// put into result codes.
const vfsName = "atocore"

func init() {
	vfs.Register(vfsName, osFS{vfs.Find("os").(vfs.VFSFilename)})
}

type osFS struct{ vfs.VFSFilename }

func (o osFS) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := o.VFSFilename.OpenFilename(name, flags)
	if err != nil {
		return nil, flags, fsError(err)
	}
	if f, ok := f.(fullFile); ok {
		return osFile{f}, flags, nil
	}
	_ = f.Close()
	return nil, flags, errors.New("sqlite: the driver's files have changed")
}

// fullFile is everything that the driver's files can do. The wrapper must offer
// it all, or SQLite silently does without shared memory and the like.
type fullFile interface {
	vfs.FileLockState
	vfs.FileHasMoved
	vfs.FileSizeHint
	vfs.FilePersistentWAL
	vfs.FilePowersafeOverwrite
	vfs.FileSharedMemory
}

type osFile struct{ fullFile }

func (f osFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.fullFile.WriteAt(p, off)
	return n, fsError(err)
}

func (f osFile) Truncate(size int64) error     { return fsError(f.fullFile.Truncate(size)) }
func (f osFile) Sync(flags vfs.SyncFlag) error { return fsError(f.fullFile.Sync(flags)) }
func (f osFile) SizeHint(size int64) error     { return fsError(f.fullFile.SizeHint(size)) }

// fsError gives the result code for an error of the operating system, or the
// error itself, for which the driver has a code by operation.
func fsError(err error) error {
	switch {
	case err == nil:
		return nil
	case isFull(err):
		return sqlite3.FULL
	case isReadOnly(err):
		return sqlite3.READONLY
	}
	return err
}

// uri names the database to the driver, which takes the file system from there.
func (db *DB) uri() string {
	name := db.cfg.vfs
	if name == "" {
		name = vfsName
	}
	path := filepath.ToSlash(db.path)
	if runtime.GOOS == "windows" && !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	uri := "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path) + "?vfs=" + name
	if db.cfg.immutable {
		uri += "&immutable=1" // no locks, and no look at a log or journal beside the file
	}
	return uri
}
