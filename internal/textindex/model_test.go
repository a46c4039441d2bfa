package textindex_test

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/textindex"
)

// A unit is what a segment is made of here, and fields are its terms.
type unit struct {
	number     int64
	head, body []string
}

func (u unit) vector() textindex.Vector {
	return textindex.AppendVector(nil, u.head, u.body)
}

// freqs counts as plainly as can be.
func (u unit) freqs() map[string]textindex.Freq {
	m := map[string]textindex.Freq{}
	for _, term := range u.head {
		f := m[term]
		f.Head++
		m[term] = f
	}
	for _, term := range u.body {
		f := m[term]
		f.Body++
		m[term] = f
	}
	return m
}

// A model is an inverted index without any cleverness.
type model map[string][]textindex.Posting

func modelOf(units []unit) model {
	m := model{}
	sorted := slices.SortedFunc(slices.Values(units), func(a, b unit) int { return int(a.number - b.number) })
	for _, u := range sorted {
		for term, f := range u.freqs() {
			m[term] = append(m[term], textindex.Posting{Unit: u.number, Freq: f})
		}
	}
	return m
}

// build makes a segment of units, which must be in ascending order.
func build(t testing.TB, units []unit) []textindex.Block {
	t.Helper()
	var b textindex.Builder
	for _, u := range units {
		if err := b.Add(u.number, u.vector()); err != nil {
			t.Fatal(err)
		}
	}
	return clone(b.Blocks())
}

func clone(blocks iter.Seq[textindex.Block]) []textindex.Block {
	var all []textindex.Block
	for b := range blocks {
		b.Data = bytes.Clone(b.Data)
		all = append(all, b)
	}
	return all
}

// source yields blocks with a nil error. It wipes the data of a block when the
// next one is asked for, as a database does.
func source(blocks []textindex.Block) iter.Seq2[textindex.Block, error] {
	return func(yield func(textindex.Block, error) bool) {
		var data []byte
		for _, b := range blocks {
			clear(data)
			data = append(data[:0], b.Data...)
			b.Data = data
			if !yield(b, nil) {
				return
			}
		}
		clear(data)
	}
}

func merge(live func(int64) bool, segments ...[]textindex.Block) ([]textindex.Block, error) {
	var sources []iter.Seq2[textindex.Block, error]
	for _, s := range segments {
		sources = append(sources, source(s))
	}
	var all []textindex.Block
	for b, err := range textindex.Merge(sources, live) {
		if err != nil {
			return all, err
		}
		b.Data = bytes.Clone(b.Data)
		all = append(all, b)
	}
	return all, nil
}

func mustMerge(t *testing.T, live func(int64) bool, segments ...[]textindex.Block) []textindex.Block {
	t.Helper()
	blocks, err := merge(live, segments...)
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

// find looks a term up in the way that the package comment gives.
func find(t testing.TB, blocks []textindex.Block, term string) []textindex.Posting {
	t.Helper()
	i, ok := slices.BinarySearchFunc(blocks, term, func(b textindex.Block, term string) int {
		return strings.Compare(b.First, term)
	})
	if !ok {
		i--
	}
	if i < 0 {
		return nil
	}
	var all []textindex.Posting
	for first := blocks[i].First; i < len(blocks) && blocks[i].First == first; i++ {
		p, ok, err := open(t, blocks[i]).Find(term)
		if err != nil {
			t.Fatal(err)
		}
		n := len(all)
		if all, err = p.Append(all); err != nil {
			t.Fatal(err)
		}
		if len(all)-n != p.Len() || ok != (p.Len() > 0) {
			t.Fatalf("%q has %d postings, Len %d, found %v", term, len(all)-n, p.Len(), ok)
		}
	}
	return all
}

func open(t testing.TB, b textindex.Block) textindex.BlockView {
	t.Helper()
	view, err := textindex.OpenBlock(b.Data)
	if err != nil {
		t.Fatalf("block %q, part %d: %v", b.First, b.Part, err)
	}
	return view
}

// content reads everything that a segment holds.
func content(t testing.TB, blocks []textindex.Block) model {
	t.Helper()
	m := model{}
	for _, b := range blocks {
		for e, err := range open(t, b).Terms() {
			if err != nil {
				t.Fatal(err)
			}
			if m[e.Term], err = e.Postings.Append(m[e.Term]); err != nil {
				t.Fatal(err)
			}
		}
	}
	return m
}

// verify wants blocks to be a faultless segment of exactly these units.
func verify(t *testing.T, blocks []textindex.Block, units []unit) {
	t.Helper()
	want := modelOf(units)
	if got := content(t, blocks); !maps.EqualFunc(want, got, slices.Equal) {
		t.Fatalf("content (-want +got):\n%.2000s", cmp.Diff(want, got))
	}
	for term, postings := range want {
		if got := find(t, blocks, term); !slices.Equal(postings, got) {
			t.Fatalf("%q (-want +got):\n%.2000s", term, cmp.Diff(postings, got))
		}
	}
	sums, counts := map[int64]uint64{}, map[int64]int{}
	stats, err := textindex.CheckSegment(source(blocks), func(unit int64, h uint64) {
		sums[unit] += h
		counts[unit]++
	})
	if err != nil {
		t.Fatal(err)
	}
	wantSums, wantCounts := map[int64]uint64{}, map[int64]int{}
	wantStats := textindex.Stats{Blocks: len(blocks), Terms: len(want)}
	for _, u := range units {
		if n := len(u.freqs()); n > 0 {
			wantSums[u.number], wantCounts[u.number] = u.vector().Fingerprint(), n
			wantStats.Postings += int64(n)
		}
	}
	for _, b := range blocks {
		wantStats.Bytes += int64(len(b.Data))
	}
	if !maps.Equal(sums, wantSums) || !maps.Equal(counts, wantCounts) {
		t.Fatal("CheckSegment says something else of units than their vectors")
	}
	if diff := cmp.Diff(wantStats, stats); diff != "" {
		t.Fatalf("stats (-want +got):\n%s", diff)
	}
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 4)) }

// randomTerm returns one of many terms, few of which are frequent. Some are long,
// some are no text.
func randomTerm(r *rand.Rand) string {
	n := int(r.ExpFloat64() * r.ExpFloat64() * 40)
	switch n % 50 {
	case 13:
		return fmt.Sprintf("%s%d", strings.Repeat("long", 1+n%62), n%10)
	case 17:
		return string([]byte{0xff, byte(n), 0})
	}
	return fmt.Sprintf("w%d", n)
}

// randomUnits returns units with ascending numbers from first on.
func randomUnits(r *rand.Rand, n int, first int64) []unit {
	units := make([]unit, n)
	for i := range units {
		first += 1 + int64(r.ExpFloat64()*r.ExpFloat64())
		units[i] = unit{first, randomTerms(r, r.IntN(4)), randomTerms(r, r.IntN(40))}
	}
	return units
}

func randomTerms(r *rand.Rand, n int) []string {
	terms := make([]string, n)
	for i := range terms {
		terms[i] = randomTerm(r)
	}
	return terms
}
