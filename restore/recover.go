package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/atocore/atocore/internal/lockfile"
	"github.com/atocore/atocore/internal/sqlite"
)

// Recover ends a restore that was interrupted: one that was decided is carried out,
// of any other what it had prepared is removed. Where there is neither it does
// nothing. It waits, until ctx is done or sqlite.DefaultWait, for whoever else is
// about to do the same; several processes may call it at once.
//
// Errors: sqlite.ErrInUse, sqlite.ErrFull, sqlite.ErrReadOnly, and others where
// what was prepared is damaged. The restore is still pending after an error, and
// another one, or Undo, puts things right.
func Recover(ctx context.Context, c Config) error {
	p, err := newPlace(c)
	if err != nil {
		return fmt.Errorf("recover restore: %w", err)
	}
	if _, err := os.Lstat(p.work); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock, err := p.lockToRecover(ctx)
	if err == nil && lock != nil {
		announce(lock, c)
		err = errors.Join(p.settle(context.WithoutCancel(ctx)), lock.Close())
	}
	if err != nil {
		return fmt.Errorf("recover restore: %w", p.fileError(err))
	}
	return nil
}

// lockToRecover takes the store for this process alone. It gives nil where nothing
// is pending, or no longer, and others use the store: what lies about then can wait.
func (p *place) lockToRecover(ctx context.Context) (*lockfile.File, error) {
	lock, err := p.openLock()
	if err != nil {
		return nil, err
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, sqlite.DefaultWait)
		defer cancel()
	}
	for {
		ok, err := lock.TryLock(lockfile.RangeOpen, lockfile.Exclusive)
		switch {
		case err != nil:
			return nil, errors.Join(err, lock.Close())
		case ok:
			return lock, nil
		case !Pending(p.data):
			return nil, lock.Close()
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return nil, errors.Join(p.inUse(), ctx.Err(), lock.Close())
		}
	}
}

// settle leaves nothing of an earlier restore. The store is held exclusively.
func (p *place) settle(ctx context.Context) error {
	if _, err := os.Lstat(p.work); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	j, err := p.readJournal()
	switch {
	case err != nil:
		return err
	case j == nil:
		return p.abort()
	}
	if err := p.carryOut(ctx, j); err != nil {
		if j.Previous != "" {
			err = fmt.Errorf("%w (undo-restore puts back what was there before, which is snapshot %s)", err, j.Previous)
		}
		return fmt.Errorf("the restore of %s was interrupted and cannot be finished: %w", j.Stamp, err)
	}
	return nil
}
