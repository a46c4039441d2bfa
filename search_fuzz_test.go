package atocore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/atocore/atocore"
)

var modes = []atocore.Mode{atocore.Hybrid, atocore.TextOnly, atocore.VectorOnly}

// What is stored, each with queries that have to find it first.
var searchable = []struct {
	text    string
	queries []string
}{
	{"The wrap-up meeting is on Thursday.", []string{"wrap-up", "wrap up", "wrapup", `"wrap-up"`, "WRAP-UP?", "wrap–up"}},
	{"They don't ship to the islands.", []string{"don't ship", "dont ship", "don’t ship", "shipping islands"}},
	{"Never run rm -rf on the build host.", []string{"rm -rf", "rm", "-rf", "rm -rf /", "`rm -rf`"}},
	{"The renderer is written in C++ and nothing else.", []string{"C++", "c++ renderer", "renderer C++?"}},
	{"The importer is written in C# by Ingrid.", []string{"C#", "importer C#"}},
	{"getUserID returns the number of the customer.", []string{"getUserID", "getuserid", "user id customer", "get_user_id"}},
	{"The column user_id holds a ULID.", []string{"user_id", "column user_id", "user_id ULID"}},
	{"Settings are read from config.yaml at the start.", []string{"config.yaml", "config yaml", "settings config.yaml"}},
	{"The tool is installed to /usr/local/bin by hand.", []string{"/usr/local/bin", "usr local bin", "local/bin"}},
	{"Release v1.2.3 broke the exporter.", []string{"v1.2.3", "release v1.2.3", "exporter v1.2.3"}},
	{"See https://example.com/orders?page=2 for the list.", []string{"example.com/orders?page=2", "https://example.com/orders", "orders?page=2"}},
	{"The configuration of the gateway is signed.", []string{"conf gateway", "configur", "gatew"}},
	{"会议改到星期三下午三点举行。", []string{"星期三", "会议", "下午三点"}},
	{"東京の事務所は来年の春に移転する。", []string{"事務所", "東京", "移転"}},
	{"สำนักงานใหม่เปิดเดือนพฤษภาคม", []string{"สำนักงาน", "พฤษภาคม"}},
	{"서울 사무실은 오월에 문을 연다.", []string{"사무실", "서울"}},
	{"Das Büro an der Straße schließt früh.", []string{"Büro", "buro", "STRASSE", "früh"}},
	{"The deploy went out 🚀 without a hitch.", []string{"🚀", "deploy 🚀"}},
	{"A near miss: two cranes swung at once.", []string{"NEAR(cranes", "cranes NEAR/2 swung", "near miss cranes"}},
	{"Body and head of the statue are copper.", []string{"body:statue", "head : copper statue", "{head body}: statue"}},
}

// searchStore holds what is searchable, and more besides.
func searchStore(t testing.TB) (*atocore.Store, map[string]string) {
	t.Helper()
	s := openStore(t, nil)
	ids := map[string]string{}
	for _, e := range searchable {
		m, err := s.Remember(t.Context(), atocore.Memory{Type: atocore.Knowledge, Content: e.text})
		if err != nil {
			t.Fatal(err)
		}
		ids[e.text] = m.ID
	}
	for i := range 40 {
		text := fmt.Sprintf("Page %d tells of kettles, meadows and %d violins in the winter garden.", i, i*7)
		if _, err := s.Remember(t.Context(), atocore.Memory{Type: atocore.Episodic, Content: text}); err != nil {
			t.Fatal(err)
		}
	}
	return s, ids
}

