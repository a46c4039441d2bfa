package atocore_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/atocore/atocore"
)

// benchSizes are the sub-benchmarks' store sizes. -short leaves out the large.
func benchSizes(b *testing.B) []int {
	if testing.Short() {
		return []int{1_000}
	}
	return []int{1_000, 10_000, 100_000}
}

// A wordSource writes sentences whose words follow Zipf's law, as those of
// real text roughly do: word n of 30,000 about as often as 1/n.
type wordSource struct {
	rng  *rand.Rand
	zipf *rand.Zipf
}

func newWordSource(seed uint64) *wordSource {
	rng := rand.New(rand.NewPCG(seed, seed))
	return &wordSource{rng: rng, zipf: rand.NewZipf(rng, 1.07, 2.7, 30_000)}
}

var syllables = strings.Fields("ba ce di fo gu ha je ki lo mu na pe qui ro su ta ve wi xo yu zan bel cor dam els fin gor hul ins jar kal lem mor nid ost")

// word spells a number, so that each has its own word, in lower case letters.
func word(n uint64) string {
	var b strings.Builder
	for n += 40; n > 0; n /= uint64(len(syllables)) {
		b.WriteString(syllables[n%uint64(len(syllables))])
	}
	return b.String()
}

func (w *wordSource) sentence(words int) string {
	out := make([]string, words)
	for i := range out {
		out[i] = word(w.zipf.Uint64())
	}
	return strings.Join(out, " ")
}

// fillStore remembers n memories of 12 to 27 words in batches of 1,000.
func fillStore(b *testing.B, s *atocore.Store, n int) {
	b.Helper()
	w := newWordSource(1)
	types := []atocore.MemoryType{atocore.Knowledge, atocore.Episodic, atocore.Preference}
	for done := 0; done < n; {
		batch := make([]atocore.Memory, min(1_000, n-done))
		for i := range batch {
			batch[i] = atocore.Memory{Type: types[(done+i)%len(types)], Content: w.sentence(12+w.rng.IntN(16)) + fmt.Sprint(" ", done+i)}
		}
		if _, err := s.RememberAll(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		done += len(batch)
	}
}

// BenchmarkRememberAll stores memories in batches of 1,000 with the default
// embedder, into a new store.
func BenchmarkRememberAll(b *testing.B) {
	for _, n := range benchSizes(b) {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var stats atocore.Stats
			for b.Loop() {
				b.StopTimer()
				s := openStore(b, nil)
				b.StartTimer()
				fillStore(b, s, n)
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

// BenchmarkRemember stores single memories, each durable when it returns.
func BenchmarkRemember(b *testing.B) {
	s := openStore(b, nil)
	w := newWordSource(2)
	i := 0
	for b.Loop() {
		i++
		m := atocore.Memory{Type: atocore.Knowledge, Content: w.sentence(18) + fmt.Sprint(" ", i)}
		if _, err := s.Remember(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSearch asks questions of 3 to 8 words in each mode, and packs a
// context.
func BenchmarkSearch(b *testing.B) {
	for _, n := range benchSizes(b) {
		dir, err := os.MkdirTemp("", "atocore-bench-")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { os.RemoveAll(dir) })
		s := openStoreIn(b, dir, nil)
		fillStore(b, s, n)
		r := s.Retriever(nil)
		for _, mode := range []atocore.Mode{atocore.Hybrid, atocore.TextOnly, atocore.VectorOnly} {
			b.Run(fmt.Sprintf("%s/%d", mode, n), func(b *testing.B) {
				w := newWordSource(3)
				for b.Loop() {
					q := atocore.Query{Text: w.sentence(3 + w.rng.IntN(6)), Mode: mode}
					if _, err := r.Search(b.Context(), q); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run(fmt.Sprintf("context/%d", n), func(b *testing.B) {
			w := newWordSource(3)
			for b.Loop() {
				if _, err := r.Context(b.Context(), atocore.ContextRequest{Prompt: w.sentence(3 + w.rng.IntN(6))}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
