package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type reinforceCmd struct {
	ID string `arg:"" help:"A memory's ID."`
}

func (reinforceCmd) Help() string {
	return examples(`atocore reinforce 01jqv3k8w2x4n6p8r0t2v4y6z8`)
}

func (c *reinforceCmd) Run(ctx context.Context, s *session) error {
	return s.changeMemory(ctx, func(store *atocore.Store) (atocore.Memory, error) {
		return store.Reinforce(ctx, c.ID)
	})
}
