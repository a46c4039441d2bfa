package vectorindex_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/vectorindex"
)

// encodeAll returns the blocks of the vectors' codes.
func encodeAll(c *vectorindex.Coder, vectors [][]float32) []*vectorindex.Block {
	var blocks []*vectorindex.Block
	code := make([]uint64, c.Words())
	for i, v := range vectors {
		block, slot := vectorindex.Place(int64(i))
		if block == len(blocks) {
			blocks = append(blocks, vectorindex.NewBlock(c.Words()))
		}
		c.Encode(code, v)
		blocks[block].Set(slot, code)
	}
	return blocks
}

// TestWeighted: refining everything is scanning by weight, in the same order.
func TestWeighted(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, dimensions := range []int{50, 384, 2048} {
		vectors := gaussians(rng, 1_500, dimensions)
		coder := vectorindex.NewCoder(make([]float32, dimensions))
		blocks := encodeAll(coder, vectors)
		query := coder.Query(gaussians(rng, 1, dimensions)[0])
		for _, admit := range [][]vectorindex.Bitmap{nil, randomAdmit(rng, 2, 0.1), randomAdmit(rng, 2, 0.9)} {
			all, err := vectorindex.Scan(t.Context(), blocks, query.Code(), admit, 2_000)
			if err != nil {
				t.Fatal(err)
			}
			rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			got := vectorindex.Refine(blocks, query, slices.Clone(all), 100)
			inOrder := func(a, b vectorindex.Candidate) int {
				return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(b.Unit, a.Unit))
			}
			want := vectorindex.Refine(blocks, query, all, len(all)) // nothing is left out
			if !slices.IsSortedFunc(want, inOrder) {
				t.Errorf("%d dimensions: not nearest first", dimensions)
			}
			if diff := gocmp.Diff(want[:100], got); diff != "" {
				t.Errorf("%d dimensions (-best of all +best):\n%s", dimensions, diff)
			}
		}
	}
}

// TestWeightedExtremes: a vector's own code costs next to nothing, that of its
// opposite next to everything, and a query without a direction nothing.
func TestWeightedExtremes(t *testing.T) {
	v := gaussians(rand.New(rand.NewPCG(2, 2)), 1, 4096)[0]
	opposite := slices.Clone(v)
	for d := range opposite {
		opposite[d] *= -1
	}
	coder := vectorindex.NewCoder(make([]float32, 4096))
	blocks := encodeAll(coder, [][]float32{opposite, v})
	both := []vectorindex.Candidate{{Unit: 0}, {Unit: 1}}
	got := vectorindex.Refine(blocks, coder.Query(v), slices.Clone(both), 2)
	if got[0] != (vectorindex.Candidate{Unit: 1}) || got[1].Unit != 0 || got[1].Distance < 4096 {
		t.Errorf("got %v, want unit 1 at 0 and unit 0 far away", got)
	}
	got = vectorindex.Refine(blocks, coder.Query(make([]float32, 4096)), both, 2)
	want := []vectorindex.Candidate{{Unit: 1}, {Unit: 0}}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("zero query (-want +got):\n%s", diff)
	}
	if got := vectorindex.Refine(blocks, coder.Query(v), nil, 5); len(got) != 0 {
		t.Errorf("refined nothing to %v", got)
	}
}

// TestWeights looks at the weight of each bit by itself: what the query's own code
// costs with that bit turned. Weights go from 0 to 15 and add up.
func TestWeights(t *testing.T) {
	v := gaussians(rand.New(rand.NewPCG(3, 3)), 1, 128)[0]
	coder := vectorindex.NewCoder(make([]float32, 128))
	query := coder.Query(v)
	cost := func(turned ...int) int {
		b := vectorindex.NewBlock(2)
		code := slices.Clone(query.Code())
		for _, bit := range turned {
			code[bit/64] ^= 1 << (bit % 64)
		}
		b.Set(0, code)
		blocks := []*vectorindex.Block{b}
		return vectorindex.Refine(blocks, query, []vectorindex.Candidate{{}}, 1)[0].Distance
	}
	var weights, all []int
	seen := map[int]bool{}
	sum := 0
	for bit := range 128 {
		w := cost(bit)
		weights, all, sum = append(weights, w), append(all, bit), sum+w
		seen[w] = true
	}
	if slices.Min(weights) != 0 || slices.Max(weights) != 15 || len(seen) < 10 {
		t.Errorf("weights %v, want them from 0 to 15", weights)
	}
	if got := cost(all...); got != sum {
		t.Errorf("all bits turned cost %d, want the sum of weights, %d", got, sum)
	}
}

// A neighbour is a vector and its exact similarity to a query.
type neighbour struct {
	unit int64
	dot  float32
}

// exactNearest returns the k vectors of the greatest dot product with a query.
func exactNearest(data []float32, query []float32, k int) []neighbour {
	nearest := make([]neighbour, 0, k+1)
	for i := 0; i*len(query) < len(data); i++ {
		n := neighbour{int64(i), dot(data[i*len(query):(i+1)*len(query)], query)}
		if len(nearest) == k && n.dot <= nearest[k-1].dot {
			continue
		}
		at, _ := slices.BinarySearchFunc(nearest, n, func(a, b neighbour) int { return cmp.Compare(b.dot, a.dot) })
		nearest = slices.Insert(nearest, at, n)
		nearest = nearest[:min(k, len(nearest))]
	}
	return nearest
}

func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}
