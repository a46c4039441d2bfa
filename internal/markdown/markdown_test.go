package markdown_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/markdown"
)

// outline writes chunks as "path > path: text" with the text on one line.
func outline(d markdown.Document) []string {
	var out []string
	for _, c := range d.Chunks {
		out = append(out, strings.Join(c.Heading, " > ")+": "+strings.Join(strings.Fields(c.Text), " "))
	}
	return out
}

func TestHeadings(t *testing.T) {
	// Long enough to stand alone.
	const a = "The first paragraph says enough to be a chunk of its own, whatever the headings around it are."
	const b = "The second paragraph is as long as the first one, so that it need not be joined to a neighbour."
	for _, test := range []struct {
		name, in, title string
		want            []string
	}{
		{"none", a, "", []string{": " + a}},
		{"text above the first", a + "\n\n# T\n\n" + b, "T", []string{": " + a, "T: # T " + b}},
		{"nested", "# T\n\n" + a + "\n\n## U\n\n" + b + "\n\n### V\n" + a + "\n\n## W\n" + b, "T",
			[]string{"T: # T " + a, "T > U: ## U " + b, "T > U > V: ### V " + a, "T > W: ## W " + b}},
		{"a level left out", "# T\n\n" + a + "\n#### U\n" + b, "T", []string{"T: # T " + a, "T > U: #### U " + b}},
		{"one twice", "## G\n" + a + "\n## G\n" + b, "", []string{"G: ## G " + a, "G: ## G " + b}},
		{"no text of its own", "# T\n\n## U\n\n" + a + "\n\n## V\n\n" + b, "T",
			[]string{"T > U: # T ## U " + a, "T > V: ## V " + b}},
		{"small ones under one heading", "# T\n\n## U\n\na\n\n## V\n\nb", "T", []string{"T: # T ## U a ## V b"}},
		{"small ones under none", "## U\n\na\n\n## V\n\nb", "", []string{"U: ## U a", "V: ## V b"}},
		{"small beside its own child", "# T\n" + a + "\n## U\n" + a + "\n## V\nb\n### W\n" + b, "T",
			[]string{"T: # T " + a, "T > U: ## U " + a, "T > V: ## V b ### W " + b}},
		{"setext without text of its own", "T\n===\n\nU\n---\n" + a, "T", []string{"T > U: T === U --- " + a}},
		{"nothing but headings", "# T\n## U\n", "T", []string{"T > U: # T ## U"}},
		{"empty", "#\n\n" + a, "", []string{": # " + a}},
		{"setext", "T *x*\n===\n\n" + a + "\n\nU\nv\n---\n" + b, "T x", []string{"T x: T *x* === " + a, "T x > U v: U v --- " + b}},
		{"closing marks", "## T ##\n" + a, "", []string{"T: ## T ## " + a}},
		{"inline", "# `T` [u](v) *w* ![x](y) <z> &amp; \\# [k] [m][k]\n" + a + "\n\n[k]: l", "T u w x & # k m",
			[]string{"T u w x & # k m: # `T` [u](v) *w* ![x](y) <z> &amp; \\# [k] [m][k] " + a + " [k]: l"}},
		{"undefined reference", "# [1.2.0] - today\n" + a, "[1.2.0] - today", []string{"[1.2.0] - today: # [1.2.0] - today " + a}},
		{"wiki link", "# At [[A|b]]\n" + a, "At [[A|b]]", []string{"At [[A|b]]: # At [[A|b]] " + a}},
		{"attributes", "# T {#id .class}\n" + a, "T", []string{"T: # T {#id .class} " + a}},
		{"in a fence", "# T\n" + a + "\n```\n# no\n```\n~~~\nno\n===\n~~~\n", "T", []string{"T: # T " + a + " ``` # no ``` ~~~ no === ~~~"}},
		{"in indented code", "# T\n" + a + "\n\n    # no\n", "T", []string{"T: # T " + a + " # no"}},
		{"in HTML", "# T\n" + a + "\n<div>\n# no\n</div>\n\n<!--\n\n# no\n-->\n", "T", []string{"T: # T " + a + " <div> # no </div> <!-- # no -->"}},
		{"in a quote and a list", "# T\n" + a + "\n> # no\n\n- # no\n", "T", []string{"T: # T " + a + " > # no - # no"}},
		{"CRLF", "# T\r\n\r\n" + a + "\r\n\r\nU\r\n---\r\n\r\n" + b, "T", []string{"T: # T " + a, "T > U: U --- " + b}},
		{"CR", "# T\r\r" + a + "\r\r## U\r\r" + b, "T", []string{"T: # T " + a, "T > U: ## U " + b}},
		{"byte order mark", "\xef\xbb\xbf# T\n" + a, "T", []string{"T: # T " + a}},
		{"NUL", "# T\x00\n" + a, "T\x00", []string{"T\x00: # T\x00 " + a}},
		{"not a heading", "#no\n\n" + a + "\n\n####### no", "", []string{": #no " + a + " ####### no"}},
		{"blank", " \n\t\n", "", nil},
		{"empty document", "", "", nil},
		{"only a mark", "\xef\xbb\xbf", "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := check(t, []byte(test.in), markdown.Options{}, markdown.DefaultMax)
			if diff := cmp.Diff(test.want, outline(d)); diff != "" {
				t.Errorf("chunks (-want +got):\n%s", diff)
			}
			if got, want := d.Title, test.title; got != want {
				t.Errorf("title = %q, want %q", got, want)
			}
		})
	}
}

