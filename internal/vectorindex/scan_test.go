package vectorindex_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/vectorindex"
)

// randomBlocks returns blocks of random codes, a share of the slots being occupied,
// with some blocks nil and some empty. With few distinct bits there are many ties.
func randomBlocks(rng *rand.Rand, n, words int, share float64, mask uint64) []*vectorindex.Block {
	blocks := make([]*vectorindex.Block, n)
	code := make([]uint64, words)
	for i := range blocks {
		if n > 4 && i%5 == 3 {
			continue
		}
		blocks[i] = vectorindex.NewBlock(words)
		if n > 4 && i%7 == 5 {
			continue
		}
		for slot := range vectorindex.BlockUnits {
			if rng.Float64() < share {
				for j := range code {
					code[j] = rng.Uint64() & mask
				}
				blocks[i].Set(slot, code)
			}
		}
	}
	return blocks
}

func randomAdmit(rng *rand.Rand, n int, share float64) []vectorindex.Bitmap {
	admit := make([]vectorindex.Bitmap, n)
	for i := range admit {
		for slot := range vectorindex.BlockUnits {
			if rng.Float64() < share {
				admit[i].Set(slot)
			}
		}
	}
	return admit
}

func admitted(admit []vectorindex.Bitmap, block, slot int) bool {
	return admit == nil || block < len(admit) && admit[block].Has(slot)
}

// naive is what a scan has to find: everything measured, everything sorted.
func naive(blocks []*vectorindex.Block, distance func(code []uint64) int, admit []vectorindex.Bitmap, n int) []vectorindex.Candidate {
	var all []vectorindex.Candidate
	for i, b := range blocks {
		for slot := range vectorindex.BlockUnits {
			if code := b.Code(slot); code != nil && admitted(admit, i, slot) {
				all = append(all, vectorindex.Candidate{Unit: int64(i*vectorindex.BlockUnits + slot), Distance: distance(code)})
			}
		}
	}
	slices.SortFunc(all, func(a, b vectorindex.Candidate) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(b.Unit, a.Unit))
	})
	return all[:max(0, min(n, len(all)))]
}

func hamming(query []uint64) func([]uint64) int {
	return func(code []uint64) int {
		n := 0
		for i := range code {
			n += bits.OnesCount64(code[i] ^ query[i])
		}
		return n
	}
}

func checkScan(t *testing.T, blocks []*vectorindex.Block, query []uint64, admit []vectorindex.Bitmap, n int) {
	t.Helper()
	got, err := vectorindex.Scan(t.Context(), blocks, query, admit, n)
	if err != nil {
		t.Fatal(err)
	}
	want := naive(blocks, hamming(query), admit, n)
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("%d blocks, %d words, n = %d: scan differs from the naive one (-want +got):\n%s", len(blocks), len(query), n, diff)
	}
}

// TestScan compares with the naive scan for every length that has a loop of its own
// and some that have not.
func TestScan(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, words := range []int{1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 16, 17, 64} {
		t.Run(fmt.Sprint(words), func(t *testing.T) {
			query := make([]uint64, words)
			for j := range query {
				query[j] = rng.Uint64()
			}
			for _, share := range []float64{1, 0.9, 0.02} {
				blocks := randomBlocks(rng, 6, words, share, ^uint64(0))
				for _, n := range []int{1, 10, 300, 10_000} {
					checkScan(t, blocks, query, nil, n)
				}
			}
		})
	}
}

func TestScanFilters(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	query := []uint64{rng.Uint64(), rng.Uint64()}
	for _, share := range []float64{1, 0.7} {
		blocks := randomBlocks(rng, 6, 2, share, ^uint64(0))
		for _, pass := range []float64{0, 0.003, 0.3, 0.6, 0.97, 1} {
			for _, n := range []int{1, 50, 10_000} {
				admit := randomAdmit(rng, 6, pass)
				checkScan(t, blocks, query, admit, n)
				checkScan(t, blocks, query, admit[:4], n) // the rest takes no part
				checkScan(t, blocks, query, append(admit, vectorindex.Bitmap{^uint64(0)}), n)
				checkScan(t, blocks, query, admit[:0], n)
			}
		}
	}
}

// TestScanTies has nothing but ties: three distances at most. Which units are found
// is then a matter of their numbers alone, however many goroutines look.
func TestScanTies(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, procs := range []int{1, 3} {
		runtime.GOMAXPROCS(procs)
		for _, n := range []int{1, 100, 5_000} {
			blocks := randomBlocks(rng, 150, 1, 1, 3)
			checkScan(t, blocks, []uint64{0}, nil, n)
			checkScan(t, blocks, []uint64{0}, randomAdmit(rng, 150, 0.8), n)
		}
	}
}

// TestScanParallel is large enough for several goroutines; nearer codes come later
// in the order of the scan, so that the threshold falls until the end.
func TestScanParallel(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	rng := rand.New(rand.NewPCG(4, 4))
	blocks := make([]*vectorindex.Block, 120)
	for i := range blocks {
		blocks[i] = vectorindex.NewBlock(2)
		for slot := range vectorindex.BlockUnits {
			far := uint64(1)<<(i/2) - 1
			blocks[i].Set(slot, []uint64{far, rng.Uint64() & 0xff})
		}
	}
	for _, n := range []int{1, 160, 3_000, 200_000} {
		checkScan(t, blocks, []uint64{0, 0}, nil, n)
	}
}

func TestScanNothing(t *testing.T) {
	empty := []*vectorindex.Block{nil, vectorindex.NewBlock(1)}
	one := vectorindex.NewBlock(1)
	one.Set(7, []uint64{1})
	for _, n := range []int{-1, 0, 5} {
		checkScan(t, nil, []uint64{0}, nil, n)
		checkScan(t, empty, []uint64{0}, nil, n)
		checkScan(t, []*vectorindex.Block{nil, one}, []uint64{0}, nil, n)
	}
}

// A countdown is a context that is done after it was asked so many times.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	c.left--
	if c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestScanCancelled(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	blocks := randomBlocks(rand.New(rand.NewPCG(5, 5)), 80, 1, 0.1, ^uint64(0))
	for asked := range 5 {
		got, err := vectorindex.Scan(&countdown{t.Context(), asked}, blocks, []uint64{0}, nil, 10)
		if !errors.Is(err, context.Canceled) || got != nil {
			t.Errorf("done when asked the %dth time: %d candidates, error %v", asked+1, len(got), err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	runtime.GOMAXPROCS(2)
	blocks = randomBlocks(rand.New(rand.NewPCG(6, 6)), 80, 1, 1, ^uint64(0))
	if _, err := vectorindex.Scan(ctx, blocks, []uint64{0}, nil, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: error %v", err)
	}
}

// TestScanAllocations keeps what a scan allocates from growing with the blocks.
func TestScanAllocations(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	rng := rand.New(rand.NewPCG(7, 7))
	query := []uint64{0, 0}
	allocations := func(n int) float64 {
		blocks := randomBlocks(rng, n, 2, 0.5, ^uint64(0))
		admit := randomAdmit(rng, n, 0.3)
		return testing.AllocsPerRun(5, func() {
			if _, err := vectorindex.Scan(t.Context(), blocks, query, admit, 100); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := allocations(3), allocations(60); many > few {
		t.Errorf("%v allocations for 60 blocks, %v for 3", many, few)
	}
}
