package evaluation

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Samples is how many bootstrap samples are worth taking by default.
const Samples = 1000

// seed makes every interval the same in every run.
const seed = 7

// An Estimate is a mean over questions, and the interval that 95 % of the means
// of other questions of the same kind would lie in.
type Estimate struct {
	Mean, Low, High float64
}

// A Summary has a Scores' means.
type Summary struct {
	Questions int
	Metrics   []string
	Estimates map[string]Estimate // by metric
	Samples   int                 // of the bootstrap; 0 has no intervals, Low and High being 0
}

func (s Summary) String() string {
	var b strings.Builder
	for i, m := range s.Metrics {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %.4f", m, s.Estimates[m].Mean)
	}
	return b.String()
}

// Summary sums up all questions. The intervals are those of the percentile
// bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
// chapter 13) over the questions, of so many samples; 0 samples are none.
func (s *Scores) Summary(samples int) Summary {
	all := make([]int, len(s.Questions))
	for i := range all {
		all[i] = i
	}
	return s.summary(all, samples)
}

// Categories sums up the questions of each category, "-" being those without
// one. A labelled question that is not among questions is in none.
func (s *Scores) Categories(questions []Question, samples int) map[string]Summary {
	members := map[string][]int{}
	for _, q := range questions {
		if i, ok := slices.BinarySearch(s.Questions, q.ID); ok {
			name := q.Category
			if name == "" {
				name = "-"
			}
			members[name] = append(members[name], i)
		}
	}
	out := make(map[string]Summary, len(members))
	for name, list := range members {
		out[name] = s.summary(list, samples)
	}
	return out
}

func (s *Scores) summary(members []int, samples int) Summary {
	rows := make([][]float64, len(members))
	for i, m := range members {
		rows[i] = s.Values[m]
	}
	out := Summary{Questions: len(rows), Metrics: s.Metrics, Estimates: map[string]Estimate{}, Samples: max(0, samples)}
	means := columnMeans(rows, len(s.Metrics))
	drawn := bootstrap(rows, len(s.Metrics), samples)
	for i, m := range s.Metrics {
		e := Estimate{Mean: means[i]}
		if len(drawn[i]) > 0 {
			e.Low, e.High = interval(drawn[i])
		}
		out.Estimates[m] = e
	}
	return out
}

// A Difference says how one figure differs between two runs, question by
// question.
type Difference struct {
	Metric        string
	Estimate              // of the second run minus the first
	Better, Worse int     // questions that the second run answers better and worse
	Share         float64 // of the samples in which the second run's mean is the higher
}

// Compare compares two runs on the questions of one set. Since the questions are
// the same, their being hard or easy cancels out: a difference whose interval
// does not hold 0 is real, even where the intervals of both runs overlap. It
// fails where the scores are not of the same questions.
func Compare(first, second *Scores, samples int) ([]Difference, error) {
	if !slices.Equal(first.Questions, second.Questions) || !slices.Equal(first.Metrics, second.Metrics) {
		return nil, errors.New("compare: the two runs are scored by different labels")
	}
	n := len(first.Metrics)
	rows := make([][]float64, len(first.Questions))
	for i := range rows {
		rows[i] = make([]float64, n)
		for j := range n {
			rows[i][j] = second.Values[i][j] - first.Values[i][j]
		}
	}
	means, drawn := columnMeans(rows, n), bootstrap(rows, n, samples)
	out := make([]Difference, n)
	for j := range n {
		d := Difference{Metric: first.Metrics[j], Estimate: Estimate{Mean: means[j]}}
		for _, row := range rows {
			// Sums of the same figures may differ in their last bits.
			if row[j] > 1e-12 {
				d.Better++
			} else if row[j] < -1e-12 {
				d.Worse++
			}
		}
		if len(drawn[j]) > 0 {
			d.Low, d.High = interval(drawn[j])
			above := 0
			for _, mean := range drawn[j] {
				if mean > 1e-12 {
					above++
				}
			}
			d.Share = float64(above) / float64(len(drawn[j]))
		}
		out[j] = d
	}
	return out, nil
}

func columnMeans(rows [][]float64, columns int) []float64 {
	sums := make([]float64, columns)
	for _, row := range rows {
		for j, v := range row {
			sums[j] += v
		}
	}
	for j := range sums {
		sums[j] /= float64(max(1, len(rows)))
	}
	return sums
}

// bootstrap draws as many rows as there are, with repetition, so many times,
// and returns the means by column, sorted.
func bootstrap(rows [][]float64, columns, samples int) [][]float64 {
	out := make([][]float64, columns)
	if len(rows) == 0 || samples <= 0 {
		return out
	}
	rng := rand.New(rand.NewPCG(seed, seed))
	drawn := make([][]float64, len(rows))
	for range samples {
		for i := range drawn {
			drawn[i] = rows[rng.IntN(len(rows))]
		}
		for j, mean := range columnMeans(drawn, columns) {
			out[j] = append(out[j], mean)
		}
	}
	for j := range out {
		slices.Sort(out[j])
	}
	return out
}

// interval cuts off 2.5 % at each end of sorted means.
func interval(means []float64) (low, high float64) {
	n := len(means)
	return means[n*25/1000], means[min(n-1, n*975/1000)]
}
