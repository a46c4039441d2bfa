package vectorindex

import (
	"cmp"
	"math/bits"
	"slices"
)

// levelBits is the number of bits that the weight of a bit is kept in: each costs a
// population count per word, and sums of four bits fit 16 for all lengths of codes.
const (
	levelBits = 4
	maxLevel  = 1<<levelBits - 1
)

// A Query is a vector to find the nearest of. It has a code of its own, for [Scan],
// and keeps the rounded size of each of its rotated numbers as well, for
// [Refine].
//
// The code is not the one that [Coder.Encode] gives. The cosine of a query q with d
// is q·mean, the same for all, and q·(d - mean), of which the code of d tells the
// signs. So the mean need not be taken off q. But codes tell q·(d - mean) with an
// error in proportion to the length of q, and what q has in the direction of the
// mean hardly tells one d from another. So that part is taken off, whatever its
// length: all that a question shares with the whole corpus, nothing where it shares
// nothing.
type Query struct {
	code   []uint64
	levels [levelBits][]uint64 // bit p of the weight of each bit
}

// Query prepares the search for a vector. One without a direction (zero, or not
// finite) is as near to one code as to any by weight.
func (c *Coder) Query(v []float32) *Query {
	words := make([]uint64, (1+levelBits)*c.words)
	q := &Query{code: words[:c.words]}
	for p := range q.levels {
		q.levels[p] = words[(1+p)*c.words : (2+p)*c.words]
	}
	var buffer [stackFloats]float32
	x := c.rotate(&buffer, v, c.along(v))
	signs(q.code, x)
	greatest := float32(0)
	for _, y := range x {
		greatest = max(greatest, y, -y)
	}
	if greatest == 0 {
		return q
	}
	for i, y := range x {
		level := uint64(float32(max(y, -y)/greatest*maxLevel) + 0.5) // not fused: see inverseLength
		for p := range q.levels {
			q.levels[p][i/64] |= level >> p & 1 << (i % 64)
		}
	}
	return q
}

// along returns how many times the mean is contained in v at length one.
func (c *Coder) along(v []float32) float32 {
	c.check(v)
	var product, square float64
	for i, y := range c.mean {
		product += float64(float64(y) * float64(v[i]))
		square += float64(float64(y) * float64(y))
	}
	scale := inverseLength(v)
	if square == 0 || scale == 0 {
		return 0
	}
	return float32(product * scale / square)
}

// Code returns the query's own code, not to be changed.
func (q *Query) Code() []uint64 { return q.code }

// weighted returns the sum of the weights of the bits in which a code differs from
// the query's own, at most 64·maxLevel·words.
func (q *Query) weighted(code []uint64) int {
	own := q.code[:len(code)]
	l0, l1, l2, l3 := q.levels[0][:len(code)], q.levels[1][:len(code)], q.levels[2][:len(code)], q.levels[3][:len(code)]
	var n0, n1, n2, n3 int
	for i, w := range code {
		w ^= own[i]
		n0 += bits.OnesCount64(w & l0[i])
		n1 += bits.OnesCount64(w & l1[i])
		n2 += bits.OnesCount64(w & l2[i])
		n3 += bits.OnesCount64(w & l3[i])
	}
	return n0 + 2*n1 + 4*n2 + 8*n3
}

// Refine puts candidates that [Scan] found in blocks into a better order and returns
// the first n, or all where there are fewer. Their distances are then sums of
// weights from 0 to 15 of the bits that differ. It works in place: candidates holds nothing of use
// afterwards.
func Refine(blocks []*Block, q *Query, candidates []Candidate, n int) []Candidate {
	counts := make([]int, 64*maxLevel*len(q.code)+1)
	for i := range candidates {
		block, slot := Place(candidates[i].Unit)
		candidates[i].Distance = q.weighted(blocks[block].Code(slot))
		counts[candidates[i].Distance]++
	}
	// What is too far is dropped before sorting, which is dearer than weighing.
	n = max(0, min(n, len(candidates)))
	limit := 0
	for seen := counts[0]; seen < n; seen += counts[limit] {
		limit++
	}
	candidates = slices.DeleteFunc(candidates, func(c Candidate) bool { return c.Distance > limit })
	slices.SortFunc(candidates, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(b.Unit, a.Unit))
	})
	return candidates[:n]
}
