package main

import (
	"fmt"
)

// A bar is a goal that a figure is held against. The goals are for two cores that
// do nothing else.
type bar struct {
	what  string
	key   key
	limit string // as the table shows it
	holds func(f figure) bool
	show  func(f figure) string
}

func at(records int, store, what, filter string) key {
	return key{Engine: engineAtocore, Store: store, What: what, Filter: filter, Records: records}
}

func below(what string, k key, median, p95 float64) bar {
	b := bar{
		what: what, key: k, limit: fmt.Sprintf("≤ %g ms", median),
		holds: func(f figure) bool { return f.Median <= median },
		show:  func(f figure) string { return short(f.Median) + " ms" },
	}
	if p95 > 0 {
		b.limit += fmt.Sprintf(", p95 ≤ %g ms", p95)
		b.holds = func(f figure) bool { return f.Median <= median && f.P95 <= p95 }
		b.show = func(f figure) string { return fmt.Sprintf("%s ms, p95 %s ms", short(f.Median), short(f.P95)) }
	}
	return b
}

func atLeast(what string, k key, least float64, form string) bar {
	return bar{
		what: what, key: k, limit: "≥ " + fmt.Sprintf(form, least),
		holds: func(f figure) bool { return f.Median >= least },
		show:  func(f figure) string { return fmt.Sprintf(form, f.Median) },
	}
}

const residentBar = 250e6

var bars = []bar{
	below("search by vectors, 100,000 × 384", at(100_000, "384", kindVector, "none"), 3, 5),
	atLeast("its recall@10", at(100_000, "384", whatRecall, "none"), 0.99, "%.4g"),
	below("search by vectors, 1,000,000 × 384", at(1_000_000, "384", kindVector, "none"), 15, 0),
	atLeast("its recall@10", at(1_000_000, "384", whatRecall, "none"), 0.985, "%.4g"),
	below("search by words and vectors, 100,000 texts", at(100_000, storeDefault, kindHybrid, "none"), 12, 30),
	below("search by words and vectors, 1,000,000 texts", at(1_000_000, storeDefault, kindHybrid, "none"), 80, 0),
	below("one record stored durably, 100,000 texts", at(100_000, storeDefault, whatRemember, ""), 1, 0),
	atLeast("stored in batches, 100,000 texts, default embedder", at(100_000, storeDefault, whatIngest, ""), 5_000, "%.0f a second"),
	below("new process to its first answer by words and vectors, 100,000 texts", at(100_000, storeDefault, whatCold, ""), 150, 0),
}

// filterSlack is what the medians of two equal searches may differ by.
const filterSlack = 1.05

// bars holds the figures against the bars.
func (r *result) bars() [][]string {
	var rows [][]string
	add := func(what, limit string, measured bool, value string, holds bool) {
		verdict := "missed"
		switch {
		case !measured:
			value, verdict = "not in this run", ""
		case holds:
			verdict = "reached"
		}
		rows = append(rows, []string{what, limit, value, verdict})
	}
	for _, b := range bars {
		if f, ok := r.find(b.key); ok {
			add(b.what, b.limit, true, b.show(f), b.holds(f))
		} else {
			add(b.what, b.limit, false, "", false)
		}
	}
	worst, ok := r.worstFilter(at(100_000, "384", kindVector, "none"))
	add("search by vectors, 100,000 × 384: the slowest filter as a share of none", fmt.Sprintf("≤ %g", filterSlack), ok, fmt.Sprintf("%.2f", worst), worst <= filterSlack)
	var most figure
	for _, store := range []string{storeDefault, "384"} {
		if f, ok := r.find(at(100_000, store, whatResident, "")); ok && f.Median > most.Median {
			most = f
		}
	}
	add("resident while searching, 100,000 records, the larger of both stores", fmt.Sprintf("≤ %g MB", residentBar/1e6), most.N > 0, fmt.Sprintf("%.0f MB", most.Median/1e6), most.Median <= residentBar)
	return rows
}

// worstFilter is the slowest median of a search with a filter as a share of that
// without.
func (r *result) worstFilter(k key) (worst float64, ok bool) {
	none, ok := r.find(k)
	if !ok {
		return 0, false
	}
	for _, f := range filters {
		k.Filter = f.name
		if fig, found := r.find(k); found && f.name != "none" {
			worst = max(worst, fig.Median/none.Median)
		}
	}
	return worst, worst > 0
}
