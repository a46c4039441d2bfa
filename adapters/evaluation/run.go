package evaluation

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A Run is what a system answered: by question, documents (or chunks, or
// sessions), best first, each once.
type Run map[string][]Ranked

// A Ranked is one answer.
type Ranked struct {
	ID    string
	Score float64 // comparable within one question's answers only
}

// ReadRun reads a run in TREC's format: question, Q0, document, rank, score and
// a name for the run, with white space between. Answers are taken by score, at
// equal scores by rank; one that is listed twice counts at its better place.
func ReadRun(name string) (Run, error) {
	rows := map[string][]runRow{}
	if err := readFile(name, runLine(name, rows)); err != nil {
		return nil, err
	}
	return newRun(rows), nil
}

type runRow struct {
	Ranked
	rank int
}

func runLine(name string, rows map[string][]runRow) func(int, string) error {
	return func(n int, text string) error {
		columns := strings.Fields(text)
		if len(columns) != 6 {
			return &FileError{File: name, Line: n, Reason: fmt.Sprintf("has %d columns, not question, Q0, document, rank, score and name", len(columns))}
		}
		rank, err := strconv.Atoi(columns[3])
		if err != nil {
			return &FileError{File: name, Line: n, Field: "rank", Reason: fmt.Sprintf("%q is no whole number", columns[3])}
		}
		score, err := strconv.ParseFloat(columns[4], 64)
		if err != nil || math.IsNaN(score) {
			return &FileError{File: name, Line: n, Field: "score", Reason: fmt.Sprintf("%q is no number", columns[4])}
		}
		rows[columns[0]] = append(rows[columns[0]], runRow{Ranked{columns[2], score}, rank})
		return nil
	}
}

func newRun(rows map[string][]runRow) Run {
	run := make(Run, len(rows))
	for q, list := range rows {
		slices.SortStableFunc(list, func(a, b runRow) int {
			return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.rank, b.rank))
		})
		var answers []Ranked
		for _, r := range list {
			answers = append(answers, r.Ranked)
		}
		run[q] = once(answers)
	}
	return run
}

// once keeps the first of each ID.
func once(answers []Ranked) []Ranked {
	seen := make(map[string]bool, len(answers))
	return slices.DeleteFunc(answers, func(a Ranked) bool {
		twice := seen[a.ID]
		seen[a.ID] = true
		return twice
	})
}

// Write writes the run in TREC's format, as ReadRun reads it, under a name for
// the system that made it. IDs that are empty or have white space in them have
// no place in that format and are an error.
func (r Run) Write(w io.Writer, name string) error {
	b := bufio.NewWriter(w)
	for _, q := range slices.Sorted(maps.Keys(r)) {
		for i, a := range r[q] {
			for _, word := range []string{q, a.ID, name} {
				if word == "" || strings.IndexFunc(word, unicode.IsSpace) >= 0 {
					return fmt.Errorf("write run: %q is empty or has white space in it, which the format cannot hold", word)
				}
			}
			if _, err := fmt.Fprintf(b, "%s Q0 %s %d %s %s\n", q, a.ID, i+1, strconv.FormatFloat(a.Score, 'g', -1, 64), name); err != nil {
				return fmt.Errorf("write run: %w", err)
			}
		}
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write run: %w", err)
	}
	return nil
}

// Sessions is the run of the documents' sessions, each at the place of its best
// document.
func (r Run) Sessions() Run {
	out := make(Run, len(r))
	for q, answers := range r {
		list := make([]Ranked, len(answers))
		for i, a := range answers {
			list[i] = Ranked{session(a.ID), a.Score}
		}
		out[q] = once(list)
	}
	return out
}
