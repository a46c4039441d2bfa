package evaluation_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/evaluation"
)

var small = filepath.Join("testdata", "harbour")

// golden.json has what another program, which has the same definitions, says of
// the runs in testdata: the means to six decimals, and intervals of 20,000
// samples that another random generator drew.
type golden struct {
	First          goldenRun `json:"first"`
	FirstSessions  goldenRun `json:"first sessions"`
	Second         goldenRun `json:"second"`
	SecondSessions goldenRun `json:"second sessions"`
	Spans          goldenRun `json:"spans"`
	Difference     map[string]struct {
		Difference    float64
		CI            [2]float64
		Better, Worse int
	} `json:"second minus first"`
	Intervals map[string][2]float64 `json:"first intervals"`
}

// A goldenRun has the figures by category, "all" being all questions.
type goldenRun map[string]map[string]float64

func readGolden(t *testing.T) golden {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(small, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func readSmall(t *testing.T, unit evaluation.Unit) *evaluation.Set {
	t.Helper()
	labels := "qrels.tsv"
	if unit == evaluation.Spans {
		labels = "spans.tsv"
	}
	file := func(name string) string { return filepath.Join(small, name) }
	set := &evaluation.Set{Unit: unit}
	var err error
	if unit == evaluation.Spans { // its questions are in no file
		set.Spans, err = evaluation.ReadSpans(file(labels))
	} else {
		set, err = evaluation.ReadSet(file("corpus.jsonl"), file("queries.jsonl"), file(labels), unit)
	}
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func scoreFile(t *testing.T, set *evaluation.Set, run string) *evaluation.Scores {
	t.Helper()
	r, err := evaluation.ReadRun(filepath.Join(small, run))
	if err != nil {
		t.Fatal(err)
	}
	s, err := set.Score(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScoresAgree(t *testing.T) {
	g := readGolden(t)
	for _, test := range []struct {
		name, run string
		unit      evaluation.Unit
		want      goldenRun
	}{
		{"first", "first.run", evaluation.Documents, g.First},
		{"second", "second.run", evaluation.Documents, g.Second},
		{"first by session", "first.run", evaluation.Sessions, g.FirstSessions},
		{"second by session", "second.run", evaluation.Sessions, g.SecondSessions},
		{"spans", "spans.run", evaluation.Spans, g.Spans},
	} {
		t.Run(test.name, func(t *testing.T) {
			if len(test.want) == 0 {
				t.Fatal("golden.json has nothing to compare with")
			}
			set := readSmall(t, test.unit)
			scores := scoreFile(t, set, test.run)
			got := scores.Categories(set.Questions, 0)
			got["all"] = scores.Summary(0)
			for category, want := range test.want {
				sum := got[category]
				if sum.Questions != int(want["queries"]) {
					t.Errorf("%s: %d questions, want %v", category, sum.Questions, want["queries"])
				}
				if len(sum.Metrics) != len(want)-1 {
					t.Errorf("%s: %d figures, want %d", category, len(sum.Metrics), len(want)-1)
				}
				for metric, mean := range want {
					if metric == "queries" {
						continue
					}
					e, ok := sum.Estimates[strings.ToLower(metric)]
					if !ok || math.Abs(e.Mean-mean) > 1e-6 {
						t.Errorf("%s: %s is %v (there: %v), want %v", category, metric, e.Mean, ok, mean)
					}
				}
			}
			if len(got) != len(test.want) {
				t.Errorf("%d categories, want %d", len(got), len(test.want))
			}
		})
	}
}

func TestCompareAgrees(t *testing.T) {
	g := readGolden(t)
	set := readSmall(t, evaluation.Documents)
	first, second := scoreFile(t, set, "first.run"), scoreFile(t, set, "second.run")
	differences, err := evaluation.Compare(first, second, 20_000)
	if err != nil {
		t.Fatal(err)
	}
	if len(differences) != len(g.Difference) {
		t.Fatalf("%d figures, want %d", len(differences), len(g.Difference))
	}
	for metric, want := range g.Difference {
		i := slices.IndexFunc(differences, func(d evaluation.Difference) bool { return d.Metric == strings.ToLower(metric) })
		got := differences[i]
		if math.Abs(got.Mean-want.Difference) > 5.1e-5 || got.Better != want.Better || got.Worse != want.Worse {
			t.Errorf("%s: %+v, want %+v", metric, got, want)
		}
		near(t, metric, got.Estimate, want.CI)
		if got.Share <= 0 || got.Share > 1 {
			t.Errorf("%s: the second run is better in a share of %v", metric, got.Share)
		}
	}
	opposite, err := evaluation.Compare(second, first, 20_000)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range opposite {
		if d.Mean != -differences[i].Mean || d.Better != differences[i].Worse || d.Share+differences[i].Share > 1 {
			t.Errorf("%s: %+v the other way round is %+v", d.Metric, differences[i], d)
		}
	}
	sessions := scoreFile(t, readSmall(t, evaluation.Spans), "spans.run")
	if _, err := evaluation.Compare(first, sessions, 10); err == nil {
		t.Error("scores of other labels were compared")
	}
}

func TestIntervals(t *testing.T) {
	g := readGolden(t)
	scores := scoreFile(t, readSmall(t, evaluation.Documents), "first.run")
	sum := scores.Summary(20_000)
	if len(g.Intervals) != len(sum.Metrics) {
		t.Fatalf("%d intervals, want %d", len(sum.Metrics), len(g.Intervals))
	}
	for metric, want := range g.Intervals {
		near(t, metric, sum.Estimates[strings.ToLower(metric)], want)
	}
	if diff := cmp.Diff(sum, scores.Summary(20_000)); diff != "" {
		t.Errorf("twice, the intervals differ:\n%s", diff)
	}
	if e := scores.Summary(0).Estimates[evaluation.NDCG10]; e.Low != 0 || e.High != 0 || e.Mean == 0 {
		t.Errorf("without samples: %+v", e)
	}
}

// near holds an interval to one that other random numbers gave. With seven
// questions a mean has few values, so an end may be at the next one.
func near(t *testing.T, metric string, got evaluation.Estimate, want [2]float64) {
	t.Helper()
	if math.Abs(got.Low-want[0]) > 0.03 || math.Abs(got.High-want[1]) > 0.03 {
		t.Errorf("%s: interval [%v, %v], want about %v", metric, got.Low, got.High, want)
	}
}

// TestFiguresByHand does not take another program's word for the definitions.
func TestFiguresByHand(t *testing.T) {
	log := math.Log2
	ranked := func(ids ...string) []evaluation.Ranked {
		var out []evaluation.Ranked
		for _, id := range ids {
			out = append(out, evaluation.Ranked{ID: id})
		}
		return out
	}
	var many []string
	for range 11 {
		many = append(many, "no")
	}
	tests := []struct {
		name   string
		grades map[string]int
		run    []evaluation.Ranked
		want   []float64
	}{
		{
			"graded", map[string]int{"a": 3, "b": 1, "c": 0, "d": -2}, ranked("c", "b", "d", "a"),
			[]float64{(1/log(3) + 3/log(5)) / (3 + 1/log(3)), 1, 1, 1, 0, 1, 1, 0.5},
		},
		{"past rank 10", map[string]int{"a": 1, "b": 1}, ranked(append(many, "a")...), []float64{0, 0, 0, 0.5, 0, 0, 0, 0}},
		{"perfect", map[string]int{"a": 1}, ranked("a"), []float64{1, 1, 1, 1, 1, 1, 1, 1}},
		{"nothing found", map[string]int{"a": 1}, nil, []float64{0, 0, 0, 0, 0, 0, 0, 0}},
	}
	for _, test := range tests {
		scores, err := evaluation.Score(evaluation.Labels{"q": test.grades}, evaluation.Run{"q": test.run})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range test.want {
			if got := scores.Values[0][i]; math.Abs(got-want) > 1e-12 {
				t.Errorf("%s: %s is %v, want %v", test.name, scores.Metrics[i], got, want)
			}
		}
	}
}

func TestScoreRefuses(t *testing.T) {
	labels := evaluation.Labels{"q1": {"a": 1}, "q2": {"b": 1}, "q3": {"c": 0}}
	if _, err := evaluation.Score(labels, evaluation.Run{"q3": {{ID: "c"}}}); !errors.Is(err, evaluation.ErrNothingInCommon) {
		t.Errorf("a run of other questions: %v", err)
	}
	scores, err := evaluation.Score(labels, evaluation.Run{"q1": {{ID: "a"}}})
	if err != nil || scores.Missing != 1 || len(scores.Questions) != 2 {
		t.Errorf("one of two questions left out: %+v, %v", scores, err)
	}
	for _, id := range []string{"a", "a@1", "a@1-", "a@-5", "a@5-5", "a@x-9", "@"} {
		_, err := evaluation.ScoreSpans(evaluation.SpanLabels{"q": {"a": {{0, 9}}}}, evaluation.Run{"q": {{ID: id}}})
		if !errors.Is(err, atocore.ErrInvalid) {
			t.Errorf("chunk %q: %v", id, err)
		}
	}
}