func TestLongHeadingIsCutShortInThePathAlone(t *testing.T) {
	in := "# " + strings.Repeat("long words ", 400) + "\n\ntext"
	d := check(t, []byte(in), markdown.Options{}, markdown.DefaultMax)
	for i, c := range d.Chunks {
		if n := len(c.Heading[0]); n > 256 || n < 128 {
			t.Errorf("chunk %d: heading of %d bytes", i, n)
		}
	}
	if len(d.Chunks) < 2 {
		t.Errorf("%d chunks of %d bytes, want the heading cut too", len(d.Chunks), len(in))
	}
}

func TestCuts(t *testing.T) {
	o := markdown.Options{Target: 60, Max: 100, Min: -1}
	rep := strings.Repeat
	code := "```go\n" + rep("x := 1\n\n", 30) + "```"
	for _, test := range []struct {
		name, in string
		want     []string // how each chunk begins
	}{
		{"paragraphs", rep("a", 50) + "\n\n" + rep("b", 50) + "\n\n" + rep("c", 50), []string{"aaa", "bbb", "ccc"}},
		{"sentences", "One two three four five six seven eight nine ten. Eleven twelve thirteen fourteen fifteen (sixteen). Seventeen eighteen nineteen twenty twenty-one twenty-two.",
			[]string{"One", "Eleven", "Seventeen"}},
		{"not at an abbreviation", "One two three four five six seven eight nine ten e.g. eleven twelve. Thirteen J. Fourteen sixteen seventeen eighteen nineteen.",
			[]string{"One", "Thirteen"}},
		{"a sentence before a line", "One two three four five six seven eight. Nine\nten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen.",
			[]string{"One", "Nine"}},
		{"a sentence at a CRLF", "One two three four five six seven eight.\r\nNine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen.",
			[]string{"One", "Nine"}},
		{"lines", rep("word ", 10) + "\n" + rep("more ", 12) + "\n" + rep("last ", 10), []string{"word", "more", "last"}},
		{"CJK", rep("天地玄黄宇宙洪荒日月盈昃辰宿列张。", 4), []string{"天", "天", "天", "天"}},
		{"CJK with a closing mark", rep("「天地玄黄宇宙洪荒日月盈昃辰宿。」", 4), []string{"「", "「", "「", "「"}},
		{"clauses", rep("天地玄黄宇宙洪荒日月盈昃辰宿列张，", 4), []string{"天", "天", "天", "天"}},
		{"words", "a" + rep("bcdefghi ", 20), []string{"abcdefghi", "bcdefghi", "bcdefghi"}},
		{"runes", rep("é", 120), []string{"é", "é", "é"}},
		{"letters of two runes", rep("e\u0301", 80), []string{"e\u0301", "e\u0301", "e\u0301"}},
		{"list items", rep("- one item of twenty bytes\n", 6), []string{"- one", "- one", "- one"}},
		{"nested list", "- " + rep("a", 40) + "\n  - " + rep("b", 40) + "\n  - " + rep("c", 40) + "\n- " + rep("d", 40), []string{"- aaa", "  - bbb", "  - ccc"}},
		{"table rows", "| a | b |\n|---|---|\n" + rep("| "+rep("c", 16)+" | d |\n", 8), []string{"| a", "| cc", "| cc"}},
		{"table without a body", "| a | b |\n|---|---|\n\n" + rep("c", 90), []string{"| a", "ccc"}},
		{"table head of Max", "| " + rep("a", 120) + " | b |\n|---|---|\n| c | d |\n| e | f |", []string{"| a", "| e"}},
		{"row over Max", "| a | b |\n|---|---|\n| c | d |\n| " + rep("e ", 100) + " | f |\n| g | h |", []string{"| a", "| e", "| g"}},
		{"fence over Max", rep("a", 60) + "\n\n" + code + "\n\n" + rep("b", 60), []string{"aaa", "```go", "bbb"}},
		{"fence in a list", "1. " + rep("a", 60) + "\n\n   ```go\n" + rep("   x := 1\n", 30) + "   ```\n2. b", []string{"1. a", "   ```go", "2. b"}},
		{"fence in a quote", "> " + rep("a", 60) + "\n>\n> ```go\n" + rep("> x := 1\n", 30) + "> ```\n>\n> b", []string{"> a", "> ```go", "> b"}},
		{"fence with its heading", "# T\n\n" + code, []string{"# T"}},
		{"fence in a fence", "````\n" + code + "\n````\n\n" + rep("b", 60), []string{"````", "bbb"}},
		{"fence never closed", rep("a", 60) + "\n\n```\n" + rep("x := 1\n\n", 30), []string{"aaa", "```"}},
		{"indented code", rep("a", 60) + "\n\n" + rep("    x := 1\n\n", 30) + "b", []string{"aaa", "    x", "b"}},
		{"code behind a tab in a list", rep("a", 60) + "\n\n*\t    b\n\n" + rep("\t      x := 1\n\n", 30) + "c", []string{"aaa", "*", "c"}},
		{"tab code", rep("a", 60) + "\n\n" + rep("\tx := 1\n\n", 30) + "b", []string{"aaa", "\tx", "b"}},
		{"code span", "One two three four five six seven eight nine `ten eleven. Twelve thirteen fourteen` fifteen sixteen seventeen eighteen nineteen.",
			[]string{"One", "`ten"}},
		{"link", "One two three four five six seven eight nine [ten eleven. Twelve](http://example.com/thirteen) fourteen sixteen seventeen eighteen.",
			[]string{"One", "[ten"}},
		{"HTML", "<table>\n" + rep("<tr><td>some cell here</td></tr>\n", 6) + "</table>", []string{"<table>", "<tr>", "<tr>"}},
		{"template calls", "{{< tabs >}}\n\n" + rep("a", 60) + "\n\n{{< /tabs >}}\n\n" + rep("b", 60), []string{"{{< tabs", "{{< /tabs"}},
		{"imports", "import A from './a'\n\n<A b={1}>\n  c\n</A>\n\n" + rep("d", 60), []string{"import", "ddd"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := check(t, []byte(test.in), o, 100)
			ok := len(d.Chunks) == len(test.want)
			for i := range min(len(d.Chunks), len(test.want)) {
				ok = ok && strings.HasPrefix(d.Chunks[i].Text, test.want[i])
			}
			if !ok {
				got, _ := json.MarshalIndent(d.Chunks, "", " ")
				t.Errorf("got %s\nwant chunks that begin %q", got, test.want)
			}
		})
	}
}

