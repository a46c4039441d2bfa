package atocore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/sqlite"
)

// Kind is what sort of record a hit is.
type Kind string

// What search finds.
const (
	KindMemory      Kind = "memory"
	KindState       Kind = "state"
	KindChunk       Kind = "chunk"
	KindInteraction Kind = "interaction"
)

var kinds = []Kind{KindMemory, KindState, KindChunk, KindInteraction}

// Mode says what a search looks with.
type Mode string

const (
	Hybrid     Mode = "hybrid" // words and vectors; the default
	TextOnly   Mode = "text"   // words alone
	VectorOnly Mode = "vector" // vectors alone
)

// A Query asks a Retriever. Text is required. The filters narrow what is
// found; a zero one does not.
type Query struct {
	Text string // at most MaxQueryBytes; any text, it has no syntax
	Mode Mode   // empty is Hybrid

	// Limit is how many hits to return at most. 0 is 10; at most MaxLimit.
	Limit int

	Project  string       // a project's name or alias: finds its records and the global ones
	Kinds    []Kind       // empty is every kind
	Types    []MemoryType // finds memories of these types only
	Statuses []Status     // of memories; empty is Active, and only what holds now (see Memory.ValidFrom)
	Tags     []string     // a record has to have all of them

	// After (inclusive) and Before (exclusive) bound a record's own time: when
	// a memory's statement begins to hold, a document's date, when an
	// interaction happened.
	After, Before time.Time

	// AsOf answers from the store as it stood at that time: what was learnt
	// or changed later does not count, contents and statuses are those of
	// then, and so are the words by which records are found. Vectors are
	// those of now: a text that has changed or gone since has none of its
	// own, so that VectorOnly finds what has gone not at all. A chunk whose
	// text is as it was is found by the title, headings and tags of now.
	// What was forgotten is not found. Zero is now.
	AsOf time.Time

	// Weight is the share of the vectors in what a hybrid search finds, above 0 and
	// at most 1. 0 leaves it to the store, which measures how well its vectors find.
	Weight float64

	// Exact compares the question's vector with every vector. Otherwise a store of
	// many vectors chooses by a code of each which to compare; docs/performance.md
	// has what that misses and saves.
	Exact bool

	Explain bool // whether hits carry an Explanation
}

const (
	// MaxQueryBytes bounds a query's text.
	MaxQueryBytes = 1 << 20
	// MaxLimit bounds Query.Limit.
	MaxLimit = 1000

	defaultLimit = 10
)

// Results are what a search found, best first.
type Results struct {
	Hits []Hit `json:"hits"`

	// Notes say what the caller should know: that vectors were not used, and
	// why, say.
	Notes []string `json:"notes,omitempty"`

	// Elsewhere counts the records of other projects that have words of the
	// question, where nothing was found in Query.Project.
	Elsewhere []ProjectCount `json:"elsewhere,omitempty"`
}

// A ProjectCount counts matching records of a project.
type ProjectCount struct {
	Project string `json:"project"`
	Matches int    `json:"matches"`
}

// A Hit is one record that answers a query.
type Hit struct {
	ID     string  `json:"id"`
	Kind   Kind    `json:"kind"`
	Score  float64 `json:"score"` // higher is better; comparable within one search only
	Text   string  `json:"text"`
	Source string  `json:"source"` // what to cite: a document's path, a memory's source, else the record

	Title    string   `json:"title,omitempty"`    // of a chunk's document
	Heading  []string `json:"heading,omitempty"`  // above a chunk, outermost first
	Document string   `json:"document,omitempty"` // a chunk's document
	Start    int      `json:"start"`              // a chunk's byte range in the source, half open; 0 and 0 of other kinds
	End      int      `json:"end"`

	Project string     `json:"project"`
	Type    MemoryType `json:"type,omitempty"` // of a memory
	Status  Status     `json:"status,omitempty"`
	Speaker string     `json:"speaker,omitempty"`
	Tags    []string   `json:"tags,omitempty"`
	Time    time.Time  `json:"time,omitzero"`

	Explanation *Explanation `json:"explanation,omitempty"`
}

