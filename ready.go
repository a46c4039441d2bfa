package atocore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/atocore/atocore/internal/sqlite"
)

// Ready reports whether the store can be used now, by a look at the database's file,
// that it is still there, still the one that was opened, and may be written, and by a
// read of it. It is cheap, and neither writes nor waits for those who do. It does not
// look for damage, but once a call has met some it fails, until the store is opened anew.
//
// It fails with ErrClosed, ErrCorrupt, ErrNotFound where the file is gone, ErrForeign
// where another one is in its place, ErrReadOnly, or at the context's deadline: with
// ErrBusy where others had all connections until then, which is nothing against the
// store.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.readyFile(); err != nil {
		return fmt.Errorf("store is not usable: %w", err)
	}
	err := s.read(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.QueryRow(func(sqlite.Row) {}, `SELECT max(seq) FROM journal`)
		return err
	})
	switch {
	case err == nil && s.damaged.Load():
		return fmt.Errorf("store is not usable: its database was found damaged: %w", ErrCorrupt)
	case errors.Is(err, ErrBusy):
		return fmt.Errorf("look whether the store is usable: %w", err)
	case err != nil:
		return fmt.Errorf("store is not usable: %w", err)
	}
	return nil
}

// readyFile looks at the database's file, and whether it may be written.
func (s *Store) readyFile() error {
	name := filepath.Join(s.dir, databaseName)
	if err := s.sameFile(); err != nil {
		return err
	}
	// Opening the file to see whether it can be written would, closing it again, drop
	// the locks that this process holds on it, on some systems.
	for _, path := range []string{name, s.dir} {
		if err := writable(path); err != nil {
			return sqlite.FileError("write", path, err)
		}
	}
	return nil
}

// sameFile fails where the database's file is not where it was opened. The engine would
// go on with it, and what it acknowledged be lost to whoever opens the directory next.
func (s *Store) sameFile() error {
	name := filepath.Join(s.dir, databaseName)
	info, err := os.Stat(name)
	switch {
	case os.IsNotExist(err):
		return fmt.Errorf("the database file of the store is gone: %w", s.noStore())
	case err != nil:
		return sqlite.FileError("look at", name, err)
	case s.file != nil && !os.SameFile(s.file, info):
		return fmt.Errorf("another file is in the place of the database: %w", ErrForeign)
	}
	return nil
}

// noteDamage notes for Ready what the engine says of this store's database. That other
// input is damaged, which is read meanwhile, does not count.
func (s *Store) noteDamage(err error) {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && errors.Is(e, ErrCorrupt) && e.Path == filepath.Join(s.dir, databaseName) {
		s.damaged.Store(true)
	}
}
