package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/atocore/atocore/internal/lockfile"
	"github.com/atocore/atocore/internal/owner"
	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// CreateOptions says how to take a snapshot. A zero one takes everything and
// checks it.
type CreateOptions struct {
	// Label is a note for people, and for Policy.KeepLabels: at most 200 bytes
	// of printable characters.
	Label string

	// NoVectors leaves the vectors out; after a restore they are computed anew.
	// Of a damaged store they are taken all the same, since leaving them out
	// means to change the copy.
	NoVectors bool

	// NoCheck leaves out the check of the finished snapshot. A restore makes up
	// for it.
	NoCheck bool

	// Origin is what the snapshot is for; empty means OriginManual.
	Origin Origin

	// Restoring is the stamp that is about to be restored, for OriginPreRestore.
	Restoring string

	// Progress, if not nil, hears how far it is.
	Progress func(Progress)

	// View, if not nil, runs in a read transaction that sees exactly what the
	// snapshot holds. It may run more than once: a later run takes the place of
	// the earlier ones. Its error is Create's, and then there is no snapshot. It
	// does not run for a store that cannot be read.
	View func(*sqlite.Tx) error

	// Exclusive is the store's lock file where the caller holds the store alone.
	Exclusive *lockfile.File
}

func (o *CreateOptions) check() error {
	if o.Origin == "" {
		o.Origin = OriginManual
	}
	m := Manifest{Origin: o.Origin, Restoring: o.Restoring, Label: o.Label}
	if err := m.checkOptions(); err != nil {
		return fmt.Errorf("create snapshot: %w: %w", ErrInvalid, err)
	}
	return nil
}

// Create takes a snapshot of the store as it is at one instant, while others read
// and write it, and checks it unless told not to. What killed processes left in
// the directory of the snapshots is removed first.
//
// A store that fails its checks is saved too: what is wrong is in the manifest's
// Damaged, or in the Check of the snapshot that is returned, and the snapshot is
// not [Snapshot.Sound]. One that SQLite cannot read at all is saved file by file
// ([KindRaw]).
//
// An error leaves no snapshot, unless one is returned along with it: then that is
// complete, and it is the check that could not be made. Errors: [ErrInvalid];
// [ErrNotFound] where there is no store; [ErrPending]; of the internal engine, as
// in the root package, those of a full disk, a read-only place, a store held
// exclusively, and a lock not had in time.
func Create(ctx context.Context, c Config, o CreateOptions) (Snapshot, error) {
	if err := o.check(); err != nil {
		return Snapshot{}, err
	}
	if err := c.Check(); err != nil {
		return Snapshot{}, fmt.Errorf("create snapshot: %w", err)
	}
	if !c.hasStore(o) {
		return Snapshot{}, fmt.Errorf("create snapshot: store in %s: %w", c.Data, ErrNotFound)
	}
	if err := makeDir(c.Dir()); err != nil {
		return Snapshot{}, sqlite.FileError("create snapshot", c.Dir(), err)
	}
	c.clean(ctx)
	lock, err := c.lockDir(ctx, lockfile.Shared)
	if err != nil {
		return Snapshot{}, err
	}
	defer lock.release()

	stamp, err := c.build(ctx, o)
	if err != nil {
		return Snapshot{}, err
	}
	s := c.load(stamp)
	if o.NoCheck {
		return s, nil
	}
	_, record, err := c.validate(ctx, stamp, ValidateOptions{Progress: o.Progress})
	if err != nil {
		return s, fmt.Errorf("check snapshot %s: %w", stamp, err)
	}
	s.Check = record
	return s, nil
}

// hasStore says whether there is something to save. Before a restore that is also
// what is left of a store that has lost its database.
func (c Config) hasStore(o CreateOptions) bool {
	if exists(filepath.Join(c.Data, DatabaseName)) {
		return true
	}
	if o.Origin != OriginPreRestore {
		return false
	}
	for _, suffix := range rawSuffixes {
		if exists(filepath.Join(c.Data, DatabaseName+suffix)) {
			return true
		}
	}
	return len(readNames(filepath.Join(c.Data, FilesName))) > 0
}

