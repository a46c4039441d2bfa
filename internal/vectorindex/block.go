package vectorindex

import (
	"fmt"
	"slices"
)

// A Block holds the codes of up to [BlockUnits] units, those of the occupied slots
// side by side, in the order of slots. A block without deleted units therefore
// takes 8·words bytes a unit and nothing for those to come.
type Block struct {
	words    int
	occupied Bitmap
	codes    []uint64
}

// NewBlock returns an empty block for codes of the given number of words.
func NewBlock(words int) *Block {
	if words < 1 || words > maxWords {
		panic(fmt.Sprintf("vectorindex: codes of %d words", words))
	}
	return &Block{words: words}
}

// Words returns the length of a code in 64-bit words.
func (b *Block) Words() int { return b.words }

// Len returns the number of units that have a code.
func (b *Block) Len() int {
	if b == nil {
		return 0
	}
	return len(b.codes) / b.words
}

// Occupied returns which slots have a code.
func (b *Block) Occupied() Bitmap {
	if b == nil {
		return Bitmap{}
	}
	return b.occupied
}

// Code returns the code in a slot, nil when it has none. It is the block's own,
// not to be changed, and valid until the block changes.
func (b *Block) Code(slot int) []uint64 {
	if b == nil || !b.occupied.Has(slot) {
		return nil
	}
	i := b.row(slot) * b.words
	return b.codes[i : i+b.words : i+b.words]
}

// Set puts a code into a slot, in place of what was there. Slots that are filled in
// ascending order, as new units are, are filled fastest.
func (b *Block) Set(slot int, code []uint64) {
	if len(code) != b.words {
		panic(fmt.Sprintf("vectorindex: a code of %d words for a block of %d", len(code), b.words))
	}
	i := b.row(slot) * b.words
	if b.occupied.Has(slot) {
		copy(b.codes[i:], code)
		return
	}
	b.codes = slices.Insert(b.codes, i, code...)
	b.occupied.Set(slot)
}

// Remove empties a slot; an empty one stays so.
func (b *Block) Remove(slot int) {
	if !b.occupied.Has(slot) {
		return
	}
	i := b.row(slot) * b.words
	b.codes = slices.Delete(b.codes, i, i+b.words)
	b.occupied.Clear(slot)
}

// Clone returns a copy that shares nothing with b.
func (b *Block) Clone() *Block {
	c := *b
	// Room for some more: a clone is made in order to be changed.
	c.codes = make([]uint64, len(b.codes), min(len(b.codes)+16*b.words, BlockUnits*b.words))
	copy(c.codes, b.codes)
	return &c
}

// row returns how many codes stand before that of a slot.
func (b *Block) row(slot int) int { return b.occupied.rank(slot) }
