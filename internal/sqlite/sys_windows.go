package sqlite

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/windows"
)

func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

func isReadOnly(err error) bool {
	return errors.Is(err, windows.ERROR_WRITE_PROTECT)
}

func noSpace(dir string) bool {
	p, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return false
	}
	var free uint64
	return windows.GetDiskFreeSpaceEx(p, &free, nil, nil) == nil && free < 64<<10
}

// othersMayWrite: the mode bits say nothing here; a user's own directories are
// private by default.
func othersMayWrite(fs.FileInfo) bool { return false }
