package atocore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

func TestRememberReturnsWhatIsStored(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now, Actor: "tests"})
	addProject(t, s, "Harbour", "hbr")
	from := time.Date(2025, time.May, 1, 8, 0, 0, 123_456_789, time.FixedZone("CEST", 7200))
	in := atocore.Memory{
		Type: atocore.Preference, Content: "  Ferries are booked\nby phone. ", Project: "HBR", Confidence: 0.75,
		Tags: []string{"travel", " boats ", "travel"}, Metadata: map[string]string{"page": "<12>"},
		Provenance: atocore.Provenance{Actor: "somebody", Client: "mail", Session: "s1", Speaker: "Ada", Source: "https://example.org/a?b=c&d"},
		ValidFrom:  from, ValidUntil: from.AddDate(1, 0, 0),
	}
	got := remember(t, s, in)
	want := in
	want.ID = got.ID
	want.Status = atocore.Active
	want.Project = "Harbour"
	want.Tags = []string{"boats", "travel"}
	want.Provenance.Actor = "tests" // the store's, not the caller's
	want.ValidFrom = from.UTC().Truncate(time.Microsecond)
	want.ValidUntil = from.AddDate(1, 0, 0).UTC().Truncate(time.Microsecond)
	want.CreatedAt, want.UpdatedAt = clk.now(), clk.now()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Remember (-want +got):\n%s", d)
	}
	read := must(s.Memory(t.Context(), got.ID))(t)
	if d := cmp.Diff(got, read); d != "" {
		t.Errorf("Memory after Remember (-returned +read):\n%s", d)
	}
	if got.ID != strings.ToLower(got.ID) || len(got.ID) != 26 {
		t.Errorf("ID %q is not a ULID in lower case", got.ID)
	}

	by := remember(t, s, statement("plain"))
	if by.Confidence != 1 || by.Status != atocore.Active || by.Project != "" {
		t.Errorf("defaults: got confidence %v, status %q, project %q", by.Confidence, by.Status, by.Project)
	}
	ctx := atocore.WithActor(t.Context(), "mcp:client")
	if m := must(s.Remember(ctx, statement("another")))(t); m.Provenance.Actor != "mcp:client" {
		t.Errorf("actor of the context: got %q", m.Provenance.Actor)
	}
}

func TestRememberIsIdempotent(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	addProject(t, s, "harbour")
	first := remember(t, s, atocore.Memory{
		Type: atocore.Knowledge, Content: "The caf\u00e9 opens at nine", Tags: []string{"b", "a"}, Confidence: 0.5,
		Status: atocore.Candidate, Metadata: map[string]string{"k": "v"},
	})
	seq := lastSeq(t, s)
	later := clk.advance(time.Hour)

	// Decomposed, other white space, a full stop.
	again := remember(t, s, atocore.Memory{
		Type: atocore.Knowledge, Content: " The cafe\u0301\topens  at nine.\n", Tags: []string{"c", "a"}, Confidence: 0.25, Status: atocore.Candidate,
	})
	want := first
	want.Tags = []string{"a", "b", "c"}
	want.Reinforced, want.ReinforcedAt, want.UpdatedAt = 1, later, later
	if d := cmp.Diff(want, again); d != "" {
		t.Errorf("the same again (-want +got):\n%s", d)
	}
	wantOps(t, s, seq, "reinforce "+first.ID)

	// An active one promotes the candidate, a surer one raises the confidence.
	active := remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: first.Content, Confidence: 0.75})
	if active.ID != first.ID || active.Status != atocore.Active || active.Confidence != 0.75 || active.Reinforced != 2 {
		t.Errorf("an active one over a candidate: got %+v", active)
	}
	// A candidate does not take an active one back.
	if m := remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: first.Content, Status: atocore.Candidate}); m.ID != first.ID || m.Status != atocore.Active {
		t.Errorf("a candidate over an active one: got %s, %s", m.ID, m.Status)
	}

	ids := []string{first.ID}
	for _, other := range []atocore.Memory{
		{Type: atocore.Episodic, Content: first.Content},
		{Type: atocore.Knowledge, Content: first.Content, Project: "harbour"},
		{Type: atocore.Knowledge, Content: strings.ToUpper(first.Content)},
		{Type: atocore.Knowledge, Content: first.Content + "!"},
	} {
		m := remember(t, s, other)
		if slices.Contains(ids, m.ID) {
			t.Errorf("%s %q of project %q is taken for another", other.Type, other.Content, other.Project)
		}
		ids = append(ids, m.ID)
	}

	// One that is not live any more does not count.
	must(s.Invalidate(t.Context(), first.ID, "closed"))(t)
	if m := remember(t, s, statement(first.Content)); m.ID == first.ID || m.Reinforced != 0 {
		t.Errorf("an invalid memory came back to life: %+v", m)
	}
}

