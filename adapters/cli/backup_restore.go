package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/atocore/atocore"
)

// confirmation is the flag of what must not happen to a store in use.
type confirmation struct {
	ConfirmServiceStopped bool `help:"Confirm that every service that uses the store is stopped, on other machines and in containers too. Demanded."`
}

// vectorFlags choose what a restore does about vectors.
type vectorFlags struct {
	Vectors *bool `negatable:"" help:"Demand the snapshot's vectors, or leave them out and compute them anew. By default they are taken if they are there."`

	// What older runbooks call them.
	Chroma *bool `negatable:"" hidden:""`
}

func (v *vectorFlags) choice() (atocore.VectorChoice, error) {
	flag := v.Vectors
	if flag == nil {
		flag = v.Chroma
	} else if v.Chroma != nil && *v.Chroma != *flag {
		return 0, &usageError{command: "atocore backup restore", reason: "--vectors and --chroma contradict each other: they mean the same"}
	}
	switch {
	case flag == nil:
		return atocore.VectorsAuto, nil
	case *flag:
		return atocore.VectorsRequired, nil
	default:
		return atocore.VectorsLeftOut, nil
	}
}

type backupRestoreCmd struct {
	Stamp string `arg:"" help:"The snapshot's stamp, or latest."`
	confirmation
	PreSnapshot bool `negatable:"" default:"true" help:"Save first what is there, for undo-restore. The default."`
	vectorFlags
}

func (backupRestoreCmd) Help() string {
	return `Validates the snapshot first, and fails with 5, naming the holder, while a process has the store open. Killed half-way, the next command finishes it: the store is the old one or the new one, whole.` + examples(
		`atocore backup restore latest --confirm-service-stopped`,
		`atocore backup restore 20260409T131321Z --confirm-service-stopped --json`,
	)
}

func (c *backupRestoreCmd) Run(ctx context.Context, s *session) error {
	vectors, err := c.choice()
	if err != nil {
		return err
	}
	b, err := s.embeddingBackup(ctx)
	if err != nil {
		return err
	}
	progress, clear := s.byteProgress()
	report, err := b.Restore(ctx, c.Stamp, &atocore.RestoreOptions{
		ConfirmServiceStopped: c.ConfirmServiceStopped, NoPreSnapshot: !c.PreSnapshot, Vectors: vectors, Progress: progress,
	})
	clear()
	return s.restored(report, err)
}

type backupUndoCmd struct {
	Stamp string `arg:"" optional:"" help:"A snapshot that a restore took, also a damaged one or of raw files; by default the newest."`
	confirmation
	PreSnapshot bool `negatable:"" default:"true" help:"Save first what is there, so that this can be undone as well. The default."`
	vectorFlags
}

func (backupUndoCmd) Help() string {
	return `Restores what a restore saved before it began, as it was: the newest such snapshot, which after a restore with --no-pre-snapshot is that of an earlier one, or the one of STAMP.` + examples(
		`atocore backup undo-restore --confirm-service-stopped`,
		`atocore backup undo-restore 20260409T140711Z --confirm-service-stopped`,
	)
}

func (c *backupUndoCmd) Run(ctx context.Context, s *session) error {
	vectors, err := c.choice()
	if err != nil {
		return err
	}
	b, err := s.embeddingBackup(ctx)
	if err != nil {
		return err
	}
	progress, clear := s.byteProgress()
	report, err := b.Undo(ctx, &atocore.RestoreOptions{
		Stamp: c.Stamp, ConfirmServiceStopped: c.ConfirmServiceStopped, NoPreSnapshot: !c.PreSnapshot, Vectors: vectors, Progress: progress,
	})
	clear()
	return s.restored(report, err)
}

// restored prints what a restore did. One that found faults says so with its
// report, since what it has done about them stands there.
func (s *session) restored(report atocore.RestoreReport, err error) error {
	if err != nil && !errors.Is(err, atocore.ErrUnsound) {
		return err
	}
	if report.Findings == nil {
		report.Findings = []atocore.Finding{}
	}
	if report.Steps == nil {
		report.Steps = []atocore.Step{}
	}
	putErr := s.out.put(report, func() {
		s.findingLines(report.Findings)
		switch {
		case err != nil && report.RolledBack:
			s.out.line("%s was not restored: what was there is back", report.Stamp)
		case err != nil:
			s.out.line("%s was not restored", report.Stamp)
		default:
			s.out.line("%s is restored", report.Stamp)
			s.field("integrity", yesNo(report.RestoredIntegrityOK))
			s.field("digest equal", yesNo(report.DigestOK))
			if report.VectorsRebuilt+report.VectorsPending > 0 {
				s.field("vectors", fmt.Sprintf("%d computed anew, %d still to embed", report.VectorsRebuilt, report.VectorsPending))
			}
			s.field("steps", stepsLine(report.Steps))
		}
		if report.PreRestoreSnapshot != "" && !report.RolledBack {
			s.field("saved", report.PreRestoreSnapshot+"; atocore backup undo-restore puts it back")
		}
	})
	if err == nil {
		err = putErr
	}
	return err
}
