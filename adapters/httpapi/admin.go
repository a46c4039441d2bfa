package httpapi

import (
	"context"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/wire"
)

type backupInput struct {
	Label          string `json:"label,omitempty" doc:"What to call the snapshot; prune can keep labels for good."`
	IncludeVectors *bool  `json:"include_vectors,omitempty" doc:"Whether the vectors are in. The default is true; a restore computes them anew otherwise."`
	Check          *bool  `json:"check,omitempty" doc:"Whether the copy's content is checked. The default is true."`
}

type snapshotsDoc struct {
	Snapshots []wire.Snapshot `json:"snapshots"`
}

type pruneInput struct {
	KeepLast    int      `json:"keep_last,omitempty" minimum:"0" doc:"Keep the newest so many."`
	KeepHourly  int      `json:"keep_hourly,omitempty" minimum:"0" doc:"Keep the newest of each of the last so many hours that have any."`
	KeepDaily   int      `json:"keep_daily,omitempty" minimum:"0" doc:"Likewise of days."`
	KeepWeekly  int      `json:"keep_weekly,omitempty" minimum:"0" doc:"Likewise of weeks."`
	KeepMonthly int      `json:"keep_monthly,omitempty" minimum:"0" doc:"Likewise of months."`
	KeepYearly  int      `json:"keep_yearly,omitempty" minimum:"0" doc:"Likewise of years."`
	KeepWithin  string   `json:"keep_within,omitempty" doc:"Keep what is not older than that: 36h, 7d, 2w."`
	KeepLabels  []string `json:"keep_labels,omitempty" doc:"Keep those with these labels for good."`
	DryRun      bool     `json:"dry_run,omitempty" doc:"Decide and explain, and remove nothing."`
}

type drillInput struct {
	Stamp  string   `json:"stamp,omitempty" doc:"A snapshot to rehearse, or latest; by default a new one, which is gone afterwards."`
	Keep   bool     `json:"keep,omitempty" doc:"Keep the new snapshot, labelled drill."`
	Probes []string `json:"probes,omitempty" maxItems:"100" doc:"Questions that store and copy have to answer alike. The default is those that are stored, or else some from the store's content."`
}

type drillsDoc struct {
	Drills []atocore.DrillReport `json:"drills"`
}

// yes is a flag that is set unless it is given as false.
func yes(flag *bool) bool { return flag == nil || *flag }

func (s *server) adminRoutes() {
	const tag = "admin"
	type backup struct{ Body *backupInput }
	add(s, operation{route: "POST /admin/backup", id: "create-backup", tag: tag, admin: true, long: true, write: true, errors: []int{404, 409},
		doc: "Take a snapshot while the store is in use. A store that fails its checks is saved all the same; sound is then false."},
		func(ctx context.Context, in *backup) (wire.Snapshot, error) {
			b := backupInput{}
			if in.Body != nil {
				b = *in.Body
			}
			snap, err := s.backup.Create(ctx, &atocore.SnapshotOptions{Label: b.Label, NoVectors: !yes(b.IncludeVectors), NoCheck: !yes(b.Check)})
			if err != nil {
				return wire.Snapshot{}, err
			}
			return wire.SnapshotOf(snap), nil
		})
	add(s, operation{route: "GET /admin/backup", id: "list-backups", tag: tag, admin: true, doc: "List snapshots, newest first."},
		func(ctx context.Context, _ *struct{}) (snapshotsDoc, error) {
			list, err := s.backup.List(ctx)
			doc := snapshotsDoc{[]wire.Snapshot{}}
			for _, snap := range list {
				doc.Snapshots = append(doc.Snapshots, wire.SnapshotOf(snap))
			}
			return doc, err
		})
	type validate struct {
		Stamp   string `path:"stamp" doc:"The snapshot's stamp, or latest."`
		Vectors bool   `query:"vectors" doc:"Hold it a fault if the vectors were left out."`
	}
	add(s, operation{route: "GET /admin/backup/{stamp}/validate", id: "validate-backup", tag: tag, admin: true, long: true, errors: []int{404},
		doc: "Prove that a snapshot is whole and sound. Faults are findings, and ok is then false."},
		func(ctx context.Context, in *validate) (atocore.ValidateReport, error) {
			report, err := s.backup.Validate(ctx, in.Stamp, &atocore.ValidateOptions{Vectors: in.Vectors})
			if report.Findings == nil {
				report.Findings = []atocore.Finding{}
			}
			return report, err
		})
	add(s, operation{route: "POST /admin/backup/prune", id: "prune-backups", tag: tag, admin: true, long: true, write: true, errors: []int{404},
		doc: "Remove snapshots that no rule keeps. The newest sound one is kept in any case."},
		func(ctx context.Context, in *struct{ Body pruneInput }) (atocore.PruneReport, error) {
			b := in.Body
			keep := atocore.Retention{
				KeepLast: b.KeepLast, KeepHourly: b.KeepHourly, KeepDaily: b.KeepDaily, KeepWeekly: b.KeepWeekly,
				KeepMonthly: b.KeepMonthly, KeepYearly: b.KeepYearly, KeepLabels: b.KeepLabels,
			}
			if b.KeepWithin != "" {
				var err error
				if keep.KeepWithin, err = wire.Span(b.KeepWithin); err != nil {
					return atocore.PruneReport{}, &atocore.InvalidError{Field: "keep_within", Reason: err.Error()}
				}
			}
			return s.backup.Prune(ctx, keep, &atocore.PruneOptions{DryRun: b.DryRun})
		})
	type drill struct{ Body *drillInput }
	add(s, operation{route: "POST /admin/backup/drill", id: "drill", tag: tag, admin: true, long: true, write: true, errors: []int{404, 409},
		doc: "Rehearse a restore into a directory of its own, and prove it. Faults are findings, and ok is then false."},
		func(ctx context.Context, in *drill) (atocore.DrillReport, error) {
			o := &atocore.DrillOptions{Scratch: s.o.Scratch}
			if in.Body != nil {
				o.Stamp, o.Keep = in.Body.Stamp, in.Body.Keep
				for _, text := range in.Body.Probes {
					o.Probes = append(o.Probes, atocore.Query{Text: text})
				}
			}
			return s.backup.Drill(ctx, o)
		})
	add(s, operation{route: "GET /admin/backup/drills", id: "list-drills", tag: tag, admin: true, doc: "List the records of drills, newest first."},
		func(ctx context.Context, _ *struct{}) (drillsDoc, error) {
			list, err := s.backup.Drills(ctx)
			if list == nil {
				list = []atocore.DrillReport{}
			}
			return drillsDoc{list}, err
		})
}
