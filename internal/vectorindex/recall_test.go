package vectorindex_test

import (
	"fmt"
	"testing"

	"github.com/atocore/atocore/internal/vectorindex"
	"github.com/atocore/atocore/internal/vectorindex/clustered"
)

// A collection is a clustered corpus with its codes and some questions, whose ten
// nearest vectors are known.
type collection struct {
	coder   *vectorindex.Coder
	blocks  []*vectorindex.Block
	queries []*vectorindex.Query
	nearest []map[int64]bool
}

func newCollection(size, queries int, mean bool, o clustered.Options) *collection {
	corpus := clustered.New(size, o)
	dimensions := corpus.Dimensions()
	data := make([]float32, size*dimensions)
	sum := vectorindex.NewMean(dimensions)
	vectors := make([][]float32, size)
	for i := range size {
		vectors[i] = data[i*dimensions : (i+1)*dimensions]
		corpus.Vector(vectors[i], i)
		if mean {
			sum.Add(vectors[i])
		}
	}
	c := &collection{coder: sum.Coder()}
	c.blocks = encodeAll(c.coder, vectors)
	query := make([]float32, dimensions)
	for i := range queries {
		corpus.Query(query, i)
		c.queries = append(c.queries, c.coder.Query(query))
		nearest := map[int64]bool{}
		for _, n := range exactNearest(data, query, 10) {
			nearest[n.unit] = true
		}
		c.nearest = append(c.nearest, nearest)
	}
	return c
}

// A method finds n candidates.
type method func(tb testing.TB, c *collection, q *vectorindex.Query, n int) []vectorindex.Candidate

func scanned(tb testing.TB, c *collection, q *vectorindex.Query, n int) []vectorindex.Candidate {
	tb.Helper()
	found, err := vectorindex.Scan(tb.Context(), c.blocks, q.Code(), nil, n)
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

func refined(tb testing.TB, c *collection, q *vectorindex.Query, n int) []vectorindex.Candidate {
	tb.Helper()
	return vectorindex.Refine(c.blocks, q, scanned(tb, c, q, 4*n), n)
}

// recall is the share of the ten nearest that are among n candidates.
func (c *collection) recall(tb testing.TB, find method, n int) float64 {
	tb.Helper()
	hits := 0
	for i, q := range c.queries {
		for _, f := range find(tb, c, q, n) {
			if c.nearest[i][f.Unit] {
				hits++
			}
		}
	}
	return float64(hits) / float64(10*len(c.queries))
}

// TestRecall sets floors a little below what is found. The second corpus has most of
// its variance in few dimensions.
func TestRecall(t *testing.T) {
	for _, decay := range []float64{0.25, 0.5} {
		c := newCollection(10_000, 40, true, clustered.Options{Decay: decay, Seed: 1})
		for _, test := range []struct {
			name  string
			find  method
			n     int
			floor float64
		}{
			{"scan", scanned, 160, 0.985},
			{"refine", refined, 160, 0.995},
			{"scan", scanned, 40, 0.90},
			{"refine", refined, 40, 0.96},
		} {
			got := c.recall(t, test.find, test.n)
			t.Logf("decay %v: %s, %d candidates: recall %.3f", decay, test.name, test.n, got)
			if got < test.floor {
				t.Errorf("decay %v: %s, %d candidates: recall %.3f, want %v", decay, test.name, test.n, got, test.floor)
			}
		}
	}
}

// TestRecallMean shows what the mean is taken off for: where all vectors share a
// direction, codes that keep it spend their bits on what is common to all.
func TestRecallMean(t *testing.T) {
	o := clustered.Options{Offset: 4, Seed: 2}
	with := newCollection(5_000, 40, true, o).recall(t, scanned, 40)
	without := newCollection(5_000, 40, false, o).recall(t, scanned, 40)
	t.Logf("recall %.3f with the mean taken off, %.3f without", with, without)
	if with < without+0.05 {
		t.Errorf("recall %.3f with the mean taken off, %.3f without", with, without)
	}
}

// BenchmarkSearch reports the time of a search and its recall by the number of
// candidates that are left for exact scoring.
func BenchmarkSearch(b *testing.B) {
	sizes := []struct{ size, dimensions int }{{10_000, 384}, {100_000, 384}, {100_000, 768}}
	for _, s := range sizes {
		if testing.Short() && s.size > 10_000 {
			continue
		}
		c := newCollection(s.size, 50, true, clustered.Options{Dimensions: s.dimensions, Seed: 1})
		for name, find := range map[string]method{"scan": scanned, "refine": refined} {
			for _, n := range []int{40, 160, 1_000} {
				b.Run(fmt.Sprintf("%dx%d/%s/%d", s.size, s.dimensions, name, n), func(b *testing.B) {
					i := 0
					for b.Loop() {
						find(b, c, c.queries[i%len(c.queries)], n)
						i++
					}
					b.StopTimer()
					b.ReportMetric(c.recall(b, find, n), "recall@10")
				})
			}
		}
	}
}
