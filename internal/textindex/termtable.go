package textindex

import (
	"bytes"
	"hash/maphash"
)

// A termTable numbers terms in the order in which they come. It is a hash table
// with linear probing over one buffer for all terms: a map of strings would cost
// an allocation for each of them. Its hash is seeded, so that nobody can choose
// words that make it slow.
type termTable struct {
	seed  maphash.Seed
	slots []uint32 // number of a term plus 1, or 0; a power of two, at most half full
	terms []tableTerm
	text  []byte // of all terms
}

type tableTerm struct {
	hash   uint64
	offset int
	length int
}

// add returns the number of a term, a new one if the term is new.
func (t *termTable) add(term []byte) uint32 {
	if 2*len(t.terms) >= len(t.slots) {
		t.grow()
	}
	hash := maphash.Bytes(t.seed, term)
	at := t.slot(hash)
	for t.slots[at] != 0 {
		number := t.slots[at] - 1
		if t.terms[number].hash == hash && bytes.Equal(t.bytes(number), term) {
			return number
		}
		at = (at + 1) & (len(t.slots) - 1)
	}
	t.terms = append(t.terms, tableTerm{hash, len(t.text), len(term)})
	t.text = append(t.text, term...)
	t.slots[at] = uint32(len(t.terms))
	return uint32(len(t.terms) - 1)
}

func (t *termTable) slot(hash uint64) int { return int(hash & uint64(len(t.slots)-1)) }

func (t *termTable) bytes(number uint32) []byte {
	term := t.terms[number]
	return t.text[term.offset : term.offset+term.length]
}

func (t *termTable) grow() {
	if t.slots == nil {
		t.seed = maphash.MakeSeed()
	}
	t.slots = make([]uint32, max(1024, 2*len(t.slots)))
	for number, term := range t.terms {
		at := t.slot(term.hash)
		for t.slots[at] != 0 {
			at = (at + 1) & (len(t.slots) - 1)
		}
		t.slots[at] = uint32(number + 1)
	}
}

// reset forgets all terms and keeps the memory.
func (t *termTable) reset() {
	clear(t.slots)
	t.terms, t.text = t.terms[:0], t.text[:0]
}
