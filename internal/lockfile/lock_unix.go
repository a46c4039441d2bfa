//go:build linux || darwin

package lockfile

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Locks of the open file description, not of the process: the classic kind is
// lost when the process closes any descriptor of the file, and does not exclude
// a second store in the same process.

func tryLock(f *os.File, at int64, m Mode) (bool, error) {
	typ := int16(unix.F_WRLCK)
	if m == Shared {
		typ = unix.F_RDLCK
	}
	err := setLock(f, typ, at)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return false, nil
	}
	return err == nil, err
}

func unlock(f *os.File, at int64) error {
	return setLock(f, unix.F_UNLCK, at)
}

func setLock(f *os.File, typ int16, at int64) error {
	for {
		err := unix.FcntlFlock(f.Fd(), setOFD, &unix.Flock_t{
			Type:   typ,
			Whence: io.SeekStart,
			Start:  at,
			Len:    1,
		})
		if err != unix.EINTR {
			return err
		}
	}
}
