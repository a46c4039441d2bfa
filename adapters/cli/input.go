package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/atocore/atocore"
)

// maxInput bounds standard input. The library refuses far less; this keeps a
// mistaken pipe from filling the memory.
const maxInput = 64 << 20

// text is arg, or standard input where arg is "-".
func (s *session) text(ctx context.Context, arg string) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	all, err := s.readInput(ctx)
	if err != nil {
		return "", err
	}
	// What echo adds is not part of the text.
	return strings.TrimRight(string(all), "\r\n"), nil
}

// readInput reads all of standard input, or less if ctx ends: a read from a
// terminal cannot be interrupted, so it is left behind.
func (s *session) readInput(ctx context.Context) ([]byte, error) {
	type result struct {
		all []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		all, err := io.ReadAll(io.LimitReader(s.stdin, maxInput+1))
		done <- result{all, err}
	}()
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("read standard input: %w", ctx.Err())
	case r := <-done:
		if r.err != nil {
			return nil, fmt.Errorf("read standard input: %w", r.err)
		}
		if len(r.all) > maxInput {
			return nil, &atocore.InvalidError{Field: "standard input", Reason: fmt.Sprintf("is longer than %d bytes", maxInput)}
		}
		return r.all, nil
	}
}

// A when is a time on the command line: a date, which begins at midnight UTC,
// or RFC 3339.
type when struct{ t time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *when) UnmarshalText(b []byte) error {
	for _, layout := range []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04"} {
		if t, err := time.Parse(layout, string(b)); err == nil {
			w.t = t.UTC()
			return nil
		}
	}
	return fmt.Errorf("%q is no time; write 2026-03-31, or 2026-03-31T15:04:05Z", b)
}
