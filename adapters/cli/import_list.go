package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type importListCmd struct{}

func (importListCmd) Help() string { return examples(`atocore import list`) }

func (c *importListCmd) Run(ctx context.Context, s *session) error {
	doc := struct {
		Imports []atocore.ImportRun `json:"imports"`
	}{}
	err := s.with(ctx, reads, func(store *atocore.Store) (err error) {
		doc.Imports, err = store.Imports(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if doc.Imports == nil {
		doc.Imports = []atocore.ImportRun{}
	}
	return s.out.put(doc, func() {
		for _, r := range doc.Imports {
			state := ""
			if r.Undone {
				state = "  (undone)"
			}
			s.out.line("%-26s  %s  %-10s  %6d  %s%s", r.ID, moment(r.Time), r.From, r.Records, r.Source, state)
		}
	})
}
