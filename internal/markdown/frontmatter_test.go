package markdown_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/markdown"
)

func TestFrontMatter(t *testing.T) {
	for _, test := range []struct {
		name, in string
		want     markdown.Document // without chunks
		chunks   []string
	}{
		{"YAML", "---\ntitle: A b\ntags: [c, d, c]\n---\n# E\n", markdown.Document{Title: "A b", Tags: []string{"c", "d"},
			FrontMatter: map[string]any{"title": "A b", "tags": []any{"c", "d", "c"}}}, []string{"E: # E"}},
		{"CRLF and a mark", "\xef\xbb\xbf---\r\ntitle: A\r\n---\r\n\r\nb\r\n", markdown.Document{Title: "A",
			FrontMatter: map[string]any{"title": "A"}}, []string{": b"}},
		{"only front matter", "---\ntitle: A\ndescription: B c.\nsummary: D\n---\n", markdown.Document{Title: "A", Summary: "B c.\nD",
			FrontMatter: map[string]any{"title": "A", "description": "B c.", "summary": "D"}}, nil},
		{"no line end", "---\ntitle: 2024\n---", markdown.Document{Title: "2024", FrontMatter: map[string]any{"title": 2024}}, nil},
		{"dots", "---\ntitle: A\n...\nb", markdown.Document{Title: "A", FrontMatter: map[string]any{"title": "A"}}, []string{": b"}},
		{"empty", "---\n---\nb", markdown.Document{FrontMatter: map[string]any{}}, []string{": b"}},
		{"case and lists", "---\nTitle: A\naliases: [B, A, C d]\nlinkTitle: E\nTags: '#f, g h'\nkeywords: i f\n---\n",
			markdown.Document{Title: "A", Summary: "E\nB\nC d", Tags: []string{"f", "g h", "i"},
				FrontMatter: map[string]any{"Title": "A", "aliases": []any{"B", "A", "C d"}, "linkTitle": "E", "Tags": "#f, g h", "keywords": "i f"}}, nil},
		{"values", "---\na: {1: [null, true, 1.5, .nan, -.inf]}\nb: 2026-03-01\n---\n", markdown.Document{FrontMatter: map[string]any{
			"a": map[string]any{"1": []any{nil, true, 1.5, "NaN", "-Inf"}}, "b": time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}}, nil},
		{"TOML", "+++\ntitle = 'A'\ntags = ['b']\ndate = 2026-03-01\n[params]\nc = 1\n[[d]]\ne = 2\n+++\nf", markdown.Document{Title: "A", Tags: []string{"b"},
			FrontMatter: map[string]any{"title": "A", "tags": []any{"b"}, "date": time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
				"params": map[string]any{"c": int64(1)}, "d": []any{map[string]any{"e": int64(2)}}}}, []string{": f"}},
		{"title from the heading", "---\ntags: []\n---\n# A\n", markdown.Document{Title: "A", FrontMatter: map[string]any{"tags": []any{}}}, []string{"A: # A"}},
		{"never closed", "---\ntitle: A\n", markdown.Document{}, []string{": --- title: A"}},
		{"rules around prose", "---\nSome prose here.\n\n---\nb", markdown.Document{}, []string{": --- Some prose here. --- b"}},
		{"rules around a heading", "---\n# A\n\nSee this.\n\n---\nb", markdown.Document{Title: "A"}, []string{": ---", "A: # A See this. --- b"}},
		{"not at the start", "\n---\ntitle: A\n---\n", markdown.Document{}, []string{": ---", "title: A: title: A ---"}},
		{"four dashes", "----\ntitle: A\n----\n", markdown.Document{}, []string{": ----", "title: A: title: A ----"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := check(t, []byte(test.in), markdown.Options{}, markdown.DefaultMax)
			if diff := cmp.Diff(test.chunks, outline(d)); diff != "" {
				t.Errorf("chunks (-want +got):\n%s", diff)
			}
			d.Chunks = nil
			if diff := cmp.Diff(test.want, d); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
			if _, err := json.Marshal(d.FrontMatter); err != nil {
				t.Errorf("front matter as JSON: %v", err)
			}
		})
	}
}

func TestBrokenFrontMatterIsText(t *testing.T) {
	bomb := "a: &a [" + strings.Repeat("x,", 50) + "]\n"
	for _, c := range []string{"b", "c", "d", "e", "f", "g"} {
		bomb += c + ": &" + c + " [" + strings.Repeat("*"+string(c[0]-1)+",", 50) + "]\n"
	}
	long := "a: &a " + strings.Repeat("x", 30000) + "\nb: [" + strings.Repeat("*a,", 1000) + "]"
	for name, block := range map[string]string{
		"syntax":        "---\ntitle: \"A\ntags: [a, b\n---\n",
		"twice":         "---\ntitle: a\ntitle: b\n---\n",
		"TOML":          "+++\ntitle = \n+++\n",
		"too large":     "---\ntitle: " + strings.Repeat("a ", 40<<10) + "\n---\n",
		"too deep":      "---\ntitle: " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "\n---\n",
		"very deep":     "---\ntitle: " + strings.Repeat("[", 30000) + strings.Repeat("]", 30000) + "\n---\n",
		"alias bomb":    "---\n" + bomb + "---\n",
		"long alias":    "---\n" + long + "\n---\n",
		"alias of self": "---\na: &a [*a]\n---\n",
		"tab":           "---\na:\n\t- b\n---\n",
	} {
		t.Run(name, func(t *testing.T) {
			in := []byte(block + "# Heading\n\ntext\n")
			d := check(t, in, markdown.Options{}, markdown.DefaultMax)
			if d.FrontMatterErr == nil || d.FrontMatter != nil {
				t.Fatalf("error %v with %d values, want an error alone", d.FrontMatterErr, len(d.FrontMatter))
			}
			if n := len(d.FrontMatterErr.Error()); n > 500 {
				t.Errorf("error of %d bytes", n)
			}
			if got, want := d.Title, "Heading"; got != want {
				t.Errorf("title = %q, want %q", got, want)
			}
			last := d.Chunks[len(d.Chunks)-1]
			if got, want := last.Text, "# Heading\n\ntext"; got != want {
				t.Errorf("last chunk %q, want %q", got, want)
			}
			for _, c := range d.Chunks[:len(d.Chunks)-1] {
				if c.Heading != nil || c.End > len(block) {
					t.Errorf("chunk [%d,%d) under %q", c.Start, c.End, c.Heading)
				}
			}
		})
	}
}
