package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type reviseCmd struct {
	ID   string `arg:"" help:"A memory's ID."`
	Text string `arg:"" help:"Its new words; - reads them from standard input."`
}

func (reviseCmd) Help() string {
	return `The memory keeps its ID; history shows the words that it had. Where the statement itself has changed, supersede it instead.` + examples(
		`atocore revise 01jqv3k8w2x4n6p8r0t2v4y6z8 "Deploys go out on Tuesdays at ten."`,
	)
}

func (c *reviseCmd) Run(ctx context.Context, s *session) error {
	content, err := s.text(ctx, c.Text)
	if err != nil {
		return err
	}
	return s.changeMemory(ctx, func(store *atocore.Store) (atocore.Memory, error) {
		return store.Revise(ctx, c.ID, content)
	})
}

// changeMemory makes a change of one memory that is there and prints it.
func (s *session) changeMemory(ctx context.Context, change func(*atocore.Store) (atocore.Memory, error)) error {
	var m atocore.Memory
	err := s.with(ctx, reads, func(store *atocore.Store) (err error) {
		m, err = change(store)
		return err
	})
	if err != nil {
		return err
	}
	return s.putMemory(m)
}
