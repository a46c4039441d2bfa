package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/evaluation"
)

// baselines are the best that SQLite's FTS5 reaches on development sets by
// itself: bm25() with its constants, the best of five tokenizers, the query an
// OR of the question's words. What mixes in anything else should not fall below.
var baselines = map[string]struct{ ndcg, recall float64 }{
	"locomo":             {0.463, 0.604},
	"locomo-adversarial": {0.549, 0.753},
	"beam":               {0.322, 0.437},
	"scifact":            {0.701, 0.810},
	"cranfield":          {0.515, 0.445},
	"claude-docs":        {0.793, 0.887},
	"md-hugo":            {0.486, 0.650},
	"md-astro-zh":        {0.792, 0.942},
}

const (
	text   = string(atocore.TextOnly)
	vector = string(atocore.VectorOnly)
	hybrid = string(atocore.Hybrid)
)

// tables are the tables of docs/evaluation.md, in Markdown.
func tables(all []measurement) string {
	var b strings.Builder
	var documents, spans []measurement
	for _, m := range all {
		if m.unit == evaluation.Spans {
			spans = append(spans, m)
		} else {
			documents = append(documents, m)
		}
	}
	if len(documents) > 0 {
		ndcgTable(&b, documents)
		recallTable(&b, documents)
		misspeltTable(&b, documents)
	}
	if len(spans) > 0 {
		spanTable(&b, spans)
	}
	return b.String()
}

func (m *measurement) estimate(column, metric string) evaluation.Estimate {
	return m.scores[column].Summary(evaluation.Samples).Estimates[metric]
}

// title is the set's name, and what is scored where that is not documents.
func (m *measurement) title() string {
	if m.unit == evaluation.Sessions {
		return m.name + " (sessions)"
	}
	return m.name
}

func ndcgTable(b *strings.Builder, sets []measurement) {
	b.WriteString("nDCG@10, with the interval of 95 %:\n\n")
	b.WriteString("| set | documents | questions | text | vector | hybrid | hybrid − better side | plain FTS5 | hybrid − plain FTS5 |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, m := range sets {
		t, v, h := m.estimate(text, evaluation.NDCG10), m.estimate(vector, evaluation.NDCG10), m.estimate(hybrid, evaluation.NDCG10)
		plain, gain := "", ""
		if base, ok := baselines[m.name]; ok {
			plain, gain = fmt.Sprintf("%.3f", base.ndcg), signed(h.Mean-base.ndcg)
		}
		fmt.Fprintf(b, "| %s | %d | %d | %s | %s | %s | %s | %s | %s |\n", m.title(), m.documents, m.questions,
			withInterval(t), withInterval(v), withInterval(h), m.againstBetter(t, v), plain, gain)
	}
}

// againstBetter is hybrid less the better of its two sides, with the paired
// interval.
func (m *measurement) againstBetter(t, v evaluation.Estimate) string {
	better := text
	if v.Mean > t.Mean {
		better = vector
	}
	differences, err := evaluation.Compare(m.scores[better], m.scores[hybrid], evaluation.Samples)
	if err != nil {
		return err.Error()
	}
	for _, d := range differences {
		if d.Metric == evaluation.NDCG10 {
			return fmt.Sprintf("%s [%s, %s]", signed(d.Mean), signed(d.Low), signed(d.High))
		}
	}
	return ""
}

func recallTable(b *strings.Builder, sets []measurement) {
	b.WriteString("\nRecall@10:\n\n| set | text | vector | hybrid | hybrid − better side | plain FTS5 | hybrid − plain FTS5 |\n|---|---|---|---|---|---|---|\n")
	for _, m := range sets {
		t, v, h := m.estimate(text, evaluation.Recall10).Mean, m.estimate(vector, evaluation.Recall10).Mean, m.estimate(hybrid, evaluation.Recall10).Mean
		plain, gain := "", ""
		if base, ok := baselines[m.name]; ok {
			plain, gain = fmt.Sprintf("%.3f", base.recall), signed(h-base.recall)
		}
		fmt.Fprintf(b, "| %s | %.3f | %.3f | %.3f | %s | %s | %s |\n", m.title(), t, v, h, signed(h-max(t, v)), plain, gain)
	}
}

func misspeltTable(b *strings.Builder, sets []measurement) {
	b.WriteString("\nThe same questions, misspelt:\n\n| set | nDCG@10 text | nDCG@10 hybrid | hybrid − text | Recall@10 text | Recall@10 hybrid |\n|---|---|---|---|---|---|\n")
	for _, m := range sets {
		t, h := m.estimate(misspelt+text, evaluation.NDCG10), m.estimate(misspelt+hybrid, evaluation.NDCG10)
		fmt.Fprintf(b, "| %s | %s | %s | %s | %.3f | %.3f |\n", m.title(), withInterval(t), withInterval(h), signed(h.Mean-t.Mean),
			m.estimate(misspelt+text, evaluation.Recall10).Mean, m.estimate(misspelt+hybrid, evaluation.Recall10).Mean)
	}
}

func spanTable(b *strings.Builder, sets []measurement) {
	b.WriteString("\nLabelled characters that the found chunks cover:\n\n| set | documents | questions | mode | Recall@1 | Recall@5 | Recall@10 | Precision@5 |\n|---|---|---|---|---|---|---|---|\n")
	for _, m := range sets {
		for _, mode := range []string{text, vector, hybrid} {
			fmt.Fprintf(b, "| %s | %d | %d | %s | %.3f | %s | %.3f | %.3f |\n", m.name, m.documents, m.questions, mode,
				m.estimate(mode, "recall@1").Mean, withInterval(m.estimate(mode, "recall@5")), m.estimate(mode, "recall@10").Mean, m.estimate(mode, "precision@5").Mean)
		}
	}
}

func withInterval(e evaluation.Estimate) string {
	return fmt.Sprintf("%.3f [%.3f, %.3f]", e.Mean, e.Low, e.High)
}

// signed shows a loss as plainly as a gain.
func signed(x float64) string {
	s := fmt.Sprintf("%+.3f", x)
	if s == "-0.000" || s == "+0.000" {
		return "0.000"
	}
	return strings.Replace(s, "-", "−", 1)
}

// What stands between the marks of a page is renewed.
const (
	markBegin = "<!-- tables: make eval -->\n"
	markEnd   = "<!-- end of tables -->\n"
)

func renew(page, tables string) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	renewed, err := between(string(old), tables)
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return os.WriteFile(page, []byte(renewed), 0o644)
}

// between puts the tables in the place of what is between the marks.
func between(page, tables string) (string, error) {
	head, rest, begun := strings.Cut(page, markBegin)
	_, tail, ended := strings.Cut(rest, markEnd)
	if !begun || !ended {
		return "", fmt.Errorf("has no lines %q and %q", strings.TrimSpace(markBegin), strings.TrimSpace(markEnd))
	}
	return head + markBegin + "\n" + tables + "\n" + markEnd + tail, nil
}
