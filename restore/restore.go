// Package restore puts snapshots back.
//
// Start with [Run]; [Undo] puts back what a restore replaced. Whoever opens a
// store calls [Recover] first where [Pending] says so.
//
// # Guarantees
//
//   - The snapshot is validated before anything is touched. No process of this
//     machine has the store open meanwhile: a lock sees to that.
//   - Whenever the process or the machine dies, the next open finds the old store
//     or the new one, whole. Everything is first prepared beside the store and
//     synced. Then a journal is written, which decides the restore; from there on
//     the work can be begun anew any number of times, and is, by Recover.
//   - The data directory, files/, the snapshots' directory and the database itself
//     may be mount points. None of them is removed or replaced, their inodes stay,
//     and so do owners and modes. What else lies beside the store is not touched.
//   - What was replaced is in a pre-restore snapshot, unless the caller does not want
//     one, and is put back if the restored store does not verify.
//
// # Integrity
//
// A restored database is sound when it equals, byte for byte, a copy that passed
// every check of backup.Validate: it is read back and hashed. It is also opened
// where it is, and its rows are counted. The digest of those bytes is computed anew;
// as that takes longest, from the snapshot's copy of them, while the rest goes on.
//
// # Caveats
//
// While it is written over, the database takes its space twice, unless the
// snapshots are on the data directory's file system; a link is enough then. Where
// space cannot be reserved (elsewhere than on Linux, and on file systems that copy
// on write) a disk may fill up after the restore is decided: it then stays pending
// and goes on when there is space.
package restore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/lockfile"
	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// Config says which store is restored and where its snapshots are. A data
// directory that does not exist is made.
type Config struct {
	backup.Config

	// Ops replaces the operations on files, for tests. Nil is System.
	Ops Ops
}

// Vectors says what to do about vectors, which are derived and can be rebuilt.
type Vectors uint8

const (
	VectorsAuto     Vectors = iota // as the snapshot has it
	VectorsRequired                // a snapshot without vectors is refused: vectors_snapshot_missing
	VectorsLeftOut                 // none, they are rebuilt when the store is next opened
)

// Options says what to restore. Stamp and ConfirmServiceStopped are required.
type Options struct {
	// Stamp names the snapshot; backup.Latest is the newest. Undo takes the newest
	// pre-restore snapshot where it is empty.
	Stamp string

	// ConfirmServiceStopped says that whatever uses the store has been stopped. The
	// lock only tells of processes that this machine can see.
	ConfirmServiceStopped bool

	// NoPreSnapshot does without the pre-restore snapshot. There is no way back
	// then.
	NoPreSnapshot bool

	// Vectors is VectorsAuto unless set.
	Vectors Vectors

	// Progress, if not nil, hears of the steps. It may be called from several
	// goroutines, though not at once.
	Progress func(backup.Progress)
}

// A Report says what a restore did. It is also given with an error, as far as
// things went.
type Report struct {
	Stamp               string `json:"stamp"`                 // of the snapshot that was to be restored
	RestoredIntegrityOK bool   `json:"restored_integrity_ok"` // the database is byte for byte one that passed every check
	DigestOK            bool   `json:"digest_ok"`             // its content is that of the manifest
	Digest              string `json:"digest"`                // of what was restored

	// PreRestoreSnapshot is the stamp of what was there before; empty if there was
	// nothing, or it was not wanted.
	PreRestoreSnapshot string `json:"pre_restore_snapshot"`

	// WALRemoved: no log and no journal of the old database is left beside the
	// restored one.
	WALRemoved bool `json:"wal_removed"`

	VectorsRestored bool             `json:"vectors_restored"`
	FilesRestored   int              `json:"files_restored"` // originals that were missing or damaged
	RolledBack      bool             `json:"rolled_back"`    // the pre-restore snapshot was put back
	Steps           []Step           `json:"steps"`
	Findings        []backup.Finding `json:"findings"` // what did not verify
}

// A Step is a part of a restore.
type Step struct {
	Name         string  `json:"name"` // validate, lock, recover, pre_restore_snapshot, stage, swap, verify, finish, roll_back
	Milliseconds float64 `json:"milliseconds"`
}

// ErrFailed reports that what was restored did not verify. Report has the findings
// and says whether the old store was put back.
var ErrFailed = errors.New("the restored store does not verify")

// The codes of the findings that are made here.
const (
	codeFileHash  = "restored_file_hash"
	codeSideFile  = "restored_side_file"
	codeDigest    = "restored_digest"
	codeIntegrity = "restored_integrity"
)

// Codes lists the codes of the findings of a restore, beside those of backup.Codes.
func Codes() []string {
	return []string{codeFileHash, codeSideFile, codeDigest, codeIntegrity}
}

// Run restores a snapshot. The store must be closed, in this process too.
//
// Errors: backup.ErrInvalid without ConfirmServiceStopped; backup.ErrNotFound;
// a *backup.UnsoundError; sqlite.ErrInUse, which names the holders;
// sqlite.ErrForeign where another program's database is in the place;
// sqlite.ErrFull and sqlite.ErrReadOnly. The store is unchanged after all of
// these. ErrFailed says that it was changed, and RolledBack that it was changed
// back; where it was not, the restore stays pending.
//
// A context that ends stops the restore until it is decided. From there on it is
// finished.
func Run(ctx context.Context, c Config, o Options) (Report, error) {
	return run(ctx, c, o, "restore")
}

