package analysis_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/atocore/atocore/internal/analysis"
)

var seeds = []string{
	"", "plain words", "wrap-up don't rm -rf C++ C# \" NEAR( * conf* ^a {b} a:b AND OR NOT",
	"getUserID user_id v1.2.3 1,500 https://a.example/x?y=z#w ann@mail.example",
	"café cafe\u0301 ﬁ Straße Ёлка हिन्दी", "全文检索 カタカナ ｶﾞ 한국어 ภาษาไทย ខ្មែរ 水",
	"\x00\xff\xc3", "a\xf7\xf7\xf7\xf7\xf7\xf7\xf7é b", "\x85\xa8\xf2·", "\f\xcd\xf7\xf7\xf7\xf7\xf7\u0301", "a\u00adb c\u200dd e\u200bf", "🎉👍🏽", "\u0301\u0301", "I'll o'", "a__b_ _c", "1,234,567,8",
	"İIıi ẞß ǅ ŉ", "ﷺ", "\ufeffx", "Ⅷ ½ ²", "x+ x++ x+++ x# x## #x", strings.Repeat("aB1.", 40),
}

// letter reports whether a term can have the character.
func letter(r rune) bool {
	return r >= utf8.RuneSelf || 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '+' || r == '#' || r == '_'
}

func checkTerm(t *testing.T, term string) {
	t.Helper()
	if term == "" || len(term) > analysis.MaxTermBytes || !utf8.ValidString(term) {
		t.Fatalf("term %q has %d bytes or is not UTF-8", term, len(term))
	}
	if strings.ContainsFunc(term, func(r rune) bool { return !letter(r) }) {
		t.Fatalf("term %q has characters that no term has", term)
	}
}

func FuzzTerms(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		terms := analysis.Terms(text)
		for _, term := range terms {
			checkTerm(t, term)
		}
		if n := len(terms); n > 3*len(text) {
			t.Fatalf("%d terms of %d bytes", n, len(text))
		}

		// Whatever stands between blanks finds the text it stands in.
		for _, word := range strings.Fields(text) {
			for _, q := range analysis.Query(word) {
				found := slices.ContainsFunc(terms, func(term string) bool {
					return term == q.Text || q.Prefix && strings.HasPrefix(term, q.Text)
				})
				if !found {
					t.Fatalf("term %q of the question %q is not among %q", q.Text, word, terms)
				}
			}
		}
	})
}

func FuzzQuery(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		query := analysis.Query(text)
		if len(query) > analysis.MaxQueryTerms {
			t.Fatalf("%d terms", len(query))
		}
		if len(text) < 1000 && len(query) == 0 && len(analysis.Terms(text)) > 0 {
			t.Fatalf("%q has terms but asks for none", text)
		}
		seen := make(map[string]bool)
		word := 0
		for i, q := range query {
			checkTerm(t, q.Text)
			if seen[q.Text] {
				t.Fatalf("term %q comes twice", q.Text)
			}
			seen[q.Text] = true
			if q.Word != word && q.Word != word+1 || i == 0 && q.Word != 0 {
				t.Fatalf("word %d follows word %d", q.Word, word)
			}
			word = q.Word
		}
		for i := range query {
			for p, ok := query[i].Partial(); ok; p, ok = p.Shorter() {
				checkTerm(t, p.Text)
			}
		}
	})
}

func FuzzNormalize(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, content string) {
		once := analysis.Normalize(content)
		if twice := analysis.Normalize(once); twice != once {
			t.Fatalf("Normalize is not idempotent: %q, then %q", once, twice)
		}
		if got := analysis.Normalize("\n " + content + "\t"); got != once {
			t.Fatalf("blanks at the ends matter: %q, %q", once, got)
		}
	})
}
