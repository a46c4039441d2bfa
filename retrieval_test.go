package atocore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

func search(t *testing.T, s *atocore.Store, q atocore.Query) atocore.Results {
	t.Helper()
	res, err := s.Retriever(nil).Search(t.Context(), q)
	if err != nil {
		t.Fatalf("search %q: %v", q.Text, err)
	}
	return res
}

func texts(res atocore.Results) []string {
	out := []string{}
	for _, h := range res.Hits {
		out = append(out, h.Text)
	}
	return out
}

func TestSearchFindsWhatIsAsked(t *testing.T) {
	s := openStore(t, nil)
	for _, c := range []string{
		"The harbour ferry leaves at nine on Thursdays.",
		"The bakery on Mill Lane closes at noon.",
		"Rafael keeps bees behind the observatory.",
		"The observatory opens to visitors in June.",
		"Our configuration lives in deploy/settings.yaml.",
	} {
		remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: c})
	}
	tests := []struct {
		query string
		mode  atocore.Mode
		want  string // the best hit
	}{
		{"When does the ferry leave?", atocore.Hybrid, "The harbour ferry leaves at nine on Thursdays."},
		{"when is the bakery closing", atocore.TextOnly, "The bakery on Mill Lane closes at noon."},
		{"who keeps bees?", atocore.VectorOnly, "Rafael keeps bees behind the observatory."},
		{"visiting the observatory", atocore.TextOnly, "The observatory opens to visitors in June."},
		{"harbor fery", atocore.Hybrid, "The harbour ferry leaves at nine on Thursdays."},
		{"settings.yaml", atocore.TextOnly, "Our configuration lives in deploy/settings.yaml."},
		{"config", atocore.TextOnly, "Our configuration lives in deploy/settings.yaml."},
		{"observatroy visitors", atocore.Hybrid, "The observatory opens to visitors in June."},
	}
	for _, tt := range tests {
		res := search(t, s, atocore.Query{Text: tt.query, Mode: tt.mode})
		if len(res.Hits) == 0 || res.Hits[0].Text != tt.want {
			t.Errorf("%s search for %q found %q, want %q first", tt.mode, tt.query, texts(res), tt.want)
		}
	}
	if res := search(t, s, atocore.Query{Text: "zeppelin xylophone"}); len(res.Hits) != 0 {
		t.Errorf("a question about nothing in the store found %q", texts(res))
	}
}

