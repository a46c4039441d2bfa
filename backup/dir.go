package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/atocore/atocore/internal/lockfile"
	"github.com/atocore/atocore/internal/owner"
	"github.com/atocore/atocore/internal/sqlite"
)

// The names in the directory of the snapshots, beside the snapshots themselves. A
// name that begins with a dot is never listed.
const (
	lockName      = ".lock"    // advisory: shared by whoever uses snapshots, exclusive for who removes any
	checksName    = ".checks"  // the check records
	buildingMark  = ".tmp"     // .<stamp>.tmp is being built
	removedMark   = ".removed" // .<stamp>.removed is being removed
	stampLayout   = "20060102T150405Z"
	stampAttempts = 3600
)

// IsStamp reports whether s can be the name of a snapshot.
func IsStamp(s string) bool {
	t, err := time.Parse(stampLayout, s)
	return err == nil && t.Format(stampLayout) == s
}

func (c Config) now() time.Time {
	if c.Now != nil {
		return c.Now().UTC()
	}
	return time.Now().UTC()
}

func (c Config) log() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	return slog.New(slog.DiscardHandler)
}

// within is ctx for waiting for a lock: without a deadline it gets one.
func within(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, sqlite.DefaultWait)
}

// A dirLock keeps the directory of the snapshots as it is. It is nil where there
// can be none: on a file system that is read-only or knows no locks.
type dirLock struct {
	file *lockfile.File
	log  *slog.Logger
}

// lockDir opens the lock and takes it, shared to use snapshots, exclusive to
// remove some.
func (c Config) lockDir(ctx context.Context, mode lockfile.Mode) (*dirLock, error) {
	name := filepath.Join(c.Dir(), lockName)
	f, err := lockfile.Open(name)
	if err == nil {
		err = owner.Adopt(name)
	}
	if err != nil {
		// Whoever could remove something has to be able to lock.
		if mode == lockfile.Exclusive {
			return nil, sqlite.FileError("lock snapshots", name, err)
		}
		c.log().DebugContext(ctx, "snapshots cannot be locked", "path", name, "error", err)
		return nil, nil
	}
	l := &dirLock{file: f, log: c.log()}
	waiting, cancel := within(ctx)
	defer cancel()
	if err := f.Lock(waiting, lockfile.RangeOpen, mode); err != nil {
		l.release()
		if waiting.Err() == nil && mode == lockfile.Shared {
			return nil, nil // the file system has no locks
		}
		if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, fmt.Errorf("lock snapshots: %w", err)
		}
		return nil, &sqlite.Error{Op: "lock snapshots", Path: name, Kind: sqlite.ErrBusy, Err: fmt.Errorf("%w: %w", lockfile.Held(name), err),
			Hint: "wait until nobody takes, checks, or restores a snapshot"}
	}
	if err := f.Announce(lockfile.Self()); err != nil {
		l.log.DebugContext(ctx, "holder not announced", "path", name, "error", err)
	}
	return l, nil
}

func (l *dirLock) release() {
	if l == nil {
		return
	}
	if err := l.file.Close(); err != nil {
		l.log.Warn("lock of the snapshots not released", "path", l.file.Path(), "error", err)
	}
}

// Hold keeps all snapshots from being removed until release is called. Where the
// directory is read-only nobody can remove any, and nothing is done.
func Hold(ctx context.Context, c Config) (release func(), err error) {
	l, err := c.lockDir(ctx, lockfile.Shared)
	if err != nil {
		return nil, err
	}
	return l.release, nil
}

// clean removes what processes left behind that died: snapshots half built or half
// removed, and check records of snapshots that are gone. It does so only if nobody
// is at work in the directory at this moment.
func (c Config) clean(ctx context.Context) {
	dir := c.Dir()
	f, err := lockfile.Open(filepath.Join(dir, lockName))
	if err != nil {
		return // so nothing can be removed either
	}
	defer func() { _ = f.Close() }() // it only gives the lock up
	if ok, err := f.TryLock(lockfile.RangeOpen, lockfile.Exclusive); !ok || err != nil {
		return // somebody else will, some other time
	}
	c.cleanLocked(ctx)
}

func (c Config) cleanLocked(ctx context.Context) {
	dir := c.Dir()
	remove := func(name string) {
		if err := os.RemoveAll(name); err != nil {
			c.log().WarnContext(ctx, "leftover not removed", "path", name, "error", err)
			return
		}
		c.log().InfoContext(ctx, "leftover removed", "path", name)
	}
	for _, e := range readNames(dir) {
		if isLeftover(e) {
			remove(filepath.Join(dir, e))
		}
	}
	checks := filepath.Join(dir, checksName)
	for _, e := range readNames(checks) {
		stamp, ok := strings.CutSuffix(e, ".json")
		if !ok || !IsStamp(stamp) {
			if strings.HasPrefix(e, unfinishedRecord) {
				remove(filepath.Join(checks, e))
			}
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, stamp)); errors.Is(err, fs.ErrNotExist) {
			remove(filepath.Join(checks, e))
		}
	}
}

// isLeftover recognises the names of what is being built or removed.
func isLeftover(name string) bool {
	for _, mark := range []string{buildingMark, removedMark} {
		if stamp, ok := strings.CutSuffix(name, mark); ok && strings.HasPrefix(stamp, ".") && IsStamp(stamp[1:]) {
			return true
		}
	}
	return false
}

// readNames lists a directory; one that cannot be read has nothing.
func readNames(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// reserve makes the directory in which a snapshot is built. Its name keeps the
// stamp for it: two that begin in one second get two. The stamp sorts after all
// others, whatever the clock says: the newest snapshot is the one taken last.
func (c Config) reserve() (stamp, building string, err error) {
	at := c.now()
	if next := c.newestStamp().Add(time.Second); at.Before(next) {
		at = next
	}
	for range stampAttempts {
		stamp = at.Format(stampLayout)
		if !IsStamp(stamp) {
			break // the year 10000 would not be listed
		}
		building = filepath.Join(c.Dir(), "."+stamp+buildingMark)
		final := filepath.Join(c.Dir(), stamp)
		at = at.Add(time.Second)
		err := os.Mkdir(building, 0o700)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", "", sqlite.FileError("create snapshot", building, err)
		}
		// Only now, since the one who had reserved it may just have finished.
		if exists(final) {
			if err := os.Remove(building); err != nil {
				return "", "", sqlite.FileError("create snapshot", building, err)
			}
			continue
		}
		return stamp, building, nil
	}
	return "", "", fmt.Errorf("create snapshot: no stamp is free after %s in %s", c.newestStamp().Format(stampLayout), c.Dir())
}

// newestStamp is the last of the stamps that are taken, by snapshots that are
// finished or being built; the zero time if there are none.
func (c Config) newestStamp() time.Time {
	newest := ""
	for _, name := range readNames(c.Dir()) {
		if building, ok := strings.CutSuffix(name, buildingMark); ok {
			name = strings.TrimPrefix(building, ".")
		}
		if IsStamp(name) {
			newest = max(newest, name)
		}
	}
	if newest == "" {
		return time.Time{}
	}
	return stampTime(newest)
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// makeDir makes a directory and those above it that are missing, durably.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil // somebody else was first
	}
	if err == nil {
		err = owner.Adopt(dir)
	}
	if err != nil {
		return err
	}
	return syncDir(parent)
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there; the file system journals them
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
