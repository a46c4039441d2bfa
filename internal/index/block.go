package index

import (
	"math/bits"

	"github.com/atocore/atocore/internal/vectorindex"
)

// blockUnits is how many consecutive numbers of units are packed together.
const blockUnits = vectorindex.BlockUnits

// bitmap is a set of the units of a block.
type bitmap = vectorindex.Bitmap

// each calls yield with the members of the set, ascending.
func each(b *bitmap, yield func(i int)) {
	for w, word := range b {
		for word != 0 {
			yield(w<<6 + bits.TrailingZeros64(word))
			word &= word - 1
		}
	}
}

// A span is when a unit holds, in microseconds since 1970, the end exclusive.
type span struct{ from, until int64 }

// A block has the columns of the units of one block by which search filters and
// ranks. Once others can see it, it never changes: it is copied to be changed.
type block struct {
	live  bitmap
	plain bitmap // live ones that are active and hold at all times: what most searches admit

	kind, typ, status   [blockUnits]uint8
	project, tags       [blockUnits]uint32 // numbers of a names; 0 is none
	time                [blockUnits]int64
	confidence          [blockUnits]float64
	document            [blockUnits]uint64
	thread, place       [blockUnits]int64
	siblings            [blockUnits]uint32
	headLength, bodyLen [blockUnits]uint32

	// The distances to the units before and after in the thread; 0 is none.
	before, after [blockUnits]int32

	bounded bitmap            // live ones that do not hold at all times
	spans   *[blockUnits]span // when those hold; nil where there are none

	units, headSum, bodySum int64 // live units, and their lengths together
}

// sum counts the live units and their lengths.
func (b *block) sum() {
	b.units, b.headSum, b.bodySum = 0, 0, 0
	each(&b.live, func(i int) {
		b.units++
		b.headSum += int64(b.headLength[i])
		b.bodySum += int64(b.bodyLen[i])
	})
}

// put writes a unit's row into the block.
func (b *block) put(i int, r *row, n *names) {
	b.live.Set(i)
	b.kind[i], b.typ[i], b.status[i] = r.kind, r.typ, r.status
	b.project[i], b.tags[i] = n.number(r.project), 0
	if r.tags != "[]" {
		b.tags[i] = n.number(r.tags)
	}
	b.time[i], b.confidence[i], b.document[i] = r.time, r.confidence, r.document
	b.thread[i], b.place[i], b.siblings[i] = r.thread, r.place, r.siblings
	b.headLength[i], b.bodyLen[i] = r.head, r.body
	b.bound(i, span{r.from, r.until})
}

// bound notes when a unit holds.
func (b *block) bound(i int, s span) {
	b.bounded.Clear(i)
	b.plain.Clear(i)
	switch {
	case s.from != minTime || s.until != maxTime:
		if b.spans == nil {
			b.spans = new([blockUnits]span)
		}
		b.bounded.Set(i)
		b.spans[i] = s
	case b.status[i] == statusActive:
		b.plain.Set(i)
	}
}

// remove takes a unit out of the block.
func (b *block) remove(i int) {
	b.live.Clear(i)
	b.plain.Clear(i)
	b.bounded.Clear(i)
	b.before[i], b.after[i] = 0, 0
}

func (b *block) clone() *block {
	c := *b
	if b.spans != nil {
		spans := *b.spans
		c.spans = &spans
	}
	return &c
}

// names numbers texts that many units share, from 1; the empty one is 0. It only
// grows.
type names struct {
	numbers map[string]uint32
	list    []string // by number
}

func newNames() *names { return &names{numbers: map[string]uint32{"": 0}, list: []string{""}} }

func (n *names) number(s string) uint32 {
	k, ok := n.numbers[s]
	if !ok {
		k = uint32(len(n.list))
		n.numbers[s] = k
		n.list = append(n.list, s)
	}
	return k
}
