package cli

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/atocore/atocore/adapters/evaluation"
)

// evalNotes says what makes the figures lower than the search is.
func (s *session) evalNotes(r *evaluation.Report) {
	const most = 3
	for i, d := range r.Refused {
		if i == most {
			s.note("%d more documents were left out; --json lists them", len(r.Refused)-most)
			break
		}
		s.note("left out document %s: %s", d.ID, d.Reason)
	}
	if r.Unknown > 0 {
		s.note("documents that the labels name and that are not there: %d", r.Unknown)
	}
	for _, n := range r.Notes {
		s.note("%s", n)
	}
}

// An evalDoc is what the command prints.
type evalDoc struct {
	report      *evaluation.Report
	set         *evaluation.Set
	samples     int
	compared    *evaluation.Result
	with        string // the earlier run's file
	differences []evaluation.Difference
}

func (d *evalDoc) compare(earlier *evaluation.Scores, name string) (err error) {
	d.compared, d.with = &d.report.Results[0], name // hybrid comes first
	d.differences, err = evaluation.Compare(earlier, d.compared.Scores, d.samples)
	return err
}

// json has an object for each mode, and beside them "set" and, with --compare,
// "compare".
func (d *evalDoc) json() any {
	refused := d.report.Refused
	if refused == nil {
		refused = []evaluation.Refusal{}
	}
	doc := map[string]any{"set": map[string]any{
		"documents": d.report.Documents, "questions": d.report.Questions, "refused": refused,
		"unknown": d.report.Unknown, "notes": append([]string{}, d.report.Notes...),
	}}
	for _, r := range d.report.Results {
		mode := summaryDoc(r.Scores.Summary(d.samples))
		mode["missing"] = r.Scores.Missing
		categories := map[string]any{}
		for name, s := range r.Scores.Categories(d.set.Questions, d.samples) {
			categories[name] = summaryDoc(s)
		}
		mode["categories"] = categories
		doc[string(r.Mode)] = mode
	}
	if d.compared != nil {
		compare := map[string]any{"mode": d.compared.Mode, "run": d.with}
		for _, diff := range d.differences {
			one := map[string]any{"difference": rounded(diff.Mean), "better": diff.Better, "worse": diff.Worse}
			if d.samples > 0 {
				one["ci"], one["share"] = [2]float64{rounded(diff.Low), rounded(diff.High)}, rounded(diff.Share)
			}
			compare[diff.Metric] = one
		}
		doc["compare"] = compare
	}
	return doc
}

func summaryDoc(s evaluation.Summary) map[string]any {
	doc, ci := map[string]any{"questions": s.Questions}, map[string]any{}
	for metric, e := range s.Estimates {
		doc[metric] = rounded(e.Mean)
		ci[metric] = [2]float64{rounded(e.Low), rounded(e.High)}
	}
	if s.Samples > 0 {
		doc["ci"] = ci
	}
	return doc
}

// rounded keeps six decimals, more than any set has to say.
func rounded(x float64) float64 { return math.Round(x*1e6) / 1e6 }

func (d *evalDoc) print(s *session) {
	s.out.line("%d documents, %d questions", d.report.Documents, d.report.Questions)
	s.out.line("")
	width := 8
	if d.samples > 0 {
		width = 22 // "0.1234 [0.1234, 0.1234]" less one
	}
	head := fmt.Sprintf("%-13s", "")
	var sums []evaluation.Summary
	for _, r := range d.report.Results {
		head += fmt.Sprintf("  %-*s", width+1, r.Mode)
		sums = append(sums, r.Scores.Summary(d.samples))
	}
	s.out.line("%s", head)
	for _, metric := range sums[0].Metrics {
		line := fmt.Sprintf("%-13s", metricName(metric))
		for _, sum := range sums {
			line += fmt.Sprintf("  %-*s", width+1, estimate(sum.Estimates[metric], d.samples))
		}
		s.out.line("%s", line)
	}
	d.printCategories(s)
	if d.compared != nil {
		s.out.line("")
		s.out.line("%s minus %s", d.compared.Mode, d.with)
		for _, diff := range d.differences {
			line := fmt.Sprintf("%-13s  %+.4f", metricName(diff.Metric), diff.Mean)
			if d.samples > 0 {
				line += fmt.Sprintf(" [%+.4f, %+.4f], above 0 in %.0f %% of the samples", diff.Low, diff.High, 100*diff.Share)
			}
			s.out.line("%s; better %d, worse %d", line, diff.Better, diff.Worse)
		}
	}
}

// printCategories prints the first figure of each category, where there are
// categories.
func (d *evalDoc) printCategories(s *session) {
	if !slices.ContainsFunc(d.set.Questions, func(q evaluation.Question) bool { return q.Category != "" }) {
		return
	}
	metric := d.report.Results[0].Scores.Metrics[0]
	var sums []map[string]evaluation.Summary
	head := fmt.Sprintf("%-30s  %9s", metricName(metric)+" by category", "questions")
	for _, r := range d.report.Results {
		sums = append(sums, r.Scores.Categories(d.set.Questions, 0))
		head += fmt.Sprintf("  %8s", r.Mode)
	}
	s.out.line("")
	s.out.line("%s", head)
	for _, category := range slices.Sorted(maps.Keys(sums[0])) {
		line := fmt.Sprintf("%-30s  %9d", category, sums[0][category].Questions)
		for _, sum := range sums {
			line += fmt.Sprintf("  %8.4f", sum[category].Estimates[metric].Mean)
		}
		s.out.line("%s", line)
	}
}

func estimate(e evaluation.Estimate, samples int) string {
	if samples == 0 {
		return fmt.Sprintf("%.4f", e.Mean)
	}
	return fmt.Sprintf("%.4f [%.4f, %.4f]", e.Mean, e.Low, e.High)
}

// metricName is a figure's name as papers write it.
func metricName(metric string) string {
	name, rank, _ := strings.Cut(metric, "@")
	switch name {
	case "ndcg":
		name = "nDCG"
	case "mrr", "iou":
		name = strings.ToUpper(name)
	default:
		name = strings.ToUpper(name[:1]) + name[1:]
	}
	return name + "@" + rank
}
