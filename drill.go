package atocore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/restore"
)

// DrillOptions configures Backup.Drill. A nil *DrillOptions consists entirely of
// default values.
type DrillOptions struct {
	// Stamp names a snapshot to rehearse, LatestSnapshot being the newest. Empty
	// takes a new one, which is gone again after the drill.
	Stamp string

	// Keep leaves the new snapshot among the others, labelled "drill".
	Keep bool

	// Probes are the questions that original and copy have to answer alike.
	// Empty is those that AddProbe has stored, and where there are none, some
	// drawn from the store's own content.
	Probes []Query

	// InPlace rehearses the real thing: it restores over the store itself. The
	// service has to be stopped, which ConfirmServiceStopped is the caller's
	// word for. The new snapshot is kept, and so is the pre-restore snapshot.
	InPlace               bool
	ConfirmServiceStopped bool

	// Scratch is where the directory for the copy is made; empty is the system's
	// place for temporary files. It takes up to three times the store's size.
	Scratch string

	Progress func(Progress) // hears of each step of DrillReport.Steps as well, when it begins
}

// A DrillReport says how a drill went. It is kept in the store as its record.
type DrillReport struct {
	ID       string    `json:"id,omitempty"` // of the record
	BeganAt  time.Time `json:"began_at"`
	EndedAt  time.Time `json:"ended_at"`
	OK       bool      `json:"ok"`
	Findings []Finding `json:"findings"`

	Stamp      string    `json:"stamp"`       // of the snapshot
	SnapshotAt time.Time `json:"snapshot_at"` // its instant: the state that is proven

	InPlace  bool   `json:"in_place"`
	Probes   int    `json:"probes"` // questions that were asked
	Hits     int    `json:"hits"`   // of the original, that the copy was held to
	Digest   string `json:"digest"` // of the restored store
	DigestOK bool   `json:"digest_ok"`

	// RTO is how long a recovery takes: restore, open and first answer; 0 where it
	// did not come to that. RPO is how old the snapshot was when the restore
	// began, which is how much work a loss at that moment would have cost. In
	// milliseconds.
	RTO   float64 `json:"rto_ms"`
	RPO   float64 `json:"rpo_ms"`
	Steps []Step  `json:"steps"`

	// PreRestoreSnapshot undoes a drill in place.
	PreRestoreSnapshot string `json:"pre_restore_snapshot,omitempty"`

	// Scratch is the directory with the restored copy, which is kept where there
	// are findings. It is in nobody's way, and can be deleted.
	Scratch string `json:"scratch,omitempty"`

	Notes []string `json:"notes,omitempty"`
}

// Drill rehearses a recovery. It takes a snapshot, restores it into a directory
// of its own, opens the copy as the store is opened, and holds it to the
// original as it was at the snapshot's instant: integrity, digest, counts,
// index, embedding space, and the hits of probe queries, with their scores, in
// their order. Others may use the store meanwhile. It then writes a record into
// the store; Stats says when a drill last proved the store restorable.
//
// Faults are findings, and so is a drill that could prove nothing, of an empty
// store say. An error is for a drill that could not be run: ErrNotFound,
// ErrInvalid, ErrFull, ErrInUse in place, or a store that does not open.
//
// A snapshot named by DrillOptions.Stamp can be rehearsed where there is no
// store, or one that does not open; there is no record then.
func (b *Backup) Drill(ctx context.Context, o *DrillOptions) (DrillReport, error) {
	d := drill{b: b}
	if o != nil {
		d.o = *o
	}
	d.report = DrillReport{BeganAt: storedTime(b.now()), InPlace: d.o.InPlace, Findings: []Finding{}, Steps: []Step{}}
	if err := d.validate(ctx); err != nil {
		return d.report, fmt.Errorf("drill: %w", err)
	}
	if err := d.rehearse(ctx); err != nil {
		return d.report, fmt.Errorf("drill: %w", err)
	}
	if err := d.record(ctx); err != nil {
		return d.report, fmt.Errorf("drill: write its record: %w", err)
	}
	return d.report, nil
}

