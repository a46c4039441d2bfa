package atocore

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/atocore/atocore/internal/analysis"
	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/sqlite"
)

// find collects the candidates of both sides and fuses them.
func (se *search) find(ctx context.Context, tx *sqlite.Tx, space int64) error {
	var err error
	if se.view, err = se.s.ix.View(tx); err != nil {
		return err
	}
	se.admitted = se.view.Admit(se.filter())
	if !se.q.AsOf.IsZero() {
		if err := se.leaveOutLater(tx); err != nil {
			return err
		}
	}
	byUnit := map[int64]*candidate{}
	var question question
	if se.q.Mode != VectorOnly {
		if question, err = se.read(tx); err != nil {
			return err
		}
		for i, r := range se.view.Rank(question.terms, se.admitted, se.depth()) {
			c := se.candidate(r.Unit, byUnit)
			c.textScore, c.textRank = r.Score, i+1
		}
		if !se.q.AsOf.IsZero() {
			if err := se.findPast(tx, &question, byUnit); err != nil {
				return err
			}
		}
	}
	if se.vector != nil && !se.lexical() {
		if se.trust, err = readTrust(tx, space); err != nil {
			return err
		}
	}
	se.weight = se.vectorWeight(question.unknown)
	if se.weight > 0 {
		if err := se.findVectors(ctx, tx, byUnit); err != nil {
			return err
		}
	}
	se.fuse()
	return nil
}

// filter is what the query admits. A query of the past leaves to the records what
// may have been otherwise then.
func (se *search) filter() *index.Filter {
	q := &se.q
	return &index.Filter{
		Project: se.project, Kinds: texts(q.Kinds), Types: texts(q.Types), Statuses: texts(q.Statuses), Tags: q.Tags,
		After: q.After, Before: q.Before, Now: se.now, Any: !q.AsOf.IsZero(),
	}
}

func texts[T ~string](in []T) []string {
	out := make([]string, len(in))
	for i, v := range in {
		out[i] = string(v)
	}
	return out
}

// leaveOutLater takes out what the store has learnt since the time that is asked
// for: it would take the places of what was there. IDs sort by time; the minute
// is for clocks that are not the journal's.
func (se *search) leaveOutLater(tx *sqlite.Tx) error {
	var id ulid.ULID
	if err := id.SetTime(ulid.Timestamp(se.q.AsOf.Add(time.Minute))); err != nil {
		return nil // after all that can be
	}
	for r, err := range tx.Query(`SELECT unit FROM units WHERE id > ? ORDER BY id`, lowerID(id)) {
		if err != nil {
			return err
		}
		se.admitted.Remove(r.Int64(0))
	}
	return nil
}

// A question is a query's text, read against the index.
type question struct {
	words []analysis.Term // to look for
	terms []index.Term    // where they are

	// unknown is the share of the question's words that the index does not
	// know, each weighed by how rare it is, from 0 to 1.
	unknown float64
}

// read analyses the question. A word that the index does not know is looked
// for as the beginning of known ones, and, where vectors are there to judge
// the result, as ever shorter ones: half a misspelt word is a better guess
// than none.
func (se *search) read(tx *sqlite.Tx) (question, error) {
	terms := analysis.Query(se.q.Text)
	found := make([]index.Term, len(terms))
	mass := map[int]float64{} // by word: of its rarest form
	se.asked = gauge{terms: slices.Clone(terms), found: make([]int, len(terms)), units: se.view.Units()}
	known := map[int]bool{}
	for i, t := range terms {
		var err error
		if found[i], err = se.view.Term(tx, t.Text, t.Prefix); err != nil {
			return question{}, err
		}
		found[i].Count = t.Count
		se.asked.found[i] = found[i].Units()
		df, units := float64(found[i].Units()), float64(se.view.Units())
		mass[t.Word] = max(mass[t.Word], math.Log1p((max(units, df)-df+0.5)/(df+0.5)))
		if df > 0 {
			known[t.Word] = true
			se.words = append(se.words, t.Source)
		}
	}
	se.words = slices.Compact(se.words)
	var all, missing float64
	for w := range terms {
		// In the order of the question: sums of floats depend on it.
		if w > 0 && terms[w].Word == terms[w-1].Word {
			continue
		}
		all += mass[terms[w].Word]
		if !known[terms[w].Word] {
			missing += mass[terms[w].Word]
		}
	}
	q := question{words: terms, terms: found}
	if all > 0 {
		q.unknown = missing / all
	}
	for i, t := range terms {
		if !known[t.Word] {
			var err error
			if terms[i], found[i], err = se.partial(tx, t); err != nil {
				return question{}, err
			}
		}
	}
	return q, nil
}

// shortenings bounds how many letters of an unknown word are given up.
const shortenings = 2

// partial looks for an unknown word as the beginning of known ones.
func (se *search) partial(tx *sqlite.Tx, t analysis.Term) (analysis.Term, index.Term, error) {
	p, ok := t.Partial()
	if !ok {
		return t, index.Term{}, nil
	}
	for n := 0; ; n++ {
		found, err := se.view.Term(tx, p.Text, true)
		found.Count = p.Count
		if err != nil || found.Units() > 0 || n == shortenings || se.vector == nil || se.q.Mode == TextOnly {
			return p, found, err
		}
		shorter, ok := p.Shorter()
		if !ok {
			return p, found, nil
		}
		p = shorter
	}
}

