package atocore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

// A fakeEmbedder embeds by a hash of the text, unless it is told to do
// otherwise.
type fakeEmbedder struct {
	space atocore.Space

	mu    sync.Mutex
	do    func(ctx context.Context, texts []string) ([][]float32, error) // nil: by hash
	texts []string                                                       // all it was asked for, as documents
}

func newFake(name string) *fakeEmbedder {
	return &fakeEmbedder{space: atocore.Space{Name: name, Dimensions: 4, Fingerprint: "f1"}}
}

func (e *fakeEmbedder) Space() atocore.Space { return e.space }

func (e *fakeEmbedder) Embed(ctx context.Context, texts []string, purpose atocore.Purpose) ([][]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	do := e.do
	if purpose == atocore.ForDocument {
		e.texts = append(e.texts, texts...)
	}
	e.mu.Unlock()
	if do != nil {
		return do(ctx, texts)
	}
	return e.vectors(texts), nil
}

func (e *fakeEmbedder) vectors(texts []string) [][]float32 {
	out := make([][]float32, len(texts))
	for i, text := range texts {
		h := fnv.New32a()
		h.Write([]byte(e.space.Name + text))
		v := make([]float32, e.space.Dimensions)
		for j := range v {
			v[j] = float32(h.Sum32()>>(8*(j%4))&0xff) + 1
		}
		out[i] = v
	}
	return out
}

func (e *fakeEmbedder) behave(do func(ctx context.Context, texts []string) ([][]float32, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.do = do
}

func (e *fakeEmbedder) asked() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.texts)
}

func wantVectors(t testing.TB, s *atocore.Store, vectors, pending int) {
	t.Helper()
	stats := must(s.Stats(t.Context()))(t)
	if stats.Vectors != vectors || stats.Pending != pending {
		t.Errorf("got %d vectors and %d texts that wait, want %d and %d", stats.Vectors, stats.Pending, vectors, pending)
	}
}

var errDown = errors.New("the model is down")

// Whatever an embedder does wrong, writes succeed, search finds words and says
// what is missing, and the vectors come later.
func TestEmbedderFailures(t *testing.T) {
	each := func(v func(dims int) []float32) func(*fakeEmbedder) func(context.Context, []string) ([][]float32, error) {
		return func(e *fakeEmbedder) func(context.Context, []string) ([][]float32, error) {
			return func(_ context.Context, texts []string) ([][]float32, error) {
				out := make([][]float32, len(texts))
				for i := range out {
					out[i] = v(e.space.Dimensions)
				}
				return out, nil
			}
		}
	}
	for _, tt := range []struct {
		name    string
		failure func(*fakeEmbedder) func(context.Context, []string) ([][]float32, error)
		says    string
	}{
		{"an error", func(*fakeEmbedder) func(context.Context, []string) ([][]float32, error) {
			return func(context.Context, []string) ([][]float32, error) { return nil, errDown }
		}, "down"},
		{"NaN", each(func(n int) []float32 { return append(make([]float32, n-1), float32(math.NaN())) }), "NaN"},
		{"an infinity", each(func(n int) []float32 { return append(make([]float32, n-1), float32(math.Inf(-1))) }), "-Inf"},
		{"all zeros", each(func(n int) []float32 { return make([]float32, n) }), "zeros"},
		{"too small to have a direction", each(func(n int) []float32 { return append(make([]float32, n-1), 1e-30) }), "length"},
		{"too large to have one", each(func(n int) []float32 { return append(make([]float32, n-1), math.MaxFloat32) }), "length"},
		{"a dimension too few", each(func(n int) []float32 { return []float32{1, 1, 1} }), "3 dimensions, not 4"},
		{"an empty vector", each(func(n int) []float32 { return []float32{} }), "0 dimensions, not 4"},
		{"a vector too few", func(e *fakeEmbedder) func(context.Context, []string) ([][]float32, error) {
			return func(_ context.Context, texts []string) ([][]float32, error) { return e.vectors(texts[1:]), nil }
		}, "vectors for"},
		{"a vector too many", func(e *fakeEmbedder) func(context.Context, []string) ([][]float32, error) {
			return func(_ context.Context, texts []string) ([][]float32, error) {
				return e.vectors(append(texts, "x")), nil
			}
		}, "vectors for"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			var log bytes.Buffer
			e := newFake("fake")
			s := openStore(t, &atocore.Options{Embedder: e, Durability: atocore.Normal, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			addProject(t, s, "harbour")
			e.behave(tt.failure(e))
			m := remember(t, s, statement("The bridge opens at nine"))
			must(s.Revise(ctx, m.ID, "The bridge opens at ten"))(t)
			must(s.SetState(ctx, atocore.StateEntry{Project: "harbour", Key: "k", Value: "bridge state"}))(t)
			must(s.AddDocument(ctx, atocore.Document{Path: "a.md"}, "# Bridge\n\ntext\n"))(t)
			must(s.Capture(ctx, atocore.Interaction{Prompt: "which bridge"}))(t)
			wantVectors(t, s, 0, 4)
			checkStore(t, s)
			if !strings.Contains(log.String(), tt.says) || strings.Contains(log.String(), "opens at") {
				t.Errorf("the log does not say %q, or has content: %s", tt.says, log.String())
			}
			r := must(s.Retriever(nil).Search(ctx, atocore.Query{Text: "bridge"}))(t)
			if len(r.Hits) != 4 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], tt.says) {
				t.Errorf("search: got %d hits, notes %q", len(r.Hits), r.Notes)
			}
			if _, err := s.Retriever(nil).Search(ctx, atocore.Query{Text: "bridge", Mode: atocore.VectorOnly}); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("search by vectors alone: got %v, want an error", err)
			}
			if _, err := s.EmbedPending(ctx); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("EmbedPending: got %v, want an error that says %q", err, tt.says)
			}
			wantVectors(t, s, 0, 4)

			// It works again: the next write takes what waits along.
			e.behave(nil)
			must(s.Remember(ctx, statement("Another")))(t)
			wantVectors(t, s, 5, 0)
			if n := must(s.EmbedPending(ctx))(t); n != 0 {
				t.Errorf("EmbedPending after that: got %d", n)
			}
			if r := must(s.Retriever(nil).Search(ctx, atocore.Query{Text: "bridge", Mode: atocore.VectorOnly}))(t); len(r.Hits) != 5 || len(r.Notes) != 0 {
				t.Errorf("search by vectors: got %d hits, notes %q", len(r.Hits), r.Notes)
			}
		})
	}
}

