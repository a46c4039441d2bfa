package cli

import (
	"context"
	"fmt"

	"github.com/atocore/atocore"
)

type reindexCmd struct{}

func (reindexCmd) Help() string {
	return `Computes every vector anew with the embedder that is chosen, beside the old ones, which serve those who use theirs, and switches over at the end. Interrupted, it goes on where it stopped when it is run again.` + examples(`atocore reindex`)
}

func (c *reindexCmd) Run(ctx context.Context, s *session) error {
	var doc struct {
		Vectors int            `json:"vectors"`
		Pending int            `json:"pending"`
		Space   *atocore.Space `json:"space"`
	}
	err := s.with(ctx, reads, func(store *atocore.Store) error {
		if s.embedder.err != nil {
			return s.embedder.err
		}
		if s.embedder.embedder == nil {
			return &usageError{command: "atocore reindex", reason: "--embedder none leaves nothing to make vectors with"}
		}
		if err := s.servingNote(ctx, store); err != nil {
			return err
		}
		if err := s.reindex(ctx, store); err != nil {
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

// servingNote says whose vectors serve until the new ones are there.
func (s *session) servingNote(ctx context.Context, store *atocore.Store) error {
	stats, err := store.Stats(ctx)
	if err != nil || stats.Space == nil || s.embedder.embedder == nil {
		return err
	}
	if now := s.embedder.embedder.Space(); now != *stats.Space && stats.Vectors > 0 {
		s.note("until all texts have a vector of %s, those of %s serve", now, *stats.Space)
	}
	return nil
}

// reindex shows how far it is, and says so where it does not get to the end.
func (s *session) reindex(ctx context.Context, store *atocore.Store) error {
	update, clear := s.progress("embed")
	defer clear()
	var done, total int
	err := store.Reindex(ctx, func(d, t int) {
		done, total = d, t
		update(d, t)
	})
	if err != nil && done < total {
		return fmt.Errorf("%w; %d of %d texts are done, and the next reindex goes on there", err, done, total)
	}
	return err
}