func TestSearchFindsWhatIsWritten(t *testing.T) {
	s, ids := searchStore(t)
	r := s.Retriever(nil)
	for _, e := range searchable {
		for _, q := range e.queries {
			for _, mode := range []atocore.Mode{atocore.Hybrid, atocore.TextOnly} {
				res, err := r.Search(t.Context(), atocore.Query{Text: q, Mode: mode, Limit: 3})
				if err != nil {
					t.Errorf("%s %q: %v", mode, q, err)
					continue
				}
				if len(res.Hits) == 0 || res.Hits[0].ID != ids[e.text] {
					first := "nothing"
					if len(res.Hits) > 0 {
						first = res.Hits[0].Text
					}
					t.Errorf("%s %q finds %q, want %q", mode, q, first, e.text)
				}
			}
		}
	}
}

// Whatever is syntax elsewhere is punctuation here: a question means its words.
func TestSearchHasNoSyntax(t *testing.T) {
	s, _ := searchStore(t)
	r := s.Retriever(nil)
	search := func(q string, mode atocore.Mode) []atocore.Hit {
		t.Helper()
		res, err := r.Search(t.Context(), atocore.Query{Text: q, Mode: mode, Limit: 50})
		if err != nil {
			t.Fatalf("%s %q: %v", mode, q, err)
		}
		return res.Hits
	}
	want := search("kettles violins winter", atocore.TextOnly)
	if len(want) == 0 {
		t.Fatal("nothing found")
	}
	for _, q := range []string{
		`"kettles violins winter"`, `kettles* violins* winter*`, `^kettles ^violins ^winter`, `(kettles (violins (winter`, `kettles AND violins AND winter`,
		`kettles OR violins OR winter`, `kettles NOT violins NOT winter`, `kettles AND NOT (violins OR winter)`, `-kettles -violins -winter`, `+kettles +violins +winter`,
		`"kettles" "violins" "winter`, `kettles" OR "violins" OR "winter" --`, `kettles'; violins; winter; --`, `kettles\violins\winter`, "kettles\x00violins\x00winter",
		"kettles\xffviolins\xed\xa0\x80winter", "kettles\u2028violins\u0085winter", "\ufeffkettles violins winter", `{kettles}:violins:winter`, `kettles, violins; winter.`,
		`%kettles% violins_ winter?`, `[kettles] [violins] [winter]`, `$kettles @violins !winter`, `kettles || violins && winter`,
	} {
		if diff := cmp.Diff(want, search(q, atocore.TextOnly)); diff != "" {
			t.Errorf("%q finds otherwise than its words (-words +query):\n%.600s", q, diff)
		}
	}
	for _, q := range []string{`"`, `""`, `*`, `^`, `(`, `)`, `-`, `--`, `'`, `:`, `{}`, "\x00", "\xff\xfe", "\xed\xa0\x80", "…", "\u200b", "( ) \" * ^"} {
		for _, mode := range modes {
			hits := search(q, mode)
			if mode == atocore.TextOnly && len(hits) > 0 {
				t.Errorf("%q, which has no word, finds %q", q, hits[0].Text)
			}
		}
	}
	// Words that are operators elsewhere are words.
	for _, q := range []string{"AND", "OR NOT", "NEAR", "NEAR(", "not", "a AND NOT b", "rowid", "rank", "fts MATCH 'x'"} {
		for _, mode := range modes {
			search(q, mode)
		}
	}
}