func TestCodeThatFitsLeavesItsLeadIn(t *testing.T) {
	code := "```\n" + strings.Repeat("x := 1\n", 12) + "```" // 91 bytes
	o := markdown.Options{Target: 60, Max: 100, Min: 30}
	for _, test := range []struct {
		in   string
		want []string
	}{
		{"A short text.\n\n" + code, []string{"A short", "```"}},
		{"Short.\n\n" + strings.Replace(code, "x", strings.Repeat("x", 20), 1), []string{"Short."}},
	} {
		d := check(t, []byte(test.in), o, 100)
		if len(d.Chunks) != len(test.want) {
			t.Errorf("%d chunks, want %d: %q", len(d.Chunks), len(test.want), outline(d))
		}
		for i := range min(len(d.Chunks), len(test.want)) {
			if !strings.HasPrefix(d.Chunks[i].Text, test.want[i]) {
				t.Errorf("chunk %d is %q, want %q …", i, d.Chunks[i].Text, test.want[i])
			}
		}
	}
}

func TestUnclosedFenceOfGreatLength(t *testing.T) {
	in := "# T\n\n```\n" + strings.Repeat("a line of what was meant to be short\n", 2000)
	d := markdown.Parse([]byte(in), markdown.Options{})
	if len(d.Chunks) < 20 {
		t.Errorf("%d chunks of %d bytes", len(d.Chunks), len(in))
	}
	for i, c := range d.Chunks {
		if !strings.HasSuffix(c.Text, "short") {
			t.Errorf("chunk %d ends inside a line: %q", i, c.Text[len(c.Text)-20:])
		}
	}
	d = markdown.Parse([]byte(in+"```\n"), markdown.Options{})
	if got, want := len(d.Chunks), 1; got != want {
		t.Errorf("closed: %d chunks, want %d", got, want)
	}
}

