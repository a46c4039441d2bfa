package textindex

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"iter"
	"strings"
)

// A Block is one row of a segment.
type Block struct {
	First string // the first term of the block
	Part  int    // which part of the postings of First, if they need several blocks
	Data  []byte // the terms and their postings
}

const (
	version       = 1
	restartEvery  = 16
	checksumBytes = 4
	countBytes    = 2

	// maxBlockBytes bounds a block, so that two bytes hold an offset.
	maxBlockBytes = 1 << 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A BlockView reads one block. It refers to the data that it was made of, and is
// safe for concurrent use as long as nobody changes them.
type BlockView struct {
	data     []byte
	base     int64
	start    int    // of the entries
	end      int    // of the entries
	restarts []byte // two bytes each
}

// An Entry is a term of a block and its postings there.
type Entry struct {
	Term     string
	Postings Postings
}

// OpenBlock makes a block readable. It verifies the checksum and the version of
// data; the error is [ErrCorrupt] if one is not right.
func OpenBlock(data []byte) (BlockView, error) {
	const least = 1 + 1 + 2 + countBytes + checksumBytes
	if len(data) < least || len(data) > maxBlockBytes {
		return BlockView{}, corrupt("block of %d bytes", len(data))
	}
	body := data[:len(data)-checksumBytes]
	if got, want := binary.LittleEndian.Uint32(data[len(body):]), crc32.Checksum(body, castagnoli); got != want {
		return BlockView{}, corrupt("block has checksum %08x, its content %08x", got, want)
	}
	if data[0] != version {
		return BlockView{}, corrupt("block is of format version %d, not %d", data[0], version)
	}
	base, start := readUvarint(body, 1, len(body))
	count := int(binary.LittleEndian.Uint16(body[len(body)-countBytes:]))
	end := len(body) - countBytes - 2*count
	if start < 0 || base > MaxUnit || base%baseUnit != 0 || count == 0 || end <= start {
		return BlockView{}, corrupt("block of %d bytes is not well-formed", len(data))
	}
	return BlockView{
		data: data, base: int64(base), start: start, end: end,
		restarts: body[end : len(body)-countBytes],
	}, nil
}

// Find returns the postings of term in this block, and whether there are any. The
// error is [ErrCorrupt] if the block is not well-formed where Find looked.
func (b BlockView) Find(term string) (Postings, bool, error) {
	if term == "" {
		return Postings{}, false, nil
	}
	var c entryCursor
	c.seek(b, term)
	for c.next() {
		switch got := c.term.bytes(); {
		case string(got) == term:
			return c.postings, true, nil
		case string(got) > term:
			return Postings{}, false, nil
		}
	}
	return Postings{}, false, c.err
}

// Prefix returns the terms of this block that begin with prefix, in byte order. If
// the block is not well-formed, the last pair has an error that is [ErrCorrupt].
func (b BlockView) Prefix(prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var c entryCursor
		c.seek(b, prefix)
		for c.next() {
			term := string(c.term.bytes())
			if term < prefix {
				continue
			}
			if !strings.HasPrefix(term, prefix) || !yield(Entry{term, c.postings}, nil) {
				return
			}
		}
		if c.err != nil {
			yield(Entry{}, c.err)
		}
	}
}

// Terms returns all terms of this block in byte order. It reads every byte but
// those of the postings. If they are not well-formed, the last pair has an error
// that is [ErrCorrupt].
func (b BlockView) Terms() iter.Seq2[Entry, error] { return b.Prefix("") }

func (b BlockView) restart(i int) int {
	return int(binary.LittleEndian.Uint16(b.restarts[2*i:]))
}

// An entryCursor walks over the entries of a block.
type entryCursor struct {
	block    BlockView
	pos      int
	n        int // how many entries of the block come before pos
	term     termBuffer
	before   termBuffer // the term before the last restart
	postings Postings
	err      error
}

// seek goes before the last restart whose term is not greater than term, or
// before the first one.
func (c *entryCursor) seek(b BlockView, term string) {
	low, high := 0, len(b.restarts)/2 // the wanted one is in [low, max(high, low+1))
	for high-low > 1 {
		middle := int(uint(low+high) / 2)
		at := b.restart(middle)
		c.term.n = 0
		_, pos := c.term.read(b.data, at, b.end)
		if at < b.start || pos < 0 {
			c.err = corrupt("restart %d of a block is not well-formed", middle)
			return
		}
		if string(c.term.bytes()) <= term {
			low = middle
		} else {
			high = middle
		}
	}
	c.block, c.pos, c.n, c.err = b, b.restart(low), low*restartEvery, nil
	c.term.n = 0
	if c.pos < b.start || low == 0 && c.pos != b.start {
		c.err = corrupt("restart %d of a block is not well-formed", low)
	}
}

// next goes to the next entry. It reports false at the end and at a fault, which
// err tells apart.
func (c *entryCursor) next() bool {
	if c.err != nil {
		return false
	}
	if c.pos == c.block.end {
		if want := (c.n + restartEvery - 1) / restartEvery; 2*want != len(c.block.restarts) {
			c.err = corrupt("block has %d terms and %d restarts", c.n, len(c.block.restarts)/2)
		}
		return false
	}
	at := c.pos
	if !c.readTerm() {
		c.err = corrupt("term at byte %d of a block is not well-formed", at)
		return false
	}
	c.n++
	return true
}

// readTerm reads an entry and reports whether it is well-formed.
func (c *entryCursor) readTerm() bool {
	b := &c.block
	restart := c.n%restartEvery == 0
	if restart {
		if c.n/restartEvery >= len(b.restarts)/2 || c.pos != b.restart(c.n/restartEvery) {
			return false
		}
		c.before, c.term.n = c.term, 0
	}
	single, pos := c.term.read(b.data, c.pos, b.end)
	if pos < 0 || restart && bytes.Compare(c.before.bytes(), c.term.bytes()) >= 0 {
		return false
	}
	n, pos := readUvarint(b.data, pos, b.end)
	if pos < 0 {
		return false
	}
	if single {
		unit := b.base + int64(min(n, MaxUnit))
		c.postings, c.pos = Postings{data: b.data, pos: -1, n: 1, prev: unit}, pos
		return n <= MaxUnit && unit <= MaxUnit
	}
	size, pos := readUvarint(b.data, pos, b.end)
	if pos < 0 || size > uint64(b.end-pos) || n == 0 || n > size/minGroupBytes*GroupSize {
		return false
	}
	c.pos = pos + int(size)
	c.postings = Postings{data: b.data, pos: pos, end: c.pos, n: int(n), prev: b.base - 1}
	return true
}
