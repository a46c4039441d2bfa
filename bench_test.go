package atocore_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/internal/benchtext"
)

var benchMillion = flag.Bool("bench.million", false, "benchmark stores of 1,000,000 records as well")

// benchSizes are the sub-benchmarks' store sizes. -short leaves out the large.
func benchSizes() []int {
	switch {
	case testing.Short():
		return []int{1_000}
	case *benchMillion:
		return []int{1_000, 10_000, 100_000, 1_000_000}
	default:
		return []int{1_000, 10_000, 100_000}
	}
}

// clustered is an embedder whose vectors lie as those of a language model do; a
// text takes it some 30 µs.
type clustered struct{ vectors *benchtext.Vectors }

const clusteredDimensions = 384

func newClustered(c *benchtext.Corpus) clustered { return clustered{c.Vectors(clusteredDimensions)} }

func (clustered) Space() atocore.Space {
	return atocore.Space{Name: "clustered", Dimensions: clusteredDimensions, Fingerprint: "1"}
}

func (c clustered) Embed(_ context.Context, texts []string, _ atocore.Purpose) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i, t := range texts {
		out[i] = c.vectors.Vector(t)
	}
	return out, nil
}

// A benchEmbedder is a sub-benchmark's embedder.
type benchEmbedder struct {
	name string
	atocore.Embedder
}

func benchEmbedders(c *benchtext.Corpus) []benchEmbedder {
	return []benchEmbedder{{"default", atocore.DefaultEmbedder()}, {"384", newClustered(c)}}
}

var benchBegin = time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)

func benchProject(n int) string { return fmt.Sprint("project-", n) }

// benchMemory is a record as a memory: one of ten is global, the others belong to
// nine projects; a third are preferences.
func benchMemory(c *benchtext.Corpus, record int) atocore.Memory {
	f := benchtext.FacetsOf(record)
	m := atocore.Memory{Type: atocore.Knowledge, Content: c.Text(record), ValidFrom: benchBegin.AddDate(0, 0, f.Day)}
	if f.Project > 0 {
		m.Project = benchProject(f.Project)
	}
	switch {
	case f.Percent < 33:
		m.Type = atocore.Preference
	case f.Percent < 66:
		m.Type = atocore.Episodic
	}
	return m
}

// fillStore remembers n memories of 12 to 27 words in batches of 1,000. What it
// takes to make them up is part of what is measured, about 3 µs each.
func fillStore(b *testing.B, s *atocore.Store, c *benchtext.Corpus, n int) {
	b.Helper()
	for p := range 9 {
		must(s.AddProject(b.Context(), atocore.Project{Name: benchProject(p + 1)}))(b)
	}
	for done := 0; done < n; {
		batch := make([]atocore.Memory, min(1_000, n-done))
		for i := range batch {
			batch[i] = benchMemory(c, done+i)
		}
		must(s.RememberAll(b.Context(), batch))(b)
		done += len(batch)
	}
}

// BenchmarkRememberAll stores memories in batches of 1,000 into a new store.
func BenchmarkRememberAll(b *testing.B) {
	c := benchtext.New()
	for _, e := range benchEmbedders(c) {
		for _, n := range benchSizes() {
			b.Run(fmt.Sprintf("embedder=%s/records=%d", e.name, n), func(b *testing.B) {
				var stats atocore.Stats
				for b.Loop() {
					b.StopTimer()
					s := openStore(b, &atocore.Options{Embedder: e.Embedder})
					b.StartTimer()
					fillStore(b, s, c, n)
					b.StopTimer()
					stats = must(s.Stats(b.Context()))(b)
					if err := s.Close(); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
				b.ReportMetric(float64(stats.Bytes)/float64(n), "bytes/record")
			})
		}
	}
}

// BenchmarkRemember stores single memories, each durable when it returns.
func BenchmarkRemember(b *testing.B) {
	c := benchtext.New()
	for _, e := range benchEmbedders(c) {
		b.Run("embedder="+e.name, func(b *testing.B) {
			s := openStore(b, &atocore.Options{Embedder: e.Embedder})
			for i := 0; b.Loop(); i++ {
				must(s.Remember(b.Context(), atocore.Memory{Type: atocore.Knowledge, Content: c.Text(i)}))(b)
			}
		})
	}
}

// benchFilters are the sub-benchmarks' filters, with the share of the records that
// they leave.
var benchFilters = []struct {
	name  string
	query atocore.Query
}{
	{"none", atocore.Query{}},
	{"project", atocore.Query{Project: benchProject(3)}},                                                 // 20 %, half of them global
	{"type", atocore.Query{Types: []atocore.MemoryType{atocore.Episodic}}},                               // 33 %
	{"time", atocore.Query{After: benchBegin.AddDate(0, 0, 400), Before: benchBegin.AddDate(0, 0, 500)}}, // 10 %
}

// BenchmarkSearch asks questions of 3 to 8 words of a record in each mode, with
// and without filters, and packs a context. Building the store and the first
// questions, which warm it up, are not part of it.
func BenchmarkSearch(b *testing.B) {
	c := benchtext.New()
	for _, e := range benchEmbedders(c) {
		for _, n := range benchSizes() {
			b.Run(fmt.Sprintf("embedder=%s/records=%d", e.name, n), func(b *testing.B) {
				benchSearches(b, c, e.Embedder, n)
			})
		}
	}
}

func benchSearches(b *testing.B, c *benchtext.Corpus, embedder atocore.Embedder, n int) {
	dir, err := os.MkdirTemp("", "atocore-bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	s := openStoreIn(b, dir, &atocore.Options{Embedder: embedder})
	fillStore(b, s, c, n)
	r := s.Retriever(nil)
	for _, mode := range []atocore.Mode{atocore.Hybrid, atocore.TextOnly, atocore.VectorOnly} {
		for _, f := range benchFilters {
			b.Run(fmt.Sprintf("mode=%s/filter=%s", mode, f.name), func(b *testing.B) {
				benchAsk(b, c, n, func(question string) error {
					q := f.query
					q.Text, q.Mode = question, mode
					_, err := r.Search(b.Context(), q)
					return err
				})
			})
		}
	}
	b.Run("context", func(b *testing.B) {
		benchAsk(b, c, n, func(question string) error {
			_, err := r.Context(b.Context(), atocore.ContextRequest{Prompt: question})
			return err
		})
	})
}

// benchAsk measures ask, with another question each time.
func benchAsk(b *testing.B, c *benchtext.Corpus, records int, ask func(question string) error) {
	i := 0
	next := func() {
		question, _ := c.Question(i, records)
		i++
		if err := ask(question); err != nil {
			b.Fatal(err)
		}
	}
	for range 5 {
		next()
	}
	for b.Loop() {
		next()
	}
}
