package textindex

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
)

// A stream reads a segment: its terms, and the postings of each across blocks. It
// takes nothing for granted but the memory of a block, which it needs until it
// asks for the next one.
type stream struct {
	pull   func() (Block, error, bool)
	stop   func()
	blocks int
	bytes  int64
	err    error // the first fault, after which there is nothing more

	first  string // of the current block
	part   int    // of the current block
	base   int64  // of all blocks
	cursor entryCursor
	key    uint64 // of the current term
	alone  bool   // the current block has one term only
	fresh  bool   // the current block was opened and nextTerm has not been there
	last   []byte // last term of the block before the current one

	group []Posting // as nextGroup left it; others may consume it
	unit  int64     // last one of the current term, -1 before the first
	buf   [GroupSize]Posting
}

// newStream returns a stream before the first term. Its stop must be called.
func newStream(blocks iter.Seq2[Block, error]) *stream {
	s := &stream{}
	s.pull, s.stop = iter.Pull2(blocks)
	return s
}

// term returns the current term. It changes with the term and when nextGroup
// reports the end of postings.
func (s *stream) term() []byte { return s.cursor.term.bytes() }

// nextTerm goes to the next term. It reports false at the end and at a fault. All
// postings of the term before must have been read.
func (s *stream) nextTerm() bool {
	if !s.toTerm() {
		return false
	}
	s.unit, s.fresh, s.key = -1, false, key(s.term())
	return true
}

func (s *stream) toTerm() bool {
	if s.err != nil || s.fresh {
		return s.err == nil
	}
	if s.blocks > 0 {
		if s.cursor.next() {
			return true
		}
		if s.cursor.err != nil {
			return s.fail(s.cursor.err)
		}
	}
	return s.open()
}

// compare compares the current terms of two streams.
func (s *stream) compare(other *stream) int {
	if s.key != other.key {
		return cmp.Compare(s.key, other.key)
	}
	return bytes.Compare(s.term(), other.term())
}

// nextGroup goes to the next postings of the current term. It reports false at
// their end and at a fault.
func (s *stream) nextGroup() bool {
	for s.err == nil && !s.fresh {
		group, err := s.cursor.postings.Next(&s.buf)
		if err != nil {
			return s.fail(err)
		}
		if len(group) > 0 {
			if group[0].Unit <= s.unit {
				return s.fail(corrupt("units of %.64q do not ascend", s.term()))
			}
			s.group, s.unit = group, group[len(group)-1].Unit
			return true
		}
		if !s.alone || !s.nextPart() {
			return false
		}
	}
	return false
}

// nextPart opens the block after one that has a single term, and reports whether
// it is another part of that.
func (s *stream) nextPart() bool {
	if s.cursor.next(); s.cursor.err != nil { // it has no more terms, and is verified to the end
		return s.fail(s.cursor.err)
	}
	return s.open() && !s.fresh
}

// open goes to the first term of the next block, which is fresh unless that
// continues the current term.
func (s *stream) open() bool {
	b, err, ok := s.pull()
	if err != nil {
		s.err = err
		return false
	}
	if !ok {
		s.alone = false // so that nobody asks again
		return false
	}
	s.last = append(s.last[:0], s.term()...)
	before, beforePart, beforeAlone := s.first, s.part, s.alone
	s.first, s.part = b.First, b.Part
	s.blocks++
	s.bytes += int64(len(b.Data))

	view, err := OpenBlock(b.Data)
	if err != nil {
		return s.fail(err)
	}
	if s.cursor.seek(view, ""); !s.cursor.next() {
		return s.fail(s.cursor.err)
	}
	s.alone = s.cursor.pos == view.end
	if s.blocks == 1 {
		s.base = view.base
	}
	term := string(s.term())
	switch {
	case term != b.First:
		return s.fail(corrupt("it begins with %.64q", term))
	case view.base != s.base:
		return s.fail(corrupt("it has base %d, the first block %d", view.base, s.base))
	case b.Part == 0:
		if s.blocks > 1 && term <= string(s.last) {
			return s.fail(corrupt("it comes after %.64q", s.last))
		}
		s.fresh = true
	case s.blocks == 1 || b.First != before || b.Part != beforePart+1 || !beforeAlone || !s.alone:
		return s.fail(corrupt("it cannot follow part %d of %.64q", beforePart, before))
	}
	return true
}

// fail keeps a fault with where it was, and reports false.
func (s *stream) fail(err error) bool {
	s.err = fmt.Errorf("block %.64q, part %d: %w", s.first, s.part, err)
	return false
}
