package index

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/internal/textindex"
)

// A segment has the postings of the units from first to last. Those of two
// segments do not overlap.
type segment struct {
	id          int64
	first, last int64
	units       int64 // when it was written
}

func readSegments(tx *sqlite.Tx) (list []segment, err error) {
	for r, err := range tx.Query(`SELECT segment, first, last, units FROM segments ORDER BY first, segment`) {
		if err != nil {
			return nil, err
		}
		list = append(list, segment{r.Int64(0), r.Int64(1), r.Int64(2), r.Int64(3)})
	}
	return list, nil
}

// writeSegment stores a segment.
func (w *Writer) writeSegment(s segment, blocks iter.Seq[textindex.Block]) error {
	if _, err := w.tx.Exec(`INSERT INTO segments (first, last, units, bytes) VALUES (?, ?, ?, 0)`, s.first, s.last, s.units); err != nil {
		return err
	}
	s.id = w.tx.LastInsertRowID()
	w.sealed = true
	var size int64
	for b := range blocks {
		size += int64(len(b.Data))
		if _, err := w.tx.Exec(`INSERT INTO segment_blocks (segment, first, part, data) VALUES (?, ?, ?, ?)`, s.id, b.First, b.Part, b.Data); err != nil {
			return err
		}
	}
	if _, err := w.tx.Exec(`UPDATE segments SET bytes = ? WHERE segment = ?`, size, s.id); err != nil {
		return err
	}
	return w.Restructured()
}

func (w *Writer) dropSegment(id int64) error {
	if _, err := w.tx.Exec(`DELETE FROM segment_blocks WHERE segment = ?`, id); err != nil {
		return err
	}
	_, err := w.tx.Exec(`DELETE FROM segments WHERE segment = ?`, id)
	return err
}

