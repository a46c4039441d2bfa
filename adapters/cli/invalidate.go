package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type invalidateCmd struct {
	ID     string `arg:"" help:"A memory's ID."`
	Reason string `required:"" placeholder:"R" help:"Why it is wrong."`
}

func (invalidateCmd) Help() string {
	return `The memory stays, for history, and is not retrieved any more.` + examples(
		`atocore invalidate 01jqv3k8w2x4n6p8r0t2v4y6z8 --reason "It was said in jest."`,
	)
}

func (c *invalidateCmd) Run(ctx context.Context, s *session) error {
	return s.changeMemory(ctx, func(store *atocore.Store) (atocore.Memory, error) {
		return store.Invalidate(ctx, c.ID, c.Reason)
	})
}
