package hooks

import (
	"context"
	"io"
)

// LastTurn reads a Claude Code transcript, and says how much of it was read.
func LastTurn(ctx context.Context, f io.ReaderAt, size int64, answer string) (Turn, bool, error) {
	return lastTurn(ctx, f, size, answer)
}

// Lines are the lines of a file, the last first, and the bytes that were read.
func Lines(ctx context.Context, f io.ReaderAt, size int64) (lines []string, read int64, err error) {
	b := newBackward(f, size)
	for {
		start, end, ok, err := b.next(ctx)
		if err != nil || !ok {
			return lines, b.read, err
		}
		line := make([]byte, end-start)
		if _, err := f.ReadAt(line, start); err != nil {
			return lines, b.read, err
		}
		lines = append(lines, string(line))
	}
}

// A Record is what is read of a line.
type Record struct {
	Kind, Typed, Said    string
	Ignore, Tool, Result bool
}

// ReadRecord reads a line: held, or as a stream through a buffer of that size.
func ReadRecord(line []byte, r io.Reader, room int) (Record, error) {
	s := scanBytes(line)
	if r != nil {
		s = scanReader(r, make([]byte, room))
	}
	rec, err := readRecord(s)
	return Record{rec.kind, rec.typed(), rec.said(), rec.ignore, rec.tool, rec.result}, err
}

// EchoID is what stands for a line that was given.
func EchoID(line string) (string, bool) { return echoID(line) }

// ShellLine and ShellWords are each other's inverse.
func ShellLine(words []string) string { return shellLine(words) }
func ShellWords(line string) []string { return shellWords(line) }

// WriteSettings writes a file in the place of another.
var WriteSettings = writeSettings

const (
	MaxText   = maxText
	BlockSize = blockSize
	HeldLine  = heldLine
)
