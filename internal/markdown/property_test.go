package markdown_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/atocore/atocore/internal/markdown"
)

// A writer makes up Markdown: every construct inside every other that may hold it.
type writer struct{ r *rand.Rand }

var vocabulary = strings.Fields("backup restore journal chunk 快照 恢复。 über `a b` [link text](http://x/y) " +
	"**bold** _em_ &amp; end. Start why? e.g. 1.5 <b> {{<call>}} ![i](j) 👩‍💻 e\u0301 | # - > ``` \\ [[wiki|w]]")

func (w writer) words(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString([]string{" ", " ", " ", "\n"}[w.r.IntN(4)])
		}
		b.WriteString(vocabulary[w.r.IntN(len(vocabulary))])
	}
	return b.String()
}

func (w writer) line(n int) string { return strings.ReplaceAll(w.words(n), "\n", " ") }

func indent(s, first, rest string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		if i == 0 {
			lines[i] = first + lines[i]
		} else if lines[i] != "" || strings.TrimSpace(rest) != "" {
			lines[i] = rest + lines[i]
		}
	}
	return strings.Join(lines, "\n")
}

func (w writer) block(depth int) string {
	kinds := 9
	if depth < 4 {
		kinds = 12
	}
	switch w.r.IntN(kinds) {
	case 0:
		return strings.Repeat("#", 1+w.r.IntN(7)) + " " + w.line(w.r.IntN(5))
	case 1:
		return w.words(1+w.r.IntN(3)) + "\n" + strings.Repeat("=-"[w.r.IntN(2):][:1], 1+w.r.IntN(4))
	case 2:
		mark := strings.Repeat("`~"[w.r.IntN(2):][:1], 3+w.r.IntN(2))
		end := mark
		if w.r.IntN(8) == 0 {
			end = "" // never closed
		}
		return mark + "go\n" + w.words(w.r.IntN(60)) + "\n\n" + w.words(w.r.IntN(20)) + "\n" + end
	case 3:
		return indent(w.words(1+w.r.IntN(40)), "    ", "    ")
	case 4:
		cols := 1 + w.r.IntN(4)
		row := func() string { return strings.Repeat("| "+w.line(1+w.r.IntN(3))+" ", cols) + "|" }
		b := row() + "\n" + strings.Repeat("|---", cols) + "|"
		for range w.r.IntN(12) {
			b += "\n" + row()
		}
		return b
	case 5:
		return "<div>\n" + w.words(w.r.IntN(20)) + "\n</div>"
	case 6:
		return "[" + w.line(1) + "]: http://x/" + w.line(1)
	case 9:
		return indent(w.blocks(depth+1, 3), "> ", "> ")
	case 10:
		var items []string
		for range 1 + w.r.IntN(4) {
			items = append(items, indent(w.blocks(depth+1, 2), "- ", "  "))
		}
		return strings.Join(items, "\n")
	case 11:
		return indent(w.blocks(depth+1, 2), "1. ", "   ")
	default:
		return w.words(1 + w.r.IntN(120))
	}
}

func (w writer) blocks(depth, n int) string {
	var out []string
	for range 1 + w.r.IntN(n) {
		out = append(out, w.block(depth))
	}
	return strings.Join(out, []string{"\n\n", "\n"}[min(1, w.r.IntN(5)/4)])
}

// TestProperties holds the invariants over documents that nobody would write.
func TestProperties(t *testing.T) {
	n := 4000
	if testing.Short() {
		n = 400
	}
	var cuts, over int
	for seed := range n {
		w := writer{rand.New(rand.NewPCG(uint64(seed), 7))}
		in := w.blocks(0, 12)
		switch seed % 5 {
		case 1:
			in = strings.ReplaceAll(in, "\n", "\r\n")
		case 2:
			in = "---\ntitle: T\n---\n" + in
		case 3:
			in = strings.ReplaceAll(in, "    ", "\t")
		}
		max := 64 + seed%700
		o := markdown.Options{Max: max, Target: max * (1 + seed%4) / 4, Min: seed%100 - 20}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			d := check(t, []byte(in), o, max)
			cuts += len(d.Chunks)
			for _, c := range d.Chunks {
				if c.End-c.Start > max {
					over++
				}
			}
			if t.Failed() {
				t.Logf("options %+v, source:\n%s", o, in)
			}
		})
		if t.Failed() {
			break
		}
	}
	// The generator must reach what the invariants are about.
	if cuts < 4*n || over < n/20 {
		t.Errorf("%d documents gave %d chunks, %d over Max: too few to show anything", n, cuts, over)
	}
}

// TestPathsStandAbove checks, where every heading has a number and every text names the
// numbers above it, that a chunk's path is that of all the text in it.
func TestPathsStandAbove(t *testing.T) {
	for seed := range 500 {
		r := rand.New(rand.NewPCG(uint64(seed), 8))
		var b strings.Builder
		var above []string
		var levels []int
		for i := range 1 + r.IntN(20) {
			level := 1 + r.IntN(4)
			for len(levels) > 0 && levels[len(levels)-1] >= level {
				levels, above = levels[:len(levels)-1], above[:len(above)-1]
			}
			levels, above = append(levels, level), append(above, fmt.Sprintf("h%d", i))
			fmt.Fprintf(&b, "%s h%d\n\n", strings.Repeat("#", level), i)
			for range r.IntN(4) {
				fmt.Fprintf(&b, "<%s> %s\n\n", strings.Join(above, " "), strings.Repeat("word ", r.IntN(30)))
			}
		}
		d := check(t, []byte(b.String()), markdown.Options{Target: 150, Max: 250, Min: 60}, 250)
		for i, c := range d.Chunks {
			path := "<" + strings.Join(c.Heading, " ")
			for _, p := range strings.Split(c.Text, "\n\n") {
				if strings.HasPrefix(p, "<") && !strings.HasPrefix(p, path+" ") && !strings.HasPrefix(p, path+">") {
					t.Errorf("seed %d: chunk %d under %q holds %q", seed, i, c.Heading, p)
				}
			}
		}
	}
}

func BenchmarkParse(b *testing.B) {
	w := writer{rand.New(rand.NewPCG(1, 9))}
	var in strings.Builder
	for in.Len() < 1<<20 {
		in.WriteString(w.blocks(0, 12) + "\n\n")
	}
	source := []byte(in.String())
	for name, parse := range map[string]func([]byte, markdown.Options) markdown.Document{"Markdown": markdown.Parse, "Text": markdown.ParseText} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(source)))
			b.ReportAllocs()
			for b.Loop() {
				parse(source, markdown.Options{})
			}
		})
	}
}
