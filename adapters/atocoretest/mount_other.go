//go:build !linux

package atocoretest

import (
	"fmt"
	"os/exec"
)

func ownMounts(*exec.Cmd) error {
	return fmt.Errorf("%w: they are Linux's", ErrNoMounts)
}

func notAllowed(error) bool { return true }

func mountOverItself(string) error { return ErrNoMounts }
