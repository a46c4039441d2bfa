package atocore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/restore"
)

// What the packages backup and restore say, under names of this one, so that a
// program imports one package.
type (
	// A Snapshot is one snapshot as List and Create give it.
	Snapshot = backup.Snapshot
	// A Manifest describes what is in a snapshot.
	Manifest = backup.Manifest
	// A ValidateReport lists what Backup.Validate found.
	ValidateReport = backup.Report
	// An UnsoundError lists what is wrong with a snapshot. It matches ErrUnsound.
	UnsoundError = backup.UnsoundError
	// A Retention says which snapshots Prune keeps. One that says nothing is refused.
	Retention = backup.Policy
	// A PruneReport explains what Prune kept and removed.
	PruneReport = backup.PruneReport
	// Progress says how far a long operation is.
	Progress = backup.Progress
	// A Step is a part of a restore or drill and how long it took.
	Step = restore.Step
	// VectorChoice says what a restore does about vectors.
	VectorChoice = restore.Vectors
)

// LatestSnapshot stands for the newest snapshot wherever a stamp is asked for.
// Pre-restore snapshots are passed over.
const LatestSnapshot = backup.Latest

// What a restore does about vectors. Those that it leaves out are made anew
// from the records.
const (
	VectorsAuto     = restore.VectorsAuto     // takes them where the snapshot has them
	VectorsRequired = restore.VectorsRequired // refuses a snapshot without them
	VectorsLeftOut  = restore.VectorsLeftOut
)

// BackupOptions configures a Backup. A nil *BackupOptions consists entirely of
// default values.
type BackupOptions struct {
	// Snapshots is the directory of the snapshots. Empty is backups/snapshots
	// in the data directory; one on another disk survives more.
	Snapshots string

	// Options is how stores are opened: by a drill, and to make vectors anew
	// after a restore. Store.Backup ignores it, and uses the store's own.
	Options *Options

	// Version and Build name the program in manifests. Either may be empty.
	Version, Build string
}

// A Backup takes snapshots of a store, proves them, and puts them back. It works
// on the data directory, whether a store is open there or cannot be opened, and
// is safe for concurrent use.
type Backup struct {
	dir   string
	store *Store // that is open; may be nil
	o     BackupOptions
	opts  Options
}

// NewBackup returns a Backup of the data directory dir. Nothing is opened yet.
func NewBackup(dir string, o *BackupOptions) *Backup {
	b := &Backup{dir: dir}
	if o != nil {
		b.o = *o
	}
	if b.o.Options != nil {
		b.opts = *b.o.Options
	}
	if abs, err := filepath.Abs(dir); err == nil {
		b.dir = abs // else the directory is gone, which every method will say
	}
	return b
}

// Backup returns a Backup of the store, which stays open and can be written.
// Restore and Undo are not for it: they need NewBackup and the store closed.
func (s *Store) Backup(o *BackupOptions) *Backup {
	b := NewBackup(s.dir, o)
	b.store, b.opts = s, s.opts
	return b
}

// Snapshots is the directory of the snapshots.
func (b *Backup) Snapshots() string { return b.config().Dir() }

func (b *Backup) config() backup.Config {
	return backup.Config{
		Data:         b.dir,
		Snapshots:    b.o.Snapshots,
		Version:      b.o.Version,
		Build:        b.o.Build,
		CompileCache: b.opts.CompileCache,
		Logger:       b.opts.Logger,
		Now:          b.opts.Now,
	}
}

// SnapshotOptions configures Backup.Create. A nil *SnapshotOptions consists
// entirely of default values.
type SnapshotOptions struct {
	// Label is kept with the snapshot; see Retention.KeepLabels.
	Label string

	// NoVectors leaves the vectors out. They are derived, and take most of the
	// space; a restore makes them anew, which needs the embedder and its time.
	NoVectors bool

	// NoCheck leaves it to the first Validate or Restore to check the content of
	// the copy.
	NoCheck bool

	Progress func(Progress)
}

// Create takes a snapshot while others go on reading and writing. It holds what
// was committed at one instant, its Manifest.Created, and is complete and on the
// disk when Create returns. A store that fails its own checks, or that cannot
// be read at all, is saved nevertheless: Manifest.Damaged and Manifest.Kind say
// so.
//
// It fails with ErrNotFound where there is no store, with ErrInUse while a
// restore is running, and with ErrFull and ErrReadOnly; nothing is then listed
// that was not before.
func (b *Backup) Create(ctx context.Context, o *SnapshotOptions) (Snapshot, error) {
	var opts SnapshotOptions
	if o != nil {
		opts = *o
	}
	if err := b.recover(ctx); err != nil {
		return Snapshot{}, err
	}
	snap, err := backup.Create(ctx, b.config(), backup.CreateOptions{
		Label: opts.Label, NoVectors: opts.NoVectors, NoCheck: opts.NoCheck, Origin: backup.OriginManual, Progress: opts.Progress,
	})
	return snap, b.failed("create snapshot", "", err)
}

