package atocoretest_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/atocoretest"
)

func TestDefaultEmbedder(t *testing.T) {
	atocoretest.TestEmbedder(t, atocore.DefaultEmbedder())
}

// TestSloppyEmbedder passes one that uses what the rules leave open: nil for
// texts without words, and rounding that differs with the batch.
func TestSloppyEmbedder(t *testing.T) {
	atocoretest.TestEmbedder(t, bent{embed: func(ctx context.Context, texts []string, p atocore.Purpose) ([][]float32, error) {
		out, err := sound(ctx, texts, p)
		for i := range out {
			if !strings.ContainsFunc(texts[i], func(r rune) bool { return r >= 'a' && r <= 'z' }) {
				out[i] = nil
				continue
			}
			for d := range out[i] {
				out[i][d] *= 1 + 1e-3*float32((d+len(texts))%7)
			}
		}
		return out, err
	}})
}

type embedFunc func(context.Context, []string, atocore.Purpose) ([][]float32, error)

var sound embedFunc = atocore.DefaultEmbedder().Embed

// bent is the default embedder with something else in place of a part of it.
type bent struct {
	space func() atocore.Space
	embed embedFunc
}

func (b bent) Space() atocore.Space {
	if b.space != nil {
		return b.space()
	}
	return atocore.DefaultEmbedder().Space()
}

func (b bent) Embed(ctx context.Context, texts []string, p atocore.Purpose) ([][]float32, error) {
	if b.embed != nil {
		return b.embed(ctx, texts, p)
	}
	return sound(ctx, texts, p)
}

// each bends every vector of a batch.
func each(bend func(texts []string, i int, v []float32) []float32) embedFunc {
	return func(ctx context.Context, texts []string, p atocore.Purpose) ([][]float32, error) {
		out, err := sound(ctx, texts, p)
		for i := range out {
			out[i] = bend(texts, i, out[i])
		}
		return out, err
	}
}

// refuse fails for the texts for which bad is true.
func refuse(bad func(texts []string) bool) embedFunc {
	return func(ctx context.Context, texts []string, p atocore.Purpose) ([][]float32, error) {
		if bad(texts) {
			return nil, errors.New("refused")
		}
		return sound(ctx, texts, p)
	}
}

func one(text string) func([]string) bool {
	return func(texts []string) bool { return len(texts) == 1 && texts[0] == text }
}

