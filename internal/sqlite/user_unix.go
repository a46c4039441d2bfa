//go:build linux || darwin

package sqlite

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// The bytes that SQLite locks: in the database, and in its shared memory.
const (
	databaseLocks, databaseLocksLen = 0x40000000, 512
	sharedLocks, sharedLocksLen     = 120, 9
)

// User asks SQLite's own locks whether anybody has the database at path open, also
// a program that knows nothing of the lock file. It gives the number of the process,
// or less than 1 where the system does not tell it.
//
// The caller must not have the database open: with locks of the older kind, closing
// any handle of a file lets go of the process's locks on it.
func User(path string) (pid int, used bool, err error) {
	pid, used, err = lockedBy(path, databaseLocks, databaseLocksLen)
	if err != nil || used {
		return pid, used, err
	}
	return lockedBy(path+"-shm", sharedLocks, sharedLocksLen)
}

// lockedBy asks for a lock on a range of the file. What cannot be read, or is no
// file, tells nothing.
func lockedBy(path string, start, length int64) (pid int, locked bool, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: start, Len: length}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &l); err != nil {
		return 0, false, &fs.PathError{Op: "look at the locks of", Path: path, Err: err}
	}
	return int(l.Pid), l.Type != unix.F_UNLCK, nil
}
