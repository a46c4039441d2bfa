//go:build unix

package owner

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Adopt gives what the superuser has made to the owner of the directory that it
// is in: a store that is restored from outside its service's container has to be
// the service's.
func Adopt(name string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(name))
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 && st.Gid == 0 {
		return nil
	}
	err = os.Chown(name, int(st.Uid), int(st.Gid))
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		return nil // a file system without owners, or a superuser in name only
	}
	return err
}
