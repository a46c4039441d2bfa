package vectorindex

import "math/bits"

// BlockUnits is the number of units in a block.
const BlockUnits = 1024

// Place returns where a unit, not negative, is kept: the number of its block and
// its slot there.
func Place(unit int64) (block, slot int) {
	return int(unit / BlockUnits), int(unit % BlockUnits)
}

// A Bitmap is a set of slots of a block. Slot s is bit s%64 of word s/64.
type Bitmap [BlockUnits / 64]uint64

// Set adds a slot.
func (m *Bitmap) Set(slot int) { m[slot/64] |= 1 << (slot % 64) }

// Clear removes a slot.
func (m *Bitmap) Clear(slot int) { m[slot/64] &^= 1 << (slot % 64) }

// Has reports whether a slot is in the set.
func (m *Bitmap) Has(slot int) bool { return m[slot/64]>>(slot%64)&1 != 0 }

// Count returns the number of slots in the set.
func (m *Bitmap) Count() int {
	n := 0
	for _, w := range m {
		n += bits.OnesCount64(w)
	}
	return n
}

// rank returns how many slots of the set are below slot.
func (m *Bitmap) rank(slot int) int {
	n := bits.OnesCount64(m[slot/64] & (1<<(slot%64) - 1))
	for _, w := range m[:slot/64] {
		n += bits.OnesCount64(w)
	}
	return n
}

// selectSlot returns the slot of the given rank: the inverse of rank. There has to
// be one.
func (m *Bitmap) selectSlot(rank int) int {
	for i, w := range m {
		n := bits.OnesCount64(w)
		if rank >= n {
			rank -= n
			continue
		}
		for ; rank > 0; rank-- {
			w &= w - 1
		}
		return i*64 + bits.TrailingZeros64(w)
	}
	panic("vectorindex: no slot of that rank")
}
