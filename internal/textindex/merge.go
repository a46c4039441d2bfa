package textindex

import (
	"iter"
	"math"
	"slices"
)

// Merge returns the blocks, in their order, of a segment with the postings of all
// sources, except those of units for which live returns false; a nil live keeps
// all. Terms without postings vanish, and of a unit that is dropped nothing
// remains in the bytes. Merging one segment purges it.
//
// Each source is one segment: its blocks in their order. They are read as needed,
// one block of each source at a time, and must stay as they are until the next one
// of that source is asked for. The Data of a block that is given out are
// overwritten when the next one is asked for. If a source ends with an error or is
// not well-formed, or two say something of the same term and unit, then the last
// pair has the error, in the latter cases one that is [ErrCorrupt]; what was given
// out before is to be discarded.
//
// The time for each term is in proportion to the number of sources.
func Merge(sources []iter.Seq2[Block, error], live func(unit int64) bool) iter.Seq2[Block, error] {
	if live == nil {
		live = func(int64) bool { return true }
	}
	return func(yield func(Block, error) bool) {
		m := merger{live: live}
		defer m.stop()
		err := m.run(sources, func(b Block) bool { return yield(b, nil) })
		if err != nil && !m.writer.done {
			yield(Block{}, err)
		}
	}
}

type merger struct {
	live   func(int64) bool
	open   []*stream // all that must be stopped
	ahead  []*stream // those that are at a term
	same   []*stream // those of ahead that are at the least term
	writer blockWriter
}

func (m *merger) stop() {
	for _, s := range m.open {
		s.stop()
	}
}

func (m *merger) run(sources []iter.Seq2[Block, error], emit func(Block) bool) error {
	base := int64(math.MaxInt64)
	for _, source := range sources {
		s := newStream(source)
		m.open = append(m.open, s)
		if s.nextTerm() {
			m.ahead = append(m.ahead, s)
			base = min(base, s.base)
		}
		if s.err != nil {
			return s.err
		}
	}
	w := &m.writer
	w.reset(base, emit)
	for len(m.ahead) > 0 {
		m.pickLeast()
		w.begin(m.same[0].term())
		if err := m.mergePostings(); err != nil {
			return err
		}
		w.end()
		if w.done {
			return nil
		}
		if err := m.advance(); err != nil {
			return err
		}
	}
	w.flush()
	return nil
}

// pickLeast finds the streams that are at the least term.
func (m *merger) pickLeast() {
	m.same = append(m.same[:0], m.ahead[0])
	for _, s := range m.ahead[1:] {
		switch c := s.compare(m.same[0]); {
		case c < 0:
			m.same = append(m.same[:0], s)
		case c == 0:
			m.same = append(m.same, s)
		}
	}
}

// advance takes the streams that were at the least term to their next one, and
// forgets those that are at their end.
func (m *merger) advance() error {
	for _, s := range m.same {
		if s.nextTerm() {
			continue
		}
		if s.err != nil {
			return s.err
		}
		m.ahead = slices.DeleteFunc(m.ahead, func(other *stream) bool { return other == s })
	}
	return nil
}

// mergePostings writes the postings of the least term, from the streams that are
// at it, by unit.
func (m *merger) mergePostings() error {
	for _, s := range m.same {
		if s.nextGroup(); s.err != nil {
			return s.err
		}
	}
	for {
		from, until := m.pickLowest()
		if from == nil || m.writer.done {
			return nil
		}
		if from.group[0].Unit == until {
			return corrupt("two segments have postings of unit %d", until)
		}
		i := 0
		for ; i < len(from.group) && from.group[i].Unit < until; i++ {
			if p := from.group[i]; m.live(p.Unit) {
				m.writer.append(p)
			}
		}
		if from.group = from.group[i:]; len(from.group) > 0 {
			continue
		}
		if from.nextGroup(); from.err != nil {
			return from.err
		}
	}
}

// pickLowest returns the stream whose next posting has the lowest unit, nil at the
// end of all, and the lowest unit of the others.
func (m *merger) pickLowest() (lowest *stream, others int64) {
	others = math.MaxInt64
	for _, s := range m.same {
		if len(s.group) == 0 {
			continue
		}
		switch unit := s.group[0].Unit; {
		case lowest == nil:
			lowest = s
		case unit < lowest.group[0].Unit:
			lowest, others = s, lowest.group[0].Unit
		default:
			others = min(others, unit)
		}
	}
	return lowest, others
}
