package evaluation

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/atocore/atocore"
)

// The figures of Score, in the order of Scores.Metrics. A name says at which
// rank an answer list is cut.
const (
	NDCG10   = "ndcg@10"   // gain = grade, discount = log2(rank + 1), in proportion to the best order that the labels allow
	Recall5  = "recall@5"  // relevant documents among the first 5 / relevant documents
	Recall10 = "recall@10" // among the first 10
	Recall20 = "recall@20" // among the first 20
	Hit1     = "hit@1"     // 1 where the first document is relevant, else 0
	Hit5     = "hit@5"     // 1 where any of the first 5 is
	Hit10    = "hit@10"    // 1 where any of the first 10 is
	MRR10    = "mrr@10"    // 1 / rank of the first relevant document, 0 past rank 10
)

// spanCuts are the ranks at which ScoreSpans cuts: its figures are recall@k,
// precision@k and iou@k at each of them.
var spanCuts = []int{1, 5, 10, 20}

// Scores are the figures of each labelled question, each from 0 to 1.
type Scores struct {
	Metrics   []string    // names, in the order of columns
	Questions []string    // IDs of the labelled questions, sorted
	Values    [][]float64 // by question, then by metric
	Missing   int         // labelled questions that the run leaves out, which count 0
}

// ErrNothingInCommon reports a run that answers no labelled question.
var ErrNothingInCommon = errors.New("the run and the labels have no question in common")

// Score scores a run of documents. Questions without a relevant document are
// ignored; one that the run leaves out counts 0. A run that answers none of
// them is of another set: the error is ErrNothingInCommon.
//
// nDCG is that of Järvelin and Kekäläinen, "Cumulated gain-based evaluation of
// IR techniques", ACM TOIS 20(4), 2002, with the grade itself as gain, as
// trec_eval has it.
func Score(labels Labels, run Run) (*Scores, error) {
	s := &Scores{Metrics: []string{NDCG10, Recall5, Recall10, Recall20, Hit1, Hit5, Hit10, MRR10}}
	for _, q := range slices.Sorted(maps.Keys(labels)) {
		if labels.relevant(q) > 0 {
			s.add(q, run, measure(labels[q], run[q]))
		}
	}
	return s, s.check()
}

func (s *Scores) add(question string, run Run, values []float64) {
	s.Questions = append(s.Questions, question)
	s.Values = append(s.Values, values)
	if _, answered := run[question]; !answered {
		s.Missing++
	}
}

func (s *Scores) check() error {
	if s.Missing == len(s.Questions) {
		return ErrNothingInCommon
	}
	return nil
}

// measure has one question's figures. Some grade is above 0.
func measure(grades map[string]int, answers []Ranked) []float64 {
	gain, first := 0.0, 0
	found := make([]int, 21) // by rank: relevant documents up to there
	for i := range 20 {
		found[i+1] = found[i]
		if i >= len(answers) || grades[answers[i].ID] <= 0 {
			continue
		}
		found[i+1]++
		if i < 10 {
			gain += float64(grades[answers[i].ID]) / math.Log2(float64(i+2))
		}
		if first == 0 && i < 10 {
			first = i + 1
		}
	}
	var ideal []int
	for _, g := range grades {
		if g > 0 {
			ideal = append(ideal, g)
		}
	}
	slices.SortFunc(ideal, func(a, b int) int { return b - a })
	best := 0.0
	for i, g := range ideal[:min(10, len(ideal))] {
		best += float64(g) / math.Log2(float64(i+2))
	}
	recall := func(k int) float64 { return float64(found[k]) / float64(len(ideal)) }
	hit := func(k int) float64 { return float64(min(1, found[k])) }
	mrr := 0.0
	if first > 0 {
		mrr = 1 / float64(first)
	}
	return []float64{gain / best, recall(5), recall(10), recall(20), hit(1), hit(5), hit(10), mrr}
}

// ScoreSpans scores a run of chunks, whose IDs are DOCUMENT@START-END in
// characters, against labelled ranges, at the ranks 1, 5, 10 and 20:
//
//	recall@k     labelled characters that the first k chunks cover / labelled characters
//	precision@k  labelled characters covered / characters in the first k chunks
//	iou@k        covered / (labelled + retrieved − covered)
//
// Bigger chunks always raise recall, so it is nothing without precision.
func ScoreSpans(labels SpanLabels, run Run) (*Scores, error) {
	s := &Scores{}
	for _, k := range spanCuts {
		for _, name := range []string{"recall", "precision", "iou"} {
			s.Metrics = append(s.Metrics, fmt.Sprintf("%s@%d", name, k))
		}
	}
	for _, q := range slices.Sorted(maps.Keys(labels)) {
		values, err := measureSpans(labels[q], run[q])
		if err != nil {
			return nil, fmt.Errorf("question %s: %w", q, err)
		}
		s.add(q, run, values)
	}
	return s, s.check()
}

func measureSpans(labels map[string][]Range, answers []Ranked) ([]float64, error) {
	labelled := 0
	for _, ranges := range labels {
		labelled += covered(ranges)
	}
	var values []float64
	got := map[string][]Range{}
	listed, n := 0, 0
	for _, k := range spanCuts {
		for ; n < min(k, len(answers)); n++ {
			doc, r, err := parseChunk(answers[n].ID)
			if err != nil {
				return nil, err
			}
			got[doc] = append(got[doc], r)
			listed += r.End - r.Start
		}
		retrieved, both := 0, 0
		for _, ranges := range got {
			retrieved += covered(ranges)
		}
		for doc, ranges := range labels {
			both += covered(ranges) + covered(got[doc]) - covered(slices.Concat(ranges, got[doc]))
		}
		precision := 0.0
		if listed > 0 {
			precision = float64(both) / float64(listed)
		}
		values = append(values, float64(both)/float64(labelled), precision, float64(both)/float64(labelled+retrieved-both))
	}
	return values, nil
}

// chunkID names a chunk of a document, for ScoreSpans.
func chunkID(document string, r Range) string {
	return fmt.Sprintf("%s@%d-%d", document, r.Start, r.End)
}

func parseChunk(id string) (document string, r Range, err error) {
	if at := strings.LastIndexByte(id, '@'); at >= 0 {
		if start, end, ok := strings.Cut(id[at+1:], "-"); ok {
			if r, ok = parseRange(start, end); ok {
				return id[:at], r, nil
			}
		}
	}
	return "", Range{}, &atocore.InvalidError{Field: "chunk", Reason: fmt.Sprintf("%q is not DOCUMENT@START-END", id)}
}

// covered counts the characters in the union of ranges.
func covered(ranges []Range) int {
	sorted := slices.SortedFunc(slices.Values(ranges), func(a, b Range) int { return a.Start - b.Start })
	total, end := 0, 0
	for _, r := range sorted {
		total += max(0, r.End-max(r.Start, end))
		end = max(end, r.End)
	}
	return total
}
