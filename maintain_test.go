package atocore_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/atocore/atocore"
)

// sealing is how many memories in one call become a segment at once.
const sealing = 512

// batch are memories that have that word and a number each.
func batch(word string, n int) []atocore.Memory {
	out := make([]atocore.Memory, n)
	for i := range out {
		out[i] = statement(fmt.Sprintf("%s with number %d", word, i))
	}
	return out
}

// fillSegments writes batches that become a segment each. Their words are batch0, batch1
// and so on.
func fillSegments(t testing.TB, s *atocore.Store, batches int) (ids []string) {
	t.Helper()
	for i := range batches {
		for _, m := range must(s.RememberAll(t.Context(), batch(fmt.Sprint("batch", i), sealing)))(t) {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// wantFilled holds a search to find all of each batch.
func wantFilled(t *testing.T, s *atocore.Store, batches int) {
	t.Helper()
	for i := range batches {
		if n := len(search(t, s, atocore.Query{Text: fmt.Sprint("batch", i), Mode: atocore.TextOnly, Limit: atocore.MaxLimit}).Hits); n != sealing {
			t.Errorf("search finds %d of batch %d, want %d", n, i, sealing)
		}
	}
}

// Segments are merged in the background, for this store and others that have it
// open, and nothing is lost by it.
func TestSegmentsAreMerged(t *testing.T) {
	const batches = 8
	dir := t.TempDir()
	s := openStoreIn(t, dir, &atocore.Options{NoEmbedder: true, Durability: atocore.Normal})
	other := openStoreIn(t, dir, &atocore.Options{NoEmbedder: true})
	ids := fillSegments(t, s, batches)
	wantFilled(t, other, batches)
	s.Settled()
	if n := atocore.Rows(t.Context(), s, "segments"); n >= batches-1 {
		t.Errorf("%d batches are in %d segments", batches, n)
	}
	wantFilled(t, s, batches)
	wantFilled(t, other, batches)
	checkStore(t, s)

	// A segment of which much is gone is written anew, once something is sealed.
	for i, id := range ids[:sealing*(batches-1)] {
		must(s.Revise(t.Context(), id, fmt.Sprint("shorter ", i)))(t)
	}
	s.Settled()
	s.Maintain()
	s.Settled()
	const stale = `segments WHERE units > 1.4 * (SELECT count(*) FROM units WHERE unit BETWEEN first AND last)`
	if n := atocore.Rows(t.Context(), s, stale); n > 0 {
		t.Errorf("%d segments of which much is gone", n)
	}
	if n := len(search(t, s, byWords("batch0")).Hits); n != 0 {
		t.Errorf("search finds %d of what was revised", n)
	}
}

// Close ends what merges, leaves no goroutine, and lets none begin; what is left
// unmerged is whole, and merged by the next one.
func TestCloseStopsMerging(t *testing.T) {
	const batches = 7
	dir := t.TempDir()
	s := openUnchecked(t, dir, &atocore.Options{NoEmbedder: true, Durability: atocore.Normal})
	fillSegments(t, s, batches)
	s.Maintain()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s.Merging() {
		t.Error("it goes on merging after Close")
	}
	if s.Maintain(); s.Merging() {
		t.Error("it merges again after Close")
	}
	wantNoGoroutine(t, "atocore.(*Store).maintain")

	s = openStoreIn(t, dir, &atocore.Options{NoEmbedder: true})
	wantFilled(t, s, batches)
	checkStore(t, s)
	s.Maintain()
	s.Settled()
	if n := atocore.Rows(t.Context(), s, "segments"); n >= batches {
		t.Errorf("%d batches are in %d segments", batches, n)
	}
	wantFilled(t, s, batches)
}

// wantNoGoroutine holds that no goroutine is in the function, or about to end.
func wantNoGoroutine(t *testing.T, function string) {
	t.Helper()
	buf := make([]byte, 1<<20)
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		stacks := string(buf[:runtime.Stack(buf, true)])
		if !strings.Contains(stacks, function) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a goroutine is left in %s:\n%s", function, stacks)
		}
	}
}
