// Package lockfile locks ranges of one small file on behalf of several
// processes.
//
// Start with [Open], then [File.Lock] and [File.Unlock].
//
// The locks are advisory and belong to the [File], not to the process: two Files
// of one process exclude each other just as two processes do, and the operating
// system drops them when the process ends, however it ends. One File has one
// owner; goroutines that share it must agree among themselves first.
//
// Waiting is by polling, so that it can respect a context, and it takes turns:
// a waiter for an exclusive lock first takes a place at the door (a range of its
// own), and whoever has just released the lock has to queue behind it. A process
// that locks and unlocks in a loop therefore cannot shut the others out.
//
// The file says who has it open, see [Holders], and is never removed: removing it
// would let two processes hold "the" lock on two different files.
//
// Locks of this kind need a local file system, or a network one that passes them
// on to its server.
package lockfile

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"
)

// Range names one lockable part of the file.
type Range uint8

// The ranges of a store's lock file. The zero value is not a range.
const (
	// RangeOpen is shared while a store is open and exclusive while its files
	// are being replaced.
	RangeOpen Range = iota + 1

	// RangeWrite is exclusive during every write transaction and checkpoint.
	RangeWrite

	// RangeCopy is shared while the database's file is copied, which then has to
	// stand still, and exclusive during every checkpoint, which changes it.
	RangeCopy

	lastRange = RangeCopy
)

// String gives the range's name.
func (r Range) String() string {
	switch r {
	case RangeOpen:
		return "open"
	case RangeWrite:
		return "write"
	case RangeCopy:
		return "copy"
	}
	return fmt.Sprintf("range %d", uint8(r))
}

// Where the locked bytes are. They lie beyond anything the file will ever hold,
// because on Windows a locked byte cannot be read. Bytes 0 to 15 from base are
// the locks themselves, the 16 after them the doors, and those of the holders
// follow; processes of different versions meet on these numbers, so they never
// change.
const (
	base     = 1 << 30
	doorBase = base + 16
	slotBase = base + 64
)

func (r Range) lockAt() int64 { return base + int64(r) }
func (r Range) doorAt() int64 { return doorBase + int64(r) }

// Mode says how a range is locked.
type Mode uint8

// The modes. The zero value is the one that excludes everybody.
const (
	Exclusive Mode = iota // nobody else holds the range
	Shared                // others may hold the range in the same mode
)

// ErrClosed is the error of using a File after Close.
var ErrClosed = errors.New("lock file is closed")

// File is an open lock file. Make one with [Open].
type File struct {
	path string

	mu   sync.Mutex
	f    *os.File // nil after Close
	held [lastRange + 1]bool
}

// Open opens the lock file at path and creates it, readable and writable under
// the process's umask, where it is missing. Its directory must exist. The error
// is an *[os.PathError].
func Open(path string) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	return &File{path: path, f: f}, nil
}

// OpenExisting is [Open] without the creation: a missing file is an error that
// matches [io/fs.ErrNotExist].
func OpenExisting(path string) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &File{path: path, f: f}, nil
}

// Path gives the name that the file was opened by.
func (f *File) Path() string { return f.path }

// Close releases every lock and closes the file. Closing twice does nothing.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return nil
	}
	err := f.f.Close()
	f.f = nil
	f.held = [lastRange + 1]bool{}
	return err
}

// Held reports whether this File holds the range, in whichever mode.
func (f *File) Held(r Range) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held[r]
}

// TryLock locks the range if that needs no waiting and reports whether it did.
// Locking a range that this File holds already is a mistake and panics.
func (f *File) TryLock(r Range, m Mode) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tryLocked(r, m)
}

func (f *File) tryLocked(r Range, m Mode) (bool, error) {
	if f.f == nil {
		return false, ErrClosed
	}
	if r == 0 || r > lastRange {
		panic("lockfile: no such range: " + r.String())
	}
	if f.held[r] {
		panic("lockfile: " + r.String() + " is locked already")
	}
	ok, err := f.try(r.lockAt(), m)
	f.held[r] = ok
	return ok, err
}

func (f *File) try(at int64, m Mode) (bool, error) {
	ok, err := tryLock(f.f, at, m)
	if err != nil {
		return false, &os.PathError{Op: "lock", Path: f.path, Err: err}
	}
	return ok, nil
}

// Lock locks the range and waits for it until ctx is done. The error then wraps
// [context.Context.Err]. Any other error is an *[os.PathError]: the file system
// refuses locks, or the file is closed. Locking a range that this File holds
// already is a mistake and panics.
func (f *File) Lock(ctx context.Context, r Range, m Mode) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("lock %s: %w", f.path, err)
	}
	if m == Shared {
		return f.poll(ctx, func() (bool, error) { return f.tryLocked(r, m) })
	}

	// The door first: whoever holds it is the next to have the range. It is given
	// up again at once, so it is held by waiters alone.
	if err := f.poll(ctx, func() (bool, error) { return f.tryDoor(r) }); err != nil {
		return err
	}
	err := f.poll(ctx, func() (bool, error) { return f.tryLocked(r, m) })
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return ErrClosed
	}
	if e := unlock(f.f, r.doorAt()); e != nil && err == nil {
		err = &os.PathError{Op: "unlock", Path: f.path, Err: e}
	}
	return err
}

func (f *File) tryDoor(r Range) (bool, error) {
	if f.f == nil {
		return false, ErrClosed
	}
	return f.try(r.doorAt(), Exclusive)
}

// Waiting starts short, since most locks are held for one commit, and grows, so
// that a wait of seconds costs little.
const (
	firstPause = 30 * time.Microsecond
	longPause  = 4 * time.Millisecond
)

func (f *File) poll(ctx context.Context, try func() (bool, error)) error {
	var timer *time.Timer
	for pause := firstPause; ; pause = min(pause+pause/2, longPause) {
		f.mu.Lock()
		ok, err := try()
		f.mu.Unlock()
		if ok || err != nil {
			return err
		}
		// Jitter, or waiters that began together would collide for ever.
		d := pause/2 + rand.N(pause)
		if timer == nil {
			timer = time.NewTimer(d)
			defer timer.Stop()
		} else {
			timer.Reset(d)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lock %s: %w", f.path, ctx.Err())
		case <-timer.C:
		}
	}
}

// Unlock releases the range. Unlocking what is not locked does nothing.
func (f *File) Unlock(r Range) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil || !f.held[r] {
		return nil
	}
	if err := unlock(f.f, r.lockAt()); err != nil {
		return &os.PathError{Op: "unlock", Path: f.path, Err: err}
	}
	f.held[r] = false
	return nil
}
