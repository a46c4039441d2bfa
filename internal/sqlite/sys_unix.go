//go:build linux || darwin

package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

func isReadOnly(err error) bool {
	return errors.Is(err, unix.EROFS)
}

// noSpace reports that the file system of dir has no room for the 32 KiB that
// the shared memory grows by.
func noSpace(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Bavail*uint64(st.Bsize) < 64<<10
}

// othersMayWrite reports that somebody else can change the directory's content.
func othersMayWrite(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return !ok || fi.Mode().Perm()&0o022 != 0 || (int(st.Uid) != os.Geteuid() && st.Uid != 0)
}
