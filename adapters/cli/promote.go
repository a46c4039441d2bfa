package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type promoteCmd struct {
	ID string `arg:"" help:"A candidate's ID."`
}

func (promoteCmd) Help() string {
	return examples(
		`atocore list --status candidate`,
		`atocore promote 01jqv3k8w2x4n6p8r0t2v4y6z8`,
	)
}

func (c *promoteCmd) Run(ctx context.Context, s *session) error {
	return s.changeMemory(ctx, func(store *atocore.Store) (atocore.Memory, error) {
		return store.Promote(ctx, c.ID)
	})
}
