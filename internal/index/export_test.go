package index

import (
	"encoding/binary"
	"testing"

	"github.com/atocore/atocore/internal/textindex"
	"github.com/atocore/atocore/internal/vectorindex"
)

// Small makes a few units enough for what otherwise takes thousands, for as long as
// the test runs. Tests that call it are not parallel.
func Small(t testing.TB) {
	t.Helper()
	seal, pack, kept, every, units, coded, loose := sealUnits, packEntries, keptEntries, checkEvery, writeUnits, codedFrom, runUnits
	sealUnits, packEntries, keptEntries, checkEvery, writeUnits, codedFrom, runUnits = 24, 32, 48, 4, 40, 20, 8
	t.Cleanup(func() {
		sealUnits, packEntries, keptEntries, checkEvery, writeUnits, codedFrom, runUnits = seal, pack, kept, every, units, coded, loose
	})
}

// BlockUnits is how many units have their columns packed together.
const BlockUnits = blockUnits

// MaxBlocks bounds the numbers of blocks.
const MaxBlocks = maxBlocks

// Live lists the live units, ascending.
func (v *View) Live() (units []int64) {
	for n, b := range v.blocks {
		if b != nil {
			each(&b.live, func(i int) { units = append(units, int64(n)*blockUnits+int64(i)) })
		}
	}
	return units
}

// Lengths are the lengths of all live units together.
func (v *View) Lengths() (head, body int64) { return v.headLength, v.bodyLength }

// Neighbours are the units before and after a live unit in its thread; 0 is none.
func (v *View) Neighbours(unit int64) (before, after int64) {
	n, i := at(unit)
	b := v.blocks[n]
	if d := b.before[i]; d != 0 {
		before = unit - int64(d)
	}
	if d := b.after[i]; d != 0 {
		after = unit + int64(d)
	}
	return before, after
}

// Coder is what made the codes of the active space, or nil.
func (v *View) Coder() *vectorindex.Coder { return v.coder }

// Codes are the codes of the active space, by unit.
func (v *View) Codes() map[int64][]uint64 {
	codes := map[int64][]uint64{}
	for n := range v.codes {
		b := v.codeBlock(n)
		for i := range blockUnits {
			if b != nil && b.Code(i) != nil {
				codes[int64(n)*blockUnits+int64(i)] = b.Code(i)
			}
		}
	}
	return codes
}

// Pieces counts what the text of the view is in: segments, runs of the tail, and
// units beside them.
func (v *View) Pieces() (segments, runs, loose int) {
	return len(v.segments), len(v.tail.runs), len(v.tail.loose)
}

// Has reports whether a unit is admitted.
func (a *Admission) Has(unit int64) bool { return a.has(unit) }

// Postings are those of the term.
func (t *Term) Postings() []textindex.Posting { return t.postings }

// Repack unpacks a packed block of the number and packs it again.
func Repack(data []byte, number int) ([]byte, error) {
	n := newNames()
	b, err := unpack(data, number, n)
	if err != nil {
		return nil, err
	}
	for i := range blockUnits {
		if b.live.Has(i) {
			// What a view does with columns must not fail.
			_ = (&View{blocks: []*block{b}}).Meta(int64(i))
		}
	}
	return b.pack(number, n), nil
}

// Seal appends the checksum that a packed block of the number ends with.
func Seal(body []byte, number int) []byte {
	return binary.LittleEndian.AppendUint32(body[:len(body):len(body)], packedSum(body, number))
}
