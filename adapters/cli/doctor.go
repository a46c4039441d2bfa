package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type doctorCmd struct {
	Repair bool `help:"Rebuild what can be rebuilt: full text and vectors. Records are never touched."`
}

func (doctorCmd) Help() string {
	return `Checks the database file, its references, the full text, the vectors and the kept originals against the records. Exits with 4 where it finds faults.` + examples(
		`atocore doctor`,
		`atocore doctor --repair --json`,
	)
}

func (c *doctorCmd) Run(ctx context.Context, s *session) error {
	var report atocore.CheckReport
	err := s.with(ctx, reads, func(store *atocore.Store) (err error) {
		if c.Repair {
			if err := store.Repair(ctx); err != nil {
				return err
			}
		}
		report, err = store.Check(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if report.Findings == nil {
		report.Findings = []atocore.Finding{}
	}
	err = s.out.put(report, func() {
		for _, f := range report.Findings {
			s.out.line("%-24s  %s: expected %s, found %s", f.Code, orDash(f.Path), orDash(f.Expected), orDash(f.Found))
			if f.Hint != "" {
				s.out.line("%-24s  %s", "", f.Hint)
			}
		}
		if report.OK {
			s.out.line("no faults found in %s", s.dir)
		}
	})
	if err == nil && !report.OK {
		return errFaults
	}
	return err
}
