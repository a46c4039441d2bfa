package cli

import (
	"log/slog"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/httpapi"
	"github.com/atocore/atocore/adapters/periodic"
)

// periodicFlags are what serve does by schedules.
type periodicFlags struct {
	SnapshotEvery   periodic.Schedule `placeholder:"WHEN" help:"Take a snapshot so often (ATOCORE_SNAPSHOT_EVERY): 1h, 1d, \"day 03:30\" or \"sunday 04:50\", by the clock of TZ. The default is never, as for the others."`
	ValidateEvery   periodic.Schedule `placeholder:"WHEN" help:"Validate the newest snapshot so often (ATOCORE_VALIDATE_EVERY)."`
	PruneEvery      periodic.Schedule `placeholder:"WHEN" help:"Remove snapshots that no rule keeps so often (ATOCORE_PRUNE_EVERY); it needs a rule."`
	DrillEvery      periodic.Schedule `placeholder:"WHEN" help:"Rehearse a restore so often (ATOCORE_DRILL_EVERY)."`
	CheckpointEvery periodic.Schedule `placeholder:"WHEN" help:"Move the write-ahead log into the database so often (ATOCORE_CHECKPOINT_EVERY)."`

	keepFlags

	DrillScratch string  `placeholder:"DIR" help:"Where drills restore to (ATOCORE_DRILL_SCRATCH); it takes twice the store's size. By default the directory for temporary files."`
	Jitter       float64 `default:"0.1" placeholder:"SHARE" help:"By how much of its interval a job may be late, at random, and by 15 minutes at most. The default is ${default}; 0 is none."`
}

// check refuses, before there is a store, what no Runner can be made of.
func (f *periodicFlags) check() error {
	switch {
	case !(f.Jitter >= 0 && f.Jitter <= 1):
		return &atocore.InvalidError{Field: "jitter", Reason: "is not between 0 and 1", Hint: "it is a share of the interval"}
	case !f.PruneEvery.Off() && f.retention().Check() != nil:
		return &usageError{command: "atocore serve", reason: "--prune-every needs a rule of what to keep, such as --keep-daily 14"}
	}
	return nil
}

// runner is what the flags say, for a store.
func (f *periodicFlags) runner(s *session, store *atocore.Store, log *slog.Logger) (*periodic.Runner, error) {
	o := &periodic.Options{
		Snapshot: f.SnapshotEvery, Validate: f.ValidateEvery, Prune: f.PruneEvery, Drill: f.DrillEvery, Checkpoint: f.CheckpointEvery,
		Keep: f.retention(), Jitter: f.Jitter, Scratch: f.DrillScratch, Logger: log,
	}
	if f.Jitter == 0 {
		o.Jitter = -1 // none
	}
	return periodic.New(store, store.Backup(s.backupOptions()), o)
}

// jobStatuses are the jobs as /health and the metrics have them.
func jobStatuses(list []periodic.JobStatus) []httpapi.JobStatus {
	var out []httpapi.JobStatus
	for _, j := range list {
		o := httpapi.JobStatus{
			Name: string(j.Name), Schedule: j.Every, Running: j.Running, Next: instant(j.Next), LastRun: instant(j.LastEnded),
			LastOK: instant(j.LastOK), Error: j.LastError, Runs: int64(j.Runs), Failures: int64(j.Failures),
		}
		if j.LastResult != nil || j.LastError != "" { // a first run of which the process died has the latter alone
			o.OK = &j.OK
		}
		if j.LastResult != nil {
			o.Took = j.LastResult.EndedAt.Sub(j.LastResult.BeganAt).Seconds()
			if j.LastResult.Error == "" {
				o.Result = j.LastResult.String()
			}
		}
		out = append(out, o)
	}
	return out
}

// instant is nil for never.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
