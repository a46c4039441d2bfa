package cli

import (
	"context"
	"errors"

	"github.com/atocore/atocore"
)

type doctorCmd struct {
	Repair bool `help:"Rebuild what can be rebuilt: full text and vectors. Records are never touched."`
}

func (doctorCmd) Help() string {
	return `Checks the database file, its references, the full text, the vectors and the kept originals against the records, and says what to do next. A store that does not open is a finding as well. Exits with 4 where it finds faults.` + examples(
		`atocore doctor`,
		`atocore doctor --repair --json`,
	)
}

func (c *doctorCmd) Run(ctx context.Context, s *session) error {
	b, err := s.embeddingBackup(ctx)
	if err != nil {
		return err
	}
	if c.Repair {
		err := s.with(ctx, reads, func(store *atocore.Store) error { return store.Repair(ctx) })
		if err != nil && !broken(err) {
			return err
		}
	}
	report, err := b.Check(ctx)
	if err != nil {
		return err
	}
	err = s.out.put(report, func() {
		s.findingLines(report.Findings)
		if report.OK {
			s.out.line("no faults found in %s", s.dir)
			return
		}
		s.out.line("")
		for _, l := range advice(report, b.Snapshots()) {
			s.out.line("%s", l)
		}
	})
	if err == nil && !report.OK {
		return errFaults
	}
	return err
}

// broken reports whether the store is what failed, which its check will say.
func broken(err error) bool {
	return errors.Is(err, atocore.ErrCorrupt) || errors.Is(err, atocore.ErrForeign) || errors.Is(err, atocore.ErrNewer)
}

// advice says what to do next.
func advice(d atocore.Diagnosis, snapshots string) []string {
	switch d.Remedy {
	case atocore.RemedyRepair:
		return []string{"Next: atocore doctor --repair", "What is damaged is derived, and made anew from the records."}
	case atocore.RemedyUndo:
		return []string{"Next: stop what uses the store, then atocore backup undo-restore --confirm-service-stopped",
			"It puts back " + d.Snapshot + ", what was there before the last restore."}
	case atocore.RemedyRestore:
		return []string{"Next: stop what uses the store, then atocore backup restore " + d.Snapshot + " --confirm-service-stopped",
			"It is the newest sound snapshot; what the store holds now is saved first."}
	case atocore.RemedyUpgrade:
		return []string{"Next: use the version of atocore that wrote the store, or a newer one."}
	default:
		return []string{"Next: stop what uses the store, and copy its directory away as it is.",
			"There is no sound snapshot in " + snapshots + "; --backups names another place to look."}
	}
}
