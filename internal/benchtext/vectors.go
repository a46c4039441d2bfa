package benchtext

import (
	"math"
	"math/rand/v2"
	"strings"
)

// Vectors turns texts into clustered vectors.
//
// Each topic has a centre, a random direction, and each word a direction of its
// own beside that of its topic:
//
//	word   = 0.45·centre + 0.893·own      function words and numbers: own alone
//	vector = normalise(0.25·common + normalise(Σ weight·word))
//
// over the words of a text, whose weight grows with the logarithm of their rank
// from 0 to 1, a number's being 1. So texts of a topic lie in a cluster, those that
// share rare words nearer than others, and all a little to the side of common, one
// direction for all, as the vectors of language models do. A question lies near
// the record that it has its words of.
//
// The shares were chosen by the similarities that come of them, which are about
// those of small sentence models: with 384 dimensions and 100,000 records a
// question's nearest record has a mean cosine of 0.7, the tenth 0.6, the hundredth
// 0.4, and one at random 0.06 with a deviation of 0.06.
//
// Random directions have independent components of mean 0 and the same variance.
// It is safe for concurrent use.
type Vectors struct {
	c       *Corpus
	dims    int
	centres [][]float32
	common  []float32
}

const (
	centreShare = 0.45
	ownShare    = 0.893 // √(1-0.45²)
	commonShare = 0.25
)

// Vectors returns the vectors of the corpus in dims dimensions, at least 1.
func (c *Corpus) Vectors(dims int) *Vectors {
	v := &Vectors{c: c, dims: dims, common: make([]float32, dims)}
	addDirection(v.common, 1, "common")
	for t := range Topics {
		centre := make([]float32, dims)
		addDirection(centre, 1, "topic "+Word(t))
		v.centres = append(v.centres, centre)
	}
	return v
}

// Vector is the vector of a text, of length 1; nil where the text has no words.
func (v *Vectors) Vector(text string) []float32 {
	out := make([]float32, v.dims)
	n := 0
	for w := range strings.FieldsSeq(text) {
		v.addWord(out, w)
		n++
	}
	if n == 0 {
		return nil
	}
	normalise(out)
	for i, x := range v.common {
		out[i] += commonShare * x
	}
	normalise(out)
	return out
}

func (v *Vectors) addWord(to []float32, w string) {
	weight, topic := float32(1), -1
	if r, ok := v.c.rank[w]; ok {
		weight, topic = float32(math.Log(float64(r+2))/math.Log(vocabulary+1)), v.c.topic[r]
	}
	if topic < 0 {
		addDirection(to, weight, w)
		return
	}
	addDirection(to, ownShare*weight, w)
	for i, x := range v.centres[topic] {
		to[i] += centreShare * weight * x
	}
}

// addDirection adds the direction that has a name, of about the given length. A
// component is the sum of two uniform bytes, which is near enough to a normal
// distribution and costs an eighth.
func addDirection(to []float32, length float32, name string) {
	rng := rand.NewPCG(hash(name), 0)
	// A byte's variance is (256²-1)/12, that of the sum of two twice as much.
	const deviation = 104.51
	scale := length / (deviation * float32(math.Sqrt(float64(len(to)))))
	var bits uint64
	for i := range to {
		if i%4 == 0 {
			bits = rng.Uint64()
		}
		to[i] += scale * float32(int(bits&0xff)+int(bits>>8&0xff)-255)
		bits >>= 16
	}
}

// hash is FNV-1a of 64 bits, whose definition is at http://www.isthe.com/chongo/tech/comp/fnv/.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// normalise gives a vector the length 1. One that has none gets a first component.
func normalise(v []float32) {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		v[0] = 1
		return
	}
	scale := float32(1 / math.Sqrt(sum))
	for i := range v {
		v[i] *= scale
	}
}
