package textindex_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/textindex"
)

// TestMerge deals units to segments, in runs and at random, and wants what one
// Builder makes of those that live.
func TestMerge(t *testing.T) {
	r := random(8)
	for round := range 30 {
		units := randomUnits(r, r.IntN(3000), r.Int64N(1<<36))
		dealt := make([][]unit, 1+r.IntN(6))
		for i, u := range units {
			k := i * len(dealt) / len(units)
			if round%2 == 0 {
				k = r.IntN(len(dealt))
			}
			dealt[k] = append(dealt[k], u)
		}
		var segments [][]textindex.Block
		for _, d := range dealt {
			segments = append(segments, build(t, d))
		}
		r.Shuffle(len(segments), func(i, j int) { segments[i], segments[j] = segments[j], segments[i] })

		built, merged := build(t, units), mustMerge(t, nil, segments...)
		if !slices.EqualFunc(built, merged, equal) {
			t.Fatalf("merged (-built +merged):\n%.2000s", cmp.Diff(built, merged))
		}

		dead := map[int64]bool{}
		var alive []unit
		for _, u := range units {
			if dead[u.number] = r.IntN(3) == 0; !dead[u.number] {
				alive = append(alive, u)
			}
		}
		verify(t, mustMerge(t, func(u int64) bool { return !dead[u] }, segments...), alive)
	}
}

func equal(a, b textindex.Block) bool {
	return a.First == b.First && a.Part == b.Part && bytes.Equal(a.Data, b.Data)
}

// TestMergeParts merges terms that have several blocks in each segment.
func TestMergeParts(t *testing.T) {
	r := random(9)
	var dealt [3][]unit
	var units []unit
	var number int64
	for range 150_000 {
		number += 1 + r.Int64N(500)
		u := unit{number: number, body: []string{"huge", fmt.Sprint("w", r.IntN(50)), "zuge", "zuge"}[:2+2*r.IntN(2)]}
		units = append(units, u)
		k := r.IntN(3)
		dealt[k] = append(dealt[k], u)
	}
	merged := mustMerge(t, nil, build(t, dealt[0]), build(t, dealt[1]), build(t, dealt[2]))
	verify(t, merged, units)

	alive := slices.DeleteFunc(slices.Clone(units), func(u unit) bool { return u.number%2 == 0 })
	verify(t, mustMerge(t, func(u int64) bool { return u%2 != 0 }, merged), alive)
}

func TestMergeNothing(t *testing.T) {
	units := randomUnits(random(10), 100, 0)
	segment := build(t, units)
	for name, blocks := range map[string][]textindex.Block{
		"no sources":     mustMerge(t, nil),
		"empty sources":  mustMerge(t, nil, nil, nil),
		"nothing lives":  mustMerge(t, func(int64) bool { return false }, segment, nil),
		"nothing at all": build(t, []unit{{number: 1}}),
	} {
		if len(blocks) > 0 {
			t.Errorf("%s: %d blocks", name, len(blocks))
		}
	}
}

// TestPurge wants no trace of a unit that is gone: not of its terms, not of its
// number. What remains is what would be there had the unit never been.
func TestPurge(t *testing.T) {
	const gone = 0x2b6ad5
	var units []unit
	for i := range int64(3000) {
		units = append(units, unit{number: gone + 1 + i, body: []string{"common", fmt.Sprint("w", i)}})
	}
	secret := unit{number: gone, head: []string{"common"}, body: []string{"passphrase", "w17secret"}}
	blocks := build(t, append([]unit{secret}, units...))
	if !contains(blocks, "passphrase") || !contains(blocks, "secret") {
		t.Fatal("the test looks for terms in the wrong way")
	}
	purged := mustMerge(t, func(u int64) bool { return u != gone }, blocks)
	verify(t, purged, units)
	if built := build(t, units); !slices.EqualFunc(built, purged, equal) {
		t.Errorf("purged (-never there +purged):\n%.2000s", cmp.Diff(built, purged))
	}
	number := string(binary.AppendUvarint(nil, gone))
	for _, trace := range []string{"passphrase", "passph", "secret", number} {
		if contains(purged, trace) {
			t.Errorf("%q remains", trace)
		}
	}
}

func contains(blocks []textindex.Block, s string) bool {
	return slices.ContainsFunc(blocks, func(b textindex.Block) bool {
		return bytes.Contains(b.Data, []byte(s)) || bytes.Contains([]byte(b.First), []byte(s))
	})
}

func TestMergeErrors(t *testing.T) {
	units := randomUnits(random(11), 4000, 0)
	segment := build(t, units)
	if _, err := merge(nil, segment, build(t, units[3999:])); !errors.Is(err, textindex.ErrCorrupt) {
		t.Errorf("a unit in two segments: %v, want ErrCorrupt", err)
	}
	boom := errors.New("boom")
	for after := range segment {
		broken := func(yield func(textindex.Block, error) bool) {
			for _, b := range segment[:after] {
				if !yield(b, nil) {
					return
				}
			}
			yield(textindex.Block{}, boom)
		}
		var err error
		for _, err = range textindex.Merge([]iter.Seq2[textindex.Block, error]{source(nil), broken}, nil) {
		}
		if !errors.Is(err, boom) {
			t.Errorf("a source that breaks after %d blocks: %v, want its error", after, err)
		}
		if _, err := textindex.CheckSegment(broken, nil); !errors.Is(err, boom) {
			t.Errorf("check of what breaks after %d blocks: %v, want its error", after, err)
		}
	}
}

// TestMergeStops leaves a merge early: the sources must come to their end.
func TestMergeStops(t *testing.T) {
	units := randomUnits(random(12), 8000, 0)
	segment := build(t, units)
	for stop := range len(segment) {
		open := 0
		tracked := func(yield func(textindex.Block, error) bool) {
			open++
			defer func() { open-- }()
			source(segment)(yield)
		}
		n := 0
		for _, err := range textindex.Merge([]iter.Seq2[textindex.Block, error]{tracked, source(nil)}, nil) {
			if err != nil {
				t.Fatal(err)
			}
			if n == stop {
				break
			}
			n++
		}
		if open != 0 {
			t.Fatalf("a source is still open after %d blocks", stop)
		}
	}
}

// TestMergeStopsBeforeError leaves a merge within a term whose source then breaks.
func TestMergeStopsBeforeError(t *testing.T) {
	var units []unit
	for i := range int64(40_000) {
		units = append(units, unit{number: 1000 * i, body: []string{"huge"}})
	}
	segment := build(t, units)
	if len(segment) < 3 {
		t.Fatalf("%d blocks, want more for this test", len(segment))
	}
	broken := func(yield func(textindex.Block, error) bool) {
		if yield(segment[0], nil) && yield(segment[1], nil) {
			yield(textindex.Block{}, errors.New("boom"))
		}
	}
	n := 0
	for _, err := range textindex.Merge([]iter.Seq2[textindex.Block, error]{broken}, func(unit int64) bool { return unit > 0 }) {
		if err != nil {
			t.Fatalf("block %d: %v", n, err)
		}
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d blocks, want 1", n)
	}
}
