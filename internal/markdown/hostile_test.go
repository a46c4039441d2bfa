package markdown_test

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/atocore/atocore/internal/markdown"
)

var hostileSize = flag.Int("markdown.hostile", 256<<10, "size in bytes of each hostile input")

// TestHostile reads much of each construct that is known to make Markdown
// readers slow, deep or greedy. The bound is not a measurement: linear reading
// takes a tenth of a second, what this guards against takes minutes or the machine's
// memory.
func TestHostile(t *testing.T) {
	size := *hostileSize
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	lists := func() string { // every list one deeper than the one before
		var b strings.Builder
		for i := 0; b.Len() < size/2; i++ {
			b.WriteString(strings.Repeat(" ", 2*i) + "- a\n")
		}
		return b.String()
	}
	inputs := map[string]string{
		"quotes":                  fill(">"),
		"quotes with blanks":      fill("> "),
		"quoted lines":            fill(strings.Repeat(">", 300) + " a\n"),
		"one line of lists":       fill("- "),
		"one line of numbers":     fill("1. "),
		"stars":                   fill("* "),
		"emphasis":                fill("*a _b "),
		"emphasis runs":           fill("**a*"),
		"open brackets":           fill("["),
		"brackets":                fill("[a]("),
		"images":                  fill("![["),
		"angles":                  fill("<"),
		"open tags":               fill("<a b=\""),
		"comments":                fill("<!-- a\n"),
		"backticks":               fill("` `` "),
		"backslashes":             fill("\\"),
		"template calls":          fill("{{<"),
		"links":                   fill("[a](b) "),
		"definitions":             strings.Repeat("[a]: b\n", 200_000),
		"open definitions":        fill("[a]: b \"\n"),
		"bracket definitions":     fill("[a\n"),
		"headings":                fill("# a\n"),
		"heading brackets":        fill("# [[[[[[[[[[[[[[[[\n"),
		"long heading":            "# " + fill("[*`"),
		"many setext":             fill("a\n-\n"),
		"rules":                   fill("---\n"),
		"fences":                  fill("```\n"),
		"fence lengths":           fill("````\n```\n~~~\n"),
		"columns by rows":         "|" + strings.Repeat("a|", size/8) + "\n|" + strings.Repeat("-|", size/8) + "\n" + strings.Repeat("|\n", size/4),
		"delimiter rows":          fill("a|b\n-|\n"),
		"delimiters":              fill("-|"),
		"deep lists":              lists(),
		"deep lists, blank lines": lists() + strings.Repeat("\n", size/2),
		"sixty lists, blank":      strings.Repeat("- ", 60) + "a" + fill("\n") + "b",
		"sixty lists, fence":      strings.Repeat("- ", 30) + "```" + fill("\n") + "b",
		"blank lines":             fill("\n"),
		"blanks":                  fill(" "),
		"tabs":                    fill("\t"),
		"tabs and text":           fill("\ta\n"),
		"carriage returns":        fill("\r"),
		"NUL":                     fill("\x00"),
		"not UTF-8":               fill("\xff\xc3("),
		"continuation bytes":      fill("\x80"),
		"combining marks":         "a" + fill("\u0301"),
		"one word":                fill("a"),
		"one CJK sentence":        fill("字"),
		"full stops":              fill("。"),
		"flags":                   fill("🇦"),
		"unclosed front matter":   "---\n" + fill("a: b\n"),
		"large front matter":      "---\n" + fill("a: b\n") + "---\n# t\n",
		"front matter comments":   "---\n" + fill("#\n") + "---\n# t\n",
		"front matter key":        "---\n" + fill("a ") + "\n---\n",
		"deep front matter":       "---\na: " + strings.Repeat("[", 60000) + "\n---\nb",
		"deep TOML":               "+++\na = " + strings.Repeat("[", 60000) + "\n+++\nb",
	}
	for name, in := range inputs {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			d := markdown.Parse([]byte(in), markdown.Options{})
			parsed := time.Since(start)
			text := markdown.ParseText([]byte(in), markdown.Options{})
			t.Logf("%v, as text %v, %d chunks", parsed, time.Since(start)-parsed, len(d.Chunks))
			if time.Since(start) > 15*time.Second {
				t.Errorf("took %v", time.Since(start))
			}
			for _, f := range faults([]byte(in), bodyStart([]byte(in), d), 4*size, d.Chunks, nil) {
				t.Error(f)
			}
			for _, f := range faults([]byte(in), 0, markdown.DefaultMax, text.Chunks, nil) {
				t.Error(f)
			}
		})
	}
}
