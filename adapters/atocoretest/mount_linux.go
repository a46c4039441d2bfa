package atocoretest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// ownMounts gives a process a mount namespace of its own, which ends with it. Who
// is not root becomes root of a user namespace, where that is allowed.
func ownMounts(cmd *exec.Cmd) error {
	attr := &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	cmd.SysProcAttr = attr
	return nil
}

// notAllowed reports that the system does not let this user do it: a user
// namespace, or one more of them.
func notAllowed(err error) bool {
	return errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSPC)
}

// mountOverItself makes a file or directory a mount point with the same content,
// and makes sure that it is one: it cannot be renamed.
func mountOverItself(name string) error {
	err := syscall.Mount(name, name, "", syscall.MS_BIND, "")
	if err != nil && notAllowed(err) {
		return fmt.Errorf("%w: mount %s: %w", ErrNoMounts, name, err)
	}
	if err != nil {
		return &os.PathError{Op: "mount", Path: name, Err: err}
	}
	moved := name + ".moved"
	switch err := os.Rename(name, moved); {
	case err == nil:
		return errors.Join(fmt.Errorf("%s was mounted, but is no mount point", name), os.Rename(moved, name))
	case !errors.Is(err, syscall.EBUSY):
		return fmt.Errorf("%s is a mount point: a rename should fail with EBUSY: %w", name, err)
	}
	return nil
}
