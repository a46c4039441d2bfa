package benchtext_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/benchtext"
)

func dot(a, b []float32) float64 {
	var sum float64
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func TestVectors(t *testing.T) {
	c := benchtext.New()
	for _, dims := range []int{1, 3, 64, 384, 768} {
		v := c.Vectors(dims)
		a, b := v.Vector(c.Text(1)), c.Vectors(dims).Vector(c.Text(1))
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("%d dimensions: the same text has two vectors:\n%s", dims, diff)
		}
		if length := math.Sqrt(dot(a, a)); len(a) != dims || math.Abs(length-1) > 1e-5 {
			t.Errorf("%d dimensions: a vector of %d and length %g", dims, len(a), length)
		}
	}
	if got := c.Vectors(8).Vector(" \n"); got != nil {
		t.Errorf("the vector of no words is %v, want nil", got)
	}
}

// TestClusters holds the similarities to what the package says of them.
func TestClusters(t *testing.T) {
	const records, questions = 20_000, 40
	c := benchtext.New()
	v := c.Vectors(384)
	var own, other, square float64
	all := make([][]float32, records)
	for i := range all {
		all[i] = v.Vector(c.Text(i))
	}
	first := 0
	for n := range questions {
		text, record := c.Question(n, records)
		q := v.Vector(text)
		best := 0
		for i, x := range all {
			s := dot(q, x)
			if s > dot(q, all[best]) {
				best = i
			}
			if i == record {
				own += s / questions
				continue
			}
			other += s / (questions * (records - 1))
			square += s * s / (questions * (records - 1))
		}
		if best == record {
			first++
		}
	}
	if own < 0.5 || own > 0.9 {
		t.Errorf("a question's mean cosine with its record is %.3f", own)
	}
	if first < questions/2 {
		t.Errorf("%d of %d questions have their record as the nearest", first, questions)
	}
	if deviation := math.Sqrt(square - other*other); math.Abs(other-0.06) > 0.02 || math.Abs(deviation-0.06) > 0.02 {
		t.Errorf("with other records the mean is %.3f and the deviation %.3f, want about 0.06 each", other, deviation)
	}
}

// TestTopics looks for the words that share a topic by their vectors: of 1,000
// words each pair does with a chance of 1 in 1,024, and the cosine of those that do
// is about 0.25, where that of others is 0.06 with a deviation of 0.035.
func TestTopics(t *testing.T) {
	v := benchtext.New().Vectors(768)
	var words [][]float32
	for n := range 1_000 {
		words = append(words, v.Vector(benchtext.Word(1_000+n)))
	}
	near := 0
	for i, a := range words {
		for _, b := range words[:i] {
			if dot(a, b) > 0.2 {
				near++
			}
		}
	}
	if near < 300 || near > 700 {
		t.Errorf("%d pairs of words are near to each other, want about 470", near)
	}
}