// One text that an embedder cannot do does not keep the others from it.
func TestEmbedderFailsForOneText(t *testing.T) {
	e := newFake("fake")
	s := openStore(t, &atocore.Options{Embedder: e})
	e.behave(func(_ context.Context, texts []string) ([][]float32, error) {
		out := e.vectors(texts)
		for i, text := range texts {
			if strings.Contains(text, "poison") {
				out[i][2] = float32(math.NaN())
			}
		}
		return out, nil
	})
	must(s.RememberAll(t.Context(), []atocore.Memory{statement("one"), statement("poison"), statement("two")}))(t)
	wantVectors(t, s, 2, 1)
	remember(t, s, statement("three"))
	wantVectors(t, s, 3, 1)
	if err := s.Reindex(t.Context(), nil); !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("Reindex: got %v, want the one text's error", err)
	}
	wantVectors(t, s, 3, 1)
	if n, err := s.EmbedPending(t.Context()); n != 0 || !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("EmbedPending: got %d, %v", n, err)
	}
	e.behave(nil)
	if n := must(s.EmbedPending(t.Context()))(t); n != 1 {
		t.Errorf("EmbedPending after it works again: got %d, want 1", n)
	}
}

// Nil is a text with nothing to embed: no vector, no waiting, no fault.
func TestEmbedderHasNothingToSay(t *testing.T) {
	e := newFake("fake")
	s := openStore(t, &atocore.Options{Embedder: e})
	silent := func(_ context.Context, texts []string) ([][]float32, error) {
		out := e.vectors(texts)
		for i, text := range texts {
			if strings.Contains(text, "silence") {
				out[i] = nil
			}
		}
		return out, nil
	}
	e.behave(silent)
	m := must(s.RememberAll(t.Context(), []atocore.Memory{statement("silence"), statement("words")}))(t)[0]
	wantVectors(t, s, 1, 0)
	checkStore(t, s)
	if err := s.Reindex(t.Context(), nil); err != nil {
		t.Error(err)
	}
	wantVectors(t, s, 1, 0)
	must(s.Revise(t.Context(), m.ID, "words of another kind"))(t)
	wantVectors(t, s, 2, 0)
	must(s.Revise(t.Context(), m.ID, "silence again"))(t)
	wantVectors(t, s, 1, 0)
	must(s.Forget(t.Context(), "", m.ID))(t)
	if r := must(s.Retriever(nil).Search(t.Context(), atocore.Query{Text: "silence"}))(t); len(r.Notes) != 0 {
		t.Errorf("a question with nothing to embed: notes %q", r.Notes)
	}
}

