package atocore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/atocore/atocore/internal/analysis"
	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/sqlite"
)

// How much vectors are to be trusted beside words depends on the embedder and on
// the store, and no search can see it from what it finds. So a store asks itself: it
// takes a clause out of some of its texts and looks, among its texts, for the one
// that the clause was taken from, by vectors and by words. Their mean reciprocal
// ranks, in proportion, are the trust in the space: 1 where vectors find as well as
// words do, 0 where they find nothing.

const (
	trustPool      = 2_000 // texts among which is looked
	trustQuestions = 256
	trustLeast     = 32 // fewer questions say nothing
	trustFrom      = 64 // vectors; fewer are not asked

	// trustFloor keeps a store whose clauses share no words, as those of short turns,
	// from dividing noise by noise.
	trustFloor = 0.05
)

// spaceTrust is what is known of how well a space's vectors find.
type spaceTrust struct {
	vectors   int // that there were when it was measured
	questions int
	trust     float64
}

// known reports whether it was measured by enough questions.
func (t spaceTrust) known() bool { return t.questions >= trustLeast }

func readTrust(tx *sqlite.Tx, space int64) (t spaceTrust, err error) {
	_, err = tx.QueryRow(func(r sqlite.Row) { t = spaceTrust{int(r.Int64(0)), int(r.Int64(1)), r.Float64(2)} },
		`SELECT vectors, questions, trust FROM trusts WHERE space = ?`, space)
	return t, err
}

// MeasureTrust measures how well the vectors find texts of the store, now. The store
// does so by itself when there are enough vectors, and again when they have doubled;
// what it measures depends on what it holds alone. It embeds up to 256 clauses of
// texts, and these texts without them, and fails as the embedder does. With the
// built-in embedder, without one, or with one of another space than the vectors', there
// is nothing to measure.
func (s *Store) MeasureTrust(ctx context.Context) error {
	if err := s.measureTrust(ctx, true); err != nil {
		return fmt.Errorf("measure trust: %w", err)
	}
	return nil
}

// measureTrust measures the trust in the active space: now, or where that is due.
func (s *Store) measureTrust(ctx context.Context, now bool) error {
	if s.embedder == nil || isLexical(s.embedder) {
		return nil
	}
	s.trusting.Lock()
	defer s.trusting.Unlock()
	var space int64
	var quiz quiz
	err := s.read(ctx, func(tx *sqlite.Tx) error {
		id, sp, err := activeSpace(tx)
		if err != nil || id == 0 || s.mismatch(sp) != nil {
			return err
		}
		old, err := readTrust(tx, id)
		if err != nil {
			return err
		}
		var vectors int
		if _, err := tx.QueryRow(func(r sqlite.Row) { vectors = int(r.Int64(0)) }, `SELECT count(*) FROM vectors WHERE space = ?`, id); err != nil {
			return err
		}
		if vectors < trustFrom || vectors < 2*old.vectors && !now {
			return nil
		}
		space = id
		quiz, err = newQuiz(tx, id, sp.Dimensions)
		quiz.vectors = vectors
		return err
	})
	if err != nil || space == 0 {
		return err
	}
	if err := quiz.ask(ctx, s); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		if err := s.checkSpace(tx, space); err != nil {
			if errors.Is(err, errSpaceGone) {
				return nil
			}
			return err
		}
		_, err := tx.Exec(`INSERT INTO trusts (space, vectors, questions, trust) VALUES (?, ?, ?, ?)
			ON CONFLICT (space) DO UPDATE SET vectors = excluded.vectors, questions = excluded.questions, trust = excluded.trust`,
			space, quiz.vectors, len(quiz.questions), quiz.trust())
		return err
	})
}

// A quiz is the texts that are looked through, and the questions.
type quiz struct {
	vectors   int
	texts     []quizText
	frequency map[string]int // in how many texts a term stands
	length    float64        // of a text, on average
	questions []cloze
}

type quizText struct {
	unit    int64
	project string
	head    map[string]int // terms, and how often
	body    map[string]int
	length  int
	vector  []float32
}

// A cloze is a clause of a text as the question, and what is left of it as the
// document to be found.
type cloze struct {
	text     int // index among the texts
	question string
	rest     string // body without the clause
	document string // what is embedded of it
	head     string

	byVectors, byWords float64 // reciprocal ranks
}

// newQuiz draws texts and questions from the units with a vector, by a hash of their
// texts: the same ones of the same texts, in whatever order they came.
func newQuiz(tx *sqlite.Tx, space int64, dimensions int) (quiz, error) {
	type drawn struct {
		unit int64
		lot  uint64
	}
	var all []drawn
	for r, err := range tx.Query(`SELECT units.unit, made_from FROM vectors JOIN units ON units.unit = vectors.unit WHERE space = ?`, space) {
		if err != nil {
			return quiz{}, err
		}
		all = append(all, drawn{r.Int64(0), uint64(r.Int64(1))})
	}
	slices.SortFunc(all, func(a, b drawn) int { return cmp.Or(cmp.Compare(a.lot, b.lot), cmp.Compare(a.unit, b.unit)) })
	q := quiz{frequency: map[string]int{}}
	for _, d := range all[:min(trustPool, len(all))] {
		u, found, err := unitByNumber(tx, d.unit)
		if err != nil {
			return quiz{}, err
		}
		if !found {
			continue
		}
		t := quizText{unit: d.unit, project: u.project, head: tally(u.head), body: tally(u.body)}
		if _, err := tx.QueryRow(func(r sqlite.Row) { t.vector = index.Floats(r.Blob(0)) },
			`SELECT vector FROM vectors WHERE space = ? AND unit = ?`, space, d.unit); err != nil {
			return quiz{}, err
		}
		if len(t.vector) != dimensions {
			t.vector = nil // damaged, which a check sees: it is near to nothing
		}
		t.count(&q)
		if len(q.questions) < trustQuestions {
			if c, ok := newCloze(&u, len(q.texts), d.lot>>32); ok {
				q.questions = append(q.questions, c)
			}
		}
		q.texts = append(q.texts, t)
	}
	q.length /= float64(max(1, len(q.texts)))
	return q, nil
}

