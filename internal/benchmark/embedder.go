package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/atocore/atocore"
)

// given is an embedder whose vectors were computed before, so that what is timed
// is the store and not the making of vectors.
type given struct {
	space atocore.Space

	mu      sync.RWMutex
	vectors map[string][]float32
}

func newGiven(dims int) *given {
	return &given{
		space:   atocore.Space{Name: "clustered", Dimensions: dims, Fingerprint: corpusVersion},
		vectors: map[string][]float32{},
	}
}

// set replaces all vectors.
func (g *given) set(vectors map[string][]float32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.vectors = vectors
}

func (g *given) Space() atocore.Space { return g.space }

func (g *given) Embed(_ context.Context, texts []string, _ atocore.Purpose) ([][]float32, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	out := make([][]float32, len(texts))
	for i, t := range texts {
		v, ok := g.vectors[t]
		if !ok {
			return nil, fmt.Errorf("no vector was given for %.40q", t)
		}
		out[i] = v
	}
	return out, nil
}