// An embedder that hangs does not take a write with it that has a deadline.
func TestEmbedderHangs(t *testing.T) {
	e := newFake("fake")
	s := openStore(t, &atocore.Options{Embedder: e})
	e.behave(func(ctx context.Context, _ []string) ([][]float32, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // of which the embedder has one
	defer cancel()
	must(s.Remember(ctx, statement("one")))(t)
	wantVectors(t, s, 0, 1)

	ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if r := must(s.Retriever(nil).Search(ctx, atocore.Query{Text: "one"}))(t); len(r.Hits) != 1 || len(r.Notes) != 1 {
		t.Errorf("a search with a hanging embedder: %d hits, notes %q, want one of each", len(r.Hits), r.Notes)
	}

	given, give := context.WithCancel(t.Context())
	e.behave(func(ctx context.Context, _ []string) ([][]float32, error) {
		give()
		<-ctx.Done()
		return nil, ctx.Err()
	})
	wantUnchanged(t, s, context.Canceled, func() error { _, err := s.Remember(given, statement("two")); return err })
}

func TestNoEmbedder(t *testing.T) {
	dir := t.TempDir()
	ctx := t.Context()
	s := openStoreIn(t, dir, &atocore.Options{NoEmbedder: true})
	m := remember(t, s, statement("one"))
	remember(t, s, statement("two"))
	wantVectors(t, s, 0, 2)
	if n := must(s.EmbedPending(ctx))(t); n != 0 {
		t.Errorf("EmbedPending without an embedder: got %d", n)
	}
	if err := s.Reindex(ctx, nil); !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("Reindex without an embedder: got %v", err)
	}
	r := must(s.Retriever(nil).Search(ctx, atocore.Query{Text: "one"}))(t)
	if len(r.Hits) != 1 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "without an embedder") {
		t.Errorf("search: got %+v", r)
	}
	if _, err := s.Retriever(nil).Search(ctx, atocore.Query{Text: "one", Mode: atocore.VectorOnly}); !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("search by vectors: got %v", err)
	}
	must(s.Forget(ctx, "", m.ID))(t)

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStoreIn(t, dir, nil)
	remember(t, s, statement("three"))
	wantVectors(t, s, 2, 0)
	if _, err := atocore.Open(ctx, dir, &atocore.Options{NoEmbedder: true, Embedder: newFake("x")}); !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("NoEmbedder and an embedder: got %v", err)
	}
}

// What is embedded follows the text, even where the words that the index knows
// are the same.
func TestVectorsFollowTheText(t *testing.T) {
	e := newFake("fake")
	s := openStore(t, &atocore.Options{Embedder: e})
	m := remember(t, s, statement("He likes to sail."))
	n := e.asked()
	must(s.Promote(t.Context(), m.ID))(t)
	must(s.Reinforce(t.Context(), m.ID))(t)
	if got := e.asked(); got != n {
		t.Errorf("changes of the status embed %d texts", got-n)
	}
	const next = "He liked to sail!"
	must(s.Revise(t.Context(), m.ID, next))(t)
	r := must(s.Retriever(nil).Search(t.Context(), atocore.Query{Text: next, Mode: atocore.VectorOnly, Explain: true}))(t)
	if len(r.Hits) != 1 || r.Hits[0].Explanation.Similarity < 0.999999 {
		t.Errorf("the vector is not that of the revised text: %+v", r.Hits)
	}
}