// TestBrokenEmbedders breaks each rule once, and wants it named.
func TestBrokenEmbedders(t *testing.T) {
	space := atocore.DefaultEmbedder().Space()
	other := func(change func(*atocore.Space)) func() atocore.Space {
		s := space
		change(&s)
		return func() atocore.Space { return s }
	}
	var spaces, calls, running atomic.Int64
	var buffer []float32
	tests := []struct {
		name string
		bent bent
		want string // the rule
	}{
		{"no name", bent{space: other(func(s *atocore.Space) { s.Name = "" })}, "space: has no name"},
		{"a name of two lines", bent{space: other(func(s *atocore.Space) { s.Name = "a\nb" })}, "space: name"},
		{"a fingerprint that is too long", bent{space: other(func(s *atocore.Space) { s.Fingerprint = strings.Repeat("f", 2000) })}, "space: fingerprint"},
		{"no dimensions", bent{space: other(func(s *atocore.Space) { s.Dimensions = 0 })}, "space: has 0 dimensions"},
		{"too many dimensions", bent{space: other(func(s *atocore.Space) { s.Dimensions = atocore.MaxDimensions + 1 })}, "space: has 8193"},
		{"a space that changes", bent{space: func() atocore.Space {
			s := space
			s.Fingerprint = fmt.Sprint(spaces.Add(1))
			return s
		}}, "space: is "},
		{"always an error", bent{embed: refuse(func([]string) bool { return true })}, "sentence: "},
		{"a panic", bent{embed: func(context.Context, []string, atocore.Purpose) ([][]float32, error) { panic("oh") }}, "panic: oh"},
		{"nothing but nil", bent{embed: each(func([]string, int, []float32) []float32 { return nil })}, "sentence: "},
		{"too few vectors", bent{embed: func(ctx context.Context, texts []string, p atocore.Purpose) ([][]float32, error) {
			out, err := sound(ctx, texts, p)
			return out[:max(len(out)-1, min(len(out), 1))], err
		}}, "batch: "},
		{"too many vectors", bent{embed: func(ctx context.Context, texts []string, p atocore.Purpose) ([][]float32, error) {
			out, err := sound(ctx, texts, p)
			return append(out, nil), err
		}}, "batch: "},
		{"one dimension less", bent{embed: each(func(_ []string, _ int, v []float32) []float32 { return v[1:] })}, "vector: "},
		{"an empty vector for an empty text", bent{embed: each(func(texts []string, i int, v []float32) []float32 {
			if texts[i] == "" {
				return []float32{}
			}
			return v
		})}, "vector: "},
		{"a NaN", bent{embed: each(func(_ []string, _ int, v []float32) []float32 { v[3] = float32(math.NaN()); return v })}, "NaN at dimension 3"},
		{"an infinity", bent{embed: each(func(_ []string, _ int, v []float32) []float32 { v[3] = float32(math.Inf(-1)); return v })}, "-Inf at dimension 3"},
		{"zeros for a text without words", bent{embed: each(func(texts []string, i int, v []float32) []float32 {
			if strings.TrimSpace(texts[i]) == "" {
				return make([]float32, space.Dimensions)
			}
			return v
		})}, "no direction: its squares add up to 0"},
		{"too long to compute with", bent{embed: each(func(_ []string, _ int, v []float32) []float32 { v[0] = math.MaxFloat32; return v })}, "no direction"},
		{"the order of the alphabet", bent{embed: func(ctx context.Context, texts []string, p atocore.Purpose) ([][]float32, error) {
			return sound(ctx, slices.Sorted(slices.Values(texts)), p)
		}}, "order: "},
		{"the last text for all", bent{embed: each(func(texts []string, _ int, _ []float32) []float32 {
			out, _ := sound(context.Background(), texts[len(texts)-1:], atocore.ForDocument)
			return out[0]
		})}, "order: "},
		{"another vector each time", bent{embed: each(func(_ []string, _ int, v []float32) []float32 {
			v[calls.Add(1)%int64(len(v))] += 100
			return v
		})}, "determinism: "},
		{"no empty batch", bent{embed: refuse(func(texts []string) bool { return len(texts) == 0 })}, "empty batch: "},
		{"no large batch", bent{embed: refuse(func(texts []string) bool { return len(texts) > 128 })}, "full batch: "},
		{"no empty text", bent{embed: refuse(one(""))}, "an empty text: "},
		{"no blanks", bent{embed: refuse(one(" \t\r\n "))}, "blanks: "},
		{"no long text", bent{embed: refuse(func(texts []string) bool { return len(texts) == 1 && len(texts[0]) > 8<<10 })}, "64 KiB: "},
		{"ASCII alone", bent{embed: refuse(func(texts []string) bool {
			return slices.ContainsFunc(texts, func(s string) bool { return strings.ContainsFunc(s, func(r rune) bool { return r > 127 }) })
		})}, "many scripts: "},
		{"an empty text shifts the rest", bent{embed: func(ctx context.Context, texts []string, p atocore.Purpose) ([][]float32, error) {
			full := slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return s == "" })
			out, err := sound(ctx, full, p)
			return append(out, make([][]float32, len(texts)-len(full))...), err
		}}, "order: "},
		{"texts are changed", bent{embed: func(ctx context.Context, texts []string, p atocore.Purpose) ([][]float32, error) {
			out, err := sound(ctx, texts, p)
			for i := range texts {
				texts[i] = strings.ToLower(texts[i])
			}
			return out, err
		}}, "texts: "},
		{"one buffer for all calls", bent{embed: func(ctx context.Context, texts []string, p atocore.Purpose) ([][]float32, error) {
			out, err := sound(ctx, texts, p)
			if len(out) != 1 || running.Add(1) > 20 { // not from several goroutines, which the race detector would stop
				return out, err
			}
			buffer = append(buffer[:0], out[0]...)
			return [][]float32{buffer}, err
		}}, "kept vectors: "},
		{"others get in between", bent{embed: interleaved()}, "concurrency: "},
		{"no context", bent{embed: func(ctx context.Context, texts []string, p atocore.Purpose) ([][]float32, error) {
			return sound(context.WithoutCancel(ctx), texts, p)
		}}, "cancelled context: "},
		{"no queries", bent{embed: func(ctx context.Context, texts []string, p atocore.Purpose) ([][]float32, error) {
			out, err := sound(ctx, texts, p)
			if p == atocore.ForQuery {
				clear(out)
			}
			return out, err
		}}, "query: "},
		{"queries from another space", bent{embed: func(ctx context.Context, texts []string, p atocore.Purpose) ([][]float32, error) {
			out, err := sound(ctx, texts, p)
			if p == atocore.ForQuery {
				for _, v := range out {
					slices.Reverse(v)
				}
			}
			return out, err
		}}, "query: "},
		{"one vector for all texts", bent{embed: each(func(_ []string, _ int, v []float32) []float32 {
			for i := range v {
				v[i] = 1
			}
			return v
		})}, "query: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := atocoretest.CheckEmbedder(t.Context(), test.bent)
			if err == nil {
				t.Fatal("passes")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// interleaved is an embedder with one place for its input, which callers at the
// same time overwrite: the first eight of them meet there.
func interleaved() embedFunc {
	const alone, together = 28, 8 // calls with one text, in sequence and then not
	var calls atomic.Int64
	var place atomic.Value
	var meet sync.WaitGroup
	meet.Add(together)
	return func(ctx context.Context, texts []string, p atocore.Purpose) ([][]float32, error) {
		if len(texts) == 1 {
			if n := calls.Add(1); n > alone && n <= alone+together {
				place.Store(texts[0])
				meet.Done()
				meet.Wait()
				texts = []string{place.Load().(string)}
			}
		}
		return sound(ctx, texts, p)
	}
}

// TestEmbedderLists wants every broken rule, not the first alone.
func TestEmbedderLists(t *testing.T) {
	err := atocoretest.CheckEmbedder(t.Context(), bent{
		space: func() atocore.Space {
			s := atocore.DefaultEmbedder().Space()
			s.Name = "two\nlines"
			return s
		},
		embed: refuse(func(texts []string) bool { return len(texts) == 0 || len(texts) == 1 && texts[0] == "" }),
	})
	for _, want := range []string{"space: ", "empty batch: ", "an empty text: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
