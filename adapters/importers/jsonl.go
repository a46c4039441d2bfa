package importers

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/internal/foreign"
)

// openJSONL opens what Export wrote.
func openJSONL(ctx context.Context, s *Source, path string, o *Options) error {
	copied := foreign.CopyFile
	if path == "-" {
		// So that it can be read more than once.
		copied = func(ctx context.Context, _, dir string) (string, func() error, error) {
			return spool(ctx, o.Stdin, dir)
		}
	}
	name, remove, err := copied(ctx, path, o.TempDir)
	if err != nil {
		return err
	}
	s.close = remove
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	s.close = func() error { return errors.Join(f.Close(), remove()) }
	read := func() (*atocore.ExportReader, error) {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		return atocore.ReadExport(f)
	}
	first, err := read()
	if err != nil {
		return err
	}
	if first.IsJournal() {
		s.journal = read
	}
	s.records = func(yield func(atocore.Record, error) bool) {
		e, err := read()
		if err != nil {
			yield(atocore.Record{}, err)
			return
		}
		e.Records()(yield)
	}
	return nil
}

// spool reads a stream to its end, into a file in a private directory.
func spool(ctx context.Context, r io.Reader, dir string) (name string, remove func() error, err error) {
	if dir, err = os.MkdirTemp(dir, "atocore-import-"); err != nil { // 0700
		return "", nil, err
	}
	remove = func() error { return os.RemoveAll(dir) }
	defer func() {
		if err != nil {
			err = errors.Join(err, remove())
		}
	}()
	name = filepath.Join(dir, "copy")
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", nil, err
	}
	if r != nil {
		_, err = io.Copy(f, readerFunc(func(b []byte) (int, error) {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			return r.Read(b)
		}))
	}
	return name, remove, errors.Join(err, f.Close())
}

// A readerFunc is a reader.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
