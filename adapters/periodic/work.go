package periodic

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/atocore/atocore"
)

// A Job is a kind of periodic work.
type Job string

// The jobs, in the order in which they run where several are due.
const (
	Checkpoint Job = "checkpoint" // moves the write-ahead log into the database
	Snapshot   Job = "snapshot"   // takes a snapshot, labelled periodic
	Validate   Job = "validate"   // examines the newest snapshot
	Prune      Job = "prune"      // removes the snapshots that no rule keeps
	Drill      Job = "drill"      // rehearses a restore, with a snapshot of its own
)

// A Result is how a run of a job went.
type Result struct {
	Job     Job       `json:"job"`
	BeganAt time.Time `json:"began_at"`
	EndedAt time.Time `json:"ended_at"`

	// OK is that it was carried out and found nothing. Where Error is set it was not
	// carried out, and is tried again before its schedule wants it; where only
	// Findings are there, the schedule goes on.
	OK       bool     `json:"ok"`
	Error    string   `json:"error,omitempty"`
	Findings int      `json:"findings"`
	Codes    []string `json:"codes,omitempty"` // of the findings, each once

	Stamp   string  `json:"stamp,omitempty"`   // of the snapshot
	Bytes   int64   `json:"bytes,omitempty"`   // of the snapshot taken
	Removed int     `json:"removed,omitempty"` // snapshots, by prune
	RTO     float64 `json:"rto_ms,omitempty"`  // of a drill: how long the recovery took
}

// String says it in a few words.
func (r Result) String() string {
	switch {
	case r.Error != "":
		return r.Error
	case r.Findings > 0:
		return fmt.Sprintf("%d findings: %s", r.Findings, strings.Join(r.Codes, ", "))
	case r.Job == Prune:
		return fmt.Sprintf("%d removed", r.Removed)
	case r.Job == Drill:
		return fmt.Sprintf("restorable in %g ms", r.RTO)
	case r.Stamp != "":
		return r.Stamp
	}
	return "done"
}

func (r *Result) find(findings []atocore.Finding) {
	seen := map[string]bool{}
	for _, f := range findings {
		r.Findings++
		if !seen[f.Code] {
			seen[f.Code] = true
			r.Codes = append(r.Codes, f.Code)
		}
	}
}

// work is what a Runner does its jobs by.
type work interface {
	// Lease takes the right to work, of which there is one for each store.
	Lease() (release func() error, ok bool, err error)

	// Known is when the job was last carried out, as far as the store itself knows;
	// knows is false for jobs of which it keeps no record. A zero time is never.
	Known(ctx context.Context, job Job) (at time.Time, knows bool, err error)

	// Ready reports whether there is anything yet to do the job on.
	Ready(ctx context.Context, job Job) (bool, error)

	// Do carries the job out. The Runner fills in times, OK and Error.
	Do(ctx context.Context, job Job, scratch string) (Result, error)
}

// storeWork works on a store.
type storeWork struct {
	store  *atocore.Store
	backup *atocore.Backup
	keep   atocore.Retention
}

func (w *storeWork) Lease() (func() error, bool, error) { return w.store.Lease("periodic") }

func (w *storeWork) Known(ctx context.Context, job Job) (time.Time, bool, error) {
	switch job {
	case Snapshot:
		list, err := w.backup.List(ctx)
		if err != nil {
			return time.Time{}, false, err
		}
		for _, s := range list {
			// What a restore saves is the store that it replaced. One that is damaged
			// counts: the next would be as well.
			if s.Manifest != nil && s.Manifest.Origin != "pre-restore" {
				return s.Manifest.Created, true, nil
			}
		}
		return time.Time{}, true, nil
	case Drill:
		stats, err := w.store.Stats(ctx)
		if err != nil {
			return time.Time{}, false, err
		}
		if stats.LastDrill == nil {
			return time.Time{}, true, nil
		}
		return *stats.LastDrill, true, nil
	}
	return time.Time{}, false, nil
}

// Ready says no to what a store that is new would fail: to validate before there is a
// snapshot, to drill before anything was ever written.
func (w *storeWork) Ready(ctx context.Context, job Job) (bool, error) {
	switch job {
	case Validate:
		at, _, err := w.Known(ctx, Snapshot)
		return !at.IsZero(), err
	case Drill:
		stats, err := w.store.Stats(ctx)
		return stats.Journal > 0, err
	}
	return true, nil
}

func (w *storeWork) Do(ctx context.Context, job Job, scratch string) (Result, error) {
	var r Result
	switch job {
	case Checkpoint:
		return r, w.store.Checkpoint(ctx)
	case Snapshot:
		snap, err := w.backup.Create(ctx, &atocore.SnapshotOptions{Label: "periodic"})
		if err != nil {
			return r, err
		}
		r.Stamp, r.Bytes = snap.Stamp, snap.Bytes
		if snap.Manifest != nil {
			r.find(snap.Manifest.Damaged)
		}
		if !snap.Sound() && r.Findings == 0 {
			r.Findings, r.Codes = 1, []string{"raw_snapshot"}
		}
		return r, nil
	case Validate:
		report, err := w.backup.Validate(ctx, atocore.LatestSnapshot, nil)
		r.Stamp = report.Stamp
		r.find(report.Findings)
		return r, err
	case Prune:
		report, err := w.backup.Prune(ctx, w.keep, nil)
		r.Removed = len(report.Removed)
		return r, err
	case Drill:
		report, err := w.backup.Drill(ctx, &atocore.DrillOptions{Scratch: scratch})
		r.Stamp, r.RTO = report.Stamp, report.RTO
		r.find(report.Findings)
		if err == nil && !report.OK && r.Findings == 0 {
			err = errors.New("the drill proved nothing")
		}
		return r, err
	}
	return r, errors.New("no such job")
}
