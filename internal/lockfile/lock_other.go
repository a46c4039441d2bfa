//go:build !linux && !darwin && !windows

package lockfile

import (
	"errors"
	"os"
)

func tryLock(*os.File, int64, Mode) (bool, error) { return false, errors.ErrUnsupported }

func unlock(*os.File, int64) error { return nil }