func TestSpacesNeverMix(t *testing.T) {
	for _, tt := range []struct {
		name  string
		other atocore.Space
	}{
		{"another name", atocore.Space{Name: "b", Dimensions: 4, Fingerprint: "f1"}},
		{"another fingerprint", atocore.Space{Name: "a", Dimensions: 4, Fingerprint: "f2"}},
		{"other dimensions", atocore.Space{Name: "a", Dimensions: 8, Fingerprint: "f1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			dir := t.TempDir()
			a, b := newFake("a"), &fakeEmbedder{space: tt.other}
			first := openStoreIn(t, dir, &atocore.Options{Embedder: a})
			remember(t, first, statement("The bridge opens at nine"))
			second := openStoreIn(t, dir, &atocore.Options{Embedder: b})

			var space *atocore.SpaceError
			holds := func(err error) {
				t.Helper()
				if !errors.Is(err, atocore.ErrSpaceMismatch) || !errors.As(err, &space) {
					t.Fatalf("got %v, want a SpaceError", err)
				}
				if space.Store != a.space || space.Embedder != b.space || !strings.Contains(err.Error(), a.space.String()) || !strings.Contains(err.Error(), b.space.String()) {
					t.Errorf("the error does not name both spaces: %v", err)
				}
			}
			_, err := second.EmbedPending(ctx)
			holds(err)
			_, err = second.Retriever(nil).Search(ctx, atocore.Query{Text: "bridge", Mode: atocore.VectorOnly})
			holds(err)
			r := must(second.Retriever(nil).Search(ctx, atocore.Query{Text: "bridge"}))(t)
			if len(r.Hits) != 1 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], a.space.String()) || !strings.Contains(r.Notes[0], b.space.String()) {
				t.Errorf("search: got %+v, want the hit and a note that names both", r)
			}
			stats := must(second.Stats(ctx))(t)
			if *stats.Space != a.space || *stats.Embedder != b.space {
				t.Errorf("Stats: space %v, embedder %v", stats.Space, stats.Embedder)
			}

			// Its writes wait for an embedder of the store's space, and do not
			// ask one for nothing.
			b.behave(func(context.Context, []string) ([][]float32, error) {
				t.Error("a write asked the embedder of another space")
				return nil, errors.New("asked")
			})
			m := remember(t, second, statement("The mill is shut"))
			must(second.Revise(ctx, m.ID, "The mill is shut on Sundays"))(t)
			b.behave(nil)
			wantVectors(t, second, 1, 1)
			remember(t, first, statement("Third"))
			wantVectors(t, first, 3, 0)

			// The change-over; whose store has the former embedder is told.
			if err := second.Reindex(ctx, nil); err != nil {
				t.Fatal(err)
			}
			wantVectors(t, second, 3, 0)
			if r := must(second.Retriever(nil).Search(ctx, atocore.Query{Text: "bridge", Mode: atocore.VectorOnly}))(t); len(r.Hits) != 3 {
				t.Errorf("search by vectors after Reindex: got %d hits", len(r.Hits))
			}
			a, b = b, a
			_, err = first.EmbedPending(ctx)
			holds(err)
			remember(t, first, statement("Fourth"))
			wantVectors(t, first, 3, 1)
			remember(t, second, statement("Fifth"))
			wantVectors(t, second, 5, 0)
		})
	}
}

// A Reindex that is broken off anywhere leaves the former space serving, and
// goes on where it was.
func TestReindexIsInterruptedAndResumed(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	a, b := newFake("a"), newFake("b")
	first := openStoreIn(t, dir, &atocore.Options{Embedder: a, Durability: atocore.Normal})
	const n = 700
	var batch []atocore.Memory
	for i := range n {
		batch = append(batch, statement(fmt.Sprintf("statement number %d", i)))
	}
	batch = append(batch, statement("the needle"))
	ids := must(first.RememberAll(ctx, batch))(t)
	needle := func(s *atocore.Store, when string) {
		t.Helper()
		r := must(s.Retriever(nil).Search(ctx, atocore.Query{Text: "the needle", Mode: atocore.VectorOnly, Limit: 1, Explain: true}))(t)
		if len(r.Hits) != 1 || r.Hits[0].Explanation.Similarity < 0.999999 {
			t.Errorf("%s: search by vectors finds %+v", when, r.Hits)
		}
	}
	for _, tt := range []struct {
		name     string
		embedder *fakeEmbedder
		same     bool
	}{
		{"to another space", b, false},
		{"within the space", b, true},
	} {
		s := openStoreIn(t, dir, &atocore.Options{Embedder: tt.embedder, Durability: atocore.Normal})
		serving := first
		if tt.same {
			serving = s
		}
		start := tt.embedder.asked()
		var progress []int
		interrupted := 0
		for {
			var step context.CancelFunc
			stepped, step := context.WithCancel(ctx)
			calls := 0
			err := s.Reindex(stepped, func(done, total int) {
				if total != n+1 {
					t.Errorf("%s: progress says %d of %d", tt.name, done, total)
				}
				progress = append(progress, done)
				if calls++; calls == 2 {
					step()
				}
			})
			step()
			if err == nil {
				break
			}
			if interrupted++; !errors.Is(err, context.Canceled) || interrupted > 10 {
				t.Fatalf("%s: %v", tt.name, err)
			}
			needle(serving, tt.name+", interrupted")
			checkStore(t, s)
		}
		if interrupted < 2 {
			t.Errorf("%s: interrupted %d times only", tt.name, interrupted)
		}
		if got := tt.embedder.asked() - start; got != n+1 {
			t.Errorf("%s: %d texts were embedded, want each of %d once", tt.name, got, n+1)
		}
		if progress[0] != 0 || progress[len(progress)-1] != n+1 {
			t.Errorf("%s: progress from %d to %d", tt.name, progress[0], progress[len(progress)-1])
		}
		wantVectors(t, s, n+1, 0)
		needle(s, tt.name+", done")
		if !tt.same {
			if _, err := first.EmbedPending(ctx); !errors.Is(err, atocore.ErrSpaceMismatch) {
				t.Errorf("after the change-over: the former embedder gets %v", err)
			}
		}
	}
	// A text that changes while the new space is being filled ends up as it is.
	c := newFake("c")
	s := openStoreIn(t, dir, &atocore.Options{Embedder: c, Durability: atocore.Normal})
	once := sync.OnceFunc(func() {
		must(s.Revise(ctx, ids[0].ID, "revised meanwhile"))(t)
		remember(t, s, statement("new meanwhile"))
		must(s.Forget(ctx, "", ids[1].ID))(t)
	})
	if err := s.Reindex(ctx, func(done, total int) {
		if done > 0 {
			once()
		}
	}); err != nil {
		t.Fatal(err)
	}
	wantVectors(t, s, n+1, 0)
	for _, text := range []string{"revised meanwhile", "new meanwhile"} {
		r := must(s.Retriever(nil).Search(ctx, atocore.Query{Text: text, Mode: atocore.VectorOnly, Limit: 1, Explain: true}))(t)
		if len(r.Hits) != 1 || r.Hits[0].Text != text || r.Hits[0].Explanation.Similarity < 0.999999 {
			t.Errorf("%q: search by vectors finds %+v", text, r.Hits)
		}
	}
}

