package atocore

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/atocore/atocore/internal/analysis"
	"github.com/atocore/atocore/internal/sqlite"
)

// find collects the candidates of both sides and fuses them.
func (se *search) find(tx *sqlite.Tx, space int64) error {
	question, err := se.read(tx)
	if err != nil {
		return err
	}
	byUnit := map[int64]*candidate{}
	if se.q.Mode != VectorOnly {
		if err := se.findText(tx, question.terms, byUnit); err != nil {
			return err
		}
		if !se.q.AsOf.IsZero() {
			if err := se.findPast(tx, question.terms, byUnit); err != nil {
				return err
			}
		}
	}
	se.weight = se.vectorWeight(question.unknown)
	if se.weight > 0 {
		if err := se.findVectors(tx, space, byUnit); err != nil {
			return err
		}
	}
	se.fuse()
	return nil
}

// A question is a query's text, analysed against the index.
type question struct {
	terms []analysis.Term // to look for

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
	// Numbers of units are not used again, so the largest is their count but
	// for what was removed, which is all that a logarithm needs to know.
	if _, err := tx.QueryRow(func(r sqlite.Row) { se.units = r.Float64(0) }, `SELECT coalesce(max(unit), 0) FROM units`); err != nil {
		return question{}, err
	}
	mass := map[int]float64{} // by word: of its rarest form
	known := map[int]bool{}
	for _, t := range terms {
		var df float64
		if _, err := tx.QueryRow(func(r sqlite.Row) { df = r.Float64(0) }, `SELECT doc FROM fts_terms WHERE term = ?`, t.Text); err != nil {
			return question{}, err
		}
		mass[t.Word] = max(mass[t.Word], math.Log1p((max(se.units, df)-df+0.5)/(df+0.5)))
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
	q := question{}
	if all > 0 {
		q.unknown = missing / all
	}
	for _, t := range terms {
		if !known[t.Word] {
			var err error
			if t, err = se.partial(tx, t); err != nil {
				return question{}, err
			}
		}
		q.terms = append(q.terms, t)
	}
	return q, nil
}

// shortenings bounds how many letters of an unknown word are given up.
const shortenings = 2

func (se *search) partial(tx *sqlite.Tx, t analysis.Term) (analysis.Term, error) {
	p, ok := t.Partial()
	if !ok {
		return t, nil
	}
	if se.vector == nil || se.q.Mode == TextOnly {
		return p, nil
	}
	for n := 0; ; n++ {
		found, err := tx.QueryRow(func(sqlite.Row) {}, `SELECT 1 FROM fts WHERE fts MATCH ? LIMIT 1`, analysis.Match([]analysis.Term{p}))
		if err != nil || found || n == shortenings {
			return p, err
		}
		shorter, ok := p.Shorter()
		if !ok {
			return p, nil
		}
		p = shorter
	}
}

// headWeight is the weight of a unit's head (who speaks, title, headings,
// tags) against its body in BM25.
const headWeight = 2.0

// findText collects the best candidates by words.
func (se *search) findText(tx *sqlite.Tx, terms []analysis.Term, byUnit map[int64]*candidate) error {
	match := analysis.Match(terms)
	if match == "" {
		return nil
	}
	query := fmt.Sprintf(`SELECT rowid AS unit, -bm25(fts, %g, 1.0) AS score FROM fts WHERE fts MATCH ?`, headWeight)
	rows, err := se.best(tx, query, "DESC", match)
	if err != nil {
		return err
	}
	for _, r := range rows {
		c := se.candidate(r, byUnit)
		c.textScore = r.score
		c.textRank = len(se.candidates)
	}
	return nil
}

// A scored is a unit with what one side says of it.
type scored struct {
	unit     int64
	id       string
	kind     Kind
	document string
	score    float64
}

// best returns the best units of a query with the columns unit and score that
// pass the filters, in the direction of score that is given, at most
// se.depth().
//
// To look up every match in units costs more than to score it, so where only
// the standing filters apply, which nearly everything passes, they see the
// best few times as many as are needed, and all only if that was not enough.
func (se *search) best(tx *sqlite.Tx, query, direction string, args ...any) ([]scored, error) {
	where, more := se.filter()
	if !se.narrow() {
		const spare = 4
		first := spare * se.depth()
		out, seen, err := se.bestOf(tx, query+fmt.Sprintf(" ORDER BY score %s, unit DESC LIMIT %d", direction, first), direction, where, args, more)
		if err != nil || len(out) == se.depth() || seen < first {
			return out, err
		}
	}
	out, _, err := se.bestOf(tx, query, direction, where, args, more)
	return out, err
}

// narrow reports whether the query's filters may leave out most units.
func (se *search) narrow() bool {
	q := &se.q
	return se.project != "" || len(q.Kinds)+len(q.Types)+len(q.Statuses)+len(q.Tags) > 0 ||
		!q.After.IsZero() || !q.Before.IsZero() || !q.AsOf.IsZero()
}

func (se *search) bestOf(tx *sqlite.Tx, query, direction, where string, args, more []any) (out []scored, seen int, err error) {
	all := append(append([]any{}, args...), more...)
	for r, err := range tx.Query(fmt.Sprintf(`WITH m AS MATERIALIZED (%s)
		SELECT u.unit, u.id, u.kind, u.document, m.score, (SELECT count(*) FROM m)
		FROM m JOIN units AS u ON u.unit = m.unit
		WHERE true%s
		ORDER BY m.score %s, u.id DESC
		LIMIT %d`, query, where, direction, se.depth()), all...) {
		if err != nil {
			return nil, 0, err
		}
		out = append(out, scored{unit: r.Int64(0), id: r.Text(1), kind: Kind(r.Text(2)), document: r.Text(3), score: r.Float64(4)})
		seen = int(r.Int64(5))
	}
	return out, seen, nil
}

// findVectors collects the nearest candidates by the exact cosine distance,
// and scores those that words found.
func (se *search) findVectors(tx *sqlite.Tx, space int64, byUnit map[int64]*candidate) error {
	blob := vectorBlob(se.vector)
	floor := -1.0
	if se.lexical() {
		floor = lexicalFloor(se.units)
	}
	rows, err := se.best(tx, `SELECT unit, vec_distance_cosine(vector, ?) AS score FROM vectors WHERE space = ?`, "ASC", blob, space)
	if err != nil {
		return err
	}
	for i, r := range rows {
		if 1-r.score < floor {
			break
		}
		c := se.candidate(r, byUnit)
		c.similarity = 1 - r.score
		c.vectorRank = i + 1
	}
	var rest []string
	for _, c := range se.candidates {
		if c.vectorRank == 0 {
			rest = append(rest, strconv.FormatInt(c.unit, 10))
		}
	}
	for r, err := range tx.Query(`SELECT unit, vec_distance_cosine(vector, ?) FROM vectors
		WHERE space = ? AND unit IN (SELECT value FROM json_each(?))`, blob, space, "["+strings.Join(rest, ",")+"]") {
		if err != nil {
			return err
		}
		byUnit[r.Int64(0)].similarity = 1 - r.Float64(1)
	}
	return nil
}

func (se *search) candidate(r scored, byUnit map[int64]*candidate) *candidate {
	c := byUnit[r.unit]
	if c == nil {
		c = &candidate{unit: r.unit, id: r.id, kind: r.kind, document: r.document}
		byUnit[r.unit] = c
		se.candidates = append(se.candidates, c)
	}
	return c
}

// filter is the query's filters as conditions on units AS u.
func (se *search) filter() (where string, args []any) {
	var b strings.Builder
	add := func(cond string, a ...any) {
		b.WriteString(" AND " + cond)
		args = append(args, a...)
	}
	if se.project != "" {
		add("(u.project = ? OR u.project IS NULL)", se.project)
	}
	addIn := func(column string, values []any) {
		if len(values) > 0 {
			add(column+oneOf(len(values)), values...)
		}
	}
	addIn("u.kind", anys(se.q.Kinds))
	if len(se.q.Types) > 0 {
		add("u.kind = 'memory'")
	}
	if se.q.AsOf.IsZero() {
		// A query of the past holds the memory as it was against these.
		addIn("u.type", anys(se.q.Types))
		statuses := anys(se.q.Statuses)
		if len(statuses) == 0 {
			statuses = []any{string(Active)}
		}
		addIn("u.status", statuses)
		now := timeText(se.now)
		add("(u.status <> 'active' OR ((u.valid_from IS NULL OR u.valid_from <= ?) AND (u.valid_until IS NULL OR u.valid_until > ?)))", now, now)
		for _, t := range se.q.Tags {
			add("EXISTS (SELECT 1 FROM json_each(u.tags) WHERE value = ?)", t)
		}
		if !se.q.After.IsZero() {
			add("u.time >= ?", timeText(se.q.After))
		}
		if !se.q.Before.IsZero() {
			add("u.time < ?", timeText(se.q.Before))
		}
	}
	if !se.q.AsOf.IsZero() {
		// What came later would take the places of what was there.
		add("EXISTS (SELECT 1 FROM journal WHERE entity_id = coalesce(u.document, u.id) AND seq <= ?)", se.seq)
	}
	return b.String(), args
}

func anys[T ~string](in []T) []any {
	out := make([]any, len(in))
	for i, v := range in {
		out[i] = string(v)
	}
	return out
}

// lookElsewhere counts the matches of other projects.
func (se *search) lookElsewhere(tx *sqlite.Tx) error {
	question, err := se.read(tx)
	if err != nil {
		return err
	}
	match := analysis.Match(question.terms)
	if match == "" {
		return nil
	}
	elsewhere := *se
	elsewhere.project = ""
	where, args := elsewhere.filter()
	args = append([]any{match}, args...)
	for r, err := range tx.Query(`SELECT u.project, count(*) AS n
		FROM fts JOIN units AS u ON u.unit = fts.rowid
		WHERE fts MATCH ?`+where+` AND u.project IS NOT NULL
		GROUP BY u.project
		ORDER BY n DESC, u.project
		LIMIT 10`, args...) {
		if err != nil {
			return err
		}
		se.elsewhere = append(se.elsewhere, ProjectCount{Project: r.Text(0), Matches: int(r.Int64(1))})
	}
	if len(se.elsewhere) > 0 {
		se.note(fmt.Sprintf("nothing found in project %s; other projects have matches", se.project))
	}
	return nil
}

// The built-in embedder knows spelling, not meaning: where the index knows a
// question's words, its vectors can only blur what BM25 says; where a word is
// unknown, misspelt or inflected, they are all there is. So their weight is
// the unknown share of the question times this.
const lexicalWeight = 0.5

// lexicalFloor is the least similarity that counts with the built-in embedder
// in a store of n units: what is not related is no answer. Similarities of
// unrelated texts are spread normally about 0 with the deviation sigma, and the
// largest of n such values is expected below sigma·sqrt(2·ln n).
func lexicalFloor(n float64) float64 {
	const sigma = 0.046
	return sigma * math.Sqrt(2*math.Log(max(n, 2)))
}

// semanticWeight is the weight of any other embedder's vectors.
const semanticWeight = 0.4

func (se *search) lexical() bool { return se.s.embedder.Space() == DefaultEmbedder().Space() }

// vectorWeight is the share of the vector side in what the search finds.
func (se *search) vectorWeight(unknown float64) float64 {
	switch {
	case se.vector == nil:
		return 0
	case se.q.Mode == VectorOnly || len(se.candidates) == 0:
		return 1
	case se.lexical():
		return lexicalWeight * unknown
	default:
		return semanticWeight
	}
}

// fuse computes each candidate's relevance, the weighted sum of both sides,
// each as a share of its best, and drops what neither side speaks for.
func (se *search) fuse() {
	var best, top float64
	for _, c := range se.candidates {
		best = max(best, c.textScore)
		top = max(top, c.similarity)
	}
	for _, c := range se.candidates {
		if best > 0 {
			c.relevance += (1 - se.weight) * c.textScore / best
		}
		if top > 0 {
			c.relevance += se.weight * max(0, c.similarity/top)
		}
	}
	se.candidates = slices.DeleteFunc(se.candidates, func(c *candidate) bool { return c.relevance <= 0 })
}
