package atocore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/atocore/atocore/internal/sqlite"
)

// originalPath is where the original with the hash is kept. Two levels keep
// folders small.
func (s *Store) originalPath(sum string) string {
	return filepath.Join(s.dir, filesName, sum[:2], sum)
}

// unfinished begins the names of originals that are being written. One that has
// not been touched for abandonedAfter was left by a crash.
const (
	unfinished     = ".new-"
	abandonedAfter = time.Hour
)

// An original is a file under files/.
type original struct {
	path      string
	sum       string // empty for one that is unfinished
	abandoned bool
}

// originals lists the files that the store keeps, in the order of their names.
// What else somebody has put there is not touched.
func (s *Store) originals() ([]original, error) {
	root := filepath.Join(s.dir, filesName)
	dirs, err := os.ReadDir(root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []original
	for _, d := range dirs {
		dir := filepath.Join(root, d.Name())
		if info, err := os.Stat(dir); err != nil || !info.IsDir() || len(d.Name()) != 2 {
			continue
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			name := filepath.Join(dir, f.Name())
			if strings.HasPrefix(f.Name(), unfinished) {
				if info, err := f.Info(); err == nil {
					out = append(out, original{path: name, abandoned: time.Since(info.ModTime()) > abandonedAfter})
				}
				continue
			}
			if len(f.Name()) == hex.EncodedLen(sha256.Size) && s.originalPath(f.Name()) == name {
				out = append(out, original{path: name, sum: f.Name()})
			}
		}
	}
	return out, nil
}

// keepOriginal stores a source under its hash, durably: it is there, whole,
// before a record refers to it.
func (s *Store) keepOriginal(sum string, source []byte) error {
	name := s.originalPath(sum)
	if info, err := os.Stat(name); err == nil && info.Size() == int64(len(source)) {
		return nil
	}
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return sqlite.FileError("keep original", dir, err)
	}
	f, err := os.CreateTemp(dir, unfinished+"*")
	if err != nil {
		return sqlite.FileError("keep original", dir, err)
	}
	_, err = f.Write(source)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to report
		return sqlite.FileError("keep original", name, err)
	}
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)), syncDir(s.dir))
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there; the file system journals them
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// sweepOriginals removes the originals among sums that no document refers to.
//
// A file does not come back when a transaction fails, so it goes only when a
// transaction without a reference to it has been committed, and under the write
// lock, so that nobody is about to refer to it. What others have done in the
// group of the second transaction is not committed yet: they sweep after it.
func (s *Store) sweepOriginals(ctx context.Context, sums []string) error {
	if len(sums) == 0 {
		return nil
	}
	var free []string
	var last int64 // entry of the journal
	err := s.db.Write(ctx, func(tx *sqlite.Tx) error {
		for _, sum := range sums {
			used, err := originalUsed(tx, sum)
			if err != nil {
				return err
			}
			if !used {
				free = append(free, sum)
			}
		}
		var err error
		last, err = lastEntry(tx)
		return err
	})
	if err != nil || len(free) == 0 {
		return err
	}
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		for _, sum := range free {
			used, err := originalUsed(tx, sum)
			if err != nil {
				return err
			}
			if !used {
				// Somebody may have referred to it in between. A forgotten entry
				// does not say what it was about.
				used, err = tx.QueryRow(func(sqlite.Row) {}, `SELECT 1 FROM journal WHERE seq > ? AND entity = ?
					AND (after ->> '$.sha256' = ? OR (before IS NULL AND after IS NULL)) LIMIT 1`, last, entityDocument, sum)
				if err != nil {
					return err
				}
			}
			if used {
				continue
			}
			if err := os.Remove(s.originalPath(sum)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove original: %w", err)
			}
		}
		return nil
	})
}

func originalUsed(tx *sqlite.Tx, sum string) (bool, error) {
	return tx.QueryRow(func(sqlite.Row) {}, `SELECT 1 FROM documents WHERE sha256 = ? AND kept = 1 LIMIT 1`, sum)
}