// Two programs that change over to different embedders at once leave the store
// with one of them, whole.
func TestReindexRace(t *testing.T) {
	const n = 5
	for _, at := range []int{0, n} { // before the first text, after the last
		ctx := t.Context()
		dir := t.TempDir()
		s := openStoreIn(t, dir, &atocore.Options{Embedder: newFake("a")})
		for i := range n {
			remember(t, s, statement(fmt.Sprint("text ", i)))
		}
		b, c := newFake("b"), newFake("c")
		sb := openStoreIn(t, dir, &atocore.Options{Embedder: b})
		sc := openStoreIn(t, dir, &atocore.Options{Embedder: c})
		interfere := sync.OnceFunc(func() {
			if err := sc.Reindex(ctx, nil); err != nil {
				t.Error(err)
			}
		})
		if err := sb.Reindex(ctx, func(done, _ int) {
			if done == at {
				interfere()
			}
		}); err != nil {
			t.Fatal(err)
		}
		stats := must(sb.Stats(ctx))(t)
		if stats.Space == nil || *stats.Space != b.space || stats.Vectors != n || stats.Pending != 0 {
			t.Errorf("interfered with at %d: who was last is not who serves: %+v", at, stats)
		}
	}
}

func TestEmbedderSpaceIsChecked(t *testing.T) {
	for _, sp := range []atocore.Space{
		{},
		{Name: "x", Dimensions: 0},
		{Name: "x", Dimensions: -1},
		{Name: "x", Dimensions: atocore.MaxDimensions + 1},
		{Name: "", Dimensions: 4},
		{Name: "a\nb", Dimensions: 4},
		{Name: "x", Dimensions: 4, Fingerprint: "\xff"},
	} {
		dir := t.TempDir()
		if _, err := atocore.Open(t.Context(), dir, &atocore.Options{Embedder: &fakeEmbedder{space: sp}}); !errors.Is(err, atocore.ErrInvalid) {
			t.Errorf("space %+v: got %v", sp, err)
		}
		if d := cmp.Diff([]string(nil), names(t, dir)); d != "" {
			t.Errorf("space %+v: something was made:\n%s", sp, d)
		}
	}
}

// A text that can no longer be embedded keeps its former vector and its place
// in the queue, and Reindex says so.
func TestReindexMeetsAFault(t *testing.T) {
	e := newFake("fake")
	s := openStore(t, &atocore.Options{Embedder: e})
	must(s.RememberAll(t.Context(), []atocore.Memory{statement("one"), statement("poison")}))(t)
	wantVectors(t, s, 2, 0)
	e.behave(func(_ context.Context, texts []string) ([][]float32, error) {
		out := e.vectors(texts)
		for i, text := range texts {
			if strings.Contains(text, "poison") {
				out[i][2] = float32(math.NaN())
			}
		}
		return out, nil
	})
	if err := s.Reindex(t.Context(), nil); !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("Reindex: got %v, want the one text's error", err)
	}
	wantVectors(t, s, 2, 1)
	e.behave(nil)
	if n := must(s.EmbedPending(t.Context()))(t); n != 1 {
		t.Errorf("EmbedPending after it works again: got %d, want 1", n)
	}
}
