// Package evaluation measures how well a store finds things: documents go in,
// questions with labelled answers are asked by words, by vectors and by both,
// and the usual figures come out, with intervals that say what they are worth.
//
//	set, err := evaluation.ReadSet("corpus.jsonl", "queries.jsonl", "qrels.tsv", evaluation.Documents)
//	report, err := evaluation.Evaluate(ctx, store, set, nil)
//	for _, r := range report.Results {
//		fmt.Println(r.Mode, r.Scores.Summary(evaluation.Samples))
//	}
//
// The store should be a new one: what else is in it is found as well, and
// counts as a wrong answer. Load and Corpus.Ask are the two halves of Evaluate,
// for programs that ask several sets of questions of one store.
//
// Runs and labels are read and written in the formats of TREC, and scored as
// trec_eval and LoCoMo's evaluation do, so that figures can be compared with
// those of other systems.
package evaluation

import (
	"context"
	"fmt"
	"slices"

	"github.com/atocore/atocore"
)

// A Unit is what the labels of a set name.
type Unit string

// The units.
const (
	Documents Unit = "documents" // the default

	// Sessions are conversations. An answer counts for the session that it is
	// of: its ID up to the last colon.
	Sessions Unit = "sessions"

	// Spans are ranges of characters in the documents. What is scored is how
	// much of them the found chunks cover.
	Spans Unit = "spans"
)

// A Set is documents, questions, and which documents answer which question.
type Set struct {
	Documents []Document
	Questions []Question
	Unit      Unit       // what is labelled; empty is Documents
	Labels    Labels     // of Documents or Sessions
	Spans     SpanLabels // of Spans
}

// ReadSet reads a set from three files, each plain or gzipped. The third one
// is spans.tsv where the unit is Spans, else qrels.tsv. It fails with an error
// that matches atocore.ErrNotFound where a file is missing, and with a
// *FileError where one is wrong, or where labels and questions have no ID in
// common.
func ReadSet(corpus, queries, labels string, unit Unit) (*Set, error) {
	s := &Set{Unit: unit}
	var err error
	if s.Documents, err = ReadCorpus(corpus); err != nil {
		return nil, err
	}
	if s.Questions, err = ReadQuestions(queries); err != nil {
		return nil, err
	}
	switch unit {
	case "", Documents, Sessions:
		s.Labels, err = ReadLabels(labels)
	case Spans:
		s.Spans, err = ReadSpans(labels)
	default:
		err = &atocore.InvalidError{Field: "unit", Reason: fmt.Sprintf("%q is not known", unit), Hint: "use documents, sessions or spans"}
	}
	if err != nil {
		return nil, err
	}
	if len(s.Labelled()) == 0 {
		return nil, &FileError{File: labels, Reason: "labels no question of " + queries}
	}
	return s, nil
}

// Labelled returns the questions that have labels, which are those to ask.
func (s *Set) Labelled() []Question {
	var out []Question
	for _, q := range s.Questions {
		if s.labelled(q.ID) {
			out = append(out, q)
		}
	}
	return out
}

func (s *Set) labelled(question string) bool {
	if s.Unit == Spans {
		return len(s.Spans[question]) > 0
	}
	return s.Labels.relevant(question) > 0
}

// Score scores a run by the set's labels: of documents, or of chunks as
// Corpus.Ask names them where the unit is Spans.
func (s *Set) Score(run Run) (*Scores, error) {
	switch s.Unit {
	case Spans:
		return ScoreSpans(s.Spans, run)
	case Sessions:
		return Score(s.Labels.Sessions(), run.Sessions())
	}
	return Score(s.Labels, run)
}

// Unknown counts the documents, or sessions, that the labels name and that the
// set does not have. They cannot be found, and lower the figures.
func (s *Set) Unknown() int {
	known, named := map[string]bool{}, map[string]bool{}
	id := func(s string) string { return s }
	if s.Unit == Sessions {
		id = session
	}
	for _, d := range s.Documents {
		known[id(d.ID)] = true
	}
	for _, grades := range s.Labels {
		for d, g := range grades {
			if g > 0 && !known[id(d)] {
				named[id(d)] = true
			}
		}
	}
	for _, ranges := range s.Spans {
		for d := range ranges {
			if !known[d] {
				named[d] = true
			}
		}
	}
	return len(named)
}

