package propose_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/propose"
)

// What the labelled sentences have to reach. Precision comes first: what is proposed
// wrongly costs somebody's attention, what is missed can be said again.
const (
	leastPrecision = 0.995
	leastRecall    = 0.97
)

type labelled struct {
	line  int
	label string
	who   propose.Speaker
	text  string
}

func sentences(t testing.TB) []labelled {
	t.Helper()
	data, err := os.ReadFile("testdata/sentences.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var out []labelled
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 3 {
			t.Fatalf("line %d has %d fields", n, len(f))
		}
		out = append(out, labelled{n, f[0], propose.Speaker(f[1]), strings.ReplaceAll(f[2], `\n`, "\n")})
	}
	return out
}

func from(who propose.Speaker, text string) []propose.Proposal {
	if who == propose.User {
		return propose.From(text, "")
	}
	return propose.From("", text)
}

// The rules are measured on sentences that people labelled.
func TestLabelledSentences(t *testing.T) {
	all := sentences(t)
	type count struct{ right, wrong, missed int }
	by := map[string]*count{}
	var sum count
	at := func(label string) *count {
		if by[label] == nil {
			by[label] = &count{}
		}
		return by[label]
	}
	positive := 0
	for _, l := range all {
		got := from(l.who, l.text)
		found := false
		for _, p := range got {
			if string(p.Rule) == l.label {
				found = true
			} else {
				at(string(p.Rule)).wrong++
				sum.wrong++
				t.Logf("line %d: %s by %s: proposed as %s: %q", l.line, l.label, l.who, p.Rule, p.Text)
			}
		}
		if l.label == "none" {
			continue
		}
		positive++
		if found {
			at(l.label).right++
			sum.right++
		} else {
			at(l.label).missed++
			sum.missed++
			t.Logf("line %d: missed %s: %q", l.line, l.label, l.text)
		}
	}
	ratio := func(a, b int) float64 { return float64(a) / max(1, float64(a+b)) }
	for _, label := range slices.Sorted(maps.Keys(by)) {
		c := by[label]
		t.Logf("%-10s  precision %.3f  recall %.3f  of %d", label, ratio(c.right, c.wrong), ratio(c.right, c.missed), c.right+c.missed)
	}
	precision, recall := ratio(sum.right, sum.wrong), ratio(sum.right, sum.missed)
	fmt.Printf("proposals: precision %.3f, recall %.3f, of %d sentences, %d of them statements\n", precision, recall, len(all), positive)
	if precision < leastPrecision || recall < leastRecall {
		t.Errorf("precision %.3f and recall %.3f, want at least %.2f and %.2f", precision, recall, leastPrecision, leastRecall)
	}
	if len(all) < 80 || positive < 40 || len(all)-positive < 40 {
		t.Errorf("%d sentences, %d of them statements, are too few", len(all), positive)
	}
}

func TestProposals(t *testing.T) {
	for _, tt := range []struct {
		prompt, response string
		want             []propose.Proposal
	}{
		{"Decision: use SQLite.", "", []propose.Proposal{{Rule: propose.Decision, Speaker: propose.User, Text: "Use SQLite.", Confidence: 0.8}}},
		{"", "**Decision:** use `sqlite3`, version 3.", []propose.Proposal{}},
		{"OK, so we decided to use **Go 1.26** and [SQLite](https://sqlite.org). Then it rained.", "", []propose.Proposal{
			{Rule: propose.Decision, Speaker: propose.User, Text: "We decided to use Go 1.26 and SQLite.", Confidence: 0.75}}},
		{"No, use the mirror, it has what we need.", "", []propose.Proposal{
			{Rule: propose.Correction, Speaker: propose.User, Text: "Use the mirror, it has what we need.", Confidence: 0.5, Working: true}}},
		{"We decided to meet Mr. Okafor at 10 a.m. in St. Ives, i.e. near the quay. Fine.", "", []propose.Proposal{
			{Rule: propose.Decision, Speaker: propose.User, Text: "We decided to meet Mr. Okafor at 10 a.m. in St. Ives, i.e. near the quay.", Confidence: 0.75}}},
		// Said by both, proposed once.
		{"We decided to wait for May.", "We decided to wait for May.", []propose.Proposal{
			{Rule: propose.Decision, Speaker: propose.User, Text: "We decided to wait for May.", Confidence: 0.75}}},
		// The surest first.
		{"No, the limit is 500 a minute. Decision: the limit stays as it is.", "", []propose.Proposal{
			{Rule: propose.Decision, Speaker: propose.User, Text: "The limit stays as it is.", Confidence: 0.8},
			{Rule: propose.Correction, Speaker: propose.User, Text: "The limit is 500 a minute.", Confidence: 0.5}}},
		{"We decided to keep <private> things. [private] We decided to hide [private] here.", "", []propose.Proposal{
			{Rule: propose.Decision, Speaker: propose.User, Text: "We decided to keep <private> things.", Confidence: 0.75}}},
	} {
		got := propose.From(tt.prompt, tt.response)
		if tt.prompt == "" {
			if len(got) != 1 || got[0].Text != "Use `sqlite3`, version 3." {
				t.Errorf("%q: got %+v", tt.response, got)
			}
			continue
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", tt.prompt, d)
		}
	}
	var many strings.Builder
	many.WriteString("## Decisions\n")
	for i := range 50 {
		fmt.Fprintf(&many, "- The number of boats is %d.\n", i)
	}
	if got := propose.From("", many.String()); len(got) != propose.Most || got[0].Text != "The number of boats is 0." {
		t.Errorf("of many: got %+v", got)
	}
	if got := propose.From("We decided to "+strings.Repeat("wait and ", 100)+"see.", ""); len(got) != 0 {
		t.Errorf("of a long one: got %+v", got)
	}
}

func TestSentences(t *testing.T) {
	const text = `# Title

One. Two is 3.5 or v1.2, e.g. this! Three?
goes on. "Quoted." End

- item one
  continued
- [x] done item

` + "```go\ncode. Code.\n```" + `

> quoted. text

| a | b |

    indented code

Facts:
1. First fact.
2) Second fact.

After it.

**Bold head**

Below. And more.
日本語です。次。`
	var got []string
	for s := range propose.Sentences(text) {
		got = append(got, fmt.Sprintf("%s|%v|%v|%s", s.Heading, s.Item, s.Question, s.Text))
	}
	want := []string{
		"Title|true|false|One.", "Title|false|false|Two is 3.5 or v1.2, e.g. this!", "Title|false|true|Three?", "Title|false|false|goes on.", `Title|false|false|"Quoted."`, "Title|false|false|End",
		"Title|true|false|item one continued", "Title|true|false|done item",
		"Facts|true|false|First fact.", "Facts|true|false|Second fact.",
		"|false|false|After it.",
		"Bold head|true|false|Below.", "Bold head|false|false|And more.", "Bold head|false|false|日本語です。", "Bold head|false|false|次。",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("sentences (-want +got):\n%s", d)
	}
}

func FuzzFrom(f *testing.F) {
	for _, l := range sentences(f) {
		f.Add(l.text, l.text)
	}
	f.Fuzz(func(t *testing.T, prompt, response string) {
		for _, p := range propose.From(prompt, response) {
			if p.Text == "" || strings.ContainsAny(p.Text, "\n") || p.Confidence <= 0 || p.Confidence >= 1 || utf8.ValidString(prompt+response) && !utf8.ValidString(p.Text) {
				t.Errorf("%q, %q: got %+v", prompt, response, p)
			}
		}
	})
}
