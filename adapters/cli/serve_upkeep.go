package cli

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/atocore/atocore"
)

// An upkeep does what others have left for later: interactions that hooks have spooled,
// and texts that wait for their vectors.
type upkeep struct {
	store *atocore.Store
	log   *slog.Logger

	mu       sync.Mutex
	embedErr error
	drainErr string // that was logged last
}

const (
	upkeepEvery = 30 * time.Second
	// upkeepTime bounds one round, in which an embedder may not answer.
	upkeepTime = 5 * time.Minute
)

// run works until ctx ends.
func (u *upkeep) run(ctx context.Context) {
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		u.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (u *upkeep) round(ctx context.Context) {
	ctx, cancel := context.WithTimeout(atocore.WithActor(ctx, "serve"), upkeepTime)
	defer cancel()
	if report, err := u.store.Drain(ctx); err != nil {
		u.drainFailed(ctx, err)
	} else {
		u.drainErr = ""
		if report.Drained > 0 {
			u.log.InfoContext(ctx, "spooled interactions are taken in", "drained", report.Drained, "known", report.Known, "left", report.Left)
		}
	}
	stats, err := u.store.Stats(ctx)
	if err != nil || stats.Pending == 0 || stats.Embedder == nil {
		u.embedded(err)
		return
	}
	n, err := u.store.EmbedPending(ctx)
	u.embedded(err)
	if n > 0 {
		u.log.InfoContext(ctx, "texts have got their vectors", "texts", n)
	}
}

// drainFailed says what has failed once, not with each round.
func (u *upkeep) drainFailed(ctx context.Context, err error) {
	level := slog.LevelDebug
	if err.Error() != u.drainErr && ctx.Err() == nil {
		u.drainErr, level = err.Error(), slog.LevelWarn
	}
	u.log.Log(ctx, level, "spooled interactions wait on", "error", err)
}

// embedded notes how the embedder did.
func (u *upkeep) embedded(err error) {
	if errors.Is(err, atocore.ErrSpaceMismatch) || errors.Is(err, atocore.ErrClosed) || errors.Is(err, context.Canceled) {
		err = nil // which is seen otherwise, and no fault of the embedder
	}
	u.mu.Lock()
	changed := (err == nil) != (u.embedErr == nil)
	u.embedErr = err
	u.mu.Unlock()
	if changed && err != nil {
		u.log.Warn("texts wait for their vectors", "error", err)
	}
}

// embedderError is why the embedder could not be used when it was last tried.
func (u *upkeep) embedderError() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.embedErr
}
