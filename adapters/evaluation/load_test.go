package evaluation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/atocoretest"
	"github.com/atocore/atocore/adapters/evaluation"
)

func evaluate(t *testing.T, set *evaluation.Set, o *evaluation.Options) *evaluation.Report {
	t.Helper()
	report, err := evaluation.Evaluate(t.Context(), atocoretest.NewStore(t, nil), set, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func ids(answers []evaluation.Ranked) []string {
	var out []string
	for _, a := range answers {
		out = append(out, a.ID)
	}
	return out
}

func TestEvaluate(t *testing.T) {
	set := readSmall(t, evaluation.Documents)
	steps := map[string]int{}
	report := evaluate(t, set, &evaluation.Options{Progress: func(step string, done, total int) {
		if done != steps[step]+1 || done > total {
			t.Errorf("%s: %d of %d after %d", step, done, total, steps[step])
		}
		steps[step] = done
	}})
	if report.Documents != len(set.Documents)-1 || report.Questions != 7 || report.Unknown != 0 {
		t.Errorf("%d documents, %d questions, %d unknown, want %d, 7 and 0", report.Documents, report.Questions, report.Unknown, len(set.Documents)-1)
	}
	if len(report.Refused) != 1 || report.Refused[0].ID != "orchard/S2:3" || !strings.Contains(report.Refused[0].Reason, "empty") {
		t.Errorf("refused %+v, want the turn without text", report.Refused)
	}
	if want := map[string]int{"load": len(set.Documents), "hybrid": 7, "text": 7, "vector": 7}; !cmp.Equal(steps, want) {
		t.Errorf("progress %v, want %v", steps, want)
	}
	scopes := map[string]string{}
	for _, d := range set.Documents {
		scopes[d.ID] = d.Scope
	}
	var modes []atocore.Mode
	for _, r := range report.Results {
		modes = append(modes, r.Mode)
		for q, answers := range r.Run {
			scope, _, _ := strings.Cut(q, "/")
			for i, a := range answers {
				if s, known := scopes[a.ID]; !known || (s != "" && s != scope) {
					t.Errorf("%s: %s found %q of scope %q", r.Mode, q, a.ID, s)
				}
				if i > 0 && a.Score > answers[i-1].Score {
					t.Errorf("%s: %s: %v is not ordered by score", r.Mode, q, answers)
				}
				if slices.Contains(ids(answers)[:i], a.ID) {
					t.Errorf("%s: %s: %s is there twice", r.Mode, q, a.ID)
				}
			}
		}
		if _, asked := r.Run["orchard/q4"]; asked {
			t.Errorf("%s: a question without labels was asked", r.Mode)
		}
	}
	if !slices.Equal(modes, evaluation.Modes()) {
		t.Errorf("modes %v, want %v", modes, evaluation.Modes())
	}
	// The labels are of what is said there in the same words.
	if got := report.Results[1].Scores.Summary(0).Estimates[evaluation.Recall5].Mean; got < 0.6 {
		t.Errorf("text: recall@5 is %v", got)
	}
	// The document that the cleaning of the press is in is Markdown, and cited.
	if got := ids(report.Results[1].Run["orchard/q3"]); len(got) == 0 || got[0] != "manual/press.md" {
		t.Errorf("orchard/q3 found %q", got)
	}
}

// TestLoadKeepsOrder loads sessions side by side, and wants each in its order.
func TestLoadKeepsOrder(t *testing.T) {
	set := &evaluation.Set{}
	for n := range 25 {
		for s := range 6 {
			set.Documents = append(set.Documents, evaluation.Document{
				ID: fmt.Sprintf("s%d:%02d", s, n), Text: fmt.Sprint("turn ", n), Scope: fmt.Sprint("scope ", s%2), Session: fmt.Sprint("s", s), Speaker: "Ines",
			})
		}
	}
	store := atocoretest.NewStore(t, nil)
	if _, err := evaluation.Load(t.Context(), store, set, nil); err != nil {
		t.Fatal(err)
	}
	got, want := map[string][]string{}, map[string][]string{}
	for _, d := range set.Documents {
		want[d.Session] = append(want[d.Session], d.ID)
	}
	for e, err := range store.Journal(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Entity != "document" {
			continue
		}
		var d atocore.Document
		if err := json.Unmarshal(e.After, &d); err != nil {
			t.Fatal(err)
		}
		got[d.Session] = append(got[d.Session], d.Path)
		if d.Speaker != "Ines" || !strings.HasPrefix(d.Project, "scope ") {
			t.Errorf("stored %+v", d)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order of insertion (-want +got):\n%s", diff)
	}
}

func TestStoredAs(t *testing.T) {
	long := strings.Repeat("x", 2000)
	set := &evaluation.Set{Documents: []evaluation.Document{
		{ID: "guide/if.md", Text: "# If\n\nBranches."},
		{ID: "guide/LOOP.MDX", Text: "# Loop\n\nRepeats."},
		{ID: "guide/if.md#syntax", Text: "# no heading"},
		{ID: "https://example.org/a//b.md", Text: "An address."},
		{ID: "..", Text: "Up."},
		{ID: long, Text: "Its name is too long."},
	}}
	store := atocoretest.NewStore(t, nil)
	corpus, err := evaluation.Load(t.Context(), store, set, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(corpus.Refused) != 1 || corpus.Refused[0].ID != long || corpus.Len() != 5 {
		t.Errorf("%d stored, refused %v", corpus.Len(), corpus.Refused)
	}
	got := map[string]string{}
	for d, err := range store.Documents(t.Context(), atocore.DocumentFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		got[d.Path] = d.MediaType
	}
	want := map[string]string{
		"guide/if.md": atocore.MediaMarkdown, "guide/LOOP.MDX": atocore.MediaMarkdown, "guide/if.md#syntax": atocore.MediaText,
		"https:%2F%2Fexample%2Eorg%2Fa%2F%2Fb%2Emd": atocore.MediaMarkdown, "%2E%2E": atocore.MediaText,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	run, _, err := corpus.Ask(t.Context(), []evaluation.Question{{ID: "q", Text: "an address"}}, atocore.TextOnly)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"https://example.org/a//b.md"}; !slices.Equal(ids(run["q"]), want) {
		t.Errorf("found %q, want %q", ids(run["q"]), want)
	}
}

// TestTiesAreReproducible asks for what many documents say alike.
func TestTiesAreReproducible(t *testing.T) {
	set := &evaluation.Set{Questions: []evaluation.Question{{ID: "q", Text: "thanks"}}, Labels: evaluation.Labels{"q": {"7": 1}}}
	var want []string
	for i := range 40 {
		id := fmt.Sprint(i)
		set.Documents = append(set.Documents, evaluation.Document{ID: id, Title: "note", Text: "Thanks a lot."})
		want = append([]string{id}, want...)
	}
	report := evaluate(t, set, &evaluation.Options{Modes: []atocore.Mode{atocore.TextOnly}})
	if got := ids(report.Results[0].Run["q"]); !slices.Equal(got, want) {
		t.Errorf("order %q, want %q", got, want)
	}
}

func TestScopesThatAreOne(t *testing.T) {
	set := &evaluation.Set{Documents: []evaluation.Document{{ID: "1", Text: "x", Scope: "Pier"}, {ID: "2", Text: "x", Scope: "pier"}}}
	if _, err := evaluation.Load(t.Context(), atocoretest.NewStore(t, nil), set, nil); !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("two scopes in one project: %v", err)
	}
}

func TestSpansCoverTheText(t *testing.T) {
	var b strings.Builder
	for i := range 400 {
		fmt.Fprintf(&b, "Ångström läuft übers Eis, Satz %d.\n\n", i)
	}
	text := b.String()
	at := utf8.RuneCountInString(text[:strings.Index(text, "Satz 321.")])
	set := &evaluation.Set{
		Unit:      evaluation.Spans,
		Documents: []evaluation.Document{{ID: "eis", Text: text}},
		Questions: []evaluation.Question{{ID: "q", Text: "Satz 321"}},
		Spans:     evaluation.SpanLabels{"q": {"eis": {{at, at + 9}}}},
	}
	report := evaluate(t, set, &evaluation.Options{Modes: []atocore.Mode{atocore.TextOnly}})
	sum := report.Results[0].Scores.Summary(0)
	if got := sum.Estimates["recall@1"].Mean; got != 1 {
		t.Errorf("recall@1 is %v: %v", got, ids(report.Results[0].Run["q"]))
	}
	if p := sum.Estimates["precision@1"].Mean; p <= 0 || p > 0.1 {
		t.Errorf("precision@1 is %v", p)
	}
	set.Spans["q"]["nowhere"] = []evaluation.Range{{0, 5}}
	if got := set.Unknown(); got != 1 {
		t.Errorf("%d unknown documents, want 1", got)
	}
}

// lame fails while it is told to.
type lame struct {
	atocore.Embedder
	fails *bool
}

func (l lame) Embed(ctx context.Context, texts []string, p atocore.Purpose) ([][]float32, error) {
	if *l.fails {
		return nil, errors.New("lame")
	}
	return l.Embedder.Embed(ctx, texts, p)
}

// TestVectorsAreComplete has an embedder fail: vectors that are not there must
// not be measured as vectors.
func TestVectorsAreComplete(t *testing.T) {
	fails := true
	store := atocoretest.NewStore(t, &atocore.Options{Embedder: lame{atocore.DefaultEmbedder(), &fails}})
	set := readSmall(t, evaluation.Documents)
	if _, err := evaluation.Load(t.Context(), store, set, &evaluation.Options{Modes: []atocore.Mode{atocore.TextOnly}}); err != nil {
		t.Errorf("words alone: %v", err)
	}
	if _, err := evaluation.Load(t.Context(), store, set, nil); err == nil {
		t.Error("loaded, without vectors")
	}
	fails = false
	if _, err := evaluation.Load(t.Context(), store, set, nil); err != nil {
		t.Fatal(err)
	}
	stats, err := store.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Pending != 0 || stats.Vectors == 0 {
		t.Errorf("%d vectors, %d wait", stats.Vectors, stats.Pending)
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	set := readSmall(t, evaluation.Documents)
	_, err := evaluation.Evaluate(ctx, atocoretest.NewStore(t, nil), set, &evaluation.Options{Progress: func(step string, done, _ int) {
		if step == "hybrid" && done == 2 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestMisspell(t *testing.T) {
	questions := []evaluation.Question{{ID: "q", Text: "one two three four five six"}, {ID: "r", Text: "one"}}
	got := evaluation.Misspell(questions)
	if diff := cmp.Diff(got, evaluation.Misspell(questions)); diff != "" {
		t.Errorf("twice:\n%s", diff)
	}
	if questions[0].Text != "one two three four five six" || got[1].Text != "one" {
		t.Errorf("changed %q, %q", questions[0].Text, got[1].Text)
	}
	was, is := strings.Fields(questions[0].Text), strings.Fields(got[0].Text)
	for i := range was {
		changed := 0
		for j := range was[i] {
			if was[i][j] != is[i][j] {
				changed++
			}
		}
		if max := (i % 3) / 2; changed > max {
			t.Errorf("%q became %q", was[i], is[i])
		}
	}
	if got[0].Text == questions[0].Text {
		t.Error("nothing is misspelt")
	}
}
