package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/atocore/atocore/backup"
)

// redo carries out the journal. It can be begun anew as often as it takes, also
// after a loss of power at any moment of it.
//
// Nothing that is there is replaced by another file, because any of it may be a
// mount point: the database is written over, and only what lies beside it and under
// files/ is removed or renamed over, and emptied or written over where the system
// refuses.
func (p *place) redo(ctx context.Context, j *journal, progress func(int64)) (files int, err error) {
	// Whoever wrote the journal may have died before these were durable; the old
	// database must not go before they are.
	if err := p.syncDirs(map[string]bool{filepath.Join(p.work, j.Stage): true}); err != nil {
		return 0, err
	}
	// The log and the journal of the old database first. SQLite would play them back
	// into the new one.
	for _, name := range databaseNames() {
		if name == backup.DatabaseName && j.has(name) {
			continue
		}
		if err := p.empty(p.database(name)); err != nil {
			return 0, err
		}
	}
	for _, f := range j.Database {
		if _, err := p.overwrite(ctx, p.database(f.Path), filepath.Join(p.work, j.Stage, f.Staged), nil, progress); err != nil {
			return 0, err
		}
	}
	if err := p.ops.SyncDir(filepath.Dir(p.db)); err != nil {
		return 0, err
	}
	return p.refill(ctx, j)
}

// refill puts the originals in their places and removes those that are not in the
// snapshot.
func (p *place) refill(ctx context.Context, j *journal) (placed int, err error) {
	for _, f := range j.Files {
		if f.Staged == "" {
			continue
		}
		if err := p.put(ctx, p.within(f.Path), f); err != nil {
			return placed, err
		}
		placed++
	}
	stale, dirs, err := p.staleOriginals(j)
	if err != nil {
		return placed, err
	}
	for _, name := range stale {
		if err := p.remove(name); err != nil && !isMount(err) {
			return placed, err
		}
	}
	// All of them: what was removed by a process that died need not be durable.
	return placed, p.syncDirs(dirs)
}

// put moves a staged original to its place.
func (p *place) put(ctx context.Context, to string, f part) error {
	staged := filepath.Join(filepath.Dir(to), f.Staged)
	if _, err := os.Lstat(staged); errors.Is(err, fs.ErrNotExist) {
		// It has been moved before.
		there, err := p.holds(ctx, to, f)
		if err == nil && !there {
			err = fmt.Errorf("%s: %w", to, errDamaged)
		}
		return err
	}
	err := p.ops.Rename(staged, to)
	if !isMount(err) {
		return err
	}
	if _, err := p.overwrite(ctx, to, staged, nil, nil); err != nil {
		return err
	}
	return p.remove(staged)
}

// staleOriginals lists the originals that are not in the journal, and the
// directories that originals are in. Those stay, and so does whatever else is under
// files/.
func (p *place) staleOriginals(j *journal) (stale []string, dirs map[string]bool, err error) {
	keep := map[string]bool{}
	for _, f := range j.Files {
		keep[f.Path] = true
	}
	list, err := os.ReadDir(p.files)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	dirs = map[string]bool{}
	for _, d := range list {
		dir := filepath.Join(p.files, d.Name())
		if info, err := os.Stat(dir); err != nil || !info.IsDir() || len(d.Name()) != 2 {
			continue
		}
		dirs[dir] = true
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range entries {
			name := path.Join(backup.FilesName, d.Name(), e.Name())
			if isOriginal(name) && !e.IsDir() && !keep[name] {
				stale = append(stale, p.within(name))
			}
		}
	}
	return stale, dirs, nil
}

// compare reads back what has been put in place.
func (p *place) compare(ctx context.Context, j *journal, progress func(int64)) ([]backup.Finding, error) {
	var findings []backup.Finding
	for _, f := range j.Database {
		size, sum, err := p.hashFile(ctx, p.database(f.Path), progress)
		if err != nil {
			return nil, err
		}
		if size != f.Size || sum != f.SHA256 {
			findings = append(findings, differs(f, size, sum))
		}
	}
	for _, f := range j.Files {
		if f.Staged == "" {
			continue
		}
		size, sum, err := p.hashFile(ctx, p.within(f.Path), nil)
		if err != nil {
			return nil, err
		}
		if size != f.Size || sum != f.SHA256 {
			findings = append(findings, differs(f, size, sum))
		}
	}
	for _, suffix := range sideSuffixes {
		if j.has(backup.DatabaseName + suffix) {
			continue
		}
		if info, err := os.Stat(p.db + suffix); err == nil && info.Size() > 0 {
			findings = append(findings, backup.Finding{
				Code: codeSideFile, Path: backup.DatabaseName + suffix,
				Expected: "no such file", Found: fmt.Sprintf("%d bytes", info.Size()),
				Hint: "another program has the database open: stop it, and restore again",
			})
		}
	}
	return findings, nil
}

func differs(f part, size int64, sum string) backup.Finding {
	return backup.Finding{
		Code: codeFileHash, Path: f.Path,
		Expected: fmt.Sprintf("%d bytes, SHA-256 %s", f.Size, f.SHA256),
		Found:    fmt.Sprintf("%d bytes, SHA-256 %s", size, sum),
		Hint:     "the disk may be failing: restore into another directory, on another disk",
	}
}

// finish ends a restore: the journal goes, then what it needed.
func (p *place) finish() error {
	if err := p.remove(filepath.Join(p.work, journalName)); err != nil {
		return err
	}
	return p.sweep()
}

// sweep removes what a restore keeps beside the store, where no journal is.
func (p *place) sweep() error {
	if _, err := os.Lstat(p.work); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	// A journal that comes back after a loss of power must find its stage.
	if err := p.ops.SyncDir(p.work); err != nil {
		return err
	}
	if err := p.sweepFiles(); err != nil {
		return err
	}
	if err := p.removeTree(p.work); err != nil {
		return err
	}
	return p.ops.SyncDir(p.data)
}

func (p *place) removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if e.IsDir() {
			err = p.removeTree(name)
		} else {
			err = p.remove(name)
		}
		if err != nil {
			return err
		}
	}
	err = p.remove(dir)
	return err
}

// sweepFiles removes originals that were staged and not put in place, for good: the
// next open looks for them only as long as there is a work directory.
func (p *place) sweepFiles() error {
	dirs := map[string]bool{}
	err := filepath.WalkDir(p.files, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || !strings.HasPrefix(d.Name(), stagedPrefix) {
			return err
		}
		dirs[filepath.Dir(name)] = true
		return p.remove(name)
	})
	if err != nil || len(dirs) == 0 {
		return err
	}
	return p.syncDirs(dirs)
}

// abort gives up what is staged, before the restore is decided. The store is as it
// was.
func (p *place) abort() error {
	if err := p.unreserve(); err != nil {
		return err
	}
	return p.finish()
}

// unreserve gives back the space beyond the end of the old database.
func (p *place) unreserve() error {
	if !p.reserved {
		return nil
	}
	info, err := os.Stat(p.db)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if p.made && info.Size() == 0 {
		err := p.remove(p.db)
		return err
	}
	f, err := p.ops.OpenFile(p.db, os.O_WRONLY)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(info.Size()), f.Close())
}