func TestSearchFilters(t *testing.T) {
	s := openStore(t, nil)
	addProject(t, s, "Lighthouse")
	addProject(t, s, "Quarry")
	day := func(d int) time.Time { return time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC) }
	remember(t, s, atocore.Memory{Type: atocore.ProjectMemory, Content: "The lamp plan of the lighthouse", Project: "Lighthouse", Tags: []string{"lamp", "plan"}, ValidFrom: day(1)})
	remember(t, s, atocore.Memory{Type: atocore.ProjectMemory, Content: "The lamp plan of the quarry", Project: "Quarry", Tags: []string{"lamp"}, ValidFrom: day(2)})
	remember(t, s, atocore.Memory{Type: atocore.Preference, Content: "A lamp plan is drawn on one page", ValidFrom: day(3)})
	remember(t, s, atocore.Memory{Type: atocore.Preference, Content: "A lamp plan may be a candidate", Status: atocore.Candidate, ValidFrom: day(4)})
	remember(t, s, atocore.Memory{Type: atocore.Episodic, Content: "The lamp plan that was over", ValidFrom: day(1), ValidUntil: day(2)})
	if _, err := s.SetState(t.Context(), atocore.StateEntry{Project: "Quarry", Key: "lamp", Value: "has a plan"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Capture(t.Context(), atocore.Interaction{Prompt: "Where is the lamp plan?", Response: "In the drawer."}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddDocument(t.Context(), atocore.Document{Path: "lamps.md", Time: day(5)}, "# Lamps\n\nThe lamp plan chapter."); err != nil {
		t.Fatal(err)
	}
	const (
		lighthouse, quarry    = "The lamp plan of the lighthouse", "The lamp plan of the quarry"
		page, candidate, over = "A lamp plan is drawn on one page", "A lamp plan may be a candidate", "The lamp plan that was over"
		state, talk           = "lamp: has a plan", "Where is the lamp plan?\nIn the drawer."
		chunk                 = "# Lamps\n\nThe lamp plan chapter."
	)
	tests := []struct {
		name string
		q    atocore.Query
		want []string
	}{
		{"none", atocore.Query{}, []string{lighthouse, quarry, page, state, talk, chunk}},
		{"project", atocore.Query{Project: "lighthouse"}, []string{lighthouse, page, talk, chunk}},
		{"type", atocore.Query{Types: []atocore.MemoryType{atocore.Preference}}, []string{page}},
		{"two types", atocore.Query{Types: []atocore.MemoryType{atocore.Preference, atocore.ProjectMemory}}, []string{lighthouse, quarry, page}},
		{"status", atocore.Query{Statuses: []atocore.Status{atocore.Candidate}}, []string{candidate}},
		{"kind", atocore.Query{Kinds: []atocore.Kind{atocore.KindState, atocore.KindInteraction}}, []string{state, talk}},
		{"chunk", atocore.Query{Kinds: []atocore.Kind{atocore.KindChunk}}, []string{chunk}},
		{"tag", atocore.Query{Tags: []string{"lamp"}}, []string{lighthouse, quarry}},
		{"two tags", atocore.Query{Tags: []string{"lamp", "plan"}}, []string{lighthouse}},
		{"time", atocore.Query{After: day(2), Before: day(4)}, []string{quarry, page}},
	}
	for _, tt := range tests {
		for _, mode := range []atocore.Mode{atocore.TextOnly, atocore.Hybrid, atocore.VectorOnly} {
			q := tt.q
			q.Text, q.Mode = "lamp plan", mode
			got := texts(search(t, s, q))
			slices.Sort(got)
			want := slices.Clone(tt.want)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", tt.name, mode, diff)
			}
		}
	}
}

func TestSearchRefuses(t *testing.T) {
	s := openStore(t, nil)
	for _, q := range []atocore.Query{
		{Text: ""}, {Text: " \n"}, {Text: strings.Repeat("a", atocore.MaxQueryBytes+1)},
		{Text: "a", Mode: "fuzzy"}, {Text: "a", Limit: -1}, {Text: "a", Limit: atocore.MaxLimit + 1},
		{Text: "a", Kinds: []atocore.Kind{"page"}}, {Text: "a", Types: []atocore.MemoryType{"note"}}, {Text: "a", Statuses: []atocore.Status{"new"}},
		{Text: "a", After: time.Unix(2, 0), Before: time.Unix(1, 0)},
	} {
		if _, err := s.Retriever(nil).Search(t.Context(), q); !errors.Is(err, atocore.ErrInvalid) {
			t.Errorf("search %.20q %+v: got %v, want ErrInvalid", q.Text, q, err)
		}
	}
	if _, err := s.Retriever(nil).Search(t.Context(), atocore.Query{Text: "a", Project: "nowhere"}); !errors.Is(err, atocore.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Retriever(nil).Search(ctx, atocore.Query{Text: "a"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestSearchSaysWhereElse(t *testing.T) {
	s := openStore(t, nil)
	for _, p := range []string{"Empty", "Orchard", "Pier"} {
		addProject(t, s, p)
	}
	for i := range 3 {
		remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: fmt.Sprintf("Pruning number %d in the orchard", i), Project: "Orchard"})
	}
	remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: "Pruning the ivy on the pier", Project: "Pier"})

	res := search(t, s, atocore.Query{Text: "pruning", Project: "Empty"})
	want := []atocore.ProjectCount{{Project: "Orchard", Matches: 3}, {Project: "Pier", Matches: 1}}
	if diff := cmp.Diff(want, res.Elsewhere); diff != "" || len(res.Hits) != 0 || len(res.Notes) != 1 {
		t.Errorf("hits %q, notes %q, elsewhere (-want +got):\n%s", texts(res), res.Notes, diff)
	}
	if res := search(t, s, atocore.Query{Text: "pruning", Project: "Pier"}); len(res.Elsewhere) != 0 || len(res.Hits) != 1 {
		t.Errorf("got %+v, want one hit and nothing elsewhere", res)
	}
}

func TestSearchAsOf(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := openStore(t, &atocore.Options{Now: func() time.Time { return now }})
	old := remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: "The ferry leaves at eight."})
	now = now.AddDate(0, 1, 0)
	next, err := s.Supersede(t.Context(), old.ID, atocore.Memory{Content: "The ferry leaves at nine."})
	if err != nil {
		t.Fatal(err)
	}
	now = now.AddDate(0, 1, 0)
	if _, err := s.Revise(t.Context(), next.ID, "The ferry leaves at nine sharp."); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		asOf time.Time
		want []string
	}{
		{time.Time{}, []string{"The ferry leaves at nine sharp."}},
		{now, []string{"The ferry leaves at nine sharp."}},
		{now.AddDate(0, 0, -1), []string{"The ferry leaves at nine."}},
		{now.AddDate(0, -1, -1), []string{"The ferry leaves at eight."}},
		{now.AddDate(0, -3, 0), []string{}},
	} {
		if diff := cmp.Diff(tt.want, texts(search(t, s, atocore.Query{Text: "ferry", AsOf: tt.asOf}))); diff != "" {
			t.Errorf("as of %s (-want +got):\n%s", tt.asOf, diff)
		}
	}
}