// A question of a megabyte is looked up by a bounded number of its words.
func TestSearchWithHugeQuestions(t *testing.T) {
	s, ids := searchStore(t)
	r := s.Retriever(nil)
	var distinct strings.Builder
	distinct.WriteString("kettles meadows violins")
	var known strings.Builder // by the store, so that an explanation shows what was looked up
	for i := range 500 {
		fmt.Fprintf(&known, "word%d ", i)
	}
	if _, err := s.Remember(t.Context(), atocore.Memory{Type: atocore.Knowledge, Content: known.String()}); err != nil {
		t.Fatal(err)
	}
	for i := 0; distinct.Len() < atocore.MaxQueryBytes-20; i++ {
		fmt.Fprintf(&distinct, " word%d", i)
	}
	long := func(s string) string { return strings.Repeat(s, atocore.MaxQueryBytes/len(s)) }
	for name, q := range map[string]string{
		"distinct words": distinct.String(), "quotes": long(`"`), "operators": long(" AND NOT ("), "NUL": long("\x00"), "stars": long("*"), "one word": long("kettle"),
		"bytes": long("\xff"), "Chinese": long("会议改到星期三下午"), "emoji": long("🚀"), "function words": long("the of and "), "marks": "a" + long("\u0301")[2:],
		"letters": long("a b c d e f g h i j k l m n o p q r s t u v w x y z "), "camel": long("aB"), "hyphens": long("a-"), "paths": long("a/b.c_d"),
	} {
		for _, mode := range modes {
			res, err := r.Search(t.Context(), atocore.Query{Text: q, Mode: mode, Explain: true})
			if err != nil {
				t.Errorf("%s, %s: %v", name, mode, err)
				continue
			}
			for _, h := range res.Hits {
				if n := len(h.Explanation.Words); n > 64 {
					t.Errorf("%s, %s: looked up %d words", name, mode, n)
				}
			}
			if name == "Chinese" && mode == atocore.TextOnly && (len(res.Hits) == 0 || res.Hits[0].ID != ids[searchable[12].text]) {
				t.Errorf("%s, %s: found %d hits, not the one that it is of", name, mode, len(res.Hits))
			}
			if name == "distinct words" && mode == atocore.TextOnly && len(res.Hits) == 0 {
				t.Errorf("%s: found nothing by its first words", name)
			}
		}
	}
	if _, err := r.Search(t.Context(), atocore.Query{Text: long("a") + "aa"}); !isInvalid(err) {
		t.Errorf("more than a megabyte: got error %v, want ErrInvalid", err)
	}
}

// FuzzSearch asks for anything, in all modes and as a filter. Nothing but a
// blank or too large question is an error, and asking again finds the same.
func FuzzSearch(f *testing.F) {
	s, _ := searchStore(f)
	for _, e := range searchable {
		f.Add(e.text)
		for _, q := range e.queries {
			f.Add(q)
		}
	}
	for _, q := range []string{"", " ", `"`, `NEAR(`, `a AND NOT b`, `^x`, `col:x`, "\x00", "\xed\xa0\x80", "\xff", "*", `"a" OR`, "(((", "x' OR 1=1 --", "\u0301", "a\u0301\u0301"} {
		f.Add(q)
	}
	r := s.Retriever(nil)
	f.Fuzz(func(t *testing.T, text string) {
		for _, mode := range modes {
			q := atocore.Query{Text: text, Mode: mode}
			res, err := r.Search(t.Context(), q)
			if strings.TrimSpace(text) == "" || len(text) > atocore.MaxQueryBytes {
				if !isInvalid(err) {
					t.Fatalf("%s: got error %v, want ErrInvalid", mode, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", mode, err)
			}
			again, err := r.Search(t.Context(), q)
			if diff := cmp.Diff(res, again, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Fatalf("%s: asked again (-first +again, %v):\n%s", mode, err, diff)
			}
			for i, h := range res.Hits {
				if h.Score < 0 || h.Score != h.Score || i > 0 && h.Score > res.Hits[i-1].Score {
					t.Fatalf("%s: hit %d scores %v", mode, i, h.Score)
				}
			}
		}
		// As a filter it is a value, not a condition.
		res, err := r.Search(t.Context(), atocore.Query{Text: "kettles", Tags: []string{text}})
		if err != nil && !isInvalid(err) || len(res.Hits) > 0 {
			t.Fatalf("as a tag: %d hits, error %v", len(res.Hits), err)
		}
		if _, err := r.Search(t.Context(), atocore.Query{Text: "kettles", Project: text}); err != nil && !isInvalid(err) && !errors.Is(err, atocore.ErrNotFound) {
			t.Fatalf("as a project: %v", err)
		}
	})
}
