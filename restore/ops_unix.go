//go:build unix

package restore

import (
	"errors"
	"syscall"
)

// isMount reports that a name cannot be removed or replaced because something is
// mounted on it, or cannot be moved because it is on another file system.
func isMount(err error) bool {
	return errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EXDEV)
}
