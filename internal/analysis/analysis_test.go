package analysis_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/analysis"
)

func TestTerms(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", " \t\n?!…\x00", ""},
		{"sentence", "The parsers were parsing.", "the parser were pars"},
		{"case", "HELLO Hello hello", "hello hello hello"},

		{"negation", "don't dont", "dont dont"},
		{"possessive", "Maria's maria’s", "maria maria"},
		{"short verbs", "I'll they're we've she'd", "i thei we she"},
		{"name with apostrophe", "O'Brien", "o brien obrien"},

		{"hyphen with a short part", "wrap-up", "wrap up wrapup"},
		{"hyphen of two words", "event-based", "event base"},
		{"mail and e-mail", "emails e-mails", "email e mail email"},
		{"flags", "rm -rf --force", "rm rf forc"},
		{"ampersand", "AT&T", "at t att"},

		{"camel case", "getUserID", "get user id getuserid"},
		{"initialism first", "HTTPServer", "http server httpserver"},
		{"plural of an initialism", "URLs", "url"},
		{"snake case", "user_id __init__", "user id userid init"},
		{"dotted", "config.yaml", "config yaml configyaml"},
		{"path", "/usr/local/lib", "usr local lib"},
		{"hidden file", ".env", "env"},
		{"address", "ann@mail.example", "ann mail exampl mailexampl"},

		{"sharp and plus", "C++ C# g++, C", "c++ c c# c g++ g c"},
		{"operators between words", "wild*card x^y a:b", "wild card x y a b"},
		{"plus between words", "a+b 500+", "a b 500"},
		{"decimal", "3.14 0.5", "3_14 0_5"},
		{"thousands", "1,500,000 1,2", "1500000 1 2"},
		{"version", "v1.2.3 1.2.3", "v1 2 3 1_2_3 1 2 3 1_2_3"},
		{"date", "2026-02-03", "2026 02 03 2026_02_03"},
		{"word with number", "sha256 gpt-4 gpt4", "sha256 gpt 4 gpt4 gpt4"},

		{"accents", "café cafe\u0301 naïve", "cafe cafe naiv"},
		{"letters without accents of their own", "Straße Øre łódź", "strass or lodz"},
		{"compatibility forms", "ﬁne ＡＢＣ ²", "fine abc 2"},
		{"soft hyphen and joiner", "co\u00adoperate zero\u200dwidth", "cooperat zerowidth"},
		{"cyrillic", "Ёлка ёлка елка", "елка елка елка"},
		{"greek", "Λόγος ΛΟΓΟΣ", "λογοσ λογοσ"},
		{"hindi keeps its vowel signs", "हिन्दी", "हिन्दी"},

		{"chinese", "全文检索", "全文 文检 检索 索"},
		{"one character", "水", "水"},
		{"mixed scripts", "学Go语言", "学 go 语言 言"},
		{"japanese", "カタカナ", "カタ タカ カナ ナ"},
		{"half width kana", "ｶﾞ", "ガ"},
		{"korean", "한국어", "한국 국어 어"},
		{"korean in parts", "\u1112\u1161\u11ab국", "한국 국"},
		{"thai marks stay with their letter", "ที่นี่", "ที่นี่ นี่"},

		{"pictograms", "done 🎉👍🏽", "done 🎉 👍"},
		{"not UTF-8", "one\xfftwo\x00three", "on two three"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(analysis.Terms(tt.text), " ")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Terms(%q) (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

func TestTermsOfOneStem(t *testing.T) {
	for _, forms := range []string{
		"connect connects connected connecting connection connections",
		"hope hopes hoped hoping",
		"hop hops hopped hopping",
		"agree agreed agreeing",
		"reply replies replied",
		"categorise categorises categorised",
		"nation national nationals",
		"fall falls falling",
		"inhibit inhibited inhibition",
		"stress stresses stressed",
	} {
		words := strings.Fields(forms)
		want := analysis.Terms(words[0])
		for _, w := range words[1:] {
			if diff := cmp.Diff(want, analysis.Terms(w)); diff != "" {
				t.Errorf("%s and %s have different stems (-want +got):\n%s", words[0], w, diff)
			}
		}
	}
	for _, pair := range []string{
		"hop hope", "active activism", "general generous", "number numb", "sing singular",
		"feed fee", "by be", "sky ski",
	} {
		a, b, _ := strings.Cut(pair, " ")
		if got := analysis.Terms(a); cmp.Equal(got, analysis.Terms(b)) {
			t.Errorf("%s and %s have one stem, %q", a, b, got)
		}
	}
}

func TestLongTermIsCutAlikeOnBothSides(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("a", 500), strings.Repeat("Zz9", 200), strings.Repeat("д", 500), "x" + strings.Repeat("é̱", 300),
	} {
		terms := analysis.Terms(text)
		query := analysis.Query(text)
		if len(terms) != 1 || len(query) != 1 {
			t.Fatalf("%.10q…: %d terms, %d in the question, want one each", text, len(terms), len(query))
		}
		if got, want := query[0].Text, terms[0]; got != want || len(got) > analysis.MaxTermBytes {
			t.Errorf("%.10q…: question has %q, index %q", text, got, want)
		}
	}
}

// written are the terms as one text, those that others may begin with marked by *.
func written(terms ...analysis.Term) string {
	var out []string
	for _, term := range terms {
		if term.Prefix {
			term.Text += "*"
		}
		out = append(out, term.Text)
	}
	return strings.Join(out, " ")
}

func TestQuery(t *testing.T) {
	tests := []struct{ text, want string }{
		{"When did we last restart the parser?", `last restart parser`},
		{"to be or not to be", `to be or not`},
		{"what's up", `what up`},
		{"parser parsers PARSER", `parser`},
		{"don't wrap-up", `wrap wrapup`},
		{"rm -rf", `rm rf`},
		{"C++", `c++ c`},
		{`"`, ``},
		{`say "hello`, `sai hello`},
		{"NEAR(one two, 5)", `two 5`},
		{"conf*", `conf`},
		{"head : title AND body NOT x", `head titl bodi x`},
		{"^first {a b} -c", `first b c`},
		{"", ``},
		{"\x00", ``},
		{"a\x00b", `b`},
		{"全文检索", `全文 文检 检索`},
		{"水", `水*`},
		{"(((((", ``},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, written(analysis.Query(tt.text)...)); diff != "" {
			t.Errorf("Query(%q) (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestQueryNumbersItsWords(t *testing.T) {
	want := []analysis.Term{
		{Text: "chang", Source: "changed", Count: 1, Word: 0},
		{Text: "user", Source: "user", Count: 1, Word: 1},
		{Text: "id", Source: "id", Count: 1, Word: 1},
		{Text: "userid", Source: "userid", Count: 1, Word: 1},
		{Text: "全文", Source: "全文", Count: 1, Word: 2, Pair: true},
		{Text: "文字", Source: "文字", Count: 1, Word: 3, Pair: true},
	}
	if diff := cmp.Diff(want, analysis.Query("who changed user_id 全文字")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What the question says again counts, in whatever form: the first one stands for
// all.
func TestQueryCounts(t *testing.T) {
	got := map[string]int{}
	for _, term := range analysis.Query("Build a builder that builds what was built, 全文全文, the the") {
		got[term.Text] += term.Count
	}
	want := map[string]int{"build": 3, "builder": 1, "全文": 2, "文全": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Words that questions are made with are left out of them, not out of texts, and
// are looked for where there is nothing else.
func TestAskingWords(t *testing.T) {
	for _, word := range []string{"use", "used", "uses", "using", "given"} {
		if got := len(analysis.Query(word + " parser")); got != 1 {
			t.Errorf("%s: %d terms, want that of parser alone", word, got)
		}
		if len(analysis.Query(word)) != 1 || len(analysis.Terms(word)) != 1 {
			t.Errorf("%s is not found where it is all there is", word)
		}
	}
}

// A form of an irregular verb is found by every other, also within a compound; a
// word that only looks like one is not.
func TestIrregularVerbs(t *testing.T) {
	for _, forms := range []string{
		"buy buys buying bought", "go going went gone", "choose chose chosen choosing", "teach taught",
		"write wrote written writes", "leave left leaving", "drive drove driven",
	} {
		words := strings.Fields(forms)
		want := analysis.Terms(words[0])
		for _, w := range words[1:] {
			if diff := cmp.Diff(want, analysis.Terms(w)); diff != "" {
				t.Errorf("%s and %s have different terms (-want +got):\n%s", words[0], w, diff)
			}
		}
	}
	if got, want := analysis.Terms("re-bought bought-in"), []string{"re", "bui", "rebought", "bui", "in", "boughtin"}; !cmp.Equal(got, want) {
		t.Errorf("compounds: got %q, want %q", got, want)
	}
	for _, pair := range []string{"ate at", "born bear", "found foundation", "saw sawing", "lay lie", "might may"} {
		a, b, _ := strings.Cut(pair, " ")
		if got := analysis.Terms(a); cmp.Equal(got, analysis.Terms(b)) {
			t.Errorf("%s and %s have one term, %q", a, b, got)
		}
	}
}

func TestQueryIsBounded(t *testing.T) {
	var many strings.Builder
	for i := range 200_000 {
		many.WriteString(strings.Repeat("x", i%7+1))
		many.WriteByte(byte('a' + i%26))
		many.WriteString(" -")
	}
	for _, text := range []string{
		many.String(), strings.Repeat(`"`, 1<<20), strings.Repeat("the ", 1<<18),
		strings.Repeat("漢字", 1<<17), strings.Repeat("\x00", 1<<20), strings.Repeat("\xff", 1<<20),
	} {
		if got := len(analysis.Query(text)); got > analysis.MaxQueryTerms {
			t.Errorf("%.8q…: %d terms, want at most %d", text, got, analysis.MaxQueryTerms)
		}
	}
	if got, want := len(analysis.Query(many.String())), analysis.MaxQueryTerms; got != want {
		t.Errorf("many words give %d terms, want %d", got, want)
	}
}

// TestWorkGrowsWithTheText asks for the memory that pathological texts cost, in
// bytes for each of their own: repeated joining would show there, without a clock.
func TestWorkGrowsWithTheText(t *testing.T) {
	for _, unit := range []string{
		"t'", "a'", "a.", "aB", "1,", "1,234", "_", "a-", "a+", "x#", "e\u0301", "\u0301", "漢", "\xff", "Ⅷ", "ﷺ",
	} {
		text := strings.Repeat(unit, 1<<16)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		analysis.Terms(text)
		runtime.ReadMemStats(&after)
		if got := (after.TotalAlloc - before.TotalAlloc) / uint64(len(text)); got > 200 {
			t.Errorf("%q repeated costs %d bytes for each of its own", unit, got)
		}
	}
}

func TestPartial(t *testing.T) {
	tests := []struct {
		text string
		want string // from partial to shortest
	}{
		{"ab", ``},
		{"abc", `abc*`},
		{"confi", `confi* conf*`},
		{"zażółć", `zazolc* zazol* zazo*`},
		{"全文", ``},
		{"🎉", ``},
	}
	for _, tt := range tests {
		var got []string
		term, ok := analysis.Query(tt.text)[0].Partial()
		for ok {
			got = append(got, written(term))
			term, ok = term.Shorter()
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestWords(t *testing.T) {
	var got []analysis.Word
	for w := range analysis.Words("The user_id, 全文 🎉") {
		got = append(got, w)
	}
	want := []analysis.Word{
		{Text: "the", Stem: "the", Kind: analysis.Function},
		{Text: "user", Stem: "user"},
		{Text: "id", Stem: "id"},
		{Text: "userid", Stem: "userid", Kind: analysis.Compound},
		{Text: "全文", Stem: "全文", Kind: analysis.Pair},
		{Text: "🎉", Stem: "🎉", Kind: analysis.Symbol},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for range analysis.Words("one two") {
		break // must not go on, which range-over-func turns into a panic
	}
}

func TestNormalize(t *testing.T) {
	tests := []struct{ content, want string }{
		{"", ""},
		{"  Uses\ttabs \n\n over  blanks. ", "Uses tabs over blanks"},
		{"cafe\u0301", "café"},
		{"Keep /Data apart from /data", "Keep /Data apart from /data"},
		{"wait...", "wait..."},
		{"really?", "really?"},
		{"see ./.", "see ./."},
	}
	for _, tt := range tests {
		if got := analysis.Normalize(tt.content); got != tt.want {
			t.Errorf("Normalize(%q) = %q, want %q", tt.content, got, tt.want)
		}
	}
}

func BenchmarkTerms(b *testing.B) {
	text := strings.Repeat("The quick build of getUserID finished before lunch, so we shipped v2.4 to the staging servers. ", 10)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		analysis.Terms(text)
	}
}