func TestDefaultsAndOptions(t *testing.T) {
	in := []byte(strings.Repeat("Ten words make this one sentence of about sixty bytes. ", 400))
	for _, test := range []struct {
		o         markdown.Options
		low, high int
	}{
		{markdown.Options{}, 1000, 1400},
		{markdown.Options{Max: 500}, 250, 350},
		{markdown.Options{Target: 3000}, 2900, 3100},
		{markdown.Options{Target: 900, Max: 700}, 600, 700},
		{markdown.Options{Target: 1, Max: 1, Min: 1 << 40}, 1, 64},
		{markdown.Options{Target: -1, Max: -1, Min: -1}, 1000, 1400},
	} {
		for name, d := range map[string]markdown.Document{"Parse": markdown.Parse(in, test.o), "ParseText": markdown.ParseText(in, test.o)} {
			for i, c := range d.Chunks[:len(d.Chunks)-1] {
				if n := c.End - c.Start; n < test.low || n > test.high {
					t.Errorf("%s %+v: chunk %d has %d bytes, want %d to %d", name, test.o, i, n, test.low, test.high)
					break
				}
			}
		}
	}
}

func TestParseText(t *testing.T) {
	o := markdown.Options{Target: 60, Max: 100, Min: -1}
	rep := strings.Repeat
	for _, test := range []struct {
		name, in string
		want     []string
	}{
		{"no markup", "# not a heading\n\n---\na: b\n---\n", []string{"# not"}},
		{"paragraphs", rep("a", 50) + "\n\n" + rep("b", 50) + "\n\n" + rep("c", 50), []string{"aaa", "bbb", "ccc"}},
		{"lines", rep("a", 50) + "\n" + rep("b", 50) + "\n" + rep("c", 50), []string{"aaa", "bbb", "ccc"}},
		{"CR lines", rep("a", 50) + "\r" + rep("b", 50) + "\r" + rep("c", 50), []string{"aaa", "bbb", "ccc"}},
		{"sentences", "One two three four five six seven eight nine ten. Eleven twelve thirteen fourteen fifteen sixteen. Seventeen eighteen nineteen twenty twenty-one twenty-two.",
			[]string{"One", "Eleven", "Seventeen"}},
		{"words", "a" + rep("bcdefghi ", 20), []string{"abcdefghi", "bcdefghi", "bcdefghi"}},
		{"runes", "\xef\xbb\xbf" + rep("字", 50), []string{"字", "字"}},
		{"blank", " \r\n\t", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := markdown.ParseText([]byte(test.in), o)
			body := 0
			if strings.HasPrefix(test.in, "\xef\xbb\xbf") {
				body = 3
			}
			for _, f := range faults([]byte(test.in), body, 100, d.Chunks, nil) {
				t.Error(f)
			}
			ok := len(d.Chunks) == len(test.want)
			for i := range min(len(d.Chunks), len(test.want)) {
				ok = ok && strings.HasPrefix(d.Chunks[i].Text, test.want[i]) && d.Chunks[i].Heading == nil
			}
			if !ok {
				t.Errorf("got %q\nwant chunks that begin %q", outline(d), test.want)
			}
		})
	}
}
