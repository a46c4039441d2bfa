package atocore

import (
	"context"
	"fmt"

	"github.com/atocore/atocore/internal/sqlite"
)

// Checkpoint moves what is in the write-ahead log into the database file and empties
// the log, whose size is Stats.WALBytes. The store does so by itself when the log has
// grown; this is for a quiet hour, or before the files are copied by other means.
// Writers wait meanwhile. It waits for readers that still need the log until ctx is
// done, 30 seconds where it has no deadline; if they are still there, or the database
// is being copied, it fails with ErrBusy, and what could be moved is.
func (s *Store) Checkpoint(ctx context.Context) error {
	if _, err := s.db.Checkpoint(ctx, sqlite.Truncate); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}
