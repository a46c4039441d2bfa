package atocore_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

// byWords is a search that vectors have no say in.
func byWords(text string) atocore.Query {
	return atocore.Query{Text: text, Mode: atocore.TextOnly, Limit: 100}
}

// say adds a turn of a conversation, which has that text alone.
func say(t *testing.T, s *atocore.Store, project, session string, turn int, text string) atocore.Document {
	t.Helper()
	d := must(s.AddDocument(t.Context(), atocore.Document{
		Path: fmt.Sprintf("of-%s-%s-%d", project, session, turn), Project: project, Session: session, MediaType: atocore.MediaText,
	}, text))(t)
	return d
}

// A turn is found by what was said next to it: two turns on each side, the nearer
// the more, and what was said before it more than what comes after. A turn that
// goes makes others neighbours.
func TestNeighbours(t *testing.T) {
	s := openStore(t, &atocore.Options{NoEmbedder: true})
	turns := []string{"one is here", "two is here", "three is here", "the tanker here", "five is here", "six is here", "seven is here", "eight is here"}
	var said []atocore.Document
	for i, text := range turns {
		said = append(said, say(t, s, "", "talk", i, text))
	}
	want := func(want ...string) {
		t.Helper()
		got := search(t, s, byWords("tanker"))
		if diff := cmp.Diff(want, texts(got)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	want("the tanker here", "five is here", "six is here", "three is here", "two is here")
	must(s.Forget(t.Context(), "", said[4].ID))(t)
	want("the tanker here", "six is here", "seven is here", "three is here", "two is here")
	must(s.Forget(t.Context(), "", said[2].ID))(t)
	want("the tanker here", "six is here", "seven is here", "two is here", "one is here")
	must(s.Forget(t.Context(), "", said[3].ID))(t)
	if got := texts(search(t, s, byWords("tanker"))); len(got) != 0 {
		t.Errorf("found after the turn has gone: %q", got)
	}
}

// A search opened anew finds the same neighbours as one that has followed the
// writes, and a text that is long needs them less.
func TestNeighboursOfALongTurn(t *testing.T) {
	dir := t.TempDir()
	s := openStoreIn(t, dir, &atocore.Options{NoEmbedder: true})
	long := newWordSource(4).sentence(150)
	say(t, s, "", "talk", 0, "a short one") // before it, which counts less than after it
	say(t, s, "", "talk", 1, "the tanker here")
	say(t, s, "", "talk", 2, long)
	want := []string{"the tanker here", "a short one", long}
	for _, s := range []*atocore.Store{s, openStoreIn(t, dir, &atocore.Options{NoEmbedder: true})} {
		if diff := cmp.Diff(want, texts(search(t, s, byWords("tanker")))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// Nothing is a neighbour across sessions and projects, of a document of no session,
// within a document, or among memories, whatever their session.
func TestNoNeighbours(t *testing.T) {
	s := openStore(t, &atocore.Options{NoEmbedder: true})
	ctx := t.Context()
	addProject(t, s, "harbour")
	addProject(t, s, "quarry")
	for i, in := range [][2]string{{"harbour", "talk"}, {"quarry", "talk"}, {"harbour", "another"}, {"", "talk"}, {"harbour", ""}, {"harbour", ""}} {
		text := fmt.Sprintf("answer %d", i)
		if i%5 == 0 {
			text = "the tanker question"
		}
		say(t, s, in[0], in[1], i, text)
	}
	words := newWordSource(5)
	page := must(s.AddDocument(ctx, atocore.Document{Path: "a.md", Session: "pages", MediaType: atocore.MediaMarkdown},
		"# One\n\n## First\n\ntanker "+words.sentence(250)+"\n\n## Second\n\n"+words.sentence(250)+"\n"))(t)
	if page.Chunks != 2 {
		t.Fatalf("the page has %d pieces, want 2", page.Chunks)
	}
	for i, text := range []string{"the tanker question", "answer to it"} {
		remember(t, s, atocore.Memory{Type: atocore.Episodic, Content: fmt.Sprint(text, " ", i), Provenance: atocore.Provenance{Session: "memories"}})
	}
	got := search(t, s, byWords("tanker"))
	for _, h := range got.Hits {
		if !strings.Contains(h.Text, "tanker") {
			t.Errorf("found %.40q, which is beside the word and not of its session", h.Text)
		}
	}
	if len(got.Hits) != 4 {
		t.Errorf("found %.40q, want what has the word", texts(got))
	}
}

// Interactions of one client's session are neighbours too.
func TestNeighboursAmongInteractions(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{NoEmbedder: true, Now: clk.now})
	for _, in := range []atocore.Interaction{
		{Client: "a", Session: "1", Prompt: "the tanker question"},
		{Client: "a", Session: "1", Prompt: "next of one"},
		{Client: "b", Session: "1", Prompt: "another client"},
		{Client: "a", Session: "2", Prompt: "another session"},
		{Client: "a", Prompt: "no session"},
	} {
		must(s.Capture(t.Context(), in))(t)
		clk.advance(time.Minute)
	}
	if diff := cmp.Diff([]string{"the tanker question", "next of one"}, texts(search(t, s, byWords("tanker")))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A filter that leaves a turn out does not take away what it says of its
// neighbours, and lets it in by nobody's words.
func TestNeighboursAndFilters(t *testing.T) {
	s := openStore(t, &atocore.Options{NoEmbedder: true})
	day := func(d int) time.Time { return time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC) }
	for i, text := range []string{"the tanker question", "an answer", "too late"} {
		must(s.AddDocument(t.Context(), atocore.Document{
			Path: fmt.Sprint(i), Session: "talk", MediaType: atocore.MediaText, Time: day(i + 1),
		}, text))(t)
	}
	q := byWords("tanker")
	q.After, q.Before = day(2), day(3)
	if diff := cmp.Diff([]string{"an answer"}, texts(search(t, s, q))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The day that a record is of is among its words: a document's date, the day of an
// interaction, the day from which a memory holds. The day on which it was written
// is not.
func TestDateWords(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{NoEmbedder: true, Now: clk.now})
	ctx := t.Context()
	day := time.Date(2025, time.August, 17, 23, 30, 0, 0, time.UTC)
	must(s.AddDocument(ctx, atocore.Document{Path: "dated", MediaType: atocore.MediaText, Time: day.In(time.FixedZone("", 3600))}, "a dated page"))(t)
	must(s.AddDocument(ctx, atocore.Document{Path: "undated", MediaType: atocore.MediaText}, "an undated page"))(t)
	remember(t, s, atocore.Memory{Type: atocore.Episodic, Content: "held from then on", ValidFrom: day})
	remember(t, s, statement("said without a day"))
	must(s.Capture(ctx, atocore.Interaction{Prompt: "asked in March"}))(t)
	for question, want := range map[string][]string{
		"What was there on August 17, 2025?":  {"a dated page", "held from then on"},
		"august":                              {"a dated page", "held from then on"},
		"what was asked on the 1 of February": {"asked in March"}, // by its day
		"2026":                                {"asked in March"},
		"18":                                  {},
	} {
		got := texts(search(t, s, byWords(question)))
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", question, diff)
		}
	}
	checkStore(t, s)
}

// What was bought is found by who buys; words that questions are made with find
// nothing beside others.
func TestWordsOfQuestions(t *testing.T) {
	s := openStore(t, &atocore.Options{NoEmbedder: true})
	for _, text := range []string{"Ana bought a sloop", "Ben sells rope", "The pump is used daily", "Given to the museum"} {
		remember(t, s, statement(text))
	}
	for question, want := range map[string][]string{
		"what did Ana buy":           {"Ana bought a sloop"},
		"buying":                     {"Ana bought a sloop"},
		"who sold rope":              {"Ben sells rope"},
		"using which sloop":          {"Ana bought a sloop"},
		"what is used":               {"The pump is used daily"},
		"given the use of the sloop": {"Ana bought a sloop"},
	} {
		if diff := cmp.Diff(want, texts(search(t, s, byWords(question)))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", question, diff)
		}
	}
}

// What a question says n times counts √n times as much.
func TestQuestionThatRepeats(t *testing.T) {
	s := openStore(t, &atocore.Options{NoEmbedder: true})
	remember(t, s, statement("alpha stone"))
	remember(t, s, statement("omega stone"))
	remember(t, s, statement("other matter"))
	q := byWords("alpha omega omegas omega's alpha alpha omega")
	q.Explain = true
	hits := search(t, s, q).Hits
	if len(hits) != 2 || hits[0].Text != "omega stone" {
		t.Fatalf("found %+v", hits)
	}
	got := hits[0].Explanation.TextScore / hits[1].Explanation.TextScore
	if want := math.Sqrt(4.0 / 3); math.Abs(got-want) > 1e-6 {
		t.Errorf("4 times against 3 counts %g times as much, want %g", got, want)
	}
}

// The score of one word is that of the formula in docs/retrieval.md.
func TestScoreByWords(t *testing.T) {
	s := openStore(t, &atocore.Options{NoEmbedder: true})
	remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: "tanker tanker and five more words", Tags: []string{"tanker", "harbour"}})
	remember(t, s, statement("two words"))
	remember(t, s, statement("three more words"))
	q := byWords("tanker")
	q.Explain = true
	hits := search(t, s, q).Hits
	if len(hits) != 1 {
		t.Fatalf("found %+v", hits)
	}
	const (
		units, with                                    = 3, 1
		headLength, bodyLength, headMean, bodyMean, k1 = 2.0, 6.0, 1.0, 11.0 / 3, 1.6 // the mean of heads is 1 at least
	)
	x := 2*1/(0.25+0.75*headLength/headMean) + 2*(bodyMean+40)/(bodyLength+40)
	want := math.Log(1+(units-with+0.5)/(with+0.5)) * (k1 + 1) * x / (k1 + x)
	if got := hits[0].Explanation.TextScore; math.Abs(got-want) > 1e-6 {
		t.Errorf("got %g, want %g", got, want)
	}
}

// Documents of one session that come within a millisecond stand one after the
// other, each with all its pieces.
func TestNeighboursWithinAMillisecond(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	s := openStore(t, &atocore.Options{Now: func() time.Time { now = now.Add(time.Microsecond); return now }})
	for _, path := range []string{"a.md", "b.md"} {
		text := "# First\n\nThe ferry waits.\n\n# Second\n\nThe " + map[string]string{"a.md": "albatross", "b.md": "gull"}[path] + " does not.\n"
		must(s.AddDocument(t.Context(), atocore.Document{Path: path, Session: "s"}, text))(t)
	}
	found := must(s.Retriever(nil).Search(t.Context(), atocore.Query{Text: "albatross", Mode: atocore.TextOnly}))(t)
	var order []string
	for _, h := range found.Hits {
		if h.Source == "b.md" {
			order = append(order, strings.Join(h.Heading, "/"))
		}
	}
	// The second piece of a.md has the word: the first of b.md is next to it.
	if len(order) == 0 || order[0] != "First" {
		t.Errorf("pieces of b.md: got %q, want its first one first", order)
	}
}