// Undo restores the newest pre-restore snapshot, or the one of the given stamp. It
// makes one itself, so that it can be undone. What was there before is put back as
// it was, sound or not; only a snapshot whose bytes are no longer those that were
// saved is refused. Otherwise it is like Run.
func Undo(ctx context.Context, c Config, o Options) (Report, error) {
	if o.Stamp == "" {
		all, err := backup.List(ctx, c.Config)
		if err != nil {
			return Report{}, fmt.Errorf("undo restore: %w", err)
		}
		i := slices.IndexFunc(all, func(s backup.Snapshot) bool {
			return s.Manifest != nil && s.Manifest.Origin == backup.OriginPreRestore
		})
		if i < 0 {
			return Report{}, fmt.Errorf("undo restore: pre-restore snapshot in %s: %w", c.Dir(), backup.ErrNotFound)
		}
		o.Stamp = all[i].Stamp
	}
	return run(ctx, c, o, "undo restore")
}

// task is one restore under way.
type task struct {
	c      Config
	o      Options
	undo   bool
	p      *place
	lock   *lockfile.File
	report Report

	src      source
	content  *content         // of the snapshot, while it is being read
	unsound  bool             // of what Undo puts back: it was broken when it was saved
	previous *backup.Snapshot // the pre-restore snapshot, if there is one
	journal  *journal
	stuck    bool // an earlier restore is decided and cannot be finished
}

func run(ctx context.Context, c Config, o Options, op string) (Report, error) {
	if !o.ConfirmServiceStopped {
		return Report{}, fmt.Errorf("%s: %w: it is not confirmed that whatever uses the store has been stopped (--confirm-service-stopped)", op, backup.ErrInvalid)
	}
	if err := c.Check(); err != nil {
		return Report{}, fmt.Errorf("%s: %w", op, err)
	}
	p, err := newPlace(c)
	if err != nil {
		return Report{}, fmt.Errorf("%s: %w", op, err)
	}
	t := &task{c: c, o: o, p: p, undo: op != "restore"}
	t.report.Steps, t.report.Findings = []Step{}, []backup.Finding{}
	release, err := backup.Hold(ctx, c.Config)
	if err != nil {
		return Report{}, fmt.Errorf("%s: %w", op, err)
	}
	defer release()
	err = t.run(ctx)
	t.content.stop()
	if t.lock != nil {
		err = errors.Join(err, t.lock.Close())
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", op, o.Stamp, p.fileError(err))
	}
	return t.report, err
}

func (t *task) run(ctx context.Context) error {
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		{"validate", t.validate},
		{"lock", t.hold},
		{"recover", t.recover},
		{"pre_restore_snapshot", t.save},
		{"stage", t.decide},
	}
	for _, s := range steps {
		err := ctx.Err()
		if err == nil {
			err = t.step(s.name, func() error { return s.do(ctx) })
		}
		if err != nil {
			return err
		}
	}

	// It is decided. Stopping now would leave the work to the next open.
	ctx = context.WithoutCancel(ctx)
	err := t.step("swap", func() error { return t.swap(ctx) })
	if err == nil {
		err = t.step("verify", func() error { return t.verify(ctx) })
	}
	if err != nil {
		return t.step("roll_back", func() error { return t.rollBack(ctx, err) })
	}
	return t.step("finish", t.p.finish)
}

func (t *task) step(name string, do func() error) error {
	start := time.Now()
	err := do()
	t.report.Steps = append(t.report.Steps, Step{Name: name, Milliseconds: float64(time.Since(start).Microseconds()) / 1000})
	return err
}

// progress counts the bytes of a step.
func (t *task) progress(step string, total int64) func(int64) {
	if t.o.Progress == nil {
		return nil
	}
	done := int64(0)
	return func(n int64) {
		done += n
		t.o.Progress(backup.Progress{Step: step, Done: done, Total: total})
	}
}

// validate looks at the snapshot. Nothing has been touched yet.
func (t *task) validate(ctx context.Context) error {
	s, err := backup.Find(ctx, t.c.Config, t.o.Stamp)
	if err != nil {
		return err
	}
	t.o.Stamp = s.Stamp // no longer "latest"
	t.report.Stamp = s.Stamp
	if t.undo && s.Manifest != nil && s.Manifest.Origin != backup.OriginPreRestore {
		return fmt.Errorf("%w: %s is not a pre-restore snapshot, restore it", backup.ErrInvalid, s.Stamp)
	}
	isStore := s.Manifest != nil && s.Manifest.Kind == backup.KindStore
	strip := isStore && s.Manifest.Vectors && t.o.Vectors == VectorsLeftOut
	if isStore && !strip {
		t.content = t.read(ctx, filepath.Join(s.Path, backup.DatabaseName))
	}
	found, err := backup.Validate(ctx, t.c.Config, s.Stamp, backup.ValidateOptions{
		Trust:    true,
		Vectors:  t.o.Vectors == VectorsRequired,
		Progress: t.o.Progress,
	})
	if err != nil {
		return err
	}
	t.unsound = !found.OK
	if t.unsound && !(t.undo && found.Intact) || s.Manifest == nil {
		t.report.Findings = found.Findings
		return &backup.UnsoundError{Stamp: s.Stamp, Findings: found.Findings}
	}
	t.src = source{dir: s.Path, manifest: s.Manifest}
	if strip {
		t.src.edit = func(ctx context.Context, name string) error {
			return sqlite.Edit(ctx, sqlite.Config{Path: name, CacheDir: t.c.CompileCache}, true, schema.StripVectors)
		}
	}
	t.report.Digest = s.Manifest.Digest
	t.report.VectorsRestored = s.Manifest.Vectors && t.src.edit == nil
	return nil
}