// recover finishes a restore that was interrupted: what it left is neither the
// old store nor the new one until then. Of one that was not decided it removes what
// was staged.
func (b *Backup) recover(ctx context.Context) error {
	err := restore.Recover(ctx, restore.Config{Config: b.config()})
	if err != nil && !restore.Pending(b.dir) {
		// The store is whole: what lies beside it can wait.
		if b.opts.Logger != nil {
			b.opts.Logger.WarnContext(ctx, "what an interrupted restore had staged is not removed", "error", err)
		}
		return nil
	}
	return b.failed("finish the interrupted restore", "", err)
}

// List returns the snapshots, newest first. What is not whole is not listed.
func (b *Backup) List(ctx context.Context) ([]Snapshot, error) {
	list, err := backup.List(ctx, b.config())
	return list, b.failed("list snapshots", "", err)
}

// ValidateOptions configures Backup.Validate. A nil *ValidateOptions consists
// entirely of default values.
type ValidateOptions struct {
	Vectors  bool // whether a snapshot without vectors is a fault
	Progress func(Progress)
}

// Validate examines a snapshot, byte by byte and in its content, and returns
// every finding; docs/backup-restore-procedure.md has their codes. Its error says that
// it could not look; it matches ErrNotFound where there is no such snapshot.
func (b *Backup) Validate(ctx context.Context, stamp string, o *ValidateOptions) (ValidateReport, error) {
	var opts ValidateOptions
	if o != nil {
		opts = *o
	}
	report, err := backup.Validate(ctx, b.config(), stamp, backup.ValidateOptions{Vectors: opts.Vectors, Progress: opts.Progress})
	return report, b.failed("validate snapshot", stamp, err)
}

// PruneOptions configures Backup.Prune. A nil *PruneOptions consists entirely of
// default values.
type PruneOptions struct {
	DryRun bool // whether to decide and explain only
}

// Prune removes the snapshots that keep says nothing for, and explains each
// decision. The newest one that validates is never removed, whatever it says; where
// none does, nothing is. It fails with ErrInvalid where keep is zero.
func (b *Backup) Prune(ctx context.Context, keep Retention, o *PruneOptions) (PruneReport, error) {
	var opts PruneOptions
	if o != nil {
		opts = *o
	}
	report, err := backup.Prune(ctx, b.config(), keep, backup.PruneOptions{DryRun: opts.DryRun})
	return report, b.failed("prune snapshots", "", err)
}

// RestoreOptions configures Backup.Restore and Backup.Undo.
type RestoreOptions struct {
	// Stamp names the pre-restore snapshot that Undo puts back; empty is the
	// newest. Restore ignores it.
	Stamp string

	// ConfirmServiceStopped has to be true: the caller's word that no service
	// uses the store which this machine cannot see, on another host, say.
	// Processes that it can see are found out by themselves.
	ConfirmServiceStopped bool

	// NoPreSnapshot restores without saving first what is there. It cannot be
	// undone then.
	NoPreSnapshot bool

	Vectors  VectorChoice
	Progress func(Progress)
}

// A RestoreReport says what Restore or Undo did.
type RestoreReport struct {
	restore.Report

	// VectorsRebuilt counts the vectors that were made anew, VectorsPending the
	// texts that still wait for theirs, which EmbedPending does.
	VectorsRebuilt int `json:"vectors_rebuilt"`
	VectorsPending int `json:"vectors_pending"`
}

// Restore puts a snapshot in the place of the store, LatestSnapshot standing for
// the newest. Killed at any instant it leaves the old store or the new one: the
// next Open finishes what was begun. See docs/backup-restore-procedure.md.
//
// It fails with ErrInUse, and names the holder, while anybody has the store
// open, this process included; with ErrUnsound, before anything is touched, where
// the snapshot does not validate; with ErrInvalid without
// RestoreOptions.ConfirmServiceStopped; with ErrNotFound where there is no such
// snapshot.
func (b *Backup) Restore(ctx context.Context, stamp string, o *RestoreOptions) (RestoreReport, error) {
	return b.restore(ctx, "restore", restore.Run, stamp, o)
}

