package main

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/atocore/atocore/internal/benchtext"
)

func TestInsert(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var all, got []match
	for n := range 200 {
		m := match{Record: n, Cosine: float32(rng.IntN(40)-5) / 40} // with ties, and below 0
		got = insert(got, m)
		if m.Cosine > 0 {
			all = append(all, m)
		}
	}
	slices.SortStableFunc(all, func(a, b match) int {
		switch {
		case a.Cosine > b.Cosine:
			return -1
		case a.Cosine < b.Cosine:
			return 1
		}
		return 0
	})
	if want := all[:recallAt]; !slices.Equal(got, want) {
		t.Errorf("insert kept %v, want %v", got, want)
	}
}

// TestBruteForce holds the truth to a sort of everything, and the share of what
// was found to what was left out of it.
func TestBruteForce(t *testing.T) {
	const records, dims = 300, 64
	corpus := benchtext.New()
	v := corpus.Vectors(dims)
	asked := questions(corpus, 3, records, dims)
	nearest, err := bruteForce(t.Context(), v, corpus, asked, records)
	if err != nil {
		t.Fatal(err)
	}
	made := newMaker(dims)
	for _, f := range filters {
		for q := range asked {
			var all []match
			for n := range records {
				if f.matches(attributesOf(n)) {
					if m := (match{n, dot(asked[q].Vector, v.Vector(corpus.Text(n)))}); m.Cosine > 0 {
						all = append(all, m)
					}
				}
			}
			slices.SortFunc(all, func(a, b match) int {
				if a.Cosine > b.Cosine {
					return -1
				}
				return 1
			})
			want := all[:min(recallAt, len(all))]
			got := nearest[f.name][q]
			if !slices.Equal(got, want) {
				t.Fatalf("filter %s, question %d: %v, want %v", f.name, q, got, want)
			}
			var found []int
			for _, m := range got {
				found = append(found, m.Record)
			}
			if s := share(made, asked[q].Vector, got, found); s != 1 {
				t.Errorf("the share of all is %v", s)
			}
			if len(found) == recallAt && len(all) > recallAt {
				found[0] = all[len(all)-1].Record
				if s := share(made, asked[q].Vector, got, found); s != 0.9 {
					t.Errorf("the share of all but one is %v, want 0.9", s)
				}
			}
		}
	}
}

// TestFilters holds each filter's share of the records to what the table says.
func TestFilters(t *testing.T) {
	const records = 50_000
	counts := map[string]int{}
	for n := range records {
		a := attributesOf(n)
		for _, f := range filters {
			if f.matches(a) {
				counts[f.name]++
			}
		}
	}
	for name, want := range map[string]float64{"none": 1, "project": 0.2, "type": 0.4, "time": 0.1, "combined": 0.008} {
		if got := float64(counts[name]) / records; got < 0.9*want || got > 1.1*want {
			t.Errorf("filter %s leaves %.4f of the records, want %v", name, got, want)
		}
	}
	if got := numberOf("gorhul damfo 1234"); got != 1234 {
		t.Errorf("numberOf = %d, want 1234", got)
	}
}

func TestStatusBytes(t *testing.T) {
	status := []byte("Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t    1024 kB\n")
	if got := statusBytes(status, "VmRSS:"); got != 1<<20 {
		t.Errorf("VmRSS = %d, want %d", got, 1<<20)
	}
	if got := statusBytes(status, "VmSwap:"); got != 0 {
		t.Errorf("what is not there = %d, want 0", got)
	}
}
