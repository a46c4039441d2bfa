package atocore

import (
	"errors"
	"fmt"
	"strings"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/sqlite"
)

// The errors that callers branch on, for errors.Is. Detail is in the typed
// errors below and in the message.
var (
	// ErrInvalid reports input that the store does not accept. The error is
	// an *InvalidError. Nothing was written.
	ErrInvalid = errors.New("invalid input")

	// ErrNotFound reports a record, project or store that is not there. The
	// error is a *NotFoundError.
	ErrNotFound = errors.New("not found")

	// ErrConflict reports a change that the record's present state does not
	// allow, such as promoting a superseded memory.
	ErrConflict = errors.New("conflict")

	// ErrSpaceMismatch reports a store whose vectors belong to another
	// embedding space than the embedder's. The error is a *SpaceError.
	ErrSpaceMismatch = errors.New("embedding space mismatch")

	// ErrUnsound reports a snapshot that does not validate, as an *UnsoundError,
	// or a restored store that does not verify. The report that is returned with
	// it says whether the old store was put back.
	ErrUnsound = backup.ErrUnsound

	// ErrClosed reports a call on a closed Store.
	ErrClosed = sqlite.ErrClosed

	// ErrBusy reports that the write lock, or a connection, was not to be had
	// before the context's deadline. Nothing was written; try again.
	ErrBusy = sqlite.ErrBusy

	// ErrInUse reports a store that another process holds exclusively, as a
	// restore does.
	ErrInUse = sqlite.ErrInUse

	// ErrNewer reports a store written by a newer version of atocore than
	// this one. It was left as it is.
	ErrNewer = sqlite.ErrNewer

	// ErrForeign reports a file that is not an atocore store: another
	// program's database, or no database at all. It was left as it is.
	ErrForeign = sqlite.ErrForeign

	// ErrCorrupt reports a damaged database file.
	ErrCorrupt = sqlite.ErrCorrupt

	// ErrFull reports a full disk. Nothing of the change was kept.
	ErrFull = sqlite.ErrFull

	// ErrReadOnly reports a directory or file that cannot be written.
	ErrReadOnly = sqlite.ErrReadOnly
)

// An InvalidError says which input was refused, why, and what would be
// accepted. It matches ErrInvalid.
type InvalidError struct {
	Field  string // the input's name, as in the struct or on the command line
	Reason string // what is wrong with it
	Hint   string // what to do instead; may be empty
}

func (e *InvalidError) Error() string {
	return withHint(fmt.Sprintf("invalid %s: %s", e.Field, e.Reason), e.Hint)
}

// Is reports whether target is ErrInvalid.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// A NotFoundError names what was looked for. It matches ErrNotFound.
type NotFoundError struct {
	Kind string // "memory", "project", "document", "store", "snapshot", …
	ID   string // the identifier, name or path as it was given
	Hint string // near names, or what to do; may be empty
}

func (e *NotFoundError) Error() string {
	return withHint(fmt.Sprintf("%s %q not found", e.Kind, e.ID), e.Hint)
}

// Is reports whether target is ErrNotFound.
func (e *NotFoundError) Is(target error) bool { return target == ErrNotFound }

// A SpaceError names the two embedding spaces that do not match. It matches
// ErrSpaceMismatch.
type SpaceError struct {
	Store    Space // the space of the vectors in the store
	Embedder Space // the space of the embedder that the store was opened with
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("the store's vectors are of space %s, the embedder's of %s: open with the former's embedder, or reindex", e.Store, e.Embedder)
}

// Is reports whether target is ErrSpaceMismatch.
func (e *SpaceError) Is(target error) bool { return target == ErrSpaceMismatch }

// A conflictError says what a record's state does not allow. It matches
// ErrConflict.
type conflictError string

func (e conflictError) Error() string { return string(e) }

// Is reports whether target is ErrConflict.
func (e conflictError) Is(target error) bool { return target == ErrConflict }

func withHint(msg, hint string) string {
	if hint == "" {
		return msg
	}
	return msg + " (" + strings.TrimSuffix(hint, ".") + ")"
}
