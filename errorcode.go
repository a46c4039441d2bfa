package atocore

import (
	"context"
	"errors"
)

// errorCodes are the words for errors. The first match counts: a lock that was
// not had by the context's deadline is busy, not a timeout.
var errorCodes = []struct {
	err  error
	code string
}{
	{ErrUnsound, "unsound"},
	{ErrInvalid, "invalid"},
	{ErrNotFound, "not_found"},
	{ErrBusy, "busy"},
	{ErrInUse, "in_use"},
	{ErrConflict, "conflict"},
	{ErrSpaceMismatch, "space_mismatch"},
	{ErrNewer, "newer"},
	{ErrForeign, "foreign"},
	{ErrCorrupt, "corrupt"},
	{ErrFull, "full"},
	{ErrReadOnly, "read_only"},
	{ErrClosed, "closed"},
	{context.Canceled, "canceled"},
	{context.DeadlineExceeded, "timeout"},
}

// ErrorCode is the word by which programs in any language know what kind of error
// err is: one for each sentinel of this package, such as "not_found"; "canceled"
// and "timeout" for those of contexts; "failed" for any other, and empty for nil.
func ErrorCode(err error) string {
	if err == nil {
		return ""
	}
	for _, c := range errorCodes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return "failed"
}
