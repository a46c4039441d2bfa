package textindex

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"
)

// A Builder collects the vectors of units and makes a segment of them. The zero
// value is ready for use. It holds all postings in memory, some 40 bytes for each;
// many segments of moderate size, merged, make a big one. A Builder is not for
// concurrent use.
type Builder struct {
	terms    termTable
	counts   []termCount // by the number of the term
	postings []builderPosting
	lowest   int64
	next     int64 // the least unit that may come
	cursor   vectorCursor

	order  []sortedTerm
	sorted []Posting
	writer blockWriter
}

type termCount struct {
	n   int // postings of the term
	end int // of those in Builder.sorted
}

type builderPosting struct {
	unit int64
	freq Freq
	term uint32
}

type sortedTerm struct {
	key  uint64
	term uint32
}

// Add adds a unit. Units must come in ascending order. The error is [ErrCorrupt]
// if v is not well-formed; the Builder is then as before. Add keeps nothing of v.
func (b *Builder) Add(unit int64, v Vector) error {
	if unit < b.next || unit > MaxUnit {
		return fmt.Errorf("add unit %d to a text index: want one from %d to %d", unit, b.next, int64(MaxUnit))
	}
	before := len(b.postings)
	b.cursor = vectorCursor{}
	c := &b.cursor
	for c.start(v); c.next(); {
		term := b.terms.add(c.term.bytes())
		if int(term) == len(b.counts) {
			b.counts = append(b.counts, termCount{})
		}
		b.counts[term].n++
		b.postings = append(b.postings, builderPosting{unit, c.freq, term})
	}
	if err := c.err(); err != nil {
		for _, p := range b.postings[before:] {
			b.counts[p.term].n--
		}
		b.postings = b.postings[:before]
		return fmt.Errorf("unit %d: %w", unit, err)
	}
	if before == 0 {
		b.lowest = unit
	}
	b.next = unit + 1
	return nil
}

// Postings returns how many postings the Builder holds.
func (b *Builder) Postings() int { return len(b.postings) }

// Blocks returns the blocks of the segment in their order; none if there are no
// postings. The Data of a block are overwritten when the next one is asked for.
// The Builder stays as it is.
func (b *Builder) Blocks() iter.Seq[Block] {
	return func(yield func(Block) bool) {
		b.sort()
		w := &b.writer
		w.reset(roundBase(b.lowest), yield)
		for _, s := range b.order {
			c := b.counts[s.term]
			w.begin(b.terms.bytes(s.term))
			w.appendAll(b.sorted[c.end-c.n : c.end])
			w.end()
			if w.done {
				return
			}
		}
		w.flush()
	}
}

// sort puts terms into byte order and the postings of each side by side, units
// ascending as they were added.
func (b *Builder) sort() {
	b.order = b.order[:0]
	end := 0
	for term := range b.counts {
		c := &b.counts[term]
		if c.n == 0 {
			continue // of a vector that was refused
		}
		c.end = end // moves to the end of the term's postings below
		end += c.n
		b.order = append(b.order, sortedTerm{key(b.terms.bytes(uint32(term))), uint32(term)})
	}
	slices.SortFunc(b.order, func(x, y sortedTerm) int {
		if x.key != y.key {
			return cmp.Compare(x.key, y.key)
		}
		return bytes.Compare(b.terms.bytes(x.term), b.terms.bytes(y.term))
	})
	b.sorted = slices.Grow(b.sorted[:0], len(b.postings))[:len(b.postings)]
	for _, p := range b.postings {
		c := &b.counts[p.term]
		b.sorted[c.end] = Posting{p.unit, p.freq}
		c.end++
	}
}

// Reset empties the Builder, so that any unit may come next. It keeps the memory
// for what comes.
func (b *Builder) Reset() {
	b.terms.reset()
	b.counts = b.counts[:0]
	b.postings = b.postings[:0]
	b.next, b.lowest = 0, 0
}
