package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type importUndoCmd struct {
	ID string `arg:"" optional:"" help:"The import, as list shows it; by default the newest that is not undone."`
}

func (importUndoCmd) Help() string {
	return `Removes what the import added and gives what it updated its former content. What has been changed since stays, and is reported. Importing again adds it again.` + examples(
		`atocore import undo`,
		`atocore import undo 01jqv3k8w2x4n6p8r0t2v4y6z8`,
	)
}

func (c *importUndoCmd) Run(ctx context.Context, s *session) error {
	var report atocore.UndoReport
	err := s.with(ctx, reads, func(store *atocore.Store) (err error) {
		report, err = store.UndoImport(ctx, c.ID)
		return err
	})
	if err != nil {
		return err
	}
	if report.Kept == nil {
		report.Kept = []atocore.SkippedRecord{}
	}
	return s.out.put(report, func() {
		for _, k := range report.Kept {
			s.out.line("kept %s: %s", k.Key, k.Reason)
		}
		s.out.line("import %s is undone: %d removed, %d restored, %d kept", report.ID, report.Removed, report.Restored, len(report.Kept))
	})
}
