package restore

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/atocore/atocore/internal/owner"
)

// Ops is what a restore does to files, one method an operation of the system.
// Wrap [System] to watch a restore, to make it fail at its i-th operation, or to
// lose what had not been synced.
//
// It covers every change within the data directory except for the lock file and
// for the pre-restore snapshot, which package backup takes.
type Ops interface {
	// Mkdir makes one directory for this user alone.
	Mkdir(name string) error

	// OpenFile is os.OpenFile. What it creates is for this user alone.
	OpenFile(name string, flag int) (File, error)

	// Link makes name a second name of the file from.
	Link(from, name string) error

	// Rename replaces to, which is in the same directory.
	Rename(from, to string) error

	// Remove removes a file or an empty directory.
	Remove(name string) error

	// SyncDir makes the names in a directory durable.
	SyncDir(name string) error
}

// A File is an open file of Ops.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error

	// Reserve has the file system set space aside for size bytes and leaves
	// content and size alone. Where that cannot be done it does nothing.
	Reserve(size int64) error
}

// System is the operating system's files.
func System() Ops { return system{} }

type system struct{}

func (system) Mkdir(name string) error {
	if err := os.Mkdir(name, 0o700); err != nil {
		return err
	}
	return owner.Adopt(name)
}

func (system) OpenFile(name string, flag int) (File, error) {
	created := false
	if flag&os.O_CREATE != 0 {
		_, err := os.Stat(name)
		created = errors.Is(err, fs.ErrNotExist)
	}
	// 0600: it holds what people told the store in confidence.
	f, err := os.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err
	}
	if created {
		if err := owner.Adopt(name); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return file{f}, nil
}

func (system) Link(from, name string) error { return os.Link(from, name) }
func (system) Rename(from, to string) error { return os.Rename(from, to) }
func (system) Remove(name string) error     { return os.Remove(name) }

func (system) SyncDir(name string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there; the file system journals them
	}
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

type file struct{ *os.File }

func (f file) Reserve(size int64) error {
	err := reserve(f.File, size)
	if err != nil {
		err = &fs.PathError{Op: "reserve space for", Path: f.Name(), Err: err}
	}
	return err
}
