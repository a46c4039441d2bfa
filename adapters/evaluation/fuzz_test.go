package evaluation_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/evaluation"
)

// FuzzFiles reads anything as each of the files. What is refused is refused as
// invalid input; what is taken keeps its promises.
func FuzzFiles(f *testing.F) {
	f.Add([]byte(`{"id":"a","text":"x","time":"2025-03-04"}`))
	f.Add([]byte("q\td\t1\nq\td\t3\t9\n"))
	f.Add([]byte("q Q0 d 1 0.5 t\nq Q0 d 2 +Inf t\n"))
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		refused := func(err error) bool {
			if err != nil && !errors.Is(err, atocore.ErrInvalid) {
				t.Errorf("%v is no invalid input", err)
			}
			return err != nil
		}
		if documents, err := evaluation.CorpusFrom(bytes.NewReader(data)); !refused(err) {
			seen := map[string]bool{}
			for _, d := range documents {
				if d.ID == "" || seen[d.ID] {
					t.Errorf("ID %q is empty or there twice", d.ID)
				}
				seen[d.ID] = true
			}
		}
		if questions, err := evaluation.QuestionsFrom(bytes.NewReader(data)); !refused(err) {
			for _, q := range questions {
				if strings.TrimSpace(q.Text) == "" {
					t.Errorf("question %q is empty", q.ID)
				}
			}
		}
		labels, err := evaluation.LabelsFrom(bytes.NewReader(data))
		if !refused(err) {
			scoreIdeal(t, labels)
		}
		if spans, err := evaluation.SpansFrom(bytes.NewReader(data)); !refused(err) && len(spans) > 0 {
			run := evaluation.Run{}
			for q := range spans {
				run[q] = nil
			}
			scores, err := evaluation.ScoreSpans(spans, run)
			if err != nil {
				t.Fatal(err)
			}
			inRange(t, scores)
		}
		run, err := evaluation.RunFrom(bytes.NewReader(data))
		if refused(err) {
			return
		}
		var b strings.Builder
		if err := run.Write(&b, "fuzz"); err != nil {
			t.Fatal(err)
		}
		again, err := evaluation.RunFrom(strings.NewReader(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(run, again); diff != "" {
			t.Errorf("(-read +written and read):\n%s", diff)
		}
	})
}

// scoreIdeal scores the best run that the labels allow, which has nDCG 1.
func scoreIdeal(t *testing.T, labels evaluation.Labels) {
	t.Helper()
	run := evaluation.Run{}
	relevant := false
	for q, grades := range labels {
		run[q] = nil
		for d, g := range grades {
			if g <= 0 {
				continue
			}
			relevant = true
			i := 0
			for i < len(run[q]) && grades[run[q][i].ID] >= g {
				i++
			}
			run[q] = append(run[q][:i:i], append([]evaluation.Ranked{{ID: d}}, run[q][i:]...)...)
		}
	}
	if !relevant {
		return
	}
	scores, err := evaluation.Score(labels, run)
	if err != nil {
		t.Fatal(err)
	}
	inRange(t, scores)
	if e := scores.Summary(0).Estimates[evaluation.NDCG10]; e.Mean < 1-1e-9 {
		t.Errorf("the ideal run has nDCG@10 %v", e.Mean)
	}
}

func inRange(t *testing.T, s *evaluation.Scores) {
	t.Helper()
	for i, row := range s.Values {
		for j, v := range row {
			if !(v >= 0 && v <= 1+1e-9) {
				t.Errorf("question %s: %s is %v", s.Questions[i], s.Metrics[j], v)
			}
		}
	}
}