func TestExplanationAddsUp(t *testing.T) {
	s := openStore(t, nil)
	addProject(t, s, "Mill")
	w := newWordSource(7)
	types := []atocore.MemoryType{atocore.Knowledge, atocore.Preference, atocore.Episodic, atocore.ProjectMemory}
	for i := range 60 {
		project := ""
		if i%3 == 0 {
			project = "Mill"
		}
		remember(t, s, atocore.Memory{Type: types[i%len(types)], Content: w.sentence(12), Project: project, Confidence: float64(i%5+1) / 5,
			ValidFrom: time.Date(2020+i%6, 1, 1, 0, 0, 0, 0, time.UTC)})
	}
	for i := range 8 {
		if _, err := s.AddDocument(t.Context(), atocore.Document{Path: fmt.Sprintf("%d.md", i)}, "# "+w.sentence(3)+"\n\n"+strings.Repeat(w.sentence(150)+".\n\n", 4)); err != nil {
			t.Fatal(err)
		}
	}
	hits := 0
	for range 40 {
		q := atocore.Query{Text: w.sentence(5) + " unheardof", Project: "Mill", Explain: true, Limit: 50}
		res := search(t, s, q)
		for i, h := range res.Hits {
			hits++
			e := h.Explanation
			got := e.Relevance * e.Trust * e.Project * e.Recency * e.Confidence * e.Document * e.Diversity
			if math.Abs(got-h.Score) > 1e-9 {
				t.Errorf("%s: score %v, explained %v (%+v)", h.ID, h.Score, got, e)
			}
			if i > 0 && res.Hits[i-1].Score < h.Score {
				t.Errorf("hit %d scores %v, above %v before it", i, h.Score, res.Hits[i-1].Score)
			}
		}
		again := search(t, s, q)
		if diff := cmp.Diff(res, again); diff != "" {
			t.Fatalf("the same search gave something else:\n%s", diff)
		}
		few := q
		few.Limit = 3
		if diff := cmp.Diff(texts(res)[:min(3, len(res.Hits))], texts(search(t, s, few))); diff != "" {
			t.Errorf("a smaller limit gave other hits (-50 +3):\n%s", diff)
		}
	}
	if hits < 200 {
		t.Errorf("only %d hits were looked at", hits)
	}
}

