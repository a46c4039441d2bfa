package cli

import (
	"context"
	"fmt"

	"github.com/atocore/atocore"
)

type statsCmd struct{}

func (statsCmd) Help() string { return examples(`atocore stats`, `atocore stats --json`) }

func (statsCmd) Run(ctx context.Context, s *session) error {
	var stats atocore.Stats
	err := s.with(ctx, reads, func(store *atocore.Store) (err error) {
		stats, err = store.Stats(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return s.out.put(stats, func() {
		count := func(label string, n int) { s.field(label, fmt.Sprintf("%8d", n)) }
		s.field("store", stats.Dir)
		for _, status := range statuses {
			if n := stats.Memories[status]; n > 0 || status == atocore.Active {
				s.field("memories", fmt.Sprintf("%8d %s", n, status))
			}
		}
		count("projects", stats.Projects)
		count("state", stats.State)
		s.field("documents", fmt.Sprintf("%8d in %d chunks", stats.Documents, stats.Chunks))
		count("interactions", stats.Interactions)
		vectors := fmt.Sprintf("%8d", stats.Vectors)
		if stats.Space != nil {
			vectors += fmt.Sprintf(" of %s, %d dimensions", stats.Space.Name, stats.Space.Dimensions)
		}
		s.field("vectors", vectors)
		switch {
		case stats.Trust != nil:
			s.field("trust", fmt.Sprintf("    %.2f of what words find", *stats.Trust))
		case stats.Embedder != nil && *stats.Embedder != atocore.DefaultEmbedder().Space():
			s.field("trust", "  not known yet")
		}
		if stats.Pending > 0 {
			s.field("to embed", fmt.Sprintf("%8d", stats.Pending))
		}
		if stats.Spooled > 0 {
			s.field("to take in", fmt.Sprintf("%8d", stats.Spooled))
		}
		s.field("journal", fmt.Sprintf("%8d entries", stats.Journal))
		s.field("size", fmt.Sprintf("%8d KiB", (stats.Bytes+1023)/1024))
		s.field("proven", proven(stats))
		s.field("schema", fmt.Sprintf("%8d; SQLite %s, sqlite-vec %s", stats.Schema, stats.SQLite, stats.SQLiteVec))
	})
}

// proven says when a drill last found the store restorable.
func proven(stats atocore.Stats) string {
	switch {
	case stats.LastProven == nil && stats.LastDrill == nil:
		return "never restorable; run: atocore backup drill"
	case stats.LastProven == nil:
		return "never restorable; the last drill, " + moment(*stats.LastDrill) + ", found faults"
	case !stats.LastDrillOK:
		return "restorable " + moment(*stats.LastProven) + "; the last drill, " + moment(*stats.LastDrill) + ", found faults"
	}
	return "restorable " + moment(*stats.LastProven)
}
