package cli

import (
	"context"

	"github.com/atocore/atocore/adapters/wire"
)

type backupListCmd struct{}

func (backupListCmd) Help() string {
	return examples(`atocore backup list`, `atocore backup list --json`)
}

func (backupListCmd) Run(ctx context.Context, s *session) error {
	b := s.backup()
	list, err := b.List(ctx)
	if err != nil {
		return err
	}
	doc := struct {
		Snapshots []wire.Snapshot `json:"snapshots"`
	}{[]wire.Snapshot{}}
	for _, snap := range list {
		doc.Snapshots = append(doc.Snapshots, wire.SnapshotOf(snap))
	}
	return s.out.put(doc, func() {
		for _, d := range doc.Snapshots {
			s.snapshotLine(d)
		}
		if len(list) == 0 {
			s.note("no snapshots in %s", b.Snapshots())
		}
	})
}