func tally(text string) map[string]int {
	m := map[string]int{}
	for _, t := range analysis.Terms(text) {
		m[t]++
	}
	return m
}

// count adds a text to the statistics of the quiz.
func (t *quizText) count(q *quiz) {
	for term, n := range t.body {
		t.length += n
		q.frequency[term]++
	}
	for term, n := range t.head {
		t.length += n
		if t.body[term] == 0 {
			q.frequency[term]++
		}
	}
	q.length += float64(t.length)
}

var clauseEnd = regexp.MustCompile(`[.!?;:,]+\s+|\n+|[。！？；，]`)

// newCloze takes a clause out of a unit's body. It reports false where no clause
// and no rest are left that say something.
func newCloze(u *unit, text int, lot uint64) (cloze, bool) {
	const least = 3 // terms
	clauses := clauseEnd.Split(u.body, -1)
	if len(clauses) < 2 {
		return cloze{}, false
	}
	clause := clauses[lot%uint64(len(clauses))]
	rest := strings.Replace(u.body, clause, "", 1)
	if len(analysis.Query(clause)) < least || len(analysis.Query(rest)) < least {
		return cloze{}, false
	}
	return cloze{text: text, question: clause, rest: rest, head: u.head, document: strings.Replace(u.embed, clause, "", 1)}, true
}

// ask embeds questions and documents, and ranks them.
func (q *quiz) ask(ctx context.Context, s *Store) error {
	var questions, documents []string
	for _, c := range q.questions {
		questions = append(questions, c.question)
		documents = append(documents, c.document)
	}
	asked, err := s.embedBatches(ctx, questions, ForQuery)
	if err != nil {
		return err
	}
	hidden, err := s.embedBatches(ctx, documents, ForDocument)
	if err != nil {
		return err
	}
	for i := range q.questions {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := &q.questions[i]
		c.byVectors = q.rankByVectors(c, asked[i], hidden[i])
		c.byWords = q.rankByWords(c)
	}
	return nil
}

// embedBatches embeds texts in batches; a text whose vector is none has nil.
func (s *Store) embedBatches(ctx context.Context, texts []string, purpose Purpose) (out [][]float32, err error) {
	for len(texts) > 0 {
		n := min(len(texts), embedBatch)
		vectors, faults, err := s.embedEach(ctx, texts[:n], purpose)
		if err != nil {
			return nil, err
		}
		for i := range vectors {
			if faults[i] != nil {
				vectors[i] = nil
			}
		}
		out = append(out, vectors...)
		texts = texts[n:]
	}
	return out, nil
}

// others yields the texts that stand beside that of the question: of the same
// project, as a search would see them.
func (q *quiz) others(c *cloze) func(yield func(*quizText) bool) {
	return func(yield func(*quizText) bool) {
		for i := range q.texts {
			if i != c.text && q.texts[i].project == q.texts[c.text].project && !yield(&q.texts[i]) {
				return
			}
		}
	}
}

func (q *quiz) rankByVectors(c *cloze, question, document []float32) float64 {
	if question == nil || document == nil {
		return 0
	}
	target, rank := cosine(question, document), 1
	for t := range q.others(c) {
		if t.vector != nil && cosine(question, t.vector) > target {
			rank++
		}
	}
	return 1 / float64(rank)
}

func (q *quiz) rankByWords(c *cloze) float64 {
	terms := analysis.Query(c.question)
	hidden := quizText{head: tally(c.head), body: tally(c.rest)}
	hidden.count(&quiz{frequency: map[string]int{}})
	target := q.score(terms, &hidden)
	if target <= 0 {
		return 0
	}
	rank := 1
	for t := range q.others(c) {
		if q.score(terms, t) >= target {
			rank++
		}
	}
	return 1 / float64(rank)
}

// score is plain BM25 with k1 = 1.2 and b = 0.75, a word of the head counted twice.
func (q *quiz) score(terms []analysis.Term, t *quizText) (sum float64) {
	const k1, b = 1.2, 0.75
	for _, term := range terms {
		f := 2*float64(t.head[term.Text]) + float64(t.body[term.Text])
		if f == 0 {
			continue
		}
		n, df := float64(len(q.texts)), float64(q.frequency[term.Text])
		idf := max(1e-6, math.Log((n-df+0.5)/(df+0.5)))
		sum += idf * f * (k1 + 1) / (f + k1*(1-b+b*float64(t.length)/q.length))
	}
	return sum
}

func (q *quiz) trust() float64 {
	var vectors, words float64
	for _, c := range q.questions {
		vectors += c.byVectors
		words += c.byWords
	}
	n := float64(max(1, len(q.questions)))
	return (vectors / n) / (words/n + trustFloor)
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab += x * y
		aa += x * x
		bb += y * y
	}
	return ab / math.Sqrt(aa*bb)
}
