package atocore_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/atocore/atocore"
)

// A topical embedder knows which words belong together: those that begin alike,
// t12w7 and t12w30. A useless one knows nothing.
type topical struct {
	useless bool
	asked   atomic.Int64 // questions
}

const topics = 40

func (e *topical) Space() atocore.Space {
	return atocore.Space{Name: "topical", Dimensions: topics + 8, Fingerprint: fmt.Sprint(e.useless)}
}

func (e *topical) Embed(_ context.Context, texts []string, purpose atocore.Purpose) ([][]float32, error) {
	if purpose == atocore.ForQuery {
		e.asked.Add(int64(len(texts)))
	}
	out := make([][]float32, len(texts))
	for i, text := range texts {
		h := fnv.New64a()
		h.Write([]byte(text))
		rng := rand.New(rand.NewPCG(h.Sum64(), 1))
		v := make([]float32, topics+8)
		for j := range v {
			v[j] = 0.05 * float32(rng.NormFloat64())
		}
		for word := range strings.FieldsSeq(text) {
			var topic, n int
			if k, _ := fmt.Sscanf(word, "t%dw%d", &topic, &n); k == 2 && !e.useless {
				v[topic]++
			}
		}
		out[i] = v
	}
	return out, nil
}

// topicalText is a text of two clauses that share a topic and no word.
func topicalText(n int) string {
	topic := n % topics
	word := func(i int) string { return fmt.Sprintf("t%dw%d", topic, i) }
	k := n / topics * 8
	return fmt.Sprintf("%s %s %s %s, %s %s %s %s.", word(k), word(k+1), word(k+2), word(k+3), word(k+4), word(k+5), word(k+6), word(k+7))
}

func topicalStore(t *testing.T, e atocore.Embedder, n int) *atocore.Store {
	t.Helper()
	s := openStore(t, &atocore.Options{Embedder: e})
	var batch []atocore.Memory
	for i := range n {
		batch = append(batch, atocore.Memory{Type: atocore.Knowledge, Content: topicalText(i)})
	}
	must(s.RememberAll(t.Context(), batch))(t)
	must(s.EmbedPending(t.Context()))(t)
	return s
}

// weightOf is the weight of the vectors in a hybrid search.
func weightOf(t *testing.T, s *atocore.Store, q atocore.Query) float64 {
	t.Helper()
	q.Explain = true
	found := must(s.Retriever(nil).Search(t.Context(), q))(t)
	if len(found.Hits) == 0 {
		t.Fatalf("nothing found by %q", q.Text)
	}
	return found.Hits[0].Explanation.Weight
}

// Vectors weigh by how well they find texts of the store itself.
func TestVectorsAreTrustedByWhatTheyFind(t *testing.T) {
	question := atocore.Query{Text: topicalText(3)}
	good := topicalStore(t, &topical{}, 400)
	if w := weightOf(t, good, question); w != 0.4 {
		t.Errorf("vectors that find what words do not: got weight %v, want the most, 0.4", w)
	}
	useless := topicalStore(t, &topical{useless: true}, 400)
	if w := weightOf(t, useless, question); w != 0 {
		t.Errorf("vectors that find nothing: got weight %v, want 0", w)
	}
	text, hybrid := question, question
	text.Mode = atocore.TextOnly
	a := must(useless.Retriever(nil).Search(t.Context(), text))(t)
	b := must(useless.Retriever(nil).Search(t.Context(), hybrid))(t)
	for i := range a.Hits {
		if len(b.Hits) <= i || a.Hits[i].ID != b.Hits[i].ID {
			t.Fatalf("hit %d: vectors that find nothing change what words find", i)
		}
	}
	question.Weight = 0.7
	if w := weightOf(t, useless, question); w != 0.7 {
		t.Errorf("asked for weight 0.7: got %v", w)
	}
}

// What is not known yet, or cannot be asked, gets a little.
func TestUnknownVectorsGetALittle(t *testing.T) {
	few := topicalStore(t, &topical{}, 40)
	if w := weightOf(t, few, atocore.Query{Text: topicalText(3)}); w != 0.1 {
		t.Errorf("few texts: got weight %v, want 0.1", w)
	}
	e := &topical{}
	s := openStore(t, &atocore.Options{Embedder: e})
	var batch []atocore.Memory
	for i := range 200 {
		batch = append(batch, atocore.Memory{Type: atocore.Knowledge, Content: fmt.Sprintf("t%dw%d t%dw7", i%topics, i, i%topics)})
	}
	must(s.RememberAll(t.Context(), batch))(t)
	must(s.EmbedPending(t.Context()))(t)
	if w := weightOf(t, s, atocore.Query{Text: "t3w3"}); w != 0.1 {
		t.Errorf("texts of one clause: got weight %v, want 0.1", w)
	}
}

// The trust is measured when the store has doubled, and not before.
func TestTrustIsMeasuredAsTheStoreGrows(t *testing.T) {
	e := &topical{}
	s := topicalStore(t, e, 400)
	first := e.asked.Load()
	if first == 0 {
		t.Fatal("nothing was asked")
	}
	more := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			must(s.Remember(t.Context(), atocore.Memory{Type: atocore.Knowledge, Content: topicalText(i)}))(t)
		}
		must(s.EmbedPending(t.Context()))(t)
	}
	more(400, 480)
	if n := e.asked.Load(); n != first {
		t.Errorf("%d questions more for a fifth more texts", n-first)
	}
	more(480, 800)
	if n := e.asked.Load(); n == first {
		t.Error("no questions more for twice as many texts")
	}
}

// A weight that is none is refused.
func TestWeightIsChecked(t *testing.T) {
	s := openStore(t, nil)
	for _, w := range []float64{-0.1, 1.1} {
		_, err := s.Retriever(nil).Search(t.Context(), atocore.Query{Text: "x", Weight: w})
		if !errors.Is(err, atocore.ErrInvalid) || !strings.Contains(fmt.Sprint(err), "weight") {
			t.Errorf("weight %v: got %v", w, err)
		}
	}
}

// Where the cosines of a model lie does not change what is found.
func TestSimilaritiesAreTakenRelatively(t *testing.T) {
	plain := topicalStore(t, &topical{}, 400)
	shifted := topicalStore(t, &lifted{topical{}}, 400)
	for n := range 20 {
		q := atocore.Query{Text: fmt.Sprintf("t%dw1 t%dw9999", n, n), Limit: 5}
		a := must(plain.Retriever(nil).Search(t.Context(), q))(t)
		b := must(shifted.Retriever(nil).Search(t.Context(), q))(t)
		for i := range a.Hits {
			if a.Hits[i].Text != b.Hits[i].Text {
				t.Errorf("%s, hit %d: got %s, and %s where all vectors are near each other", q.Text, i, a.Hits[i].Text, b.Hits[i].Text)
			}
		}
	}
}

// lifted is topical with one direction that all vectors share, so that all cosines
// are high.
type lifted struct{ topical }

func (e *lifted) Space() atocore.Space {
	sp := e.topical.Space()
	return atocore.Space{Name: "lifted", Dimensions: sp.Dimensions + 1, Fingerprint: "1"}
}

func (e *lifted) Embed(ctx context.Context, texts []string, purpose atocore.Purpose) ([][]float32, error) {
	out, err := e.topical.Embed(ctx, texts, purpose)
	for i, v := range out {
		var square float64
		for _, x := range v {
			square += float64(x) * float64(x)
		}
		for j := range v {
			v[j] /= float32(math.Sqrt(square))
		}
		out[i] = append(v, 4) // a cosine c becomes (c+16)/17
	}
	return out, err
}
