package clustered_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/vectorindex/clustered"
)

func vector(c *clustered.Corpus, i int) []float32 {
	v := make([]float32, c.Dimensions())
	c.Vector(v, i)
	return v
}

func dot(a, b []float32) float64 {
	var s float64
	for i := range a {
		s += float64(a[i]) * float64(b[i])
	}
	return s
}

// TestRepeatable: the same recipe makes the same vectors in any order, another seed
// makes others.
func TestRepeatable(t *testing.T) {
	o := clustered.Options{Dimensions: 48, Seed: 3}
	a, b := clustered.New(1_000, o), clustered.New(1_000, o)
	vector(b, 9)
	if diff := cmp.Diff(vector(a, 5), vector(b, 5)); diff != "" {
		t.Errorf("the same recipe (-first +second):\n%s", diff)
	}
	p, q := make([]float32, 48), make([]float32, 48)
	if a.Query(p, 7) != b.Query(q, 7) || !cmp.Equal(p, q) {
		t.Error("the same recipe asks different questions")
	}
	o.Seed = 4
	if cmp.Equal(vector(a, 5), vector(clustered.New(1_000, o), 5)) {
		t.Error("another seed makes the same vectors")
	}
}

// TestShape: length one, a query near to its vector, and a common direction unless
// there is to be none.
func TestShape(t *testing.T) {
	for _, offset := range []float64{0, -1} {
		c := clustered.New(2_000, clustered.Options{Dimensions: 64, Offset: offset, Seed: 1})
		var near, far, length float64
		q := make([]float32, 64)
		for i := range 300 {
			v := vector(c, i)
			length = max(length, math.Abs(dot(v, v)-1))
			unit := c.Query(q, i)
			near += dot(q, vector(c, unit)) / 300
			far += dot(q, vector(c, (unit+1_000)%2_000)) / 300
		}
		if length > 1e-5 {
			t.Errorf("offset %v: squared lengths are off one by up to %v", offset, length)
		}
		if near < 0.9 {
			t.Errorf("offset %v: cosine of queries with their vectors is %.3f on average", offset, near)
		}
		if common := far > 0.25; common != (offset >= 0) {
			t.Errorf("offset %v: cosine of queries with other vectors is %.3f on average", offset, far)
		}
	}
}