// Drills lists the records of drills, newest first.
func (b *Backup) Drills(ctx context.Context) (list []DrillReport, err error) {
	err = b.with(ctx, func(s *Store) error {
		return s.read(ctx, func(tx *sqlite.Tx) error {
			list, err = drills(tx)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list drills: %w", err)
	}
	return list, nil
}

// A drill is one run of Drill.
type drill struct {
	b       *Backup
	o       DrillOptions
	report  DrillReport
	scratch string // directory; empty in place
	target  string // the data directory that is restored into

	snapshots backup.Config // where the snapshot is
	snap      Snapshot
	probes    []preparedProbe
	want      *likeness // of the original
	unread    error     // why there is none
	marker    *marker   // in place
	same      bool      // after a restore that failed: the target is what it was

	recovery time.Duration // from the beginning of the restore, so far
}

func (d *drill) validate(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !d.o.InPlace:
		return nil
	case !d.o.ConfirmServiceStopped:
		return errUnconfirmed
	case d.o.Stamp != "":
		return invalid("stamp", "is given for a drill in place", "it takes its own snapshot: an older one would lose what came later")
	}
	return d.b.unused(ctx)
}

func (d *drill) rehearse(ctx context.Context) (err error) {
	d.snapshots, d.target = d.b.config(), d.b.dir
	if !d.o.InPlace {
		if d.scratch, err = os.MkdirTemp(d.o.Scratch, "atocore-drill-"); err != nil {
			return sqlite.FileError("make a scratch directory in", d.o.Scratch, err)
		}
		defer func() {
			if err == nil && len(d.report.Findings) > 0 {
				if _, e := os.Stat(filepath.Join(d.target, databaseName)); e == nil {
					d.report.Scratch = d.scratch
					return
				}
			}
			err = errors.Join(err, os.RemoveAll(d.scratch))
		}()
		d.target = filepath.Join(d.scratch, "store")
		if !d.o.Keep && d.o.Stamp == "" {
			d.snapshots.Snapshots = filepath.Join(d.scratch, "snapshots")
		}
	}
	if d.o.Stamp == "" {
		err = d.takeSnapshot(ctx)
	} else {
		d.snap, err = backup.Find(ctx, d.snapshots, d.o.Stamp)
		err = d.b.failed("find snapshot", d.o.Stamp, err)
	}
	if err != nil {
		return err
	}
	d.report.Stamp, d.report.SnapshotAt = d.snap.Stamp, storedTime(d.created())
	if d.unread != nil {
		d.find("drill_original_unreadable", databaseName, "a store that can be read", d.unread.Error())
	}
	if d.o.InPlace && !d.snap.Sound() {
		err = d.condemn(ctx)
	} else {
		err = d.prove(ctx)
	}
	if err != nil {
		return err
	}
	d.report.OK, d.report.EndedAt = len(d.report.Findings) == 0, storedTime(d.b.now())
	return nil
}

// prove restores the snapshot and compares.
func (d *drill) prove(ctx context.Context) error {
	if d.o.InPlace {
		if err := d.plantMarker(ctx); err != nil {
			return err
		}
	}
	restored, err := d.restore(ctx)
	if err != nil {
		return errors.Join(err, d.pullMarker(ctx))
	}
	if !restored && d.same {
		return d.pullMarker(ctx)
	}
	if restored && d.o.Stamp != "" {
		if err := d.readSnapshot(ctx); err != nil {
			return err
		}
	}
	return d.compare(ctx, restored)
}

// condemn finds in what is wrong with the snapshot, which is not restored.
func (d *drill) condemn(ctx context.Context) error {
	found, err := backup.Validate(ctx, d.snapshots, d.snap.Stamp, backup.ValidateOptions{Trust: true, Progress: d.o.Progress})
	if err != nil {
		return d.b.failed("validate snapshot", d.snap.Stamp, err)
	}
	d.findUnsound(found.Findings)
	return nil
}

func (d *drill) findUnsound(findings []Finding) {
	d.report.Findings = append(d.report.Findings, findings...)
	d.find("drill_snapshot_unsound", d.snap.Stamp, "a snapshot that validates", fmt.Sprintf("%d findings", len(findings)))
}

// step runs a part of the drill and notes how long it took.
func (d *drill) step(name string, fn func() error) (time.Duration, error) {
	if d.o.Progress != nil {
		d.o.Progress(Progress{Step: name})
	}
	began := time.Now()
	err := fn()
	took := time.Since(began)
	d.report.Steps = append(d.report.Steps, Step{Name: name, Milliseconds: milliseconds(took)})
	return took, err
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}

// takeSnapshot takes the snapshot, and looks at the store as it is at the
// snapshot's instant.
func (d *drill) takeSnapshot(ctx context.Context) error {
	_, err := d.step("snapshot", func() error {
		return d.b.with(ctx, func(s *Store) (err error) {
			if err := d.choose(ctx, s, true); err != nil {
				return err
			}
			d.snap, err = backup.Create(ctx, d.snapshots, backup.CreateOptions{
				Label: "drill", Origin: backup.OriginDrill, Progress: d.o.Progress,
				View: func(tx *sqlite.Tx) error { return d.lookAtOriginal(ctx, s, tx) },
			})
			return d.b.failed("take a snapshot", "", err)
		})
	})
	return err
}

// readSnapshot looks at the snapshot itself, in place of the original, which
// has gone on since. It opens a copy of the database: that of an older version
// has to be migrated before it can be asked anything.
func (d *drill) readSnapshot(ctx context.Context) (err error) {
	dir := filepath.Join(d.scratch, "original")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return sqlite.FileError("make directory", dir, err)
	}
	if err := copyFile(filepath.Join(d.snap.Path, databaseName), filepath.Join(dir, databaseName)); err != nil {
		return sqlite.FileError("copy to", dir, err)
	}
	s, err := d.b.openIn(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := d.choose(ctx, s, d.snap.Manifest.Vectors); err != nil {
		return err
	}
	return s.read(ctx, func(tx *sqlite.Tx) error { return d.lookAtOriginal(ctx, s, tx) })
}

// choose prepares the probes.
func (d *drill) choose(ctx context.Context, s *Store, vectors bool) error {
	var chosen []probe
	err := s.read(ctx, func(tx *sqlite.Tx) (err error) {
		id, sp, err := activeSpace(tx)
		if err != nil {
			return err
		}
		vectors = vectors && id != 0 && s.mismatch(sp) == nil
		chosen, err = chooseProbes(tx, d.o.Probes)
		return err
	})
	if err != nil {
		return err
	}
	d.report.Probes = len(chosen)
	if !vectors {
		d.report.Notes = append(d.report.Notes, "vectors are not compared: the snapshot, or the embedder, has none for it")
	}
	var notes []string
	d.probes, notes, err = s.prepareProbes(ctx, chosen, vectors)
	d.report.Notes = append(d.report.Notes, notes...)
	return err
}

// lookAtOriginal notes what the copy is held to. A store that is damaged is
// copied all the same, and the drill says so.
func (d *drill) lookAtOriginal(ctx context.Context, s *Store, tx *sqlite.Tx) error {
	d.want, d.unread = nil, nil // a second look takes the place of the first
	l, err := look(ctx, s, tx, d.probes)
	if errors.Is(err, ErrCorrupt) {
		d.unread = err
		return nil
	}
	d.want = &l
	return err
}

// restore puts the snapshot into the target, and reports whether it did. What
// keeps the drill from being run is an error, what is wrong a finding.
func (d *drill) restore(ctx context.Context) (bool, error) {
	d.report.RPO = milliseconds(max(0, d.b.now().Sub(d.created())))
	cfg := restore.Config{Config: d.snapshots}
	cfg.Snapshots, cfg.Data = d.snapshots.Dir(), d.target
	var report restore.Report
	took, err := d.step("restore", func() (err error) {
		report, err = restore.Run(ctx, cfg, restore.Options{
			Stamp: d.snap.Stamp, ConfirmServiceStopped: true, NoPreSnapshot: !d.o.InPlace, Progress: d.o.Progress,
		})
		return err
	})
	d.recovery = took
	d.report.PreRestoreSnapshot = report.PreRestoreSnapshot
	d.same = report.RolledBack || !slices.ContainsFunc(report.Steps, func(s Step) bool { return s.Name == "swap" })
	var unsound *UnsoundError
	switch {
	case err == nil:
	case errors.As(err, &unsound):
		d.findUnsound(unsound.Findings)
	case ctx.Err() != nil, cannotRun(err):
		return false, d.b.failed("restore", d.snap.Stamp, err)
	default:
		d.report.Findings = append(d.report.Findings, report.Findings...)
		d.find("drill_restore_failed", d.snap.Stamp, "restored", err.Error())
	}
	return err == nil, nil
}

func (d *drill) created() time.Time {
	if d.snap.Manifest == nil {
		return d.b.now()
	}
	return d.snap.Manifest.Created
}

// cannotRun reports whether an error is about the place and the moment, not
// about the snapshot.
func cannotRun(err error) bool {
	for _, target := range []error{ErrInUse, ErrBusy, ErrFull, ErrReadOnly, backup.ErrInvalid, backup.ErrNotFound} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// compare opens the restored store and holds it to the original.
func (d *drill) compare(ctx context.Context, restored bool) (err error) {
	var s *Store
	took, err := d.step("open", func() (err error) {
		s, err = d.b.openIn(ctx, d.target)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		d.find("drill_open_failed", d.target, "a store that opens", err.Error())
		return nil
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if d.marker != nil {
		if err := d.missMarker(ctx, s); err != nil {
			return err
		}
	}
	if !restored {
		return nil
	}
	answered, err := d.step("first answer", func() error { return d.firstAnswer(ctx, s) })
	if err != nil {
		return err
	}
	d.recovery += took + answered
	d.report.RTO = milliseconds(d.recovery)
	if !d.snap.Manifest.Vectors {
		if _, err := d.step("embed", func() error { return d.embed(ctx, s) }); err != nil {
			return err
		}
	}
	_, err = d.step("compare", func() error { return d.hold(ctx, s) })
	return err
}

func (d *drill) firstAnswer(ctx context.Context, s *Store) error {
	if len(d.probes) == 0 {
		_, err := s.Stats(ctx)
		return err
	}
	return s.read(ctx, func(tx *sqlite.Tx) error {
		d.probes[0].ask(ctx, s, tx)
		return nil
	})
}

// embed makes the vectors that the snapshot left out.
func (d *drill) embed(ctx context.Context, s *Store) error {
	if _, err := s.EmbedPending(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d.find("drill_index_parity", "vectors", "the vectors that the snapshot left out, made anew", err.Error())
	}
	return nil
}

// hold compares the restored store with the original.
func (d *drill) hold(ctx context.Context, s *Store) error {
	var got likeness
	err := s.read(ctx, func(tx *sqlite.Tx) (err error) {
		if got, err = look(ctx, s, tx, d.probes); err != nil {
			return err
		}
		d.report.Digest, _, err = schema.Digest(tx)
		return err
	})
	switch {
	case errors.Is(err, ErrCorrupt):
		d.find("drill_integrity", databaseName, "a store that can be read", err.Error())
		return nil
	case err != nil:
		return err
	}
	d.report.DigestOK = d.report.Digest != "" && d.report.Digest == d.snap.Manifest.Digest
	if !d.report.DigestOK {
		d.find("drill_digest", databaseName, orNone(d.snap.Manifest.Digest), d.report.Digest)
	}
	if err := d.check(ctx, s); err != nil {
		return err
	}
	if d.want != nil {
		d.holdTo(*d.want, got)
	}
	return nil
}

// check has the restored store checked, and sorts what that finds.
func (d *drill) check(ctx context.Context, s *Store) error {
	report, err := s.Check(ctx)
	if err != nil {
		return err
	}
	for _, f := range report.Findings {
		code := "drill_index_parity"
		switch f.Code {
		case "integrity_check":
			code = "drill_integrity"
		case "original_missing":
			code = "drill_files"
		case "original_orphaned":
			continue // one that was there before a drill in place, and does no harm
		}
		d.find(code, f.Path, f.Expected, f.Code+": "+f.Found)
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