func TestRememberAgainAfterItEnded(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	m := statement("The lift is out of order")
	m.ValidFrom, m.ValidUntil = clk.now(), clk.now().Add(time.Hour)
	first := remember(t, s, m)

	// While it holds, its times stay.
	again := remember(t, s, statement(m.Content))
	if d := cmp.Diff(first.ValidUntil, again.ValidUntil); again.ID != first.ID || d != "" {
		t.Errorf("while it holds: %s", d)
	}
	now := clk.advance(2 * time.Hour)
	next := statement(m.Content)
	next.ValidFrom = now
	got := remember(t, s, next)
	if got.ID != first.ID || !got.ValidFrom.Equal(now) || !got.ValidUntil.IsZero() {
		t.Errorf("after it ended: got %s from %v until %v, want %s from %v without end", got.ID, got.ValidFrom, got.ValidUntil, first.ID, now)
	}
	hits := must(s.Retriever(nil).Search(t.Context(), atocore.Query{Text: "lift out of order"}))(t).Hits
	if len(hits) != 1 || hits[0].ID != first.ID {
		t.Errorf("search finds %+v, want the memory that holds again", hits)
	}
}

func TestRememberAll(t *testing.T) {
	s := openStore(t, nil)
	ctx := t.Context()
	if got, err := s.RememberAll(ctx, nil); err != nil || len(got) != 0 {
		t.Errorf("of nothing: got %v, %v", got, err)
	}
	seq := lastSeq(t, s)
	same := statement("said twice")
	same.Tags = []string{"x"}
	got := must(s.RememberAll(ctx, []atocore.Memory{statement("one"), statement("said twice."), statement("two"), same}))(t)
	if len(got) != 4 || got[1].ID != got[3].ID || got[3].Reinforced != 1 || !slices.Equal(got[3].Tags, []string{"x"}) {
		t.Errorf("twice in a batch: got %+v", got)
	}
	if got[0].Content != "one" || got[2].Content != "two" {
		t.Errorf("not in the order given: %q, %q", got[0].Content, got[2].Content)
	}
	wantOps(t, s, seq, "remember "+got[0].ID, "remember "+got[1].ID, "remember "+got[2].ID, "reinforce "+got[1].ID)

	err := wantUnchanged(t, s, atocore.ErrInvalid, func() error {
		_, err := s.RememberAll(ctx, []atocore.Memory{statement("three"), statement("one"), {Type: "note", Content: "four"}})
		return err
	})
	if !strings.Contains(err.Error(), "memories[2].type") {
		t.Errorf("the error does not name the memory: %v", err)
	}
	// Found out only within the transaction, when others are written already.
	wantUnchanged(t, s, atocore.ErrNotFound, func() error {
		lost := statement("five")
		lost.Project = "nowhere"
		_, err := s.RememberAll(ctx, []atocore.Memory{statement("three"), statement("one"), lost})
		return err
	})
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	wantUnchanged(t, s, context.Canceled, func() error {
		_, err := s.RememberAll(cancelled, []atocore.Memory{statement("three")})
		return err
	})
	wantUnchanged(t, s, atocore.ErrInvalid, func() error {
		_, err := s.RememberAll(ctx, make([]atocore.Memory, atocore.MaxBatch+1))
		return err
	})
}

// cancelAt is a context that ends when its Err has been asked n times: the
// engine asks before each statement.
type cancelAt struct {
	context.Context
	left *int
}

func (c cancelAt) Err() error {
	if *c.left--; *c.left < 0 {
		return context.Canceled
	}
	return nil
}

// A batch that is given up at its nth step, for each n, leaves nothing behind.
func TestRememberAllCancelledAnywhere(t *testing.T) {
	s := openStore(t, &atocore.Options{NoEmbedder: true})
	must(s.RememberAll(t.Context(), []atocore.Memory{statement("old")}))(t)
	batch := []atocore.Memory{statement("first"), statement("old"), statement("second")}
	failures := 0
	for n := 0; ; n++ {
		before := digest(t, s)
		left := n
		_, err := s.RememberAll(cancelAt{t.Context(), &left}, batch)
		if err == nil {
			break
		}
		failures++
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("given up at step %d: got %v", n, err)
		}
		if digest(t, s) != before {
			t.Fatalf("given up at step %d: the store has changed", n)
		}
		if n > 1000 {
			t.Fatal("does not come to an end")
		}
	}
	if failures < 10 {
		t.Errorf("only %d failures were caused", failures)
	}
	if got := collect(t, s.Memories(t.Context(), atocore.MemoryFilter{})); len(got) != 3 {
		t.Errorf("got %d memories at last, want 3", len(got))
	}
}

