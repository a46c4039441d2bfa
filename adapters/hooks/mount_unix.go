//go:build unix

package hooks

import (
	"errors"
	"syscall"
)

// isMount reports whether a rename failed because of a mount.
func isMount(err error) bool { return errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EXDEV) }
