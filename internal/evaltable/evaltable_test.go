package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/adapters/evaluation"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	name = filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestFindSets(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"a/corpus.jsonl.gz", "a/queries.jsonl", "a/qrels.tsv", "a/spans.tsv",
		"b/corpus.jsonl", "b/queries.jsonl", "b/qrels.session.tsv",
		"c/deep/corpus.jsonl", "c/deep/queries.jsonl.gz", "c/deep/spans.tsv.gz",
		"d/corpus.jsonl", "d/queries.jsonl", "e/queries.jsonl", "e/qrels.tsv",
	} {
		write(t, dir, name, "")
	}
	got, err := findSets(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []setFiles{
		{"a", "a/corpus.jsonl.gz", "a/queries.jsonl", "a/qrels.tsv", ""},
		{"b", "b/corpus.jsonl", "b/queries.jsonl", "b/qrels.session.tsv", "--session"},
		{"c/deep", "c/deep/corpus.jsonl", "c/deep/queries.jsonl.gz", "c/deep/spans.tsv.gz", "--spans"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var units []evaluation.Unit
	for _, s := range got {
		units = append(units, s.unit())
	}
	if diff := cmp.Diff([]evaluation.Unit{evaluation.Documents, evaluation.Sessions, evaluation.Spans}, units); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}

	write(t, dir, "sets.json", `[{"name":"x","corpus":"a/corpus.jsonl.gz","queries":"q","labels":"l","score_flag":"--spans","documents":3}]`)
	if got, err = findSets(dir); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]setFiles{{"x", "a/corpus.jsonl.gz", "q", "l", "--spans"}}, got); diff != "" {
		t.Errorf("by sets.json (-want +got):\n%s", diff)
	}
	write(t, dir, "sets.json", `{`)
	if _, err := findSets(dir); err == nil {
		t.Error("a broken sets.json was read")
	}
	if _, err := findSets(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a folder that is not there was read")
	}
}

// TestRun measures the small set of the evaluation package, and one of spans.
func TestRun(t *testing.T) {
	for _, key := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData"} {
		t.Setenv(key, t.TempDir()) // where the compiled engine is kept
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "harbour"), os.DirFS(filepath.Join("..", "..", "adapters", "evaluation", "testdata", "harbour"))); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "words/corpus.jsonl", `{"id":"d","text":"The keeper has a spare bulb."}`)
	write(t, dir, "words/queries.jsonl", `{"id":"q","text":"spare bulb"}`)
	write(t, dir, "words/spans.tsv", "q\td\t17\t27\n")
	page, runs := filepath.Join(dir, "page.md"), t.TempDir()
	write(t, dir, "page.md", "before\n"+markBegin+"old\n"+markEnd+"after\n")
	for range 2 { // the second time it finds its own tables
		if err := run(t.Context(), dir, "", runs, page, nil); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	got := string(b)
	for _, want := range []string{
		"before\n" + markBegin + "\nnDCG@10", markEnd + "after\n",
		"| harbour | 15 | 7 | ", "| words | 1 | 1 | hybrid | 1.000 | 1.000 [1.000, 1.000] | 1.000 | 0.357 |",
	} {
		if strings.Count(got, want) != 1 {
			t.Errorf("the page has %q %d times:\n%s", want, strings.Count(got, want), got)
		}
	}
	if strings.Contains(got, "old") {
		t.Errorf("the old tables are still there:\n%s", got)
	}
	for _, name := range []string{"harbour-hybrid.run", "harbour-misspelt-text.run", "words-vector.run"} {
		if run, err := evaluation.ReadRun(filepath.Join(runs, name)); err != nil || len(run) == 0 {
			t.Errorf("%s: %d questions, %v", name, len(run), err)
		}
	}

	if err := run(t.Context(), dir, "words", "", page, nil); err == nil {
		t.Error("a page was renewed with some of the sets")
	}
	if err := run(t.Context(), dir, "nosuch", "", "", nil); err == nil {
		t.Error("no sets were measured")
	}
	write(t, dir, "bare.md", "no marks\n")
	if err := renew(filepath.Join(dir, "bare.md"), "x"); err == nil {
		t.Error("a page without marks was renewed")
	}
}

func TestSigned(t *testing.T) {
	for x, want := range map[float64]string{0: "0.000", -0.0004: "0.000", 0.0004: "0.000", 0.0123: "+0.012", -0.0123: "−0.012"} {
		if got := signed(x); got != want {
			t.Errorf("signed(%v) is %q, want %q", x, got, want)
		}
	}
}
