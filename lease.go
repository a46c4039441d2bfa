package atocore

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/atocore/atocore/internal/lockfile"
	"github.com/atocore/atocore/internal/sqlite"
)

// Lease takes a name for the caller alone: of all that use the data directory, in
// this process and in others, one has it at a time. It is for work of which one
// pass is enough, however many programs would do it. A name is of lower-case
// letters and dashes.
//
// Lease does not wait: ok is false where somebody has the name. What was taken
// ends with release, or with the process. The error says that nobody could have
// it, as ErrReadOnly does of a directory that cannot be written.
func (s *Store) Lease(name string) (release func() error, ok bool, err error) {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz-") != "" {
		return nil, false, fmt.Errorf("take a lease: %w", invalid("name", "is not of lower-case letters and dashes", ""))
	}
	path := filepath.Join(s.dir, name+".lease")
	f, err := lockfile.Open(path)
	if err != nil {
		return nil, false, fmt.Errorf("take a lease: %w", sqlite.FileError("open", path, err))
	}
	if ok, err = f.TryLock(lockfile.RangeOpen, lockfile.Exclusive); ok {
		return f.Close, true, nil
	}
	_ = f.Close() // it holds nothing
	if err != nil {
		return nil, false, fmt.Errorf("take a lease: %w", sqlite.FileError("lock", path, err))
	}
	return nil, false, nil
}
