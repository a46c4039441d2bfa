package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/atocore/atocore/internal/lockfile"
	"github.com/atocore/atocore/internal/sqlite"
)

// PruneOptions says how to prune.
type PruneOptions struct {
	DryRun bool // say what would be removed, and remove nothing
}

// A PruneReport says what was kept and what was removed, or would be, each newest
// first.
type PruneReport struct {
	DryRun  bool       `json:"dry_run"`
	Kept    []Decision `json:"kept"`
	Removed []Decision `json:"removed"`
}

// A Decision is what becomes of one snapshot, and why.
type Decision struct {
	Stamp string   `json:"stamp"`
	Label string   `json:"label"`
	Why   []string `json:"why"`
}

// Prune removes the snapshots that the policy does not keep.
//
// The newest snapshot that validates is kept in any case. That is found out now, by
// validating from the newest on: all bytes are hashed, and what no [CheckRecord]
// vouches for is examined. Where none validates nothing is removed: what is left is
// then all there is to rescue data from.
//
// Errors: [ErrInvalid] for a policy that keeps nothing; the engine's busy error
// while others use snapshots, until ctx is done or for 30 seconds without a
// deadline; of the file system. The report has what was removed until then.
func Prune(ctx context.Context, c Config, p Policy, o PruneOptions) (PruneReport, error) {
	report := PruneReport{DryRun: o.DryRun, Kept: []Decision{}, Removed: []Decision{}}
	if err := p.Check(); err != nil {
		return report, fmt.Errorf("prune: %w", err)
	}
	if err := c.Check(); err != nil {
		return report, fmt.Errorf("prune: %w", err)
	}
	if !exists(c.Dir()) {
		return report, nil
	}
	for {
		proven, err := c.newestProven(ctx)
		if err != nil {
			return report, fmt.Errorf("prune: %w", err)
		}
		gone, err := c.prune(ctx, p, o, proven, &report)
		if err != nil || !gone {
			return report, err
		}
	}
}

// prune decides and removes. It reports that the proven snapshot has gone
// meanwhile, by another's prune, so that another has to be proven.
func (c Config) prune(ctx context.Context, p Policy, o PruneOptions, proven string, report *PruneReport) (gone bool, err error) {
	// Anew, since validating may have found faults.
	all, err := List(ctx, c)
	if err != nil {
		return false, err
	}
	first := *report
	if remove := p.decide(all, proven, &first); o.DryRun || len(remove) == 0 {
		*report = first
		if !o.DryRun {
			c.clean(ctx)
		}
		return false, nil
	}

	lock, err := c.lockDir(ctx, lockfile.Exclusive)
	if err != nil {
		return false, err
	}
	defer lock.release()
	// And again: only now nobody else removes any.
	if all, err = List(ctx, c); err != nil {
		return false, err
	}
	if proven != "" && !exists(filepath.Join(c.Dir(), proven)) {
		return true, nil
	}
	for _, d := range p.decide(all, proven, report) {
		if err := c.remove(d.Stamp); err != nil {
			return false, err
		}
		report.Removed = append(report.Removed, d)
	}
	c.cleanLocked(ctx)
	return false, nil
}

// newestProven validates from the newest on until one passes; "" if none does.
func (c Config) newestProven(ctx context.Context) (string, error) {
	lock, err := c.lockDir(ctx, lockfile.Shared)
	if err != nil {
		return "", err
	}
	defer lock.release()
	all, err := List(ctx, c)
	if err != nil {
		return "", err
	}
	for _, s := range all {
		// A check that failed may have been repaired since, by hand.
		if s.Manifest == nil || s.Manifest.Kind != KindStore || len(s.Manifest.Damaged) > 0 {
			continue
		}
		r, _, err := c.validate(ctx, s.Stamp, ValidateOptions{Trust: true})
		if err != nil {
			return "", err
		}
		if r.OK {
			return s.Stamp, nil
		}
	}
	return "", nil
}

// decide puts those to keep into the report, and gives those to remove; for a dry
// run they are in the report as well.
func (p Policy) decide(all []Snapshot, proven string, report *PruneReport) (remove []Decision) {
	var sound, replaced, unsound []Snapshot
	for _, s := range all {
		switch {
		case !s.Sound():
			unsound = append(unsound, s)
		case s.isPreRestore():
			replaced = append(replaced, s)
		default:
			sound = append(sound, s)
		}
	}
	why := map[string][]string{}
	for _, series := range [][]Snapshot{sound, replaced, unsound} {
		for i, reasons := range p.apply(series) {
			why[series[i].Stamp] = reasons
		}
	}
	for _, s := range all {
		d := Decision{Stamp: s.Stamp, Label: s.label(), Why: why[s.Stamp]}
		if s.Stamp == proven {
			d.Why = append(d.Why, "the newest that validates")
		}
		if proven == "" && len(d.Why) == 0 {
			d.Why = append(d.Why, "no snapshot validates, so none is removed")
		}
		keep := len(d.Why) > 0
		if !keep {
			d.Why = []string{"no rule keeps it"}
		}
		if !s.Sound() {
			d.Why = append(d.Why, "not sound: "+s.fault())
		}
		switch {
		case keep:
			report.Kept = append(report.Kept, d)
		default:
			remove = append(remove, d)
		}
	}
	if report.DryRun {
		report.Removed = append(report.Removed, remove...)
	}
	return remove
}

// fault says in a few words what is known against a snapshot.
func (s Snapshot) fault() string {
	switch {
	case s.Manifest == nil:
		return "its manifest cannot be read"
	case s.Manifest.Kind == KindRaw:
		return "the files of a store that could not be read"
	case len(s.Manifest.Damaged) > 0:
		return "the store was damaged"
	case s.Check != nil && !s.Check.OK:
		return "it does not validate"
	}
	return ""
}

// remove makes a snapshot unlisted before it goes, so that no half of one is ever
// listed. The directory is locked.
func (c Config) remove(stamp string) error {
	name := filepath.Join(c.Dir(), stamp)
	going := filepath.Join(c.Dir(), "."+stamp+removedMark)
	if err := os.RemoveAll(going); err != nil { // of a prune that was killed
		return sqlite.FileError("remove snapshot", going, err)
	}
	if err := os.Rename(name, going); err != nil {
		return sqlite.FileError("remove snapshot", name, err)
	}
	err := syncDir(c.Dir())
	err = errors.Join(err, os.RemoveAll(going))
	if e := os.Remove(c.recordName(stamp)); e != nil && !errors.Is(e, os.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return sqlite.FileError("remove snapshot", name, err)
}
