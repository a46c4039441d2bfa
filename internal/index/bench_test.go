package index_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/atocore/atocore/internal/benchtext"
	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/sqlite"
)

// benchUnits is how many units the store of a benchmark has.
const benchUnits = 100_000

// benchStore makes a store of texts with Zipf's frequencies, merged as far as a
// store merges.
func benchStore(b *testing.B) (*store, *benchtext.Corpus) {
	b.Helper()
	s := newStore(b, 1)
	corpus := benchtext.New()
	for first := 0; first < benchUnits; first += 5000 {
		s.write(func(_ *sqlite.Tx, w *index.Writer) error {
			for n := first; n < first+5000; n++ {
				u := benchUnit(n)
				if _, _, err := w.Put(&u, func() (head, body []string) { return nil, strings.Fields(corpus.Text(n)) }); err != nil {
					return err
				}
			}
			return nil
		})
	}
	var ix index.Index
	for s.merge(&ix, func() {}) {
		continue
	}
	return s, corpus
}

func benchUnit(n int) index.Unit {
	f := benchtext.FacetsOf(n)
	u := index.Unit{
		Kind: "memory", ID: fmt.Sprintf("%026d", n), Project: fmt.Sprintf("project %d", f.Project), Type: "knowledge", Status: "active",
		Tags: "[]", Time: epoch.Add(time.Duration(f.Day) * 24 * time.Hour), MadeFrom: int64(n), Confidence: 1, Siblings: 1,
	}
	if f.Percent < 30 {
		u.Thread, u.Place = index.Thread("session", fmt.Sprint(n/50)), int64(n)
	}
	return u
}

func BenchmarkView(b *testing.B) {
	s, _ := benchStore(b)
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			s.read(func(tx *sqlite.Tx) { s.view(tx, new(index.Index)) })
		}
	})
	b.Run("advance by one unit", func(b *testing.B) {
		var ix index.Index
		s.read(func(tx *sqlite.Tx) { s.view(tx, &ix) })
		for n := benchUnits; b.Loop(); n++ {
			b.StopTimer()
			s.write(func(_ *sqlite.Tx, w *index.Writer) error {
				u := benchUnit(n)
				_, _, err := w.Put(&u, func() (head, body []string) { return nil, []string{"one", "more"} })
				return err
			})
			b.StartTimer()
			s.read(func(tx *sqlite.Tx) { s.view(tx, &ix) })
		}
	})
}

func BenchmarkSearch(b *testing.B) {
	s, corpus := benchStore(b)
	s.read(func(tx *sqlite.Tx) {
		v := s.view(tx, new(index.Index))
		now := epoch.Add(500 * 24 * time.Hour)
		for name, f := range map[string]*index.Filter{
			"everything":         {Now: now},
			"a project":          {Now: now, Project: "project 3"},
			"a project and time": {Now: now, Project: "project 3", After: epoch, Before: now},
		} {
			b.Run("admit/"+name, func(b *testing.B) {
				for b.Loop() {
					v.Admit(f)
				}
			})
		}
		var questions [][]string
		for n := 0; len(questions) < 100; n++ {
			text, _ := corpus.Question(n, benchUnits)
			if fields := strings.Fields(text); len(fields) == 6 {
				questions = append(questions, fields)
			}
		}
		b.Run("rank 6 words", func(b *testing.B) {
			for n := 0; b.Loop(); n++ {
				terms := make([]index.Term, 0, 6)
				for _, w := range questions[n%len(questions)] {
					t, err := v.Term(tx, w, false)
					if err != nil {
						b.Fatal(err)
					}
					terms = append(terms, t)
				}
				if got := v.Rank(terms, v.Admit(&index.Filter{Now: now}), 50); len(got) == 0 {
					b.Fatal("nothing found")
				}
			}
		})
		b.Run("count", func(b *testing.B) {
			for b.Loop() {
				for range tx.Query(`SELECT count(*) FROM units`) {
				}
			}
		})
	})
}