// Options configures Load and Evaluate. A nil *Options consists entirely of
// default values.
type Options struct {
	// Modes are asked one after the other. Empty is hybrid, text and vector.
	Modes []atocore.Mode

	// Weight is the share of the vectors in hybrid search, see atocore.Query. 0
	// leaves it to the store.
	Weight float64

	// Limit is how many hits a question asks for. 0 is 100; at most
	// atocore.MaxLimit.
	Limit int

	// Workers is how many writes are under way at a time; searches are half as
	// many. 0 is 8.
	Workers int

	// Progress hears how far a step is, "load" or a mode. It is called from one
	// goroutine at a time.
	Progress func(step string, done, total int)
}

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if len(out.Modes) == 0 {
		out.Modes = Modes()
	}
	if out.Limit == 0 {
		out.Limit = 100
	}
	if out.Workers <= 0 {
		out.Workers = 8
	}
	if out.Progress == nil {
		out.Progress = func(string, int, int) {}
	}
	return out
}

// tryEmbedder asks a question of the store, empty or not, by vectors alone: a hybrid
// search without them is one by words, and would be measured as such.
func (o *Options) tryEmbedder(ctx context.Context, store *atocore.Store, set *Set) error {
	questions := set.Labelled()
	if len(questions) == 0 || !slices.ContainsFunc(o.Modes, func(m atocore.Mode) bool { return m != atocore.TextOnly }) {
		return nil
	}
	_, err := store.Retriever(nil).Search(ctx, atocore.Query{Text: questions[0].Text, Mode: atocore.VectorOnly, Limit: 1})
	if err != nil {
		return fmt.Errorf("only mode %s can be measured: %w", atocore.TextOnly, err)
	}
	return nil
}

// Modes are the modes of search, hybrid first.
func Modes() []atocore.Mode {
	return []atocore.Mode{atocore.Hybrid, atocore.TextOnly, atocore.VectorOnly}
}

// A Report is what Evaluate found.
type Report struct {
	Documents int       // in the store
	Questions int       // that were asked
	Refused   []Refusal // documents that the store did not take
	Unknown   int       // documents that the labels name and the set does not have
	Notes     []string  // what searches noted, each once: that vectors were not used, say
	Results   []Result  // a mode each
}

// A Result is the answers in one mode, and what they are worth.
type Result struct {
	Mode   atocore.Mode
	Run    Run
	Scores *Scores
}

// Evaluate loads the set into the store, asks its labelled questions in each
// mode and scores the answers. It fails as Load and Corpus.Ask do; before it loads
// anything where the modes need an embedder and it does not work; and where there is
// no document or no labelled question.
func Evaluate(ctx context.Context, store *atocore.Store, set *Set, o *Options) (*Report, error) {
	opts := o.withDefaults()
	if err := opts.tryEmbedder(ctx, store, set); err != nil {
		return nil, err
	}
	corpus, err := Load(ctx, store, set, &opts)
	if err != nil {
		return nil, err
	}
	if corpus.Len() == 0 {
		return nil, &atocore.InvalidError{Field: "corpus", Reason: "has no document that can be stored", Hint: "see the format"}
	}
	questions := set.Labelled()
	report := &Report{Documents: corpus.Len(), Questions: len(questions), Refused: corpus.Refused, Unknown: set.Unknown()}
	noted := map[string]bool{}
	for _, mode := range opts.Modes {
		run, notes, err := corpus.Ask(ctx, questions, mode)
		if err != nil {
			return nil, err
		}
		for _, n := range notes {
			if !noted[n] {
				noted[n] = true
				report.Notes = append(report.Notes, n)
			}
		}
		scores, err := set.Score(run)
		if err != nil {
			return nil, err
		}
		report.Results = append(report.Results, Result{Mode: mode, Run: run, Scores: scores})
	}
	return report, nil
}
