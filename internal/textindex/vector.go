package textindex

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"slices"
)

// A Vector is the encoded term vector of one unit: its terms in byte order, each
// with its frequency, and the lengths of its fields. [AppendVector] makes it.
// Bytes from elsewhere should pass [Vector.Check] first.
type Vector []byte

// AppendVector appends to dst the vector of a unit with the given terms, which
// may come in any order and repeat, and returns the extended buffer. It panics if
// a term is empty or longer than [MaxTermBytes].
func AppendVector(dst []byte, head, body []string) []byte {
	type occurrence struct {
		term string
		head bool
	}
	all := make([]occurrence, 0, len(head)+len(body))
	for i, field := range [][]string{head, body} {
		for _, term := range field {
			if term == "" || len(term) > MaxTermBytes {
				panic(fmt.Sprintf("textindex: a term of %d bytes", len(term)))
			}
			all = append(all, occurrence{term, i == 0})
		}
	}
	slices.SortFunc(all, func(a, b occurrence) int { return cmp.Compare(a.term, b.term) })

	dst = binary.AppendUvarint(dst, uint64(len(head)))
	dst = binary.AppendUvarint(dst, uint64(len(body)))
	prev := ""
	for i := 0; i < len(all); {
		term, f := all[i].term, Freq{}
		for ; i < len(all) && all[i].term == term; i++ {
			if all[i].head {
				add(&f.Head)
			} else {
				add(&f.Body)
			}
		}
		dst = appendTerm(dst, term, sharedPrefix(prev, term), f == once)
		if f != once {
			dst = appendFreq(dst, f)
		}
		prev = term
	}
	return dst
}

// All returns the terms of v and their frequencies, in byte order. It ends early
// where v is not well-formed.
func (v Vector) All() iter.Seq2[string, Freq] {
	return func(yield func(string, Freq) bool) {
		var c vectorCursor
		for c.start(v); c.next(); {
			if !yield(string(c.term.bytes()), c.freq) {
				return
			}
		}
	}
}

// Lengths returns how many terms the fields of the unit have, repeats included;
// zeros where v is not well-formed.
func (v Vector) Lengths() (head, body int) {
	var c vectorCursor
	c.start(v)
	return c.length[0], c.length[1]
}

// Fingerprint returns a number that depends on the terms of v and their
// frequencies: the sum of the hashes that [CheckSegment] gives out for the unit,
// in whatever order. It is no protection against intent. The fingerprint of a
// vector without terms is 0.
func (v Vector) Fingerprint() uint64 {
	var sum uint64
	var c vectorCursor
	for c.start(v); c.next(); {
		sum += hashPosting(hashTerm(c.term.bytes()), c.freq)
	}
	return sum
}

// Check returns an error that is [ErrCorrupt] unless v is as AppendVector makes
// vectors.
func (v Vector) Check() error {
	var c vectorCursor
	for c.start(v); c.next(); {
	}
	return c.err()
}

// A vectorCursor walks over the terms of a vector.
type vectorCursor struct {
	data      []byte
	pos       int    // negative after a fault
	length    [2]int // of head and body
	sum       [2]int // of the frequencies so far
	saturated [2]bool
	term      termBuffer
	freq      Freq
}

// maxLength bounds the length of a field, so that an int holds it everywhere.
const maxLength = math.MaxInt32

// start goes before the first term of v. c must be new.
func (c *vectorCursor) start(v Vector) {
	c.data = v
	for i := range c.length {
		var n uint64
		if n, c.pos = readUvarint(v, c.pos, len(v)); c.pos < 0 || n > maxLength {
			c.length, c.pos = [2]int{}, -1
			return
		}
		c.length[i] = int(n)
	}
}

// next goes to the next term. It reports false at the end and at a fault, which
// err tells apart.
func (c *vectorCursor) next() bool {
	if c.pos < 0 || c.pos == len(c.data) {
		return false
	}
	var flag bool
	if flag, c.pos = c.term.read(c.data, c.pos, len(c.data)); c.pos < 0 {
		return false
	}
	c.freq = once
	if !flag {
		c.freq, c.pos = readFreq(c.data, c.pos, len(c.data))
		if c.pos < 0 || c.freq == once {
			c.pos = -1
			return false
		}
	}
	for i, n := range [2]uint16{c.freq.Head, c.freq.Body} {
		c.sum[i] += int(n)
		c.saturated[i] = c.saturated[i] || n == math.MaxUint16
	}
	return true
}

// err returns what is wrong with the vector once next has reported false.
func (c *vectorCursor) err() error {
	if c.pos < 0 {
		return corrupt("term vector of %d bytes is not well-formed", len(c.data))
	}
	for i, length := range c.length {
		if c.sum[i] > length || c.sum[i] < length && !c.saturated[i] {
			return corrupt("term vector holds %d terms of a field with %d", c.sum[i], length)
		}
	}
	return nil
}
