package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type backupValidateCmd struct {
	Stamp   string `arg:"" help:"The snapshot's stamp, or latest."`
	Vectors bool   `help:"Hold it a fault if the vectors were left out."`
}

func (backupValidateCmd) Help() string {
	return `Checks the manifest, every byte, the database, its full text and vectors against the records, the counts and the digest. Exits with 4 where it finds faults.` + examples(
		`atocore backup validate latest`,
		`atocore backup validate latest --json`,
	)
}

func (c *backupValidateCmd) Run(ctx context.Context, s *session) error {
	progress, clear := s.byteProgress()
	report, err := s.backup().Validate(ctx, c.Stamp, &atocore.ValidateOptions{Vectors: c.Vectors, Progress: progress})
	clear()
	if err != nil {
		return err
	}
	if report.Findings == nil {
		report.Findings = []atocore.Finding{}
	}
	err = s.out.put(report, func() {
		s.findingLines(report.Findings)
		if report.OK {
			s.out.line("%s is whole and sound", report.Stamp)
		}
	})
	if err == nil && !report.OK {
		return errFaults
	}
	return err
}
