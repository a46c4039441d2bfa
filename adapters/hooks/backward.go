package hooks

import (
	"bytes"
	"context"
	"io"
)

const (
	blockSize = 256 << 10 // what is read at once
	heldLine  = 1 << 20   // a longer line is not held but streamed
)

// backward goes through the lines of a file from its end. It holds a block, and a
// line up to heldLine.
type backward struct {
	f    io.ReaderAt
	at   int64  // where the lines begin that have been given out
	buf  []byte // a block of the file
	from int64  // where buf lies
	room []byte // for a line that is not within buf
	read int64  // bytes that were read, for tests of what is left alone
}

func newBackward(f io.ReaderAt, size int64) *backward {
	return &backward{f: f, at: size, from: size}
}

// next finds the line before the last one that was given out; ok is false at the
// beginning of the file.
func (b *backward) next(ctx context.Context) (start, end int64, ok bool, err error) {
	for b.at > 0 {
		if err := ctx.Err(); err != nil {
			return 0, 0, false, err
		}
		end = b.at
		if last, err := b.byteAt(end - 1); err != nil {
			return 0, 0, false, err
		} else if last == '\n' {
			end--
		}
		start, err = b.lineStart(ctx, end)
		if err != nil {
			return 0, 0, false, err
		}
		b.at = start
		if end > start {
			return start, end, true, nil
		}
	}
	return 0, 0, false, nil
}

func (b *backward) byteAt(at int64) (byte, error) {
	if at < b.from || at >= b.from+int64(len(b.buf)) {
		if err := b.load(at + 1); err != nil {
			return 0, err
		}
	}
	return b.buf[at-b.from], nil
}

// lineStart is behind the last line break before end, or the beginning.
func (b *backward) lineStart(ctx context.Context, end int64) (int64, error) {
	for at := end; at > 0; at = b.from {
		if at <= b.from || at > b.from+int64(len(b.buf)) {
			if err := ctx.Err(); err != nil { // the line may be very long
				return 0, err
			}
			if err := b.load(at); err != nil {
				return 0, err
			}
		}
		if i := bytes.LastIndexByte(b.buf[:at-b.from], '\n'); i >= 0 {
			return b.from + int64(i) + 1, nil
		}
	}
	return 0, nil
}

// load reads the block that ends at end.
func (b *backward) load(end int64) error {
	from := max(0, end-blockSize)
	if cap(b.buf) == 0 {
		b.buf = make([]byte, blockSize)
	}
	b.buf = b.buf[:end-from]
	b.from = from
	b.read += end - from
	_, err := io.ReadFull(io.NewSectionReader(b.f, from, end-from), b.buf)
	return err
}

// scan is a scanner over a line that next has found, until the next call of either.
func (b *backward) scan(start, end int64) (*scanner, error) {
	if start >= b.from && end <= b.from+int64(len(b.buf)) {
		return scanBytes(b.buf[start-b.from : end-b.from]), nil
	}
	if end-start > heldLine {
		if len(b.room) < 64<<10 {
			b.room = make([]byte, 64<<10)
		}
		return scanReader(&counting{io.NewSectionReader(b.f, start, end-start), &b.read}, b.room[:64<<10]), nil
	}
	if int64(len(b.room)) < end-start {
		b.room = make([]byte, end-start)
	}
	line := b.room[:end-start]
	b.read += end - start
	if _, err := io.ReadFull(io.NewSectionReader(b.f, start, end-start), line); err != nil {
		return nil, err
	}
	return scanBytes(line), nil
}

type counting struct {
	r io.Reader
	n *int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	*c.n += int64(n)
	return n, err
}