// An Explanation says how a hit came by its score:
// Score = Relevance · Trust · Project · Recency · Confidence · Document · Diversity,
// and at most the score of what replaced a superseded memory.
type Explanation struct {
	Words      []string `json:"words,omitempty"`       // the question's words that the index knows
	TextScore  float64  `json:"text_score,omitempty"`  // BM25; 0 where no word matched
	TextRank   int      `json:"text_rank,omitempty"`   // from 1
	Similarity float64  `json:"similarity,omitempty"`  // cosine; 0 where vectors were not used
	VectorRank int      `json:"vector_rank,omitempty"` // from 1
	Weight     float64  `json:"weight"`                // share of the vector side in Relevance
	Relevance  float64  `json:"relevance"`             // both sides fused, 0 to 1
	Trust      float64  `json:"trust"`
	Project    float64  `json:"project"`
	Recency    float64  `json:"recency"`
	Confidence float64  `json:"confidence"`
	Document   float64  `json:"document"`  // what the document's other chunks say, of a chunk
	Diversity  float64  `json:"diversity"` // below 1 for the second and further chunks of a document
	Note       string   `json:"note,omitempty"`
}

// RetrieverOptions configures a Retriever. A nil *RetrieverOptions consists
// entirely of default values.
type RetrieverOptions struct {
	// Tokens counts the tokens of a text for context packs. Nil is
	// EstimateTokens.
	Tokens func(text string) int
}

// A Retriever finds what a Store holds. It is safe for concurrent use.
type Retriever struct {
	s      *Store
	tokens func(string) int
}

// Retriever returns a retriever on the store.
func (s *Store) Retriever(o *RetrieverOptions) *Retriever {
	r := &Retriever{s: s, tokens: EstimateTokens}
	if o != nil && o.Tokens != nil {
		r.tokens = o.Tokens
	}
	return r
}

func (q *Query) validate() error {
	if strings.TrimSpace(q.Text) == "" {
		return invalid("query", "is empty", "say what to look for")
	}
	if len(q.Text) > MaxQueryBytes {
		return invalid("query", fmt.Sprintf("has %d bytes, more than %d", len(q.Text), MaxQueryBytes), "")
	}
	switch q.Mode {
	case "", Hybrid, TextOnly, VectorOnly:
	default:
		return invalid("mode", fmt.Sprintf("%q is not a mode", q.Mode), "use hybrid, text or vector")
	}
	if !(q.Weight >= 0 && q.Weight <= 1) { // also refuses NaN
		return invalid("weight", fmt.Sprintf("%v is not between 0 and 1", q.Weight), "")
	}
	if q.Limit < 0 || q.Limit > MaxLimit {
		return invalid("limit", fmt.Sprintf("%d is out of range", q.Limit), fmt.Sprintf("use 1 to %d", MaxLimit))
	}
	for _, k := range q.Kinds {
		if !slices.Contains(kinds, k) {
			return invalid("kind", fmt.Sprintf("%q is not a kind", k), "use one of "+joinNames(kinds))
		}
	}
	if !q.After.IsZero() && !q.Before.IsZero() && !q.After.Before(q.Before) {
		return invalid("before", "is not after the query's after", "")
	}
	return firstError(checkTypes(q.Types), checkStatuses(q.Statuses))
}

// Search finds the records that answer q, best first; equal scores are ordered
// by ID, newest first. It fails with ErrInvalid, with ErrNotFound where
// q.Project does not exist, and, asked for vectors alone, with
// ErrSpaceMismatch or the embedder's error where there are none. A hybrid search
// without usable vectors is a search by words, and Results.Notes says so.
func (r *Retriever) Search(ctx context.Context, q Query) (Results, error) {
	se, err := r.s.newSearch(ctx, q)
	if err != nil {
		return Results{}, fmt.Errorf("search: %w", err)
	}
	if err := r.s.read(ctx, func(tx *sqlite.Tx) error { return se.run(ctx, tx) }); err != nil {
		return Results{}, fmt.Errorf("search: %w", err)
	}
	return se.results(), nil
}

// A search is one run of Search. As newSearch returns it, it can be copied and
// run in several transactions, also of several databases.
type search struct {
	s       *Store
	q       Query
	vector  []float32 // of the question, or nil
	now     time.Time
	project string
	notes   []string

	view       *index.View
	admitted   *index.Admission
	seq        int64    // the last journal entry of the time that is asked for
	words      []string // that the index knows
	asked      gauge
	trust      spaceTrust
	weight     float64 // of the vector side
	candidates []*candidate
	replacedBy map[string]string // of every memory that was looked at, by ID
	elsewhere  []ProjectCount
}

