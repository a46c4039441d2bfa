package atocore_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

// A search as of a time finds the piece of a document that had the text then,
// wherever in the document it is by now.
func TestSearchAsOfChangedDocument(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	const (
		apple  = "# Apple\n\nThe recipe of the applepie takes three of them, peeled, and half an hour in the oven at the back.\n"
		banana = "# Banana\n\nThe recipe of the bananasplit takes one of them, peeled, and three kinds of ice from the cellar.\n"
		xylo   = "# Xylo\n\nThe recipe of the xylotart was found in a book on trees that nobody had opened for many years.\n"
	)
	ingest(t, s, files("a.md", apple+"\n"+banana), nil)
	before := clk.now()
	clk.advance(time.Hour)
	ingest(t, s, files("a.md", xylo+"\n"+apple+"\n"+banana+"\n"+apple), nil)
	for _, tt := range []struct {
		text string
		asOf time.Time
		want []string
	}{
		{"applepie", before, []string{apple}},
		{"bananasplit", before, []string{banana}},
		{"xylotart", before, []string{}},
		{"applepie", clk.now(), []string{apple, apple}},
		{"xylotart", clk.now(), []string{xylo}},
		{"bananasplit", time.Time{}, []string{banana}},
	} {
		res := search(t, s, atocore.Query{Text: tt.text, AsOf: tt.asOf, Mode: atocore.TextOnly})
		got := []string{}
		for _, h := range res.Hits {
			got = append(got, h.Text+"\n")
			if h.End-h.Start != len(h.Text) {
				t.Errorf("%s: bytes %d to %d are %q", tt.text, h.Start, h.End, h.Text)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s as of %s (-want +got):\n%s", tt.text, tt.asOf, diff)
		}
	}
}

// A search as of a time finds what has changed or gone since by the words of
// then, and not by those of now.
func TestSearchAsOfFindsWhatIsGone(t *testing.T) {
	ctx := t.Context()
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	for _, name := range []string{"harbour", "mill"} {
		if _, err := s.AddProject(ctx, atocore.Project{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	m := remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: "The ferryman is called Aldous.", Tags: []string{"crew"}})
	remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: "The lighthouse is painted red and white."})
	set := func(value string) {
		t.Helper()
		if _, err := s.SetState(ctx, atocore.StateEntry{Project: "harbour", Key: "berth", Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	set("seventeen")
	ingest(t, s, files("a.md", "# Apple\n\nThe applepie takes three.", "b.md", "# Banana\n\nThe bananasplit takes one."), nil)
	forgotten := remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: "The smuggler is called Zebedee."})
	before := clk.now()
	clk.advance(time.Hour)
	if _, err := s.Revise(ctx, m.ID, "The ferryman is called Benedict."); err != nil {
		t.Fatal(err)
	}
	set("eighteen")
	if _, err := s.UnsetState(ctx, "harbour", "", "berth"); err != nil {
		t.Fatal(err)
	}
	ingest(t, s, files("b.md", "# Cherry\n\nThe cherrycake takes many."), &atocore.IngestOptions{Prune: true})
	if _, err := s.Forget(ctx, "asked to", forgotten.ID); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		q         atocore.Query
		then, now []string
	}{
		{atocore.Query{Text: "Aldous"}, []string{"The ferryman is called Aldous."}, []string{}},
		{atocore.Query{Text: "Benedict"}, []string{}, []string{"The ferryman is called Benedict."}},
		{atocore.Query{Text: "ferryman"}, []string{"The ferryman is called Aldous."}, []string{"The ferryman is called Benedict."}},
		{atocore.Query{Text: "lighthouse"}, []string{"The lighthouse is painted red and white."}, []string{"The lighthouse is painted red and white."}},
		{atocore.Query{Text: "seventeen"}, []string{"berth: seventeen"}, []string{}},
		{atocore.Query{Text: "eighteen"}, []string{}, []string{}},
		{atocore.Query{Text: "applepie"}, []string{"# Apple\n\nThe applepie takes three."}, []string{}},
		{atocore.Query{Text: "bananasplit"}, []string{"# Banana\n\nThe bananasplit takes one."}, []string{}},
		{atocore.Query{Text: "cherrycake"}, []string{}, []string{"# Cherry\n\nThe cherrycake takes many."}},
		{atocore.Query{Text: "Zebedee"}, []string{}, []string{}},
		{atocore.Query{Text: "seventeen", Project: "mill"}, []string{}, []string{}},
		{atocore.Query{Text: "seventeen", Project: "harbour"}, []string{"berth: seventeen"}, []string{}},
		{atocore.Query{Text: "seventeen", Kinds: []atocore.Kind{atocore.KindMemory}}, []string{}, []string{}},
		{atocore.Query{Text: "seventeen", Types: []atocore.MemoryType{atocore.Knowledge}}, []string{}, []string{}},
		{atocore.Query{Text: "applepie", Before: before}, []string{}, []string{}},
		{atocore.Query{Text: "applepie", After: before}, []string{"# Apple\n\nThe applepie takes three."}, []string{}},
		{atocore.Query{Text: "Aldous", Statuses: []atocore.Status{atocore.Candidate}}, []string{}, []string{}},
		{atocore.Query{Text: "Aldous lighthouse", Tags: []string{"crew"}}, []string{"The ferryman is called Aldous."}, []string{}},
	} {
		tt.q.Mode = atocore.TextOnly
		for at, want := range map[time.Time][]string{before: tt.then, clk.now(): tt.now, before.Add(-time.Hour): {}} {
			if tt.q.Tags != nil && at.Equal(clk.now()) {
				continue
			}
			tt.q.AsOf = at
			if diff := cmp.Diff(want, texts(search(t, s, tt.q))); diff != "" {
				t.Errorf("%+v (-want +got):\n%s", tt.q, diff)
			}
		}
	}
	// With vectors, what is found by both sides is found once.
	for _, text := range []string{"Aldous", "Benedict", "the ferryman Aldous", "ferymann"} {
		seen := map[string]bool{}
		for _, h := range search(t, s, atocore.Query{Text: text, AsOf: before}).Hits {
			if seen[h.ID] {
				t.Errorf("%s: %s is found twice", text, h.ID)
			}
			seen[h.ID] = true
		}
	}
}
