package index

import (
	"slices"

	"github.com/atocore/atocore/internal/textindex"
)

// A tail has the terms of the units that are in no segment yet. Once others can
// see it, it never changes.
type tail struct {
	runs   []run
	loose  []unitTerms
	newest int64 // the last unit that was added
}

// A run is a segment in memory.
type run struct {
	blocks []textindex.Block // in their order
}

// runUnits is how many loose units become a run: to look through so many for a
// word takes some ten microseconds. Only tests change it.
var runUnits = 64

// with is the tail with one more unit. Numbers ascend, and what was said of a
// number holds, so that one which is not above the newest is there already.
func (t tail) with(unit int64, terms textindex.Vector) tail {
	if unit <= t.newest {
		return t
	}
	t.newest = unit
	t.loose = append(slices.Clip(t.loose), unitTerms{unit, terms})
	if len(t.loose) < runUnits {
		return t
	}
	r, err := newRun(t.loose)
	if err != nil {
		return t // what is damaged stays loose, where only it is without effect
	}
	t.runs = append(slices.Clip(t.runs), r)
	t.loose = nil
	return t
}

func newRun(units []unitTerms) (run, error) {
	var b textindex.Builder
	for _, u := range units {
		if err := b.Add(u.unit, u.terms); err != nil {
			return run{}, err
		}
	}
	var r run
	for blk := range b.Blocks() {
		blk.Data = slices.Clone(blk.Data)
		r.blocks = append(r.blocks, blk)
	}
	return r, nil
}

// loadText reads which segments there are, and the tail.
func (e *editor) loadText() (err error) {
	if e.v.segments, err = readSegments(e.tx); err != nil {
		return err
	}
	e.v.tail = tail{}
	for r, err := range e.tx.Query(`SELECT unit, terms FROM unit_terms ORDER BY unit`) {
		if err != nil {
			return err
		}
		e.v.tail = e.v.tail.with(r.Int64(0), textindex.Vector(r.Blob(1)))
	}
	return nil
}
