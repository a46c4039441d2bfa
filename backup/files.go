package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/atocore/atocore/internal/lockfile"
	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// rawSuffixes are the database's files: itself and what SQLite keeps beside it.
var rawSuffixes = []string{"", "-journal", "-shm", "-wal"}

// add puts a file into the manifest, in the order of the paths.
func (b *builder) add(f File) {
	i, _ := slices.BinarySearchFunc(b.m.Files, f.Path, func(f File, path string) int { return strings.Compare(f.Path, path) })
	b.m.Files = slices.Insert(b.m.Files, i, f)
}

// reset empties what has been built so far.
func (b *builder) reset() error {
	b.m.Files, b.m.Damaged = []File{}, nil
	for _, name := range readNames(b.dir) {
		if err := os.RemoveAll(filepath.Join(b.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// takeRaw copies the files as they are, because of a reason.
func (b *builder) takeRaw(ctx context.Context, why error) error {
	if err := b.reset(); err != nil {
		return err
	}
	release, err := b.c.holdStill(ctx, b.o.Exclusive)
	if err != nil {
		return err
	}
	defer release()

	b.m.Kind, b.m.Created, b.m.Vectors = KindRaw, b.c.now(), true
	b.m.Schema, b.m.Counts, b.m.Space, b.m.Digest = 0, map[string]int64{}, nil, ""
	code := codeSourceDamaged
	if errors.Is(why, sqlite.ErrForeign) {
		code = codeForeign
	}
	b.damage(code, DatabaseName, "a database that can be read", reason(why))

	for _, suffix := range rawSuffixes {
		f, err := b.copyFile(ctx, DatabaseName+suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		b.add(f)
	}
	// By way of DirFS, which follows files/ itself if that is a link.
	err = fs.WalkDir(os.DirFS(filepath.Join(b.c.Data, FilesName)), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name = path.Join(FilesName, name)
		if !e.Type().IsRegular() {
			b.damage(codeFileType, name, "a plain file", typeName(e.Type()))
			return nil
		}
		if err := checkPath(name, KindRaw); err != nil {
			b.damage(codeFileExtra, name, "a name that a manifest can hold", err.Error())
			return nil
		}
		f, err := b.copyFile(ctx, name)
		if err == nil {
			b.add(f)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // there is no files/, or it is being emptied
	}
	return err
}

// holdStill keeps others of this program from writing, as far as locks go.
func (c Config) holdStill(ctx context.Context, exclusive *lockfile.File) (release func(), err error) {
	nothing := func() {}
	if exclusive != nil {
		return nothing, nil
	}
	name := filepath.Join(c.Data, LockName)
	f, err := lockfile.Open(name)
	if err != nil {
		c.log().DebugContext(ctx, "the store cannot be locked", "path", name, "error", err)
		return nothing, nil
	}
	release = func() { _ = f.Close() }
	waiting, cancel := within(ctx)
	defer cancel()
	if err = f.Lock(waiting, lockfile.RangeOpen, lockfile.Shared); err != nil {
		release()
		return nil, &sqlite.Error{Op: "create snapshot", Path: c.Data, Kind: sqlite.ErrInUse, Err: fmt.Errorf("%w: %w", lockfile.Held(name), err)}
	}
	if err = c.checkPending(); err == nil {
		err = f.Lock(waiting, lockfile.RangeWrite, lockfile.Exclusive)
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// keptOriginals lists the files of the store that can be originals, by their names.
func (c Config) keptOriginals() ([]schema.Original, error) {
	var all []schema.Original
	root := filepath.Join(c.Data, FilesName)
	for _, dir := range readNames(root) {
		for _, sum := range readNames(filepath.Join(root, dir)) {
			if !schema.IsSum(sum) || sum[:2] != dir {
				continue
			}
			info, err := os.Stat(filepath.Join(root, dir, sum))
			if err == nil && info.Mode().IsRegular() {
				all = append(all, schema.Original{SHA256: sum, Size: info.Size()})
			}
		}
	}
	return all, nil
}

// copyFile copies a file of the store, by its path there, to the same place in the
// snapshot, and syncs it.
func (b *builder) copyFile(ctx context.Context, name string) (File, error) {
	src := filepath.Join(b.c.Data, filepath.FromSlash(name))
	dst := filepath.Join(b.dir, filepath.FromSlash(name))
	in, _, err := openPlain(src)
	if err != nil {
		return File{}, sqlite.FileError("copy", src, err)
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(dst), 0o700); err != nil {
		return File{}, sqlite.FileError("copy", dst, err)
	}
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return File{}, sqlite.FileError("copy", dst, err)
	}
	f, err := hashTo(ctx, in, out, nil)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return File{}, sqlite.FileError("copy", dst, err)
	}
	f.Path = name
	return f, nil
}

// openPlain opens a file that has to be a plain one; links are followed.
func openPlain(name string) (*os.File, fs.FileInfo, error) {
	// Before it is opened, since opening a pipe would wait for ever.
	info, err := os.Stat(name)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("is %s", typeName(info.Mode()))}
	}
	f, err := os.Open(name)
	return f, info, err
}

// hashFile gives size and hash of a file.
func hashFile(ctx context.Context, name string) (File, error) {
	in, _, err := openPlain(name)
	if err != nil {
		return File{}, err
	}
	defer in.Close()
	return hashTo(ctx, in, io.Discard, nil)
}

// hashTo copies, and gives size and hash of what it copied.
func hashTo(ctx context.Context, in io.Reader, out io.Writer, progress func(n int64)) (File, error) {
	var f File
	hash := sha256.New()
	block := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return f, err
		}
		n, err := in.Read(block)
		if n > 0 {
			hash.Write(block[:n])
			if _, err := out.Write(block[:n]); err != nil {
				return f, err
			}
			f.Size += int64(n)
			if progress != nil {
				progress(int64(n))
			}
		}
		if errors.Is(err, io.EOF) {
			f.SHA256 = hex.EncodeToString(hash.Sum(nil))
			return f, nil
		}
		if err != nil {
			return f, err
		}
	}
}
