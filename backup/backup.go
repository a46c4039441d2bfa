// Package backup takes snapshots of a data directory, lists, validates and
// prunes them.
//
// Start with [Create], [List], [Validate] and [Prune]. The package knows files,
// SQLite and the schema, not memories: it works on a data directory that no
// longer opens, too. Programs that have a store open reach all of it through
// atocore.Backup.
//
// # Guarantees
//
// A snapshot that is listed is complete: it was built under another name, synced,
// and renamed. It holds the store as it was at one instant, its manifest's
// Created, while the store stayed open and writable. What a process that was
// killed left behind is removed by the next Create or Prune.
//
// # Caveats
//
// A snapshot holds in clear what the store holds; whoever can read it can read
// everything. See docs/format.md for the format and its compatibility promise.
package backup

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"
)

// The names inside a data directory and inside a snapshot. They are part of
// their formats.
const (
	DatabaseName = "atocore.db"
	LockName     = "atocore.lock"
	FilesName    = "files"
	ManifestName = "manifest.json"

	// RestoreName is where a restore keeps what it is about to do. As long as
	// JournalName is in there, the store is half the old and half the new one.
	RestoreName = "atocore.restore"
	JournalName = "journal.json"
)

// Latest stands for the newest snapshot wherever a stamp is asked for. What
// restores have saved of that which they replaced is passed over: whoever restores
// the latest twice does not want the first restore undone.
const Latest = "latest"

// Config says which store and where its snapshots are. Data is required.
type Config struct {
	// Data is the data directory.
	Data string

	// Snapshots is the directory of the snapshots; empty means
	// backups/snapshots in the data directory.
	Snapshots string

	// Version and Build name the program in manifests: its version, and the
	// revision that it was built from. Either may be empty.
	Version, Build string

	// CompileCache is a directory for the compiled engine; see
	// atocore.Options.CompileCache.
	CompileCache string

	// Logger hears of what was cleaned up; nil is silence.
	Logger *slog.Logger

	// Now is the clock, for tests. Nil is time.Now.
	Now func() time.Time
}

// Dir is the directory of the snapshots.
func (c Config) Dir() string {
	if c.Snapshots != "" {
		return c.Snapshots
	}
	return filepath.Join(c.Data, "backups", "snapshots")
}

// The errors that callers branch on, for errors.Is.
var (
	// ErrNotFound reports a snapshot, or a store, that is not there.
	ErrNotFound = errors.New("not found")

	// ErrInvalid reports an option that makes no sense. Nothing was done.
	ErrInvalid = errors.New("invalid option")

	// ErrPending reports a store whose restore was cut short. Opening the store
	// completes it.
	ErrPending = errors.New("a restore of this store is unfinished")

	// ErrUnsound reports a snapshot that does not validate. The error is an
	// *UnsoundError.
	ErrUnsound = errors.New("snapshot does not validate")
)

// A Finding is one fault that a check found.
type Finding struct {
	Code     string `json:"code"` // stable, for programs
	Path     string `json:"path"` // the file, table or record
	Expected string `json:"expected"`
	Found    string `json:"found"`
	Hint     string `json:"hint"` // what to do
}

// An UnsoundError lists what is wrong with a snapshot. It matches ErrUnsound.
type UnsoundError struct {
	Stamp    string
	Findings []Finding
}

func (e *UnsoundError) Error() string {
	first := ""
	if len(e.Findings) > 0 {
		f := e.Findings[0]
		first = fmt.Sprintf(": %s in %s: expected %s, found %s", f.Code, f.Path, f.Expected, f.Found)
	}
	return fmt.Sprintf("snapshot %s does not validate, %d findings%s", e.Stamp, len(e.Findings), first)
}

// Is reports whether target is ErrUnsound.
func (e *UnsoundError) Is(target error) bool { return target == ErrUnsound }

// Progress says how far a long operation is.
type Progress struct {
	Step        string // "copy" and "files" of Create, "hash" and "check" of Validate; a restore has its own
	Done, Total int64  // bytes
}
