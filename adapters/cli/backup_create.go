package cli

import (
	"context"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/wire"
)

type backupCreateCmd struct {
	Label     string `placeholder:"L" help:"What to call the snapshot; prune can keep labels for good."`
	NoVectors bool   `help:"Leave the vectors out. The snapshot is smaller, and a restore computes them anew."`
	NoCheck   bool   `help:"Leave the check of the copy to validate or restore."`
}

func (backupCreateCmd) Help() string {
	return `Others can read and write meanwhile: the snapshot is the store at one instant. A store that fails its checks is saved all the same; the exit code is then 4.` + examples(
		`atocore backup create`,
		`atocore backup create --label "before the upgrade" --json`,
	)
}

func (c *backupCreateCmd) Run(ctx context.Context, s *session) error {
	progress, clear := s.byteProgress()
	snap, err := s.backup().Create(ctx, &atocore.SnapshotOptions{Label: c.Label, NoVectors: c.NoVectors, NoCheck: c.NoCheck, Progress: progress})
	clear()
	if err != nil {
		return err
	}
	doc := wire.SnapshotOf(snap)
	err = s.out.put(doc, func() {
		s.snapshotLine(doc)
		s.findingLines(doc.Damaged)
		if snap.Check != nil {
			s.findingLines(snap.Check.Findings)
		}
	})
	if err == nil && !doc.Sound {
		return errFaults
	}
	return err
}
