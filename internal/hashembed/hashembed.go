// Package hashembed turns text into vectors without a model: words, their stems
// and their character n-grams are hashed into a few hundred signed dimensions.
//
// A question is near to a text when they share words, and nearly so when words
// differ in an ending or a letter; meaning beyond spelling is not seen. That makes
// the vectors a companion of full text rather than a rival: they find what a slip
// of the finger, or an inflection that the stemmer does not know, hides from it.
//
// [Document] and [Query] are pure, and safe for concurrent use. Sums are kept in
// integers and in a fixed order, so that every platform gives the same vector to
// the last bit.
//
// # Caveats
//
// Compare questions with documents, not documents with each other: a
// document's vector also says how short it is, which two short ones have in common
// whatever they are about.
package hashembed

import (
	"math"
	"math/bits"
	"slices"

	"github.com/atocore/atocore/internal/analysis"
)

// The identity of the vectors. Fingerprint changes with anything that changes a
// vector, here or in package analysis; a test with stored vectors sees to it.
//
// With 480 dimensions, 1,920 bytes, two vectors share a database page of 4 KiB;
// with 512 each would take a page of its own. Retrieval does not tell them apart.
const (
	Name        = "lexical-hash"
	Dimensions  = 480
	Fingerprint = "1"
)

// MaxBytes bounds what is read of a text: beyond it a vector of this size cannot
// tell one text from another.
const MaxBytes = 64 << 10

// What features weigh. The n-grams of a word share one weight, so that a long
// word does not outweigh a short one; being many and partly shared with other
// words, they need more of it than the stem, which is one sure match.
// The values come from trials over questions of several kinds, clean and misspelt,
// and stand in the middle of wide plateaus.
const (
	rare           = 64 // the weight of a word of five letters or more
	functionWeight = 4
	stemShare      = 12
	gramShare      = 24
	minGram        = 3
	maxGram        = 5

	// brevity is the length of the part of a document's vector that matches no
	// question, about as much as fourteen words. Without it the cosine prefers
	// whatever is shortest, a greeting that mentions a name to the answer.
	brevity = 103_600
	// features is the number of dimensions that words are hashed into; the last
	// dimension is brevity's.
	features = Dimensions - 1
)

// Document returns the vector of a text that is to be found, of length one, or nil
// when text holds no word to go by.
func Document(text string) []float32 { return embed(text, brevity) }

// Query returns the vector of a question, of length one, or nil when text holds no
// word to go by. Its cosine with a document's vector is at most 1, for unrelated
// texts about 0 ± 0.05.
func Query(text string) []float32 { return embed(text, 0) }

// An occurrence is one word in the text. Equal hashes mean equal words.
type occurrence struct {
	hash uint64
	word analysis.Word
}

func embed(text string, constant int64) []float32 {
	if len(text) > MaxBytes {
		text = text[:MaxBytes]
	}
	words := make([]occurrence, 0, len(text)/5+1)
	for w := range analysis.Words(text) {
		words = append(words, occurrence{hash(seedWord, w.Text), w})
	}
	// Equal words side by side give their count, and an order by hash does not
	// depend on where in the text a word stands.
	slices.SortFunc(words, func(a, b occurrence) int {
		switch {
		case a.hash < b.hash:
			return -1
		case a.hash > b.hash:
			return 1
		}
		return int(a.word.Kind) - int(b.word.Kind)
	})
	var sums [Dimensions]int64
	for i := 0; i < len(words); {
		n := 1
		for i+n < len(words) && words[i+n].hash == words[i].hash {
			n++
		}
		add(&sums, words[i].word, n)
		i += n
	}

	var square float64
	for _, s := range sums {
		square += float64(s * s)
	}
	if square == 0 {
		return nil
	}
	sums[features] = constant
	length := math.Sqrt(square + float64(constant*constant))
	v := make([]float32, Dimensions)
	for i, s := range sums {
		v[i] = float32(float64(s) / length)
	}
	return v
}

// frequency dampens repeats, in 1/16 by the number of binary digits of the count: the second
// mention of a word says less than the first.
var frequency = [...]int64{0, 16, 24, 31, 37, 42, 46, 50}

// add adds the features of a word that occurs n times.
func add(sums *[Dimensions]int64, word analysis.Word, n int) {
	weight := rareness(word) * frequency[min(bits.Len(uint(n)), len(frequency)-1)]
	put(sums, hash(seedStem, word.Stem), weight*stemShare)
	switch word.Kind {
	case analysis.Content, analysis.Compound:
		grams(sums, word.Text, weight*gramShare)
	}
}

// grams adds the n-grams of a word between its boundaries, together as strong as
// weight.
func grams(sums *[Dimensions]int64, word string, weight int64) {
	var buf [analysis.MaxTermBytes + 2]byte
	b := append(buf[:0], '^')
	b = append(b, word[:min(len(word), analysis.MaxTermBytes)]...)
	b = append(b, '$')
	count := 0
	for n := minGram; n <= maxGram && n <= len(b); n++ {
		count += len(b) - n + 1
	}
	if count == 0 {
		return
	}
	each := weight * 16 / root(int64(count)*16*16)
	for n := minGram; n <= maxGram; n++ {
		for i := 0; i+n <= len(b); i++ {
			put(sums, hash(seedGram, b[i:i+n]), each)
		}
	}
}

// root returns the integer square root.
func root(n int64) int64 {
	r := int64(math.Sqrt(float64(n)))
	for r*r > n {
		r--
	}
	return r
}

// rareness guesses how much a word says, without a corpus to count in: short words
// are common ones.
func rareness(w analysis.Word) int64 {
	switch n := len(w.Text); {
	case w.Kind == analysis.Function:
		return functionWeight
	case w.Kind == analysis.Pair || n >= 5:
		return rare
	case n <= 2:
		return rare * 5 / 8
	case n == 3:
		return rare * 6 / 8
	default:
		return rare * 7 / 8
	}
}

// put adds weight to the dimension that the hash names, with the sign it names.
func put(sums *[Dimensions]int64, h uint64, weight int64) {
	i, _ := bits.Mul64(h, features)
	if h&1 == 0 {
		weight = -weight
	}
	sums[i] += weight
}

const (
	seedWord uint64 = 0x9e3779b97f4a7c15
	seedStem uint64 = 0xc2b2ae3d27d4eb4f
	seedGram uint64 = 0x165667b19e3779f9
)

// hash is FNV-1a with a final mix, since the sign comes from its lowest bit and the
// dimension from its highest ones.
func hash[T string | []byte](seed uint64, s T) uint64 {
	h := seed
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