// Undo puts back what a Restore saved before it began: RestoreOptions.Stamp, or
// else the newest that any has saved. After a Restore with NoPreSnapshot that is
// what an earlier one replaced. It fails as Restore does, and with ErrNotFound
// where nothing was saved.
func (b *Backup) Undo(ctx context.Context, o *RestoreOptions) (RestoreReport, error) {
	stamp := preRestore
	if o != nil && o.Stamp != "" {
		stamp = o.Stamp
	}
	undo := func(ctx context.Context, c restore.Config, ro restore.Options) (restore.Report, error) {
		if stamp == preRestore {
			ro.Stamp = "" // the newest
		}
		return restore.Undo(ctx, c, ro)
	}
	return b.restore(ctx, "undo restore", undo, stamp, o)
}

// preRestore stands in messages for the snapshot that a restore took.
const preRestore = string(backup.OriginPreRestore)

func (b *Backup) restore(ctx context.Context, op string, run func(context.Context, restore.Config, restore.Options) (restore.Report, error), stamp string, o *RestoreOptions) (RestoreReport, error) {
	var opts RestoreOptions
	if o != nil {
		opts = *o
	}
	if !opts.ConfirmServiceStopped {
		return RestoreReport{}, fmt.Errorf("%s: %w", op, errUnconfirmed)
	}
	report, err := run(ctx, restore.Config{Config: b.config()}, restore.Options{
		Stamp:                 stamp,
		ConfirmServiceStopped: opts.ConfirmServiceStopped,
		NoPreSnapshot:         opts.NoPreSnapshot,
		Vectors:               opts.Vectors,
		Progress:              opts.Progress,
	})
	out := RestoreReport{Report: report}
	if err != nil {
		return out, b.failed(op, stamp, err)
	}
	if !report.VectorsRestored {
		out.VectorsRebuilt, out.VectorsPending, err = b.embed(ctx)
		if err != nil {
			return out, fmt.Errorf("%s: the store is restored, but does not open: %w", op, err)
		}
	}
	return out, nil
}

var errUnconfirmed = invalid("confirm-service-stopped", "is not given",
	"stop every service that uses the store, then confirm that you have")

// embed makes the vectors that a restored store lacks, as far as the embedder
// can: without them the store is whole, and searched by words.
func (b *Backup) embed(ctx context.Context) (rebuilt, pending int, err error) {
	s, err := b.open(ctx)
	if errors.Is(err, ErrForeign) || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNewer) {
		return 0, 0, nil // a raw copy was put back, for which nobody vouches
	}
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	rebuilt, err = s.EmbedPending(ctx)
	if err != nil {
		s.log.WarnContext(ctx, "embedding is left for later", "error", err)
	}
	stats, err := s.Stats(ctx)
	return rebuilt, stats.Pending, err
}

// open opens the store that there is.
func (b *Backup) open(ctx context.Context) (*Store, error) {
	return b.openIn(ctx, b.dir)
}

func (b *Backup) openIn(ctx context.Context, dir string) (*Store, error) {
	opts := b.opts
	opts.NoCreate = true
	return Open(ctx, dir, &opts)
}

// failed turns an error of the packages backup and restore, which say themselves
// what failed, into one of this package's classes.
func (b *Backup) failed(op, stamp string, err error) error {
	switch {
	case errors.Is(err, backup.ErrNotFound):
		return fmt.Errorf("%s: %w", op, b.notFound(stamp))
	case errors.Is(err, backup.ErrInvalid):
		return fmt.Errorf("%s: %w", op, invalid("option", err.Error(), ""))
	case errors.Is(err, restore.ErrFailed):
		return fmt.Errorf("%w: %w", ErrUnsound, err)
	}
	return err
}

func (b *Backup) notFound(stamp string) error {
	switch stamp {
	case "":
		return (&Store{dir: b.dir}).noStore()
	case preRestore:
		return &NotFoundError{Kind: "snapshot", ID: stamp, Hint: "no restore has saved what it replaced in " + b.Snapshots()}
	}
	return &NotFoundError{Kind: "snapshot", ID: stamp, Hint: "list the snapshots of " + b.Snapshots()}
}

// maxRecoveries bounds how many restores in a row may be interrupted between
// two steps of one Open.
const maxRecoveries = 8

// errPending reports that a restore began and died between the first look and
// the lock.
var errPending = errors.New("a restore was interrupted")

// openDatabase opens the store's database, and before that puts an end to a
// restore that was interrupted. Only under the lock is it certain that there is
// none: until then another may begin, and die.
func (s *Store) openDatabase(ctx context.Context, c sqlite.Config) (err error) {
	c.Locked = func() error {
		if restore.Pending(s.dir) {
			return errPending
		}
		return nil
	}
	for range maxRecoveries {
		b := &Backup{dir: s.dir, opts: s.opts}
		if err := b.recover(ctx); err != nil {
			return err
		}
		s.db, err = sqlite.Open(ctx, c)
		if !errors.Is(err, errPending) {
			break
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return s.noStore()
	}
	return err
}
