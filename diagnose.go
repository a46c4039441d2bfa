package atocore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/schema"
)

// A Remedy says what to do about the findings of Backup.Check.
type Remedy string

// The remedies.
const (
	RemedyNone    Remedy = ""        // nothing is wrong
	RemedyRepair  Remedy = "repair"  // Store.Repair: only what is derived is damaged
	RemedyUndo    Remedy = "undo"    // Backup.Undo: the last restore is what went wrong
	RemedyRestore Remedy = "restore" // Backup.Restore of the newest sound snapshot
	RemedyUpgrade Remedy = "upgrade" // a newer version of atocore
	RemedySalvage Remedy = "salvage" // no sound snapshot is left: copy the files away first
)

// A Diagnosis is a check of a store, and what to do next.
type Diagnosis struct {
	CheckReport

	Remedy   Remedy `json:"remedy,omitempty"`
	Snapshot string `json:"snapshot,omitempty"` // that the remedy puts back
}

// repairable are the findings of Check that Repair does away with.
var repairable = []string{"fts_integrity", "units_missing", "units_orphaned", "units_stale", "fts_parity",
	"columns_stale", "codes_stale", "vectors_damaged", "vectors_orphaned", "vectors_missing", "original_orphaned"}

// Check is Store.Check of a store that may be too broken to open, which is then
// the finding, and says what to do about what it finds. Its error says that it
// could not look: that there is no store, say.
func (b *Backup) Check(ctx context.Context) (Diagnosis, error) {
	d := Diagnosis{CheckReport: CheckReport{Findings: []Finding{}}}
	s, done, err := b.acquire(ctx)
	if err == nil {
		d.CheckReport, err = s.Check(ctx)
		err = errors.Join(err, done())
	}
	if err != nil {
		f, ok := unopened(err)
		if !ok {
			return d, err
		}
		d.Findings = append(d.Findings, f)
	}
	d.OK = len(d.Findings) == 0
	if d.OK {
		return d, nil
	}
	d.Remedy, d.Snapshot, err = b.remedy(ctx, d.Findings)
	return d, err
}

// unopened is the finding of a store that does not open, if it is the store's
// own fault.
func unopened(err error) (Finding, bool) {
	f := Finding{Path: databaseName, Found: err.Error()}
	switch {
	case errors.Is(err, ErrCorrupt):
		f.Code, f.Expected, f.Hint = "integrity_check", "a database that opens", "restore a snapshot; keep a copy of the files as they are"
	case errors.Is(err, ErrNewer):
		f.Code, f.Expected, f.Hint = "schema_newer", fmt.Sprintf("schema %d or older", len(schema.Migrations())), "use the version of atocore that wrote the store, or a newer one"
	case errors.Is(err, ErrForeign):
		f.Code, f.Expected, f.Hint = "foreign_database", "a database of atocore", "see whether this is the right directory; keep a copy of the files as they are"
	default:
		return f, false
	}
	return f, true
}

// remedy chooses what helps against the findings.
func (b *Backup) remedy(ctx context.Context, findings []Finding) (Remedy, string, error) {
	if !slices.ContainsFunc(findings, func(f Finding) bool { return !slices.Contains(repairable, f.Code) }) {
		return RemedyRepair, "", nil
	}
	if slices.ContainsFunc(findings, func(f Finding) bool { return f.Code == "schema_newer" }) {
		return RemedyUpgrade, "", nil
	}
	list, err := b.List(ctx)
	if err != nil {
		return RemedySalvage, "", err
	}
	for i, snap := range list {
		switch {
		case !snap.Sound():
		case i == 0 && snap.Manifest.Origin == backup.OriginPreRestore:
			return RemedyUndo, snap.Stamp, nil // nothing else was done since the restore
		default:
			return RemedyRestore, snap.Stamp, nil
		}
	}
	return RemedySalvage, "", nil
}