// TestSupersededNeverOutranks holds over random chains of corrections that
// whoever reads a superseded memory has read its replacement before.
func TestSupersededNeverOutranks(t *testing.T) {
	for seed := range uint64(6) {
		s := openStore(t, nil)
		rng := rand.New(rand.NewPCG(seed, 99))
		w := newWordSource(seed + 100)
		subject := w.sentence(2)
		by := map[string]string{} // ID → what replaced it
		live := []string{}
		for range 12 {
			live = append(live, remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: subject + " " + w.sentence(6+rng.IntN(10)), Confidence: 0.1 + 0.9*rng.Float64()}).ID)
		}
		for range 40 {
			i := rng.IntN(len(live))
			content := w.sentence(4 + rng.IntN(12)) // may share no word with the subject
			if rng.IntN(2) == 0 {
				content = subject + " " + content
			}
			m := atocore.Memory{Content: content, Confidence: 0.1 + 0.9*rng.Float64()}
			switch rng.IntN(8) {
			case 0: // says what another live one says
				if other, err := s.Memory(t.Context(), live[rng.IntN(len(live))]); err == nil && other.ID != live[i] {
					m.Content = other.Content
				}
			case 1: // of another time
				m.ValidFrom = time.Date(2000+rng.IntN(20), 1, 1, 0, 0, 0, 0, time.UTC)
			}
			next, err := s.Supersede(t.Context(), live[i], m)
			if errors.Is(err, atocore.ErrInvalid) {
				continue // the random content was the old one's
			}
			if err != nil {
				t.Fatal(err)
			}
			by[live[i]] = next.ID
			live = slices.Delete(live, i, i+1)
			if !slices.Contains(live, next.ID) {
				live = append(live, next.ID)
			}
		}
		// Forgetting one takes it out of its chain.
		for range 5 {
			ids := slices.Sorted(maps.Keys(by))
			id := ids[rng.IntN(len(ids))]
			must(s.Forget(t.Context(), "", id))(t)
			for a, b := range by {
				if b == id {
					by[a] = by[id]
				}
			}
			delete(by, id)
		}
		if len(live) > 1 {
			if _, err := s.Invalidate(t.Context(), live[0], "chance"); err != nil {
				t.Fatal(err)
			}
		}
		for _, limit := range []int{1, 5, 200} {
			for _, mode := range []atocore.Mode{atocore.Hybrid, atocore.TextOnly, atocore.VectorOnly} {
				res := search(t, s, atocore.Query{Text: subject, Mode: mode, Limit: limit, Statuses: []atocore.Status{atocore.Active, atocore.Superseded, atocore.Invalid}})
				at := map[string]int{}
				for i, h := range res.Hits {
					at[h.ID] = i
				}
				for i, h := range res.Hits {
					for next := by[h.ID]; next != ""; next = by[next] {
						if j, ok := at[next]; !ok || j > i {
							t.Errorf("seed %d, %s, limit %d: hit %d was replaced by %s, which is at %d (there: %v)", seed, mode, limit, i, next, j, ok)
						}
					}
				}
			}
		}
		pack, err := s.Retriever(nil).Context(t.Context(), atocore.ContextRequest{Prompt: subject, Budget: 100_000})
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range pack.Items {
			if by[it.ID] != "" {
				t.Errorf("seed %d: the pack has %s, which was replaced by %s", seed, it.ID, by[it.ID])
			}
		}
	}
}

