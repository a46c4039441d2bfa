package textindex

import (
	"encoding/binary"
	"hash/crc32"
)

// BlockBytes is about the size of the blocks that are made: no block is more than
// a few dozen bytes bigger. Small ones are cheap to fetch for a rare word, big
// ones are fewer rows.
const BlockBytes = 16 << 10

// baseUnit divides the base of a block. Nothing of a unit that was dropped can be
// read from a base as round as that.
const baseUnit = 1024

func roundBase(unit int64) int64 { return unit / baseUnit * baseUnit }

// A blockWriter makes the blocks of one segment from terms in byte order. For each
// term: begin, append for its postings in ascending order of units, end; at last
// flush. Terms without postings leave nothing.
type blockWriter struct {
	base int64
	emit func(Block) bool // reports whether more is wanted; Data are overwritten later
	done bool             // nothing more is wanted

	block    []byte // under construction: header and entries
	restarts []byte
	entries  int
	first    string // term of the block
	last     []byte // term of the block

	term  []byte // the current one
	part  int    // of its postings
	list  []byte // encoded postings of the part
	n     int    // how many there are
	prev  int64  // last unit in list
	group []Posting
	space []byte // for a block of its own
}

// reset prepares w for a segment.
func (w *blockWriter) reset(base int64, emit func(Block) bool) {
	w.base, w.emit, w.done = base, emit, false
	w.startBlock()
}

func (w *blockWriter) startBlock() {
	w.block = w.appendHeader(w.block[:0])
	w.restarts = w.restarts[:0]
	w.entries = 0
	w.last = w.last[:0]
}

func (w *blockWriter) appendHeader(dst []byte) []byte {
	return binary.AppendUvarint(append(dst, version), uint64(w.base))
}

func (w *blockWriter) begin(term []byte) {
	w.term = append(w.term[:0], term...)
	w.part = 0
	w.group = w.group[:0]
	w.startList()
}

func (w *blockWriter) startList() {
	w.list, w.n, w.prev = w.list[:0], 0, w.base-1
}

func (w *blockWriter) append(p Posting) {
	w.group = append(w.group, p)
	if len(w.group) == GroupSize {
		w.closeGroup()
	}
}

func (w *blockWriter) appendAll(ps []Posting) {
	for _, p := range ps {
		w.append(p)
	}
}

// closeGroup encodes the collected postings. When they do not fit into a block
// with those before, those before become a part of their own.
func (w *blockWriter) closeGroup() {
	if len(w.group) == 0 {
		return
	}
	mark := len(w.list)
	w.list = appendGroup(w.list, w.prev, w.group)
	if mark > 0 && len(w.list) > BlockBytes {
		w.list = w.list[:mark]
		w.emitPart()
		w.startList()
		w.list = appendGroup(w.list, w.prev, w.group)
	}
	w.n += len(w.group)
	w.prev = w.group[len(w.group)-1].Unit
	w.group = w.group[:0]
}

func (w *blockWriter) end() {
	if w.part == 0 && w.n == 0 && len(w.group) == 1 && w.group[0].Freq == once {
		w.list = binary.AppendUvarint(w.list, uint64(w.group[0].Unit-w.base))
		w.addEntry(true)
		return
	}
	w.closeGroup()
	switch {
	case w.n == 0:
	case w.part > 0:
		w.emitPart()
	default:
		w.addEntry(false)
	}
}

// addEntry puts the current term into the block under construction, or the next
// one if it is full.
func (w *blockWriter) addEntry(single bool) {
	if len(w.block)+len(w.term)+len(w.list) > BlockBytes {
		w.flush()
	}
	shared := 0
	if w.entries%restartEvery == 0 {
		w.restarts = binary.LittleEndian.AppendUint16(w.restarts, uint16(len(w.block)))
	} else {
		shared = sharedPrefix(w.last, w.term)
	}
	if w.entries == 0 {
		w.first = string(w.term)
	}
	w.block = w.appendEntry(w.block, shared, single)
	w.entries++
	w.last = append(w.last[:0], w.term...)
}

func (w *blockWriter) appendEntry(dst []byte, shared int, single bool) []byte {
	dst = appendTerm(dst, w.term, shared, single)
	if !single {
		dst = binary.AppendUvarint(dst, uint64(w.n))
		dst = binary.AppendUvarint(dst, uint64(len(w.list)))
	}
	return append(dst, w.list...)
}

// emitPart gives out the list as a block of its own.
func (w *blockWriter) emitPart() {
	w.flush()
	w.space = w.appendHeader(w.space[:0])
	restart := binary.LittleEndian.AppendUint16(nil, uint16(len(w.space)))
	w.space = finish(w.appendEntry(w.space, 0, false), restart)
	w.give(Block{First: string(w.term), Part: w.part, Data: w.space})
	w.part++
}

// flush gives out the block under construction, if it has an entry.
func (w *blockWriter) flush() {
	if w.entries == 0 {
		return
	}
	w.block = finish(w.block, w.restarts)
	w.give(Block{First: w.first, Data: w.block})
	w.startBlock()
}

func (w *blockWriter) give(b Block) {
	w.done = w.done || !w.emit(b)
}

// finish appends to the entries of a block what stands after them.
func finish(block, restarts []byte) []byte {
	block = append(block, restarts...)
	block = binary.LittleEndian.AppendUint16(block, uint16(len(restarts)/2))
	return binary.LittleEndian.AppendUint32(block, crc32.Checksum(block, castagnoli))
}
