package markdown_test

import (
	"testing"
	"time"

	"github.com/atocore/atocore/internal/markdown"
)

// The seeds are one document for each thing that cuts differently.
var seeds = []string{
	"",
	"\xef\xbb\xbf# a\r\n\r\nb\r\n",
	"---\ntitle: a\ntags: [b, c]\n---\n# d\n\ne\n",
	"+++\ntitle = \"a\"\n+++\nb",
	"---\na: [\n---\nb\n",
	"# a\n\n## b\n\ntext\n\n### c\n\n```go\n# not\n\n\nx\n```\n\nafter\n",
	"> > - a\n> >   ```\n> >   b\n\n1. c\n\n       d\n",
	"| a | b |\n|---|:-:|\n| c | d |\n| e |\n\nf\n",
	"a\nb\n===\n\nc *d* [e](f)\n---\n\n[f]: /g\n",
	"<div>\n# not\n</div>\n\n<!-- x\n\n# y -->\n",
	"{{< tabs >}}\n一句话。另一句话！又一句？\n{{< /tabs >}}\n",
	"```\nopen\n\n# x",
	"\ta\n\n\tb\n c\n",
	"word word. Word `co de` word [l i n k](u r l), word; word\xff\x00word word word word word word word",
}

// fuzzOptions are small so that short inputs are cut too.
func fuzzOptions(size uint16) (markdown.Options, int) {
	limit := 64 + int(size)%512
	return markdown.Options{Max: limit, Target: 1 + int(size)%limit, Min: int(size)%64 - 8}, limit
}

func FuzzParse(f *testing.F) {
	for i, s := range seeds {
		f.Add([]byte(s), uint16(i*97))
	}
	f.Fuzz(func(t *testing.T, source []byte, size uint16) {
		o, limit := fuzzOptions(size)
		start := time.Now()
		check(t, source, o, limit)
		if spent := time.Since(start); spent > 5*time.Second { // a hang, not a measure
			t.Errorf("%d bytes took %v", len(source), spent)
		}
	})
}

func FuzzParseText(f *testing.F) {
	for i, s := range seeds {
		f.Add([]byte(s), uint16(i*97))
	}
	f.Fuzz(func(t *testing.T, source []byte, size uint16) {
		o, limit := fuzzOptions(size)
		body := 0
		if len(source) >= 3 && string(source[:3]) == "\xef\xbb\xbf" {
			body = 3
		}
		for _, fault := range faults(source, body, limit, markdown.ParseText(source, o).Chunks, nil) {
			t.Error(fault)
		}
	})
}
