package markdown_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/markdown"
)

func TestParseNotes(t *testing.T) {
	type notes = markdown.Notes
	for name, test := range map[string]struct {
		source string
		want   notes
	}{
		"nothing":             {"plain text", notes{}},
		"links":               {"[[a]] [[b|shown]] [[c#d]] [[e#^f|g]] [[a]]", notes{Links: []string{"a", "b", "c#d", "e#^f"}}},
		"embeds":              {"![[a.png]] ![[b#c|100]]", notes{Embeds: []string{"a.png", "b#c"}}},
		"no links":            {"[a](b) [[]] [[ ]] \\[[c]] [d]] [[e", notes{}},
		"a link over lines":   {"[[a\nb]]", notes{}},
		"a link in a table":   {"| x | [[a\\|b]] |\n|---|---|\n| [[c]] | #d |", notes{Links: []string{"a", "c"}, Tags: []string{"d"}}},
		"code":                {"`[[a]]` ``[[b]] ` #c`` [[d]]\n\n```\n[[e]] #f\n```\n\n    [[g]]\n\n~~~\n%%\n~~~\n[[h]]", notes{Links: []string{"d", "h"}}},
		"open code":           {"`[[a]] #b", notes{Links: []string{"a"}, Tags: []string{"b"}}},
		"comments":            {"%%[[a]]%% [[b]] <!-- [[c]] --> #d\n\n%%\n\n[[e]]\n\n%%\n\n[[f]]", notes{Links: []string{"b", "f"}, Tags: []string{"d"}}},
		"tags":                {"#a #b/c, #d-e_f x#g \\#h #1 #2026 #2a #ключ\n#i", notes{Tags: []string{"a", "b/c", "d-e_f", "2a", "ключ", "i"}}},
		"no tags":             {"# heading\n\nhttps://example.com/#a [x](#b) [[c#d]]", notes{Links: []string{"c#d"}}},
		"tasks":               {"- [ ] a\n- [x] b\n* [X] c\n1. [-] d\n- [] e\n- [ ]f", notes{Done: 3, Open: 1}},
		"observations":        {"- [fact] One #t (context)\n- [x] done\n- [link](a) no\n- [fact]no\n- [a b] Two (three) four\n1. [fact] no", notes{Done: 1, Tags: []string{"t"}, Observations: []markdown.Observation{{Category: "fact", Text: "One"}, {Category: "a b", Text: "Two (three) four"}}}},
		"relations":           {"- part_of [[a]]\n- see also [[b|c]] (why)\n- part_of [[a]]\n- [[d]]\n- one [[e]] and more\n- A sentence. With [[f]]\n- one two three four five [[g]]\n1. no [[h]]", notes{Links: []string{"a", "b", "d", "e", "f", "g", "h"}, Relations: []markdown.Relation{{Relation: "part_of", Target: "a"}, {Relation: "see also", Target: "b"}}}},
		"nested":              {"> - [fact] a\n>   - r [[b]]\n>\n> ## [[c]]", notes{Links: []string{"b", "c"}, Observations: []markdown.Observation{{Category: "fact", Text: "a"}}, Relations: []markdown.Relation{{Relation: "r", Target: "b"}}}},
		"only the first line": {"- a\n  [fact] b\n\n  - [fact] c", notes{Observations: []markdown.Observation{{Category: "fact", Text: "c"}}}},
		"front matter":        {"---\na: \"[[b]] #c\"\n---\n[[d]]", notes{Links: []string{"d"}}},
		"line ends and mark":  {"\ufeff---\r\na: b\r\n---\r\n- [fact] c\r\n- r [[d]]\r\n", notes{Links: []string{"d"}, Observations: []markdown.Observation{{Category: "fact", Text: "c"}}, Relations: []markdown.Relation{{Relation: "r", Target: "d"}}}},
		"not UTF-8":           {"[[a\xff]] #b\xff", notes{Links: []string{"a\uFFFD"}, Tags: []string{"b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, markdown.ParseNotes([]byte(test.source))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func checkNotes(t *testing.T, source []byte) {
	t.Helper()
	start := time.Now()
	n := markdown.ParseNotes(source)
	if spent := time.Since(start); spent > 30*time.Second { // a hang, not a measure
		t.Errorf("%d bytes took %v", len(source), spent)
	}
	var all []string
	for _, list := range [][]string{n.Tags, n.Links, n.Embeds} {
		seen := map[string]bool{}
		for _, s := range list {
			if seen[s] {
				t.Errorf("%q is there twice", s)
			}
			seen[s] = true
		}
		all = append(all, list...)
	}
	for _, o := range n.Observations {
		all = append(all, o.Category, o.Text)
	}
	for _, r := range n.Relations {
		all = append(all, r.Relation, r.Target)
	}
	for _, s := range all {
		if strings.TrimSpace(s) == "" || strings.Contains(s, "\n") || !utf8.ValidString(s) {
			t.Errorf("%q is no word of a note", s)
		}
	}
}

func TestNotesHostile(t *testing.T) {
	var lengths strings.Builder
	for i := 1; lengths.Len() < *hostileSize; i++ {
		lengths.WriteString(strings.Repeat("`", i) + " ")
	}
	for name, in := range map[string]string{
		"links": "[[a", "brackets": "[[", "bars": "[[a|", "tags": "#a", "marks": " #", "percents": "%% ", "backticks": "` `` ",
		"comments": "<!--", "observations": "- [ab] c #d (e\n", "relations": "- a [[b]] (\n", "lists": "- ", "quotes": "> [[a]]\n",
		"lengths": lengths.String(), "parentheses": "- [ab] (",
	} {
		t.Run(name, func(t *testing.T) { checkNotes(t, []byte(strings.Repeat(in, *hostileSize/len(in)))) })
	}
}

func FuzzParseNotes(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Add([]byte("- [fact] a #b (c)\n- r [[d|e]]\n- [ ] f %%[[g]]%% `[[h]]` ![[i]]"))
	f.Fuzz(func(t *testing.T, source []byte) { checkNotes(t, source) })
}