// findVectors collects the nearest candidates, and scores the best of those that
// words found.
func (se *search) findVectors(ctx context.Context, tx *sqlite.Tx, byUnit map[int64]*candidate) error {
	floor := -1.0
	if se.lexical() {
		floor = lexicalFloor(float64(se.view.Units()))
	}
	near, err := se.view.Nearest(ctx, tx, se.vector, se.admitted, se.nearDepth(), se.q.Exact)
	if err != nil {
		return err
	}
	for i, r := range near {
		if r.Score < floor {
			break
		}
		c := se.candidate(r.Unit, byUnit)
		c.similarity, c.vectorRank = r.Score, i+1
	}
	var rest []int64
	for _, c := range se.candidates {
		if c.vectorRank == 0 && c.unit != 0 && c.textRank <= se.nearDepth() {
			rest = append(rest, c.unit)
		}
	}
	others, err := se.view.Similarities(tx, se.vector, rest)
	for _, r := range others {
		byUnit[r.Unit].similarity = r.Score
	}
	return err
}

// candidate is the candidate of a unit, a new one where there is none.
func (se *search) candidate(unit int64, byUnit map[int64]*candidate) *candidate {
	c := byUnit[unit]
	if c == nil {
		m := se.view.Meta(unit)
		c = &candidate{
			unit: unit, kind: Kind(m.Kind), typ: MemoryType(m.Type), global: m.Global, time: m.Time, confidence: m.Confidence,
			page: m.Document, siblings: m.Siblings,
		}
		byUnit[unit] = c
		se.candidates = append(se.candidates, c)
	}
	return c
}

// lookElsewhere counts the matches of other projects.
func (se *search) lookElsewhere(tx *sqlite.Tx) error {
	question, err := se.read(tx)
	if err != nil {
		return err
	}
	f := se.filter()
	f.Project = ""
	const most = 10
	for _, c := range se.view.CountProjects(question.terms, se.view.Admit(f)) {
		if c.Project != "" && len(se.elsewhere) < most {
			se.elsewhere = append(se.elsewhere, ProjectCount{Project: c.Project, Matches: c.Units})
		}
	}
	if len(se.elsewhere) > 0 {
		se.note(fmt.Sprintf("nothing found in project %s; other projects have matches", se.project))
	}
	return nil
}

// The built-in embedder knows spelling, not meaning: where the index knows a
// question's words, its vectors can only blur what words say; where a word is
// unknown, misspelt or inflected, they are all there is. So their weight is
// the unknown share of the question times this.
const lexicalWeight = 0.3

// lexicalFloor is the least similarity that counts with the built-in embedder
// in a store of n units: what is not related is no answer. Similarities of
// unrelated texts are spread normally about 0 with the deviation sigma, and the
// largest of n such values is expected below sigma·sqrt(2·ln n).
func lexicalFloor(n float64) float64 {
	const sigma = 0.046
	return sigma * math.Sqrt(2*math.Log(max(n, 2)))
}

// The weight of another embedder's vectors grows with the trust in them, from
// nothing for those that find little of what words find: they would only harm.
const (
	trustNeeded = 0.6
	trustSlope  = 0.8
	mostWeight  = 0.4
	newWeight   = 0.1 // while nothing is known
)

func isLexical(e Embedder) bool { return e.Space() == DefaultEmbedder().Space() }

func (se *search) lexical() bool { return se.s.embedder != nil && isLexical(se.s.embedder) }

// vectorWeight is the share of the vector side in what the search finds.
func (se *search) vectorWeight(unknown float64) float64 {
	switch {
	case se.vector == nil:
		return 0
	case se.q.Mode == VectorOnly || len(se.candidates) == 0:
		return 1
	case se.q.Weight > 0:
		return se.q.Weight
	case se.lexical():
		return lexicalWeight * unknown
	case !se.trust.known():
		return newWeight
	default:
		return min(max(0, trustSlope*(se.trust.trust-trustNeeded)), mostWeight)
	}
}

// fuse computes each candidate's relevance, the weighted sum of both sides, each
// as a share of its best, and drops what neither side speaks for.
func (se *search) fuse() {
	var best, top float64
	for _, c := range se.candidates {
		best = max(best, c.textScore)
		top = max(top, c.similarity)
	}
	base := se.base()
	for _, c := range se.candidates {
		if best > 0 {
			c.relevance += (1 - se.weight) * c.textScore / best
		}
		switch {
		case top > base:
			c.relevance += se.weight * max(0, (c.similarity-base)/(top-base))
		case top > 0 && c.similarity == top: // all are equally near
			c.relevance += se.weight
		}
		if se.weight == 1 && c.vectorRank > 0 {
			// What lies below the base keeps its order, and is found.
			c.relevance += 1e-9 * (1 + c.similarity)
		}
	}
	se.candidates = slices.DeleteFunc(se.candidates, func(c *candidate) bool { return c.relevance <= 0 })
}

// baseShare is the share of the admitted units beyond which a similarity is that of
// any two texts.
const baseShare = 15

// base is the similarity that counts as none. Models differ in where theirs lie,
// about 0 or all above 0.75; of those that a search finds, what a later one has is
// what any text has. The built-in embedder's lie about 0.
func (se *search) base() float64 {
	if se.lexical() || se.vector == nil {
		return 0
	}
	rank := max(1, se.admitted.Units()/baseShare) + 1
	base, found := 0.0, 0
	for _, c := range se.candidates {
		if c.vectorRank > found && c.vectorRank <= rank {
			base, found = c.similarity, c.vectorRank
		}
	}
	return base
}
