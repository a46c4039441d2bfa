package vectorindex_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/atocore/atocore/internal/vectorindex"
)

// BenchmarkScan measures the scan alone, over random codes.
func BenchmarkScan(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, s := range []struct{ blocks, words, n int }{
		{98, 6, 160}, {98, 8, 160}, {98, 12, 160}, {98, 16, 160}, {977, 6, 1_000}, {977, 12, 1_000},
	} {
		if testing.Short() && s.blocks > 98 {
			continue
		}
		blocks := randomBlocks(rng, s.blocks, s.words, 1, ^uint64(0))
		units := 0
		for i, block := range blocks {
			if block.Len() == 0 { // randomBlocks leaves some out
				blocks[i] = blocks[0]
			}
			units += blocks[i].Len()
		}
		query := make([]uint64, s.words)
		for _, pass := range []float64{1, 0.9, 0.1, 0.01} {
			admit := randomAdmit(rng, len(blocks), pass)
			if pass == 1 {
				admit = nil
			}
			b.Run(fmt.Sprintf("%dx%d/%v", units, 64*s.words, pass), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := vectorindex.Scan(b.Context(), blocks, query, admit, s.n); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(units), "ns/code")
			})
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, dimensions := range []int{384, 480, 768, 1024} {
		b.Run(fmt.Sprint(dimensions), func(b *testing.B) {
			b.ReportAllocs()
			coder := vectorindex.NewCoder(make([]float32, dimensions))
			v := gaussians(rng, 1, dimensions)[0]
			code := make([]uint64, coder.Words())
			for b.Loop() {
				coder.Encode(code, v)
			}
		})
	}
}

func BenchmarkParseBlock(b *testing.B) {
	coder := vectorindex.NewCoder(make([]float32, 384))
	data := coder.AppendBlock(nil, 0, randomBlocks(rand.New(rand.NewPCG(1, 1)), 1, 6, 1, ^uint64(0))[0])
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := coder.ParseBlock(data, 0); err != nil {
			b.Fatal(err)
		}
	}
}
