// Package clustered makes vectors for tests and benchmarks that lie as those of
// embedders do: in clusters of very unequal sizes, in directions of unequal
// variance, around a common direction.
//
// # Recipe
//
// All numbers are drawn from PCG generators seeded by the seed, what is made, and
// its number, so that every vector can be made alone, in any order.
//
//   - The dimensions have unequal variance: dimension d, in a shuffled order, has a
//     standard deviation in proportion to (1+d)^-Decay, scaled so that a random
//     vector has an expected squared length of one.
//   - The centres of clusters are Gaussian in these dimensions.
//   - Vector i belongs to cluster ⌊C·u³⌋, u uniform and C the number of clusters, so
//     that the size of the k-th cluster falls with k^(-2/3).
//   - Within a cluster vectors differ in a few directions only, as texts about one
//     subject do: Spread·B·z, z Gaussian in Intrinsic dimensions and B one of
//     64 bases of as many Gaussian directions. Without this, all members of a
//     cluster would be about equally far from each other, and nearest neighbours
//     a matter of chance.
//   - Noise of length Noise in all dimensions comes on top, as does one offset
//     vector of length Offset for the whole corpus; the sum is brought to length one.
//   - A query takes a vector of the corpus before it is brought to length one, and
//     moves it by Drift in the directions of its cluster and by Noise in all: near
//     to documents, as a question is to its answers, and the same as none.
package clustered

import (
	"math"
	"math/rand/v2"
)

// Options say what the vectors are like. The zero value of a field stands for its
// default.
type Options struct {
	Dimensions int     // default 384
	Clusters   int     // default one for 100 vectors, at least 16
	Intrinsic  int     // dimensions within a cluster; default 24
	Spread     float64 // length of differences within a cluster, that of a centre being 1; default 0.8
	Noise      float64 // length of the noise; default 0.2
	Drift      float64 // length of the difference of a query from its vector; default 0.4
	Decay      float64 // how fast the variance of dimensions falls, see the recipe; default 0.25
	Offset     float64 // length of the common direction; default 1, negative: none
	Seed       uint64
}

// A Corpus is a number of vectors made by one recipe. It is safe for concurrent use.
type Corpus struct {
	options Options
	size    int
	scale   []float64 // standard deviation by dimension
	offset  []float64
	centres []float32 // one after the other
	bases   []float32 // Intrinsic vectors of each basis, one after the other
}

// New returns a corpus of size vectors, at least one. Only the centres and bases
// are kept: vectors are made when asked for, the same ones every time.
func New(size int, o Options) *Corpus {
	o.Dimensions = orDefault(o.Dimensions, 384)
	o.Clusters = orDefault(o.Clusters, max(16, size/100))
	o.Intrinsic = orDefault(o.Intrinsic, 24)
	o.Spread = orDefault(o.Spread, 0.8)
	o.Noise = orDefault(o.Noise, 0.2)
	o.Drift = orDefault(o.Drift, 0.4)
	o.Decay = orDefault(o.Decay, 0.25)
	o.Offset = max(orDefault(o.Offset, 1), 0)
	c := &Corpus{options: o, size: size}
	c.scale = scales(c.random(ofScale, 0), o.Dimensions, o.Decay)
	c.offset = make([]float64, o.Dimensions)
	addNoise(c.offset, c.random(ofOffset, 0), c.scale, o.Offset)
	c.centres = c.gaussians(ofCentre, o.Clusters)
	c.bases = c.gaussians(ofBasis, bases*o.Intrinsic)
	return c
}

// bases is the number of bases; clusters share them.
const bases = 64

// gaussians returns n Gaussian vectors of about length one.
func (c *Corpus) gaussians(purpose, n int) []float32 {
	all := make([]float32, 0, n*len(c.scale))
	v := make([]float64, len(c.scale))
	for i := range n {
		clear(v)
		addNoise(v, c.random(purpose, i), c.scale, 1)
		for _, x := range v {
			all = append(all, float32(x))
		}
	}
	return all
}

func orDefault[T int | float64](v, fallback T) T {
	if v == 0 {
		return fallback
	}
	return v
}

// scales returns the standard deviations of the dimensions.
func scales(r *rand.Rand, dimensions int, decay float64) []float64 {
	s := make([]float64, dimensions)
	var square float64
	for i, d := range r.Perm(dimensions) {
		s[i] = math.Pow(float64(1+d), -decay)
		square += s[i] * s[i]
	}
	for i := range s {
		s[i] /= math.Sqrt(square)
	}
	return s
}

// Len returns the number of vectors.
func (c *Corpus) Len() int { return c.size }

// Dimensions returns the length of the vectors.
func (c *Corpus) Dimensions() int { return c.options.Dimensions }

// Vector writes vector i, 0 ≤ i < Len, of length one, into dst.
func (c *Corpus) Vector(dst []float32, i int) {
	v := make([]float64, c.options.Dimensions)
	c.raw(v, i)
	normalise(dst, v)
}

// Query writes question i, i ≥ 0, of length one, into dst. It is drawn near to one
// of the corpus's vectors, whose number is returned.
func (c *Corpus) Query(dst []float32, i int) int {
	v := make([]float64, c.options.Dimensions)
	r := c.random(ofQuery, i)
	near := r.IntN(c.size)
	cluster := c.raw(v, near)
	c.addLocal(v, r, cluster, c.options.Drift)
	normalise(dst, v)
	return near
}

// raw writes vector i before it is brought to length one, and returns its cluster.
func (c *Corpus) raw(v []float64, i int) int {
	r := c.random(ofVector, i)
	u := r.Float64()
	cluster := int(float64(c.options.Clusters) * u * u * u)
	for d, x := range c.centres[cluster*len(v) : (cluster+1)*len(v)] {
		v[d] = c.offset[d] + float64(x)
	}
	c.addLocal(v, r, cluster, c.options.Spread)
	return cluster
}

// addLocal adds a difference of about the given length in the directions of a
// cluster, and noise in all directions.
func (c *Corpus) addLocal(v []float64, r *rand.Rand, cluster int, length float64) {
	each := length / math.Sqrt(float64(c.options.Intrinsic))
	first := cluster % bases * c.options.Intrinsic
	for k := range c.options.Intrinsic {
		z := each * r.NormFloat64()
		for d, x := range c.bases[(first+k)*len(v) : (first+k+1)*len(v)] {
			v[d] += z * float64(x)
		}
	}
	addNoise(v, r, c.scale, c.options.Noise)
}

// addNoise adds a Gaussian vector of about the given length.
func addNoise(v []float64, r *rand.Rand, scale []float64, length float64) {
	for d := range v {
		v[d] += length * scale[d] * r.NormFloat64()
	}
}

func normalise(dst []float32, v []float64) {
	var square float64
	for _, x := range v {
		square += x * x
	}
	length := math.Sqrt(square)
	for d, x := range v {
		dst[d] = float32(x / length)
	}
}

// What random numbers are drawn for.
const (
	ofScale = iota
	ofOffset
	ofCentre
	ofBasis
	ofVector
	ofQuery
)

func (c *Corpus) random(purpose, i int) *rand.Rand {
	return rand.New(rand.NewPCG(c.options.Seed^uint64(purpose)<<56, uint64(i)*0x9e3779b97f4a7c15+uint64(purpose)))
}