func TestIDsSortByTime(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	var want []string
	for i := range 5 {
		var batch []atocore.Memory
		for j := range 50 { // all within a millisecond
			batch = append(batch, statement(fmt.Sprintf("statement %d of round %d", j, i)))
		}
		for _, m := range must(s.RememberAll(t.Context(), batch))(t) {
			want = append(want, m.ID)
		}
		clk.advance(time.Millisecond)
	}
	if !slices.IsSorted(want) {
		t.Error("IDs do not sort in the order in which they were given")
	}
	slices.Reverse(want)
	var got []string
	for _, m := range collect(t, s.Memories(t.Context(), atocore.MemoryFilter{})) {
		got = append(got, m.ID)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Memories is not newest first (-want +got):\n%s", d)
	}
}

func TestMemoriesFilter(t *testing.T) {
	s := openStore(t, nil)
	ctx := t.Context()
	addProject(t, s, "alpha", "a1")
	addProject(t, s, "beta")
	for _, m := range []atocore.Memory{
		{Type: atocore.Knowledge, Content: "1"},
		{Type: atocore.Knowledge, Content: "2", Project: "alpha", Tags: []string{"x", "y"}},
		{Type: atocore.Episodic, Content: "3", Project: "alpha", Tags: []string{"x"}},
		{Type: atocore.Identity, Content: "4", Project: "beta", Status: atocore.Candidate},
	} {
		remember(t, s, m)
	}
	gone := remember(t, s, atocore.Memory{Type: atocore.Episodic, Content: "5", Project: "alpha"})
	must(s.Invalidate(ctx, gone.ID, "never was"))(t)

	for _, tt := range []struct {
		name   string
		filter atocore.MemoryFilter
		want   string // contents, newest first
	}{
		{"all", atocore.MemoryFilter{}, "3 2 1"},
		{"project by alias, in other case", atocore.MemoryFilter{Project: "A1"}, "3 2"},
		{"type", atocore.MemoryFilter{Types: []atocore.MemoryType{atocore.Knowledge, atocore.Identity}}, "2 1"},
		{"statuses", atocore.MemoryFilter{Statuses: []atocore.Status{atocore.Candidate, atocore.Invalid}}, "5 4"},
		{"one tag", atocore.MemoryFilter{Tags: []string{"x"}}, "3 2"},
		{"both tags", atocore.MemoryFilter{Tags: []string{"y", "x"}}, "2"},
		{"limit", atocore.MemoryFilter{Limit: 2}, "3 2"},
		{"nothing", atocore.MemoryFilter{Project: "beta"}, ""},
	} {
		var got []string
		for _, m := range collect(t, s.Memories(ctx, tt.filter)) {
			got = append(got, m.Content)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	for _, bad := range []struct {
		filter atocore.MemoryFilter
		want   error
	}{
		{atocore.MemoryFilter{Project: "gamma"}, atocore.ErrNotFound},
		{atocore.MemoryFilter{Types: []atocore.MemoryType{"note"}}, atocore.ErrInvalid},
		{atocore.MemoryFilter{Statuses: []atocore.Status{"old"}}, atocore.ErrInvalid},
		{atocore.MemoryFilter{Limit: -1}, atocore.ErrInvalid},
	} {
		n := 0
		for _, err := range s.Memories(ctx, bad.filter) {
			if n++; !errors.Is(err, bad.want) {
				t.Errorf("%+v: got %v, want %v", bad.filter, err, bad.want)
			}
		}
		if n != 1 {
			t.Errorf("%+v: yields %d times, want one error", bad.filter, n)
		}
	}

	// A listing can be left, and the store used and written within it.
	for m, err := range s.Memories(ctx, atocore.MemoryFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		must(s.Reinforce(ctx, m.ID))(t)
		if m.Content == "2" {
			break
		}
	}
	if got := must(s.Memory(ctx, gone.ID))(t); got.Reinforced != 0 {
		t.Error("one that is not listed was reinforced")
	}
}
