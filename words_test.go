package atocore_test

import (
	"math/rand/v2"
	"strings"

	"github.com/atocore/atocore/internal/benchtext"
)

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

func (w *wordSource) sentence(words int) string {
	out := make([]string, words)
	for i := range out {
		out[i] = benchtext.Word(int(w.zipf.Uint64()))
	}
	return strings.Join(out, " ")
}
