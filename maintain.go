package atocore

import (
	"context"
	"errors"
	"sync"

	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/sqlite"
)

// A maintainer does beside the writes what they leave to be done: it merges what
// lies in small pieces, from a view of the store and only put in place under the
// write lock, and measures how far vectors can be trusted.
type maintainer struct {
	mu      sync.Mutex
	running bool
	again   bool // something was written since it began
	stopped bool
	cancel  context.CancelFunc
	done    chan struct{}
}

// maintain does so in the background, unless that is being done.
func (s *Store) maintain() {
	m := &s.upkeep
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.stopped:
		return
	case m.running:
		m.again = true
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.running, m.cancel, m.done = true, cancel, make(chan struct{})
	go func() {
		defer close(m.done)
		defer cancel()
		for {
			err := errors.Join(s.merge(ctx), s.measureTrust(ctx, false))
			if err != nil && ctx.Err() == nil {
				// Searches read more pieces until it is done, and go by a former trust.
				s.log.WarnContext(ctx, "upkeep of the index is left for later", "error", err)
			}
			m.mu.Lock()
			if err != nil || !m.again || m.stopped {
				m.running = false
				m.mu.Unlock()
				return
			}
			m.again = false
			m.mu.Unlock()
		}
	}()
}

// merge merges until there is nothing to merge.
func (s *Store) merge(ctx context.Context) error {
	for {
		var merged *index.Merged
		err := s.read(ctx, func(tx *sqlite.Tx) error {
			view, err := s.ix.View(tx)
			if err != nil {
				return err
			}
			plan := view.PlanMerge()
			if plan.Empty() {
				return nil
			}
			merged, err = plan.Merge(ctx, tx)
			return err
		})
		if err != nil || merged == nil {
			return err
		}
		err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
			ix := index.NewWriter(tx)
			if err := ix.Replace(merged); err != nil {
				return err
			}
			return ix.Finish()
		})
		if err != nil {
			return err
		}
	}
}

// stop ends what runs, and lets nothing begin.
func (m *maintainer) stop() {
	m.mu.Lock()
	m.stopped = true
	running := m.running
	if running {
		m.cancel()
	}
	m.mu.Unlock()
	if running {
		<-m.done
	}
}
