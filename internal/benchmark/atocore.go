package main

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/internal/benchtext"
)

// The kinds of search, as requests name them.
const (
	kindHybrid  = "hybrid"
	kindText    = "text"
	kindVector  = "vector"
	kindContext = "context"
)

// An atocoreEngine is a store under measurement.
type atocoreEngine struct {
	store     *atocore.Store
	retriever *atocore.Retriever
	given     *given // nil with the default embedder
	made      *maker // of records, when the first is written
	dims      int
}

func openAtocore(ctx context.Context, s *setup) (engine, error) {
	o := &atocore.Options{CompileCache: s.Cache, NoCreate: !s.Create}
	e := &atocoreEngine{dims: s.Dims}
	if s.Dims > 0 {
		e.given = newGiven(s.Dims)
		e.given.set(vectorsOf(s.Questions))
		o.Embedder = e.given
	}
	var err error
	if e.store, err = atocore.Open(ctx, s.Dir, o); err != nil {
		return nil, err
	}
	e.retriever = e.store.Retriever(nil)
	if s.Create {
		for n := range projects {
			if _, err := e.store.AddProject(ctx, atocore.Project{Name: projectName(n + 1)}); err != nil {
				return nil, errors.Join(err, e.store.Close())
			}
		}
	}
	return e, nil
}

func vectorsOf(questions []question) map[string][]float32 {
	out := make(map[string][]float32, len(questions))
	for _, q := range questions {
		out[q.Text] = q.Vector
	}
	return out
}

func (e *atocoreEngine) query(kind string, f filter, q question) atocore.Query {
	out := atocore.Query{Text: q.Text, Mode: atocore.Mode(kind), Project: f.project, After: f.after, Before: f.before}
	if f.typ != "" {
		out.Types = []atocore.MemoryType{f.typ}
	}
	return out
}

func (e *atocoreEngine) ask(ctx context.Context, kind string, f filter, q question) (float64, error) {
	if kind == kindContext {
		began := time.Now()
		_, err := e.retriever.Context(ctx, atocore.ContextRequest{Prompt: q.Text, Project: f.project})
		return since(began), err
	}
	query := e.query(kind, f, q)
	began := time.Now()
	res, err := e.retriever.Search(ctx, query)
	took := since(began)
	for _, note := range res.Notes {
		// The other note, that nothing was found in a project, is an answer.
		if strings.HasPrefix(note, "searched by words alone") {
			err = errors.Join(err, errors.New(note))
		}
	}
	return took, err
}

// find returns the records that the vector side has at ranks 1 to n. It asks for
// more hits than that, since the other factors of a score may have put some of
// them further down.
func (e *atocoreEngine) find(ctx context.Context, f filter, q question, n int) ([]int, error) {
	query := e.query(kindVector, f, q)
	query.Limit, query.Explain = 10*n, true
	res, err := e.retriever.Search(ctx, query)
	if err != nil {
		return nil, err
	}
	var out []int
	for _, h := range res.Hits {
		if r := h.Explanation.VectorRank; r >= 1 && r <= n {
			out = append(out, numberOf(h.Text))
		}
	}
	return out, nil
}

// exact compares a search of the default limit to the same with Query.Exact, a
// field that versions with an index of vectors have. Others always search exactly.
func (e *atocoreEngine) exact(ctx context.Context, f filter, q question) (share float64, ok bool, err error) {
	query := e.query(kindVector, f, q)
	field := reflect.ValueOf(&query).Elem().FieldByName("Exact")
	if !field.IsValid() {
		return 0, false, nil
	}
	got, err := e.retriever.Search(ctx, query)
	if err != nil {
		return 0, false, err
	}
	field.SetBool(true)
	want, err := e.retriever.Search(ctx, query)
	if err != nil || len(want.Hits) == 0 {
		return 1, true, err
	}
	there := map[string]bool{}
	for _, h := range got.Hits {
		there[h.ID] = true
	}
	for _, h := range want.Hits {
		if there[h.ID] {
			share += 1 / float64(len(want.Hits))
		}
	}
	return share, true, nil
}

func (e *atocoreEngine) write(ctx context.Context, from, to, batch int) (micros []float64, err error) {
	if e.made == nil {
		e.made = newMaker(e.dims)
	}
	for ; from < to; from += batch {
		n := min(batch, to-from)
		memories := make([]atocore.Memory, n)
		vectors := make(map[string][]float32, n)
		for i := range memories {
			text, a, v := e.made.record(from + i)
			memories[i] = atocore.Memory{Type: a.typ, Project: a.project, ValidFrom: a.time, Content: text}
			vectors[text] = v
		}
		if e.given != nil {
			e.given.set(vectors)
		}
		began := time.Now()
		if batch == 1 {
			_, err = e.store.Remember(ctx, memories[0])
		} else {
			_, err = e.store.RememberAll(ctx, memories)
		}
		micros = append(micros, since(began))
		if err != nil {
			return nil, err
		}
	}
	return micros, nil
}

func (e *atocoreEngine) close() (float64, error) {
	began := time.Now()
	err := e.store.Close()
	return since(began), err
}

// A maker makes records.
type maker struct {
	corpus  *benchtext.Corpus
	vectors *benchtext.Vectors // nil where none are to be given
}

func newMaker(dims int) *maker {
	m := &maker{corpus: benchtext.New()}
	if dims > 0 {
		m.vectors = m.corpus.Vectors(dims)
	}
	return m
}

func (m *maker) record(n int) (text string, a attributes, vector []float32) {
	text = m.corpus.Text(n)
	if m.vectors != nil {
		vector = m.vectors.Vector(text)
	}
	return text, attributesOf(n), vector
}

// since is the time since began in microseconds.
func since(began time.Time) float64 { return float64(time.Since(began).Nanoseconds()) / 1e3 }