// A builder makes one snapshot in a directory of its own.
type builder struct {
	c   Config
	o   CreateOptions
	dir string
	m   Manifest
}

// build makes the snapshot and gives it its name, or leaves nothing.
func (c Config) build(ctx context.Context, o CreateOptions) (stamp string, err error) {
	stamp, dir, err := c.reserve()
	if err != nil {
		return "", err
	}
	defer func() {
		if err == nil {
			return
		}
		if e := os.RemoveAll(dir); e != nil {
			c.log().WarnContext(ctx, "leftover not removed", "path", dir, "error", e)
		}
	}()
	b := &builder{c: c, o: o, dir: dir}
	b.m = Manifest{
		Format: FormatVersion, Kind: KindStore, Origin: o.Origin, Stamp: stamp, Label: o.Label, Restoring: o.Restoring,
		Tool:   Tool{Name: "atocore", Version: printable(c.Version), Build: printable(c.Build)},
		Counts: map[string]int64{}, Files: []File{},
	}
	if err := b.take(ctx); err != nil {
		return "", fmt.Errorf("create snapshot: %w", err)
	}
	return stamp, b.publish()
}

// take copies the store, or what there is of it.
func (b *builder) take(ctx context.Context) error {
	db, err := sqlite.OpenAsIs(ctx, b.c.source(b.o.Exclusive))
	if err == nil {
		err = errors.Join(b.takeStore(ctx, db), db.Close())
	}
	if err == nil || !unreadable(err) {
		return err
	}
	b.c.log().WarnContext(ctx, "the store cannot be read: its files are saved as they are", "path", b.c.Data, "error", err)
	return b.takeRaw(ctx, err)
}

// source is how the store is opened to be copied.
func (c Config) source(exclusive *lockfile.File) sqlite.Config {
	return sqlite.Config{
		Path:          filepath.Join(c.Data, DatabaseName),
		LockPath:      filepath.Join(c.Data, LockName),
		ApplicationID: schema.ApplicationID,
		Readers:       2,
		CacheDir:      c.CompileCache,
		Logger:        c.Logger,
		Exclusive:     exclusive,
		Locked:        c.checkPending,
	}
}

// checkPending refuses a store that a restore has half replaced. A restore itself,
// which holds the store exclusively, is not asked.
func (c Config) checkPending() error {
	if exists(filepath.Join(c.Data, RestoreName, JournalName)) {
		return fmt.Errorf("%s: %w: open the store, which completes it", c.Data, ErrPending)
	}
	return nil
}

// unreadable reports that an error lies in what the database's files hold, not in
// the circumstances, so that no second attempt can do better.
func unreadable(err error) bool {
	for _, kind := range []error{sqlite.ErrNotADatabase, sqlite.ErrCorrupt, sqlite.ErrForeign, sqlite.ErrMemory, sqlite.ErrInternal} {
		if errors.Is(err, kind) {
			return true
		}
	}
	// An empty database, or none, with something beside it.
	return errors.Is(err, fs.ErrNotExist)
}

// publish writes the manifest, makes everything durable, and gives the snapshot
// its name.
func (b *builder) publish() error {
	fail := func(err error) error { return sqlite.FileError("create snapshot", b.dir, err) }
	data, _, err := b.m.encode()
	if err != nil {
		return fail(err)
	}
	// What is not read back is worth nothing.
	if _, _, f := parseManifest(data); f != nil {
		return fail(fmt.Errorf("its manifest would not be read: %s: %s", f.Code, f.Found))
	}
	if err := writeFile(filepath.Join(b.dir, ManifestName), data); err != nil {
		return fail(err)
	}
	err = filepath.WalkDir(b.dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil {
			err = owner.Adopt(name) // of the directory above, which comes first
		}
		if err != nil || !e.IsDir() {
			return err
		}
		return syncDir(name)
	})
	if err != nil {
		return fail(err)
	}
	final := filepath.Join(b.c.Dir(), b.m.Stamp)
	if err := os.Rename(b.dir, final); err != nil {
		return fail(err)
	}
	if err := syncDir(b.c.Dir()); err != nil {
		return sqlite.FileError("create snapshot", final, err)
	}
	return nil
}

// writeFile writes a new file, durably.
func writeFile(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
