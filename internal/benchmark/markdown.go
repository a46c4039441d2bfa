package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A section is a table of the report: the figures of these whats, a row for each
// key and a column for each size.
type section struct {
	title string
	whats []string
	cell  func(figure) string
}

var sections = []section{
	{"Stored a second, in batches of 1,000", []string{whatIngest}, func(f figure) string { return grouped(round(f.Median)) }},
	{"One record stored, on the disk; ms, median / p95 (least)", []string{whatRemember}, spread},
	{"A search; ms, median / p95 (least)", []string{kindHybrid, kindText, kindVector}, spread},
	{"A context pack; ms, median / p95 (least)", []string{kindContext}, spread},
	{"Recall@10 of the search by vectors; mean (worst question)", []string{whatRecall, whatRecallExact}, func(f figure) string {
		return fmt.Sprintf("%.4f (%.1f)", f.Median, f.Min)
	}},
	{"A new process, its first answer, and its end; ms, median / p95 (least)", []string{whatCold}, spread},
	{"Memory while searching, in MB", []string{whatResident, whatPeak, whatHeap}, func(f figure) string {
		return grouped(round(f.Median / 1e6))
	}},
	{"On the disk", []string{whatBytes, whatFiles}, func(f figure) string {
		if f.What == whatFiles {
			return grouped(round(f.Median))
		}
		return fmt.Sprintf("%s MB, %s bytes a record", grouped(round(f.Median/1e6)), grouped(round(f.Median/float64(f.Records))))
	}},
}

// names says what the whats are called in the table.
var names = map[string]string{
	kindHybrid: "words and vectors", kindText: "words", kindVector: "vectors", kindContext: "context pack",
	whatIngest: "batches", whatRemember: "one record", whatRecall: "against brute force", whatRecallExact: "hits as with `Exact`",
	whatCold: "first answer", whatResident: "resident", whatPeak: "resident at most", whatHeap: "of that the Go heap",
	whatBytes: "all files", whatFiles: "files",
}

func spread(f figure) string {
	return fmt.Sprintf("%s / %s (%s)", short(f.Median), short(f.P95), short(f.Min))
}

// short writes a number with about three digits.
func short(x float64) string {
	switch {
	case x < 10:
		return strconv.FormatFloat(x, 'f', 2, 64)
	case x < 100:
		return strconv.FormatFloat(x, 'f', 1, 64)
	default:
		return grouped(round(x))
	}
}

func round(x float64) int { return int(x + 0.5) }

// grouped writes a number that is not negative with commas.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}

func (m *machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s, %s, commit %s, %s; load average %s before it began.",
		m.CPU, m.Cores, m.OS, m.Go, m.Commit, m.Date.Format("2 January 2006"), m.Load)
}

// markdown is the report.
func (r *result) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d questions of each search, %d for recall; %d processes; %d single records.\n",
		&r.Machine, r.Method.Questions, r.Method.Recall, r.Method.Processes, r.Method.Writes)
	if load, err := strconv.ParseFloat(r.Machine.Load, 64); err == nil && load >= 1 {
		b.WriteString("The machine had other work to do meanwhile: times are longer than its own, and differ by chance.\n")
	}
	for _, s := range sections {
		r.section(&b, &s)
	}
	b.WriteString("\n### Goals\n\n| what | goal | measured | |\n|---|---|---|---|\n")
	for _, row := range r.bars() {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "\n%s\n", n)
	}
	return b.String()
}

func (r *result) section(b *strings.Builder, s *section) {
	var rows []key // without the size
	for _, f := range r.Figures {
		k := f.key
		k.Records = 0
		if slices.Contains(s.whats, k.What) && !slices.Contains(rows, k) {
			rows = append(rows, k)
		}
	}
	if len(rows) == 0 {
		return
	}
	slices.SortStableFunc(rows, func(x, y key) int { return slices.Index(s.whats, x.What) - slices.Index(s.whats, y.What) })
	filtered := slices.ContainsFunc(rows, func(k key) bool { return k.Filter != "" })
	head, line := "| what | store |", "|---|---|"
	if filtered {
		head, line = head+" filter |", line+"---|"
	}
	for _, n := range r.Method.Sizes {
		head, line = head+" "+grouped(n)+" |", line+"---|"
	}
	fmt.Fprintf(b, "\n### %s\n\n%s\n%s\n", s.title, head, line)
	for _, k := range rows {
		fmt.Fprintf(b, "| %s | %s |", names[k.What], k.storeName())
		if filtered {
			fmt.Fprintf(b, " %s |", k.Filter)
		}
		for _, n := range r.Method.Sizes {
			k.Records = n
			cell := ""
			if f, ok := r.find(k); ok {
				cell = s.cell(f)
				if f.isSearch() && f.N < r.Method.Questions {
					cell += fmt.Sprintf(", of %d", f.N) // for want of time
				}
			}
			fmt.Fprintf(b, " %s |", cell)
		}
		b.WriteString("\n")
	}
}

func (f *figure) isSearch() bool {
	return slices.Contains([]string{kindHybrid, kindText, kindVector, kindContext}, f.What)
}

// storeName is how the table names the store of a key.
func (k *key) storeName() string {
	name := k.Store
	if name != storeDefault {
		name += " dimensions"
	}
	if k.Engine != engineAtocore {
		name = k.Engine + ", " + name
	}
	return name
}
