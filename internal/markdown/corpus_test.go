package markdown_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/atocore/atocore/internal/markdown"
)

var corpus = flag.String("markdown.corpus", os.Getenv("ATOCORE_MARKDOWN_CORPUS"),
	"directories of Markdown files to hold the invariants against, separated like a PATH")

// TestCorpus holds the invariants against files that people wrote and prints
// how large their chunks are.
func TestCorpus(t *testing.T) {
	if *corpus == "" {
		t.Skip("no -markdown.corpus and no ATOCORE_MARKDOWN_CORPUS")
	}
	for _, dir := range filepath.SplitList(*corpus) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var sizes []int
			var files, bytes, over, broken int
			var spent time.Duration
			err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
				if err != nil || e.IsDir() || !(strings.HasSuffix(path, ".md") || strings.HasSuffix(path, ".mdx")) {
					return err
				}
				source, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				files++
				bytes += len(source)
				start := time.Now()
				markdown.Parse(source, markdown.Options{})
				spent += time.Since(start)
				d := check(t, source, markdown.Options{}, markdown.DefaultMax)
				if t.Failed() {
					t.Fatalf("in %s", path)
				}
				if d.FrontMatterErr != nil {
					broken++
					t.Logf("%s: %v", path, d.FrontMatterErr)
				}
				for _, c := range d.Chunks {
					size := c.End - c.Start
					sizes = append(sizes, size)
					if size > markdown.DefaultMax {
						over++
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(sizes) == 0 {
				t.Fatal("no chunks: is this a directory of Markdown files?")
			}
			slices.Sort(sizes)
			q := func(p float64) int { return sizes[int(p*float64(len(sizes)-1))] }
			sum := 0
			for _, s := range sizes {
				sum += s
			}
			t.Logf("%d files, %d bytes, %d with broken front matter, %.1f MB/s", files, bytes, broken, float64(bytes)/1e6/spent.Seconds())
			t.Logf("%d chunks, mean %d, p5 %d, p25 %d, p50 %d, p75 %d, p95 %d, p99 %d, largest %d, %d over %d bytes",
				len(sizes), sum/len(sizes), q(.05), q(.25), q(.5), q(.75), q(.95), q(.99), sizes[len(sizes)-1], over, markdown.DefaultMax)
		})
	}
}
