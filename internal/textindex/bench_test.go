package textindex_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/atocore/atocore/internal/textindex"
)

// Texts are of 20 words of a vocabulary of 200,000, whose frequencies follow
// Zipf's law (exponent 1.07, shifted by 2.7 as Mandelbrot proposes). Every tenth
// has a head of three more.
func texts(n int) []unit {
	r := random(100)
	zipf := rand.NewZipf(r, 1.07, 2.7, 200_000-1)
	words := make([]string, 200_000)
	for i := range words {
		words[i] = word(r, i)
	}
	draw := func(n int) []string {
		terms := make([]string, n)
		for i := range terms {
			terms[i] = words[zipf.Uint64()]
		}
		return terms
	}
	units := make([]unit, n)
	for i := range units {
		units[i] = unit{number: int64(i), body: draw(20)}
		if i%10 == 0 {
			units[i].head = draw(3)
		}
	}
	return units
}

// word makes a word for a rank: of syllables, longer the rarer it is.
func word(r *rand.Rand, rank int) string {
	var b []byte
	for i := rank + 20; i > 0; i /= 12 {
		b = append(b, "bcdfglmnprst"[i%12], "aeiou"[r.IntN(5)])
	}
	return string(b)
}

func vectors(units []unit) []textindex.Vector {
	all := make([]textindex.Vector, len(units))
	for i, u := range units {
		all[i] = u.vector()
	}
	return all
}

// inSegments builds one segment for each perSegment units.
func inSegments(b *testing.B, units []unit, perSegment int) [][]textindex.Block {
	var segments [][]textindex.Block
	for part := range slices.Chunk(units, perSegment) {
		segments = append(segments, build(b, part))
	}
	return segments
}

func mergeAll(b *testing.B, segments [][]textindex.Block) []textindex.Block {
	blocks, err := merge(nil, segments...)
	if err != nil {
		b.Fatal(err)
	}
	return blocks
}

func size(blocks []textindex.Block) (bytes int) {
	for _, b := range blocks {
		bytes += len(b.Data) + len(b.First)
	}
	return bytes
}

func BenchmarkAppendVector(b *testing.B) {
	units := texts(1000)
	var dst []byte
	bytes, i := 0, 0
	for b.Loop() {
		u := units[i%len(units)]
		dst = textindex.AppendVector(dst[:0], u.head, u.body)
		bytes += len(dst)
		i++
	}
	b.ReportMetric(float64(bytes)/float64(i), "bytes/vector")
}

func BenchmarkFingerprint(b *testing.B) {
	all := vectors(texts(1000))
	i := 0
	for b.Loop() {
		all[i%len(all)].Fingerprint()
		i++
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			all := vectors(texts(n))
			var builder textindex.Builder
			bytes, postings := 0, 0
			for b.Loop() {
				builder.Reset()
				for i, v := range all {
					if err := builder.Add(int64(i), v); err != nil {
						b.Fatal(err)
					}
				}
				bytes, postings = 0, builder.Postings()
				for block := range builder.Blocks() {
					bytes += len(block.Data)
				}
			}
			b.ReportMetric(float64(bytes)/float64(postings), "bytes/posting")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*postings), "ns/posting")
		})
	}
}

func BenchmarkMerge(b *testing.B) {
	units := texts(100_000)
	for _, k := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("segments=%d", k), func(b *testing.B) {
			segments := inSegments(b, units, len(units)/k)
			stats, err := textindex.CheckSegment(source(mergeAll(b, segments)), nil)
			if err != nil {
				b.Fatal(err)
			}
			var sources []iter.Seq2[textindex.Block, error]
			for _, s := range segments {
				sources = append(sources, plain(s))
			}
			for b.Loop() {
				for _, err := range textindex.Merge(sources, func(unit int64) bool { return unit != 99 }) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(stats.Bytes)/float64(stats.Postings), "bytes/posting")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(int64(b.N)*stats.Postings), "ns/posting")
			b.ReportMetric(float64(stats.Blocks), "blocks")
		})
	}
}

// plain yields blocks as they are, unlike source.
func plain(blocks []textindex.Block) iter.Seq2[textindex.Block, error] {
	return func(yield func(textindex.Block, error) bool) {
		for _, b := range blocks {
			if !yield(b, nil) {
				return
			}
		}
	}
}

func BenchmarkCheckSegment(b *testing.B) {
	blocks := build(b, texts(100_000))
	var postings int64
	for b.Loop() {
		stats, err := textindex.CheckSegment(plain(blocks), func(int64, uint64) {})
		if err != nil {
			b.Fatal(err)
		}
		postings = stats.Postings
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(int64(b.N)*postings), "ns/posting")
}

// BenchmarkDecode reads terms that are in one of every so many units, a fifth of
// them twice.
func BenchmarkDecode(b *testing.B) {
	for _, every := range []int{1, 3, 10, 100, 1000} {
		b.Run(fmt.Sprintf("every=%d", every), func(b *testing.B) {
			r := random(101)
			var units []unit
			for i := range int64(2000 * every) {
				if r.IntN(every) == 0 {
					units = append(units, unit{number: i, body: []string{"a", "a"}[:1+r.IntN(5)/4]})
				}
			}
			block := build(b, units)[0]
			p, _, err := open(b, block).Find("a")
			if err != nil {
				b.Fatal(err)
			}
			var buf [textindex.GroupSize]textindex.Posting
			var sum int64
			for b.Loop() {
				for q := p; ; {
					group, err := q.Next(&buf)
					if err != nil {
						b.Fatal(err)
					}
					if len(group) == 0 {
						break
					}
					sum += group[0].Unit
				}
			}
			b.ReportMetric(float64(len(block.Data))/float64(p.Len()), "bytes/posting")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*p.Len()), "ns/posting")
		})
	}
}

func BenchmarkOpenBlock(b *testing.B) {
	blocks := build(b, texts(100_000))
	i := 0
	for b.Loop() {
		if _, err := textindex.OpenBlock(blocks[i%len(blocks)].Data); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64(size(blocks))/float64(len(blocks)), "bytes/block")
}

func BenchmarkFind(b *testing.B) {
	blocks := build(b, texts(100_000))
	var views []textindex.BlockView
	var terms []string
	for _, block := range blocks {
		view := open(b, block)
		var inBlock []string
		for e := range view.Terms() {
			inBlock = append(inBlock, e.Term)
		}
		views = append(views, view)
		terms = append(terms, inBlock[random(102).IntN(len(inBlock))])
	}
	i := 0
	for b.Loop() {
		if _, ok, err := views[i%len(views)].Find(terms[i%len(views)]); !ok || err != nil {
			b.Fatal(ok, err)
		}
		i++
	}
}
