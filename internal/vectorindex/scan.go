package vectorindex

import (
	"context"
	"fmt"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	// chunk is the number of blocks that a goroutine takes at a time, and scans
	// before it looks at the context again: some 50 microseconds of work.
	chunk = 16

	// workerUnits is the number of units worth a goroutine of their own: they take
	// 0.1 ms or more, starting and waiting for a goroutine takes a tenth of that.
	workerUnits = 25_000
)

// A Candidate is a unit that may be near to a query.
type Candidate struct {
	Unit     int64
	Distance int // the number of bits in which the codes differ, or the sum of their weights
}

// Scan returns the n units nearest to a query's code, [Query.Code], in ascending order of
// distance, the newer unit, that of the greater number, first where distances are
// equal; fewer where there are fewer.
//
// With a nil admit every unit that has a code takes part, otherwise those which are
// also in admit[b], b being the number of the block; blocks beyond the end of
// admit take no part. A filter makes a scan cheaper.
//
// From 50,000 units on the work is shared by up to GOMAXPROCS goroutines, all of
// which have ended when Scan returns. The error is that of ctx, which is looked at
// every few thousand units.
func Scan(ctx context.Context, blocks []*Block, code []uint64, admit []Bitmap, n int) ([]Candidate, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if admit != nil {
		blocks = blocks[:min(len(blocks), len(admit))]
	}
	s := scan{blocks: blocks, code: code, admit: admit, n: n}
	s.units = s.population()
	if s.units == 0 || n <= 0 {
		return nil, nil
	}
	s.next.Store(int64(len(blocks)))
	nearest, err := s.run(ctx, min(runtime.GOMAXPROCS(0), s.units/workerUnits))
	if err != nil {
		return nil, err
	}
	candidates := make([]Candidate, len(nearest))
	for i, f := range nearest {
		block, row := f.position()/BlockUnits, f.position()%BlockUnits
		slot := blocks[block].occupied.selectSlot(int(row))
		candidates[i] = Candidate{Unit: int64(block)*BlockUnits + int64(slot), Distance: f.distance()}
	}
	return candidates, nil
}

// A scan is one call of Scan, shared by its goroutines.
type scan struct {
	blocks []*Block
	code   []uint64 // the query's
	admit  []Bitmap
	n      int
	units  int          // that take part
	next   atomic.Int64 // the blocks below are not taken yet
}

// population counts the units that take part.
func (s *scan) population() int {
	n := 0
	for i, b := range s.blocks {
		switch {
		case b.Len() == 0:
		case b.words != len(s.code):
			panic(fmt.Sprintf("vectorindex: a query of %d words for codes of %d", len(s.code), b.words))
		case s.admit == nil:
			n += b.Len()
		default:
			for j, w := range b.occupied {
				n += bits.OnesCount64(w & s.admit[i][j])
			}
		}
	}
	return n
}

// run scans with so many goroutines, the caller's own being the first.
func (s *scan) run(ctx context.Context, workers int) ([]found, error) {
	workers = max(workers, 1)
	results := make([][]found, workers)
	var others sync.WaitGroup
	for i := 1; i < workers; i++ {
		others.Go(func() { results[i] = s.work(ctx) })
	}
	results[0] = s.work(ctx)
	others.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	nearest := results[0]
	for _, r := range results[1:] {
		nearest = merge(nearest, r, s.n)
	}
	return nearest, nil
}

// work scans chunks of blocks, from the newest to the oldest, until none is left or
// the context is done, and returns the nearest of them.
func (s *scan) work(ctx context.Context) []found {
	nearest := newSelection(s.n, s.units, 64*len(s.code))
	var buffer [BlockUnits]uint16
	for ctx.Err() == nil {
		end := int(s.next.Add(-chunk)) + chunk
		if end <= 0 {
			break
		}
		for i := end - 1; i >= max(end-chunk, 0); i-- {
			s.block(i, nearest, &buffer)
		}
	}
	nearest.shrink()
	return nearest.held
}

// block offers the codes of one block.
func (s *scan) block(i int, nearest *selection, buffer *[BlockUnits]uint16) {
	b := s.blocks[i]
	rows := b.Len()
	if rows == 0 {
		return
	}
	base := uint64(i) * BlockUnits
	if s.admit == nil {
		scanRows(b, base, s.code, nearest, buffer)
		return
	}
	admitted := s.admit[i]
	count := 0
	for j := range admitted {
		admitted[j] &= b.occupied[j]
		count += bits.OnesCount64(admitted[j])
	}
	switch {
	case count == 0:
	case count == rows:
		scanRows(b, base, s.code, nearest, buffer)
	case count*denseShare > rows:
		scanDense(b, &admitted, base, s.code, nearest, buffer)
	default:
		scanSparse(b, &admitted, base, s.code, nearest)
	}
}

// denseShare is how much dearer a code is that is looked up by its slot than one in
// a row of all: where a filter leaves more than one in denseShare, all are counted
// and those near enough are then looked up in the filter.
const denseShare = 2

func scanRows(b *Block, base uint64, code []uint64, nearest *selection, buffer *[BlockUnits]uint16) {
	distances(buffer, b.codes, code)
	near := buffer[:b.Len()]
	for row := len(near) - 1; row >= 0; row-- {
		if d := near[row]; d < nearest.threshold {
			nearest.offer(d, base+uint64(row))
		}
	}
}

func scanDense(b *Block, admitted *Bitmap, base uint64, code []uint64, nearest *selection, buffer *[BlockUnits]uint16) {
	distances(buffer, b.codes, code)
	near := buffer[:b.Len()]
	full := len(near) == BlockUnits
	for row := len(near) - 1; row >= 0; row-- {
		d := near[row]
		if d >= nearest.threshold {
			continue
		}
		slot := row
		if !full {
			slot = b.occupied.selectSlot(row)
		}
		if admitted.Has(slot) {
			nearest.offer(d, base+uint64(row))
		}
	}
}

func scanSparse(b *Block, admitted *Bitmap, base uint64, code []uint64, nearest *selection) {
	end := b.Len() // the row after the last of the word
	for j := len(admitted) - 1; j >= 0; j-- {
		occupied := b.occupied[j]
		end -= bits.OnesCount64(occupied)
		for w := admitted[j]; w != 0; {
			bit := bits.Len64(w) - 1
			w &^= 1 << bit
			row := end + bits.OnesCount64(occupied&(1<<bit-1))
			if d := uint16(distance(b.codes[row*b.words:(row+1)*b.words], code)); d < nearest.threshold {
				nearest.offer(d, base+uint64(row))
			}
		}
	}
}