// TestDocumentsSpeakTogether: the words of a question that is spread over a
// page find the page, before one that repeats a single word of it.
func TestDocumentsSpeakTogether(t *testing.T) {
	s := openStore(t, nil)
	filler := strings.Repeat("Plain words that nobody asks for stand here in numbers. ", 18)
	fsys := fstest.MapFS{
		"spread.md":  {Data: []byte("# Spread\n\n## One\n\nA kestrel nests here. " + filler + "\n\n## Two\n\nA walnut grows here. " + filler + "\n")},
		"kestrel.md": {Data: []byte("# Single\n\n## One\n\nA kestrel nests here. " + filler + "\n\n## Two\n\nNothing grows here. " + filler + "\n")},
		"walnut.md":  {Data: []byte("# Single\n\n## One\n\nNobody nests here. " + filler + "\n\n## Two\n\nA walnut grows here. " + filler + "\n")},
	}
	if _, err := s.Ingest(t.Context(), fsys, nil); err != nil {
		t.Fatal(err)
	}
	res := search(t, s, atocore.Query{Text: "kestrel or walnut"})
	if len(res.Hits) < 4 || res.Hits[0].Source != "spread.md" {
		var got []string
		for _, h := range res.Hits {
			got = append(got, h.Source)
		}
		t.Errorf("found %q, want spread.md first", got)
	}
}

// TestSearchAsOfAmongWhatCameLater: what was learnt later does not crowd out
// what was there.
func TestSearchAsOfAmongWhatCameLater(t *testing.T) {
	c := &clock{t: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	s := openStore(t, &atocore.Options{Now: c.now})
	old := remember(t, s, statement("A zebra was seen by the mill, and somebody wrote it down at length"))
	then := c.now()
	c.advance(time.Hour)
	var later []atocore.Memory
	for i := range 600 {
		later = append(later, statement(fmt.Sprint("zebra ", i)))
	}
	must(s.RememberAll(t.Context(), later))(t)
	for _, mode := range []atocore.Mode{atocore.TextOnly, atocore.Hybrid, atocore.VectorOnly} {
		res := search(t, s, atocore.Query{Text: "zebra", AsOf: then, Mode: mode})
		if len(res.Hits) != 1 || res.Hits[0].ID != old.ID {
			t.Errorf("%s: found %q, want the one that was there", mode, texts(res))
		}
	}
}

// TestSearchAsOfWithTimes: After and Before mean the times of then.
func TestSearchAsOfWithTimes(t *testing.T) {
	c := &clock{t: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	s := openStore(t, &atocore.Options{Now: c.now})
	const first = "# One\n\nThe zebra section stands first. " + "Words that fill it up to a size of its own follow here.\n"
	doc := atocore.Document{Path: "a.md"}
	must(s.AddDocument(t.Context(), doc, first))(t)
	then := c.now().Add(time.Minute)
	c.advance(25 * time.Hour)
	must(s.AddDocument(t.Context(), doc, first+"\n# Two\n\n"+strings.Repeat("Another section. ", 30)))(t)
	res := search(t, s, atocore.Query{Text: "zebra", AsOf: then, Before: then})
	if len(res.Hits) != 1 {
		t.Errorf("found %q, want the section as it was", texts(res))
	}
}

// TestSearchAsOfTellsTwinsApart: of two pieces with the same text, of which one
// has gone, each is found once.
func TestSearchAsOfTellsTwinsApart(t *testing.T) {
	c := &clock{t: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	s := openStore(t, &atocore.Options{Now: c.now})
	same := strings.Repeat("The zebra paragraph is the same in both. ", 45) // cut into two pieces
	one, two := "# One\n\n"+same+"\n\n", "# Two\n\n"+same+"\n\n"
	doc := atocore.Document{Path: "a.md"}
	must(s.AddDocument(t.Context(), doc, one+two))(t)
	then := c.now()
	ids := func(q atocore.Query) []string {
		var out []string
		for _, h := range search(t, s, q).Hits {
			out = append(out, h.ID)
		}
		slices.Sort(out)
		return out
	}
	want := ids(atocore.Query{Text: "zebra paragraph"})
	c.advance(time.Hour)
	must(s.AddDocument(t.Context(), doc, two))(t)
	if diff := cmp.Diff(want, ids(atocore.Query{Text: "zebra paragraph", AsOf: then})); diff != "" {
		t.Errorf("as of then (-want +got):\n%s", diff)
	}
}