// noProject is the project of a search among what belongs to none: no project has a
// name with a control character.
const noProject = "\x00"

// A candidate is a unit that may become a hit.
type candidate struct {
	unit       int64 // 0 of what is not in the index
	textScore  float64
	textRank   int
	similarity float64
	vectorRank int
	relevance  float64

	// By what it is ranked: from the index, or from the record.
	kind       Kind
	typ        MemoryType
	global     bool // it belongs to no project
	time       time.Time
	confidence float64
	page       uint64 // the hash of its document; 0 is none
	siblings   int    // the chunks of its document, itself included
	superseded string // ID of what replaced it

	id       string // of the record; empty until it is read
	document string // of a chunk; likewise
	hit      Hit
	loaded   bool // hit was read
	links    int  // to the end of its chain of replacements
	factors  Explanation
	score    float64
}

// newSearch does what a search does before it looks at the store.
func (s *Store) newSearch(ctx context.Context, q Query) (search, error) {
	if err := q.validate(); err != nil {
		return search{}, err
	}
	if q.Limit == 0 {
		q.Limit = defaultLimit
	}
	if q.Mode == "" {
		q.Mode = Hybrid
	}
	se := search{s: s, q: q, now: firstTime(q.AsOf, s.now())}
	if err := se.embedQuery(ctx); err != nil {
		return search{}, err
	}
	se.notes = slices.Clip(se.notes) // copies append to it, each for itself
	return se, nil
}

// embedQuery computes the question's vector where the mode wants one.
func (se *search) embedQuery(ctx context.Context) error {
	if se.q.Mode == TextOnly {
		return nil
	}
	if se.s.embedder == nil {
		if se.q.Mode == VectorOnly {
			return invalid("mode", "vector needs an embedder", "open the store with one")
		}
		se.note("searched by words alone: the store was opened without an embedder")
		return nil
	}
	half, cancel := halfOf(ctx)
	defer cancel()
	vectors, err := se.s.embed(half, []string{se.q.Text}, ForQuery)
	switch {
	case err == nil:
		se.vector = vectors[0]
	case ctx.Err() != nil || se.q.Mode == VectorOnly:
		return err
	default:
		se.note("searched by words alone: " + err.Error())
	}
	return nil
}

func (se *search) note(s string) { se.notes = append(se.notes, s) }

// run finds, ranks and reads the hits on one view of the store.
func (se *search) run(ctx context.Context, tx *sqlite.Tx) error {
	if se.q.Project != "" {
		var err error
		if se.project, err = projectNamed(tx, se.q.Project); err != nil {
			return err
		}
	}
	if !se.q.AsOf.IsZero() {
		if _, err := tx.QueryRow(func(r sqlite.Row) { se.seq = r.Int64(0) },
			`SELECT coalesce(max(seq), 0) FROM journal WHERE time <= ?`, timeText(se.q.AsOf)); err != nil {
			return err
		}
	}
	space, sp, err := activeSpace(tx)
	if err != nil {
		return err
	}
	if err := se.s.mismatch(sp); err != nil {
		if se.q.Mode == VectorOnly {
			return err
		}
		if se.vector != nil {
			se.note("searched by words alone: " + err.Error())
		}
		se.vector = nil
	}
	if err := se.find(ctx, tx, space); err != nil {
		return err
	}
	if !se.q.AsOf.IsZero() {
		if err := se.loadAll(tx); err != nil {
			return err
		}
	}
	if err := se.pullReplacements(tx); err != nil {
		return err
	}
	se.rank()
	if err := se.loadBest(tx); err != nil {
		return err
	}
	if len(se.candidates) == 0 && se.project != "" && se.project != noProject {
		return se.lookElsewhere(tx)
	}
	return nil
}

// depth is how many candidates words contribute: enough that the factors can
// reorder, and that a page is judged by most of its chunks that were found.
func (se *search) depth() int { return se.deep(300) }

// nearDepth is how many vectors contribute.
func (se *search) nearDepth() int { return se.deep(100) }

func (se *search) deep(n int) int {
	n = max(n, 5*se.q.Limit)
	if !se.q.AsOf.IsZero() {
		n *= 4 // many of them may not have been there yet
	}
	return n
}
