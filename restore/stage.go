package restore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/atocore/atocore/backup"
)

// A source is a snapshot whose bytes have been found to be those of its manifest.
type source struct {
	dir      string
	manifest *backup.Manifest

	// edit, if not nil, changes the staged database, which is a copy then.
	edit func(ctx context.Context, name string) error
}

// stage prepares everything that putting the snapshot in place takes: copies on
// the file systems where they are needed, synced, and the space for the database.
// Of the store nothing changes.
func (p *place) stage(ctx context.Context, src source, progress func(int64)) (*journal, error) {
	if err := p.makeDir(p.work); err != nil {
		return nil, err
	}
	// Durable before anything is staged elsewhere: what is left behind is looked for
	// only if this directory is there.
	if err := p.ops.SyncDir(p.data); err != nil {
		return nil, err
	}
	name, err := p.newStage()
	if err != nil {
		return nil, err
	}
	j := &journal{
		Format: journalFormat,
		Stamp:  src.manifest.Stamp,
		Kind:   src.manifest.Kind,
		Stage:  name,
	}
	dirs := map[string]bool{filepath.Join(p.work, name): true}
	for _, f := range src.manifest.Files {
		from := filepath.Join(src.dir, filepath.FromSlash(f.Path))
		if slices.Contains(databaseNames(), f.Path) {
			part, err := p.stageDatabase(ctx, j, from, f, src.edit, progress)
			if err != nil {
				return nil, err
			}
			j.Database = append(j.Database, part)
			continue
		}
		part, err := p.stageFile(ctx, j, from, f)
		if err != nil {
			return nil, err
		}
		if part.Path == "" {
			continue
		}
		if part.Staged != "" {
			dirs[filepath.Dir(p.within(f.Path))] = true
		}
		j.Files = append(j.Files, part)
	}
	return j, p.syncDirs(dirs)
}

// newStage makes a directory that no other plan uses.
func (p *place) newStage() (string, error) {
	for n := 1; ; n++ {
		name := stagePrefix + strconv.Itoa(n)
		err := p.ops.Mkdir(filepath.Join(p.work, name))
		if !errors.Is(err, fs.ErrExist) {
			return name, err
		}
	}
}

// stageDatabase links or copies a file of the database into the stage.
func (p *place) stageDatabase(ctx context.Context, j *journal, from string, f backup.File, edit func(context.Context, string) error, progress func(int64)) (part, error) {
	staged := part{Path: f.Path, Size: f.Size, SHA256: f.SHA256, Staged: f.Path}
	to := filepath.Join(p.work, j.Stage, f.Path)
	edited := edit != nil && f.Path == backup.DatabaseName
	// A second name of the snapshot's file is enough, as it is only read from, and
	// its bytes have just been checked.
	if edited || p.link(from, to) != nil {
		if err := p.copyFile(ctx, to, from, f, progress); err != nil {
			return part{}, err
		}
	}
	if edited {
		if err := edit(ctx, to); err != nil {
			return part{}, err
		}
		if err := p.sync(to); err != nil {
			return part{}, err
		}
		var err error
		if staged.Size, staged.SHA256, err = p.hashFile(ctx, to, nil); err != nil {
			return part{}, err
		}
	}
	return staged, p.reserve(p.database(f.Path), staged.Size)
}

// link gives the file a second name. A snapshot need not have been synced: somebody
// may have just copied it here.
func (p *place) link(from, to string) error {
	if err := p.ops.Link(from, to); err != nil {
		return err
	}
	err := p.sync(to)
	if err != nil {
		e := p.remove(to)
		return errors.Join(err, e)
	}
	return nil
}

// sync makes the content of a file durable.
func (p *place) sync(name string) error {
	f, err := p.ops.OpenFile(name, os.O_RDWR) // Windows wants the right to write
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// copyFile makes a synced copy and reads it back.
func (p *place) copyFile(ctx context.Context, to, from string, want backup.File, progress func(int64)) error {
	h := sha256.New()
	size, err := p.overwrite(ctx, to, from, h, progress)
	if err != nil {
		return err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); size != want.Size || sum != want.SHA256 {
		return fmt.Errorf("%s has changed since it was validated: %d bytes with SHA-256 %s, expected %d with %s", from, size, sum, want.Size, want.SHA256)
	}
	size, sum, err := p.hashFile(ctx, to, nil)
	if err == nil && (size != want.Size || sum != want.SHA256) {
		err = fmt.Errorf("%s: %w", to, errReadBack)
	}
	return err
}

var errReadBack = errors.New("what was written is not what is read: the disk or its cable may be failing")

// reserve sees to it that the database can be written to its end once the old one
// is gone. The old one, if any, keeps content and size.
func (p *place) reserve(name string, size int64) error {
	flag := os.O_WRONLY
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		if name != p.db {
			return nil // a log or journal beside the old database might mean something to it
		}
		flag |= os.O_CREATE
		p.made = true
	}
	f, err := p.ops.OpenFile(name, flag)
	if err != nil {
		return err
	}
	p.reserved = true
	return errors.Join(f.Reserve(size), f.Close())
}

// stageFile copies a file under files/ beside its place, unless it is in its place
// already. The part is zero where there is nothing to do: what is there and is not
// an original is the operator's.
func (p *place) stageFile(ctx context.Context, j *journal, from string, f backup.File) (part, error) {
	wanted := part{Path: f.Path, Size: f.Size, SHA256: f.SHA256}
	to := p.within(f.Path)
	there, err := p.holds(ctx, to, wanted)
	if err != nil || there {
		return wanted, err
	}
	if info, err := os.Lstat(to); err == nil {
		if !isOriginal(f.Path) {
			return part{}, nil
		}
		if info.IsDir() {
			return part{}, fmt.Errorf("%s is a directory where an original has to be: move it away", to)
		}
	}
	if err := p.makeDir(filepath.Dir(to)); err != nil {
		return part{}, err
	}
	of := sha256.Sum256([]byte(f.Path))
	wanted.Staged = stagedPrefix + strings.TrimPrefix(j.Stage, stagePrefix) + "-" + hex.EncodeToString(of[:8])
	return wanted, p.copyFile(ctx, filepath.Join(filepath.Dir(to), wanted.Staged), from, f, nil)
}

// isOriginal reports whether the path, as in a manifest, is that of an original:
// files/xx/ and the SHA-256 that begins with xx.
func isOriginal(name string) bool {
	dir, sum := path.Split(name)
	if len(sum) != hex.EncodedLen(sha256.Size) || dir != backup.FilesName+"/"+sum[:2]+"/" {
		return false
	}
	_, err := hex.DecodeString(sum)
	return err == nil && sum == strings.ToLower(sum)
}
