package evaluation

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/atocore/atocore"
)

// Labels are the grades of documents, by question. A grade above 0 is relevant,
// the higher the more; 0 was judged and is not.
type Labels map[string]map[string]int

// ReadLabels reads labels: question, document and grade a line, with tabs
// between. TREC's four columns (question, iteration, document, grade), white
// space instead of tabs, and BEIR's line of headings are read too. Of two
// grades for one document the higher counts. No question with a relevant
// document is an error.
func ReadLabels(name string) (Labels, error) {
	out := Labels{}
	if err := readFile(name, labelLine(name, out)); err != nil {
		return nil, err
	}
	for q := range out {
		if out.relevant(q) > 0 {
			return out, nil
		}
	}
	return nil, &FileError{File: name, Reason: "has no question with a document of a grade above 0"}
}

func labelLine(name string, out Labels) func(int, string) error {
	return func(n int, text string) error {
		columns := columns(text)
		if n == 1 && (columns[0] == "query-id" || columns[0] == "qid") {
			return nil
		}
		if len(columns) == 4 {
			columns = []string{columns[0], columns[2], columns[3]}
		}
		if len(columns) != 3 {
			return &FileError{File: name, Line: n, Reason: fmt.Sprintf("has %d columns, not question, document and grade", len(columns))}
		}
		grade, err := strconv.Atoi(strings.TrimSpace(columns[2]))
		if err != nil {
			return &FileError{File: name, Line: n, Field: "grade", Reason: fmt.Sprintf("%q is no whole number", columns[2])}
		}
		question, document := columns[0], columns[1]
		if out[question] == nil {
			out[question] = map[string]int{}
		}
		out[question][document] = max(grade, out[question][document])
		return nil
	}
}

// columns splits a line at its tabs, or at white space where there is no tab.
func columns(text string) []string {
	if strings.Contains(text, "\t") {
		return strings.Split(text, "\t")
	}
	return strings.Fields(text)
}

// relevant counts the relevant documents of a question.
func (l Labels) relevant(question string) int {
	n := 0
	for _, grade := range l[question] {
		if grade > 0 {
			n++
		}
	}
	return n
}

// Sessions are the labels of the documents' sessions: a session has the
// highest grade of its documents.
func (l Labels) Sessions() Labels {
	out := make(Labels, len(l))
	for q, grades := range l {
		out[q] = map[string]int{}
		for d, g := range grades {
			out[q][session(d)] = max(g, out[q][session(d)])
		}
	}
	return out
}

// session is a document's session: its ID up to the last colon.
func session(id string) string {
	if i := strings.LastIndexByte(id, ':'); i >= 0 {
		return id[:i]
	}
	return id
}

// A Range is a half-open range of characters, which are Unicode code points.
type Range struct{ Start, End int }

// SpanLabels is which ranges of which documents answer a question: by
// question and document.
type SpanLabels map[string]map[string][]Range

// ReadSpans reads labelled ranges: question, document, start and end a line,
// with tabs between.
func ReadSpans(name string) (SpanLabels, error) {
	out := SpanLabels{}
	if err := readFile(name, spanLine(name, out)); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, &FileError{File: name, Reason: "labels nothing"}
	}
	return out, nil
}

func spanLine(name string, out SpanLabels) func(int, string) error {
	return func(n int, text string) error {
		columns := strings.Split(text, "\t")
		if len(columns) != 4 {
			return &FileError{File: name, Line: n, Reason: fmt.Sprintf("has %d columns, not question, document, start and end", len(columns))}
		}
		r, ok := parseRange(columns[2], columns[3])
		if !ok {
			return &FileError{File: name, Line: n, Field: "range", Reason: fmt.Sprintf("%s to %s is none", columns[2], columns[3])}
		}
		question, document := columns[0], columns[1]
		if out[question] == nil {
			out[question] = map[string][]Range{}
		}
		out[question][document] = append(out[question][document], r)
		return nil
	}
}

// parseRange reads a range that is not empty, and that a document can have.
func parseRange(start, end string) (Range, bool) {
	a, err := strconv.Atoi(start)
	if err != nil || a < 0 {
		return Range{}, false
	}
	b, err := strconv.Atoi(strings.TrimSpace(end))
	return Range{a, b}, err == nil && b > a && b <= atocore.MaxDocumentBytes
}
