package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type reindexCmd struct{}

func (reindexCmd) Help() string {
	return `Computes every vector anew, beside the old ones, and switches over at the end. Interrupted, it goes on where it stopped when it is run again.` + examples(`atocore reindex`)
}

func (c *reindexCmd) Run(ctx context.Context, s *session) error {
	var doc struct {
		Vectors int            `json:"vectors"`
		Pending int            `json:"pending"`
		Space   *atocore.Space `json:"space"`
	}
	err := s.with(ctx, reads, func(store *atocore.Store) error {
		update, clear := s.progress("embed")
		defer clear()
		if err := store.Reindex(ctx, update); err != nil {
			return err
		}
		stats, err := store.Stats(ctx)
		doc.Vectors, doc.Pending, doc.Space = stats.Vectors, stats.Pending, stats.Space
		return err
	})
	if err != nil {
		return err
	}
	return s.out.put(doc, func() {
		if doc.Space == nil {
			s.out.line("no vectors")
			return
		}
		s.out.line("%d vectors of %s", doc.Vectors, doc.Space.Name)
	})
}
