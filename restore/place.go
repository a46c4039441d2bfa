package restore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/atocore/atocore/backup"
)

// A place is the data directory that is restored into.
type place struct {
	ops   Ops
	data  string // the data directory
	db    string // the database, without symbolic links, as SQLite sees it
	files string
	work  string

	reserved bool // staging has set space aside for the database
	made     bool // and has made an empty one to that end
}

func newPlace(c Config) (*place, error) {
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return nil, err
	}
	p := &place{
		ops:   c.Ops,
		data:  data,
		db:    filepath.Join(data, backup.DatabaseName),
		files: filepath.Join(data, backup.FilesName),
		work:  filepath.Join(data, workName),
	}
	if p.ops == nil {
		p.ops = System()
	}
	// What SQLite keeps beside the database is beside the link's target.
	if target, err := filepath.EvalSymlinks(p.db); err == nil {
		p.db = target
	}
	return p, nil
}

// database gives the place of a database file of a snapshot.
func (p *place) database(name string) string {
	return p.db + strings.TrimPrefix(name, backup.DatabaseName)
}

// within gives the place of a file under files/.
func (p *place) within(slashed string) string {
	return filepath.Join(p.data, filepath.FromSlash(slashed))
}

// block is how much is read and written at once, in bytes.
const block = 1 << 20

// transfer copies all bytes from the start on and says how many there were. Any
// of to, h and progress may be nil.
func transfer(ctx context.Context, to io.WriterAt, from io.ReaderAt, h hash.Hash, progress func(int64)) (size int64, err error) {
	buf := make([]byte, block)
	for {
		if err := ctx.Err(); err != nil {
			return size, err
		}
		n, err := from.ReadAt(buf, size)
		if err != nil && !errors.Is(err, io.EOF) {
			return size, err
		}
		if n == 0 {
			return size, nil
		}
		if to != nil {
			if _, err := to.WriteAt(buf[:n], size); err != nil {
				return size, err
			}
		}
		if h != nil {
			h.Write(buf[:n])
		}
		size += int64(n)
		if progress != nil {
			progress(int64(n))
		}
	}
}

// hashFile gives the size and the SHA-256 of a file.
func (p *place) hashFile(ctx context.Context, name string, progress func(int64)) (size int64, sum string, err error) {
	f, err := p.ops.OpenFile(name, os.O_RDONLY)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	h := sha256.New()
	size, err = transfer(ctx, nil, f, h, progress)
	return size, hex.EncodeToString(h.Sum(nil)), err
}

// holds reports whether the file is there with the size and hash.
func (p *place) holds(ctx context.Context, name string, want part) (bool, error) {
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() || info.Size() != want.Size {
		return false, nil
	}
	size, sum, err := p.hashFile(ctx, name, nil)
	if err != nil {
		return false, ctx.Err() // what cannot be read is as good as missing
	}
	return size == want.Size && sum == want.SHA256, nil
}

// overwrite makes the file to, which may be there and keeps its inode, its owner
// and its mode then, hold what from holds, and syncs it.
func (p *place) overwrite(ctx context.Context, to, from string, h hash.Hash, progress func(int64)) (size int64, err error) {
	in, err := p.ops.OpenFile(from, os.O_RDONLY)
	if err != nil {
		return 0, err
	}
	defer func() { _ = in.Close() }() // it was only read
	out, err := p.ops.OpenFile(to, os.O_WRONLY|os.O_CREATE)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	size, err = transfer(ctx, out, in, h, progress)
	if err == nil {
		err = out.Truncate(size) // only now: whatever space there is stays ours
	}
	if err == nil {
		err = out.Sync()
	}
	return size, err
}

// writeFile writes and syncs a small file.
func (p *place) writeFile(name string, content []byte) (err error) {
	f, err := p.ops.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteAt(content, 0); err != nil {
		return err
	}
	return f.Sync()
}

// makeDir makes the directories between the data directory and dir, and dir.
func (p *place) makeDir(dir string) error {
	if dir == p.data {
		return nil
	}
	if err := p.makeDir(filepath.Dir(dir)); err != nil {
		return err
	}
	err := p.ops.Mkdir(dir)
	if errors.Is(err, fs.ErrExist) {
		return nil // a file in its place is an error soon enough
	}
	return err
}

// syncDirs makes the names in the directories durable, and the directories
// themselves.
func (p *place) syncDirs(dirs map[string]bool) error {
	all := map[string]bool{p.data: true}
	for dir := range dirs {
		for ; !all[dir]; dir = filepath.Dir(dir) {
			all[dir] = true
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(all)) {
		if err := p.ops.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// remove removes what may be gone already.
func (p *place) remove(name string) error {
	if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := p.ops.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// empty removes a file, or, where it is a mount point, all that is in it.
func (p *place) empty(name string) error {
	err := p.remove(name)
	if !isMount(err) {
		return err
	}
	f, err := p.ops.OpenFile(name, os.O_WRONLY)
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