// segmentBlocks reads the blocks of a segment in their order.
func segmentBlocks(tx *sqlite.Tx, id int64) iter.Seq2[textindex.Block, error] {
	return func(yield func(textindex.Block, error) bool) {
		for r, err := range tx.Query(`SELECT first, part, data FROM segment_blocks WHERE segment = ? ORDER BY first, part`, id) {
			var b textindex.Block
			if err == nil {
				b = textindex.Block{First: r.Text(0), Part: int(r.Int64(1)), Data: r.Blob(2)}
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}

const (
	// mergeFactor is how many segments of about the same size become one.
	mergeFactor = 6

	// mergedUnits bounds what is merged: a merge takes the memory of its postings.
	mergedUnits = 2_000_000

	// A segment of which more than a quarter is gone is written anew.
	staleShare = 4
)

// A Plan says which neighbouring segments become one.
type Plan struct {
	v        *View
	segments []segment
}

// PlanMerge chooses what to merge next, or nothing.
func (v *View) PlanMerge() Plan {
	for i := range v.segments {
		if s := &v.segments[i]; v.gone(s)*staleShare > s.units {
			return Plan{v, v.segments[i : i+1]}
		}
	}
	return Plan{v, level(v.segments)}
}

// gone is how many units of a segment are no more.
func (v *View) gone(s *segment) int64 { return s.units - v.liveBetween(s.first, s.last) }

// liveBetween counts the live units from first to last.
func (v *View) liveBetween(first, last int64) (n int64) {
	first, last = max(first, 0), min(last, int64(len(v.blocks))*blockUnits-1)
	for number := first / blockUnits; number <= last/blockUnits; number++ {
		b := v.block(int(number))
		switch {
		case b == nil:
		case number*blockUnits >= first && number*blockUnits+blockUnits-1 <= last:
			n += b.units
		default:
			each(&b.live, func(i int) {
				if u := number*blockUnits + int64(i); first <= u && u <= last {
					n++
				}
			})
		}
	}
	return n
}

// level chooses the first run of mergeFactor neighbours of which the largest
// is not larger than the others together, from the newest, which are the smallest.
func level(list []segment) []segment {
	for end := len(list); end >= mergeFactor; end-- {
		run := list[end-mergeFactor : end]
		var sum, largest int64
		for _, s := range run {
			sum += s.units
			largest = max(largest, s.units)
		}
		if 2*largest <= sum && sum <= mergedUnits {
			return run
		}
	}
	return nil
}

// Empty reports whether there is nothing to merge.
func (p Plan) Empty() bool { return len(p.segments) == 0 }

// A Merged is a segment that was made of others and is not stored yet.
type Merged struct {
	plan   Plan
	result segment
	blocks []textindex.Block
}

// Merge makes the segment of a plan, in memory. tx has to see what the plan was
// made for.
func (p Plan) Merge(ctx context.Context, tx *sqlite.Tx) (*Merged, error) {
	first, last := p.segments[0].first, p.segments[len(p.segments)-1].last
	sources := make([]iter.Seq2[textindex.Block, error], len(p.segments))
	for i, s := range p.segments {
		sources[i] = segmentBlocks(tx, s.id)
	}
	live, err := liveRows(tx, first, last)
	if err != nil {
		return nil, err
	}
	m := &Merged{plan: p, result: segment{first: first, last: last, units: live.units}}
	for b, err := range textindex.Merge(sources, live.has) {
		if errors.Is(err, textindex.ErrCorrupt) {
			err = damaged(err)
		}
		if err != nil {
			return nil, fmt.Errorf("merge segments: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b.Data = slices.Clone(b.Data)
		m.blocks = append(m.blocks, b)
	}
	return m, nil
}

// A census is the set of the units from a first one on that have a row. What packed
// columns say is good enough for a search, and not for dropping postings, which
// cannot be made anew without the records.
type census struct {
	first int64
	units int64
	bits  []uint64
}

func liveRows(tx *sqlite.Tx, first, last int64) (*census, error) {
	newest, err := count(tx, `SELECT coalesce(max(unit), 0) FROM units`)
	if err != nil {
		return nil, err
	}
	if last = min(last, newest); first < 0 || last-first >= maxBlocks*blockUnits {
		return nil, damaged(fmt.Errorf("a segment of units %d to %d", first, last))
	}
	c := &census{first: first, bits: make([]uint64, max(0, last-first)/64+1)}
	for r, err := range tx.Query(`SELECT unit FROM units WHERE unit BETWEEN ? AND ? ORDER BY unit`, first, last) {
		if err != nil {
			return nil, err
		}
		i := r.Int64(0) - first
		c.bits[i/64] |= 1 << (i % 64)
		c.units++
	}
	return c, nil
}

func (c *census) has(unit int64) bool {
	i := unit - c.first
	return i >= 0 && i/64 < int64(len(c.bits)) && c.bits[i/64]>>(i%64)&1 != 0
}

// Replace stores what was merged in the place of what it was made of. It does
// nothing where that has gone meanwhile. Units that have gone since are still in
// it, as in any segment.
func (w *Writer) Replace(m *Merged) error {
	for _, s := range m.plan.segments {
		there, err := w.tx.QueryRow(func(sqlite.Row) {}, `SELECT 1 FROM segments WHERE segment = ?`, s.id)
		if err != nil {
			return err
		}
		if !there {
			return nil
		}
	}
	for _, s := range m.plan.segments {
		if err := w.dropSegment(s.id); err != nil {
			return err
		}
	}
	if m.result.units == 0 {
		return w.Restructured()
	}
	return w.writeSegment(m.result, slices.Values(m.blocks))
}

// Purge writes anew whatever holds a trace of a unit that has gone.
func (w *Writer) Purge(ctx context.Context) error {
	if err := w.flush(); err != nil {
		return err
	}
	v, err := new(Index).View(w.tx)
	if err != nil {
		return err
	}
	for i := range v.segments {
		if v.gone(&v.segments[i]) == 0 {
			continue
		}
		m, err := Plan{v, v.segments[i : i+1]}.Merge(ctx, w.tx)
		if err != nil {
			return err
		}
		if err := w.Replace(m); err != nil {
			return err
		}
	}
	return w.Pack()
}
