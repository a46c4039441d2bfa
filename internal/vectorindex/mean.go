package vectorindex

import (
	"fmt"
	"math"
)

// MaxDimensions is the greatest length of a vector, and the greatest number of bits of
// a code: it bounds what hostile bytes have one allocate.
const MaxDimensions = 1 << 12

// fixedOne is the number one in the fixed point that a mean is summed in. Sums of
// integers are the same in any order; with 30 binary places they are as fine as a
// float32, and 2³³ vectors fit.
const fixedOne = 1 << 30

// A Mean adds up the vectors of a corpus. The mean is the same to the last bit in
// whatever order they come and on every platform.
type Mean struct {
	sums  []int64
	count int64
}

// NewMean returns a mean of no vectors yet, of the given number of dimensions,
// 1 to [MaxDimensions].
func NewMean(dimensions int) *Mean {
	checkDimensions(dimensions)
	return &Mean{sums: make([]int64, dimensions)}
}

// Add adds a vector, as one of length one. Vectors that have no direction, zero and
// those that are not finite, are passed over.
func (m *Mean) Add(v []float32) {
	if len(v) != len(m.sums) {
		panic(fmt.Sprintf("vectorindex: a vector of %d dimensions among those of %d", len(v), len(m.sums)))
	}
	scale := inverseLength(v)
	if scale == 0 {
		return
	}
	for i, x := range v {
		m.sums[i] += int64(math.RoundToEven(float64(float64(x)*scale) * fixedOne))
	}
	m.count++
}

// Count returns the number of vectors added.
func (m *Mean) Count() int64 { return m.count }

// Coder returns the coder for the mean of what was added so far, with a bit for each
// dimension. Without any vector, the mean is zero.
func (m *Mean) Coder() *Coder { return m.CoderWithBits(len(m.sums)) }

// CoderWithBits is [Mean.Coder] for codes of another length, as [NewCoderWithBits]
// says.
func (m *Mean) CoderWithBits(bits int) *Coder {
	mean := make([]float32, len(m.sums))
	if m.count > 0 {
		for i, s := range m.sums {
			mean[i] = float32(float64(s) / float64(m.count) / fixedOne)
		}
	}
	return NewCoderWithBits(mean, bits)
}

// inverseLength returns what to multiply a vector by to make it one of length one,
// 0 when it is zero or not finite.
func inverseLength(v []float32) float64 {
	var square float64
	for _, x := range v {
		// The conversion keeps the compiler from fusing multiplication and
		// addition, which some platforms round differently.
		square += float64(float64(x) * float64(x))
	}
	// A float32 squared neither overflows nor vanishes in a float64, so that
	// square is 0 only for the zero vector.
	if square == 0 || math.IsInf(square, 0) || math.IsNaN(square) {
		return 0
	}
	return 1 / math.Sqrt(square)
}

func checkDimensions(n int) {
	if n < 1 || n > MaxDimensions {
		panic(fmt.Sprintf("vectorindex: vectors of %d dimensions", n))
	}
}
