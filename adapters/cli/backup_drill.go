package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type backupDrillCmd struct {
	Stamp string `arg:"" optional:"" help:"A snapshot to rehearse, or latest; by default a new one, which is gone afterwards."`

	Probe   []string `placeholder:"Q" sep:"none" help:"A question that store and copy have to answer alike; can be repeated. By default those of probe add, or else some from the store's content."`
	Keep    bool     `help:"Keep the new snapshot, labelled drill."`
	Scratch string   `placeholder:"DIR" help:"Where to restore the copy to; it takes twice the store's size, with STAMP three times. By default the directory for temporary files."`
	InPlace bool     `help:"The real thing, with the service stopped: restore over the store itself, and prove that a marker is gone."`
	confirmation
}

func (backupDrillCmd) Help() string {
	return `Takes a snapshot, restores it into a directory of its own, opens the copy and compares: integrity, digest, counts, index, and the answers to probe questions. It is harmless on a store in use. Exits with 4 where anything differs, or nothing could be proved; the copy is then kept. rto_ms is how long the recovery took, rpo_ms how old the snapshot was.` + examples(
		`atocore backup drill`,
		`atocore backup drill latest --json`,
		`atocore backup drill --in-place --confirm-service-stopped`,
	)
}

func (c *backupDrillCmd) Run(ctx context.Context, s *session) error {
	var probes []atocore.Query
	for _, text := range c.Probe {
		probes = append(probes, atocore.Query{Text: text})
	}
	b, err := s.embeddingBackup(ctx)
	if err != nil {
		return err
	}
	progress, clear := s.byteProgress()
	report, err := b.Drill(ctx, &atocore.DrillOptions{
		Stamp: c.Stamp, Keep: c.Keep, Probes: probes, InPlace: c.InPlace, ConfirmServiceStopped: c.ConfirmServiceStopped,
		Scratch: c.Scratch, Progress: progress,
	})
	clear()
	if err != nil {
		return err
	}
	err = s.out.put(report, func() {
		s.findingLines(report.Findings)
		for _, l := range drillLines(report) {
			s.out.line("%s", l)
		}
	})
	for _, n := range report.Notes {
		s.note("%s", n)
	}
	if err == nil && !report.OK {
		return errFaults
	}
	return err
}

// drillLines are what a drill proved, for people.
func drillLines(r atocore.DrillReport) []string {
	var lines []string
	if r.OK {
		lines = append(lines, "restorable: snapshot "+r.Stamp+" was restored, and the copy is equal to what was saved")
	}
	if r.DigestOK {
		lines = append(lines, "digest "+r.Digest+", equal")
	}
	if r.Hits > 0 {
		lines = append(lines, plural(r.Probes, "question")+" asked of both, "+plural(r.Hits, "hit")+" of the original")
	}
	if r.RTO > 0 {
		lines = append(lines, "recovery time "+ms(r.RTO)+", recovery point "+ms(r.RPO), stepsLine(r.Steps))
	}
	if r.Scratch != "" {
		lines = append(lines, "the copy is kept in "+r.Scratch)
	}
	return lines
}
