package atocore_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

func TestRevise(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	ctx := t.Context()
	first := remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: "The bridge is 40 m long", Tags: []string{"x"}})
	other := remember(t, s, statement("The bridge is 60 m long"))
	seq := lastSeq(t, s)
	now := clk.advance(time.Minute)

	got := must(s.Revise(ctx, first.ID, "The bridge is 50 m long"))(t)
	want := first
	want.Content, want.UpdatedAt = "The bridge is 50 m long", now
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Revise (-want +got):\n%s", d)
	}
	must(s.Revise(ctx, first.ID, "The bridge is 50 m long"))(t) // says so already
	wantOps(t, s, seq, "revise "+first.ID)

	// Only spelling differs: the same statement still, and what is searched and
	// embedded follows.
	must(s.Revise(ctx, first.ID, "The bridge is 50 m long."))(t)
	if m := remember(t, s, statement("The bridge is 50 m long")); m.ID != first.ID {
		t.Error("the revised memory is not known by its new content")
	}
	if m := remember(t, s, statement("The bridge is 40 m long")); m.ID == first.ID {
		t.Error("the revised memory is still known by its former content")
	}

	wantUnchanged(t, s, atocore.ErrConflict, func() error {
		_, err := s.Revise(ctx, first.ID, "The bridge is 60 m long.")
		return err
	})
	wantUnchanged(t, s, atocore.ErrNotFound, func() error {
		_, err := s.Revise(ctx, "01arz3ndektsv4rrffq69g5fav", "x")
		return err
	})
	for _, bad := range []string{"", " \n", "a\x00b", "a\xffb", strings.Repeat("x", atocore.MaxMemoryBytes+1)} {
		wantUnchanged(t, s, atocore.ErrInvalid, func() error {
			_, err := s.Revise(ctx, first.ID, bad)
			return err
		})
	}
	must(s.Invalidate(ctx, other.ID, "wrong"))(t)
	// That one is not live any more, so its words are free.
	must(s.Revise(ctx, first.ID, "The bridge is 60 m long"))(t)
}

func TestPromoteReinforceInvalidate(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	ctx := t.Context()
	m := remember(t, s, atocore.Memory{Type: atocore.Preference, Content: "Tea, no milk", Status: atocore.Candidate})
	seq := lastSeq(t, s)
	if hits := must(s.Retriever(nil).Search(ctx, atocore.Query{Text: "tea"}))(t).Hits; len(hits) != 0 {
		t.Errorf("a candidate is retrieved: %+v", hits)
	}

	now := clk.advance(time.Minute)
	want := m
	want.Status, want.UpdatedAt = atocore.Active, now
	if d := cmp.Diff(want, must(s.Promote(ctx, m.ID))(t)); d != "" {
		t.Errorf("Promote (-want +got):\n%s", d)
	}
	clk.advance(time.Minute)
	if d := cmp.Diff(want, must(s.Promote(ctx, m.ID))(t)); d != "" {
		t.Errorf("Promote of an active memory (-want +got):\n%s", d)
	}
	now = clk.now()
	want.Reinforced, want.ReinforcedAt, want.UpdatedAt = 1, now, now
	if d := cmp.Diff(want, must(s.Reinforce(ctx, m.ID))(t)); d != "" {
		t.Errorf("Reinforce (-want +got):\n%s", d)
	}
	now = clk.advance(time.Minute)
	want.Status, want.Reason, want.UpdatedAt = atocore.Invalid, "takes coffee now", now
	if d := cmp.Diff(want, must(s.Invalidate(ctx, m.ID, "takes coffee now"))(t)); d != "" {
		t.Errorf("Invalidate (-want +got):\n%s", d)
	}
	clk.advance(time.Minute)
	if d := cmp.Diff(want, must(s.Invalidate(ctx, m.ID, "another reason"))(t)); d != "" {
		t.Errorf("Invalidate of an invalid memory (-want +got):\n%s", d)
	}
	wantOps(t, s, seq, "promote "+m.ID, "reinforce "+m.ID, "invalidate "+m.ID)

	for _, bad := range []string{"", "  ", strings.Repeat("r", 2000), "a\x00"} {
		wantUnchanged(t, s, atocore.ErrInvalid, func() error {
			_, err := s.Invalidate(ctx, m.ID, bad)
			return err
		})
	}
}

// changes are the calls that need a live memory.
var changes = map[string]func(context.Context, *atocore.Store, string) error{
	"Revise": func(ctx context.Context, s *atocore.Store, id string) error {
		_, err := s.Revise(ctx, id, "a new wording")
		return err
	},
	"Promote": func(ctx context.Context, s *atocore.Store, id string) error {
		_, err := s.Promote(ctx, id)
		return err
	},
	"Reinforce": func(ctx context.Context, s *atocore.Store, id string) error {
		_, err := s.Reinforce(ctx, id)
		return err
	},
	"Supersede": func(ctx context.Context, s *atocore.Store, id string) error {
		_, err := s.Supersede(ctx, id, atocore.Memory{Content: "something else"})
		return err
	},
	"Invalidate": func(ctx context.Context, s *atocore.Store, id string) error {
		_, err := s.Invalidate(ctx, id, "why")
		return err
	},
}

func TestOnlyLiveMemoriesChange(t *testing.T) {
	s := openStore(t, nil)
	ctx := t.Context()
	old := remember(t, s, statement("It rains"))
	next := must(s.Supersede(ctx, old.ID, atocore.Memory{Content: "It snows"}))(t)
	withdrawn := remember(t, s, statement("It hails"))
	must(s.Invalidate(ctx, withdrawn.ID, "no"))(t)

	for name, change := range changes {
		err := wantUnchanged(t, s, atocore.ErrConflict, func() error { return change(ctx, s, old.ID) })
		if err != nil && !strings.Contains(err.Error(), old.ID) {
			t.Errorf("%s of a superseded memory does not name it: %v", name, err)
		}
		if (name == "Supersede" || name == "Invalidate") && err != nil && !strings.Contains(err.Error(), next.ID) {
			t.Errorf("%s of a superseded memory does not name what replaced it: %v", name, err)
		}
		if name != "Invalidate" { // which gives an invalid memory back as it is
			wantUnchanged(t, s, atocore.ErrConflict, func() error { return change(ctx, s, withdrawn.ID) })
		}
		err = wantUnchanged(t, s, atocore.ErrNotFound, func() error { return change(ctx, s, "nobody") })
		if err != nil && !strings.Contains(err.Error(), `"nobody"`) {
			t.Errorf("%s of what is not there does not name it: %v", name, err)
		}
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		wantUnchanged(t, s, context.Canceled, func() error { return change(cancelled, s, next.ID) })
	}
}

func TestSupersede(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	ctx := t.Context()
	addProject(t, s, "harbour")
	old := remember(t, s, atocore.Memory{
		Type: atocore.ProjectMemory, Content: "The crane lifts 10 t", Project: "harbour", Tags: []string{"crane"}, Confidence: 0.5,
		Metadata: map[string]string{"k": "v"}, Provenance: atocore.Provenance{Speaker: "Ada", Session: "s1"},
	})
	seq := lastSeq(t, s)
	now := clk.advance(24 * time.Hour)

	next := must(s.Supersede(ctx, old.ID, atocore.Memory{Content: "The crane lifts 12 t"}))(t)
	want := atocore.Memory{
		ID: next.ID, Type: atocore.ProjectMemory, Status: atocore.Active, Content: "The crane lifts 12 t", Project: "harbour",
		Tags: []string{"crane"}, Confidence: 0.5, Provenance: atocore.Provenance{Actor: "library", Speaker: "Ada"},
		Supersedes: old.ID, CreatedAt: now, UpdatedAt: now,
	}
	if d := cmp.Diff(want, next); d != "" {
		t.Errorf("the replacement (-want +got):\n%s", d)
	}
	want = old
	want.Status, want.SupersededBy, want.ValidUntil, want.UpdatedAt = atocore.Superseded, next.ID, now, now
	if d := cmp.Diff(want, must(s.Memory(ctx, old.ID))(t)); d != "" {
		t.Errorf("the replaced (-want +got):\n%s", d)
	}
	wantOps(t, s, seq, "supersede "+old.ID, "remember "+next.ID)

	// A chain, with everything given, and a date from which it was true.
	since := clk.now().Add(-time.Hour)
	clk.advance(time.Hour)
	last := must(s.Supersede(ctx, next.ID, atocore.Memory{
		Type: atocore.Knowledge, Content: "The crane lifts 15 t", Tags: []string{}, Confidence: 1, ValidFrom: since,
		Provenance: atocore.Provenance{Speaker: "Bob"},
	}))(t)
	if last.Type != atocore.Knowledge || last.Tags != nil || last.Confidence != 1 || last.Provenance.Speaker != "Bob" || last.Supersedes != next.ID {
		t.Errorf("what is given is not inherited: got %+v", last)
	}
	middle := must(s.Memory(ctx, next.ID))(t)
	if !middle.ValidUntil.Equal(since) || middle.SupersededBy != last.ID || middle.Supersedes != old.ID {
		t.Errorf("in the middle of the chain: got %+v", middle)
	}

	// A statement that was never true while it was thought to be: no time is
	// left, and the store takes it back in.
	early := must(s.Supersede(ctx, last.ID, atocore.Memory{Content: "The crane lifts 16 t", ValidFrom: since.AddDate(-1, 0, 0)}))(t)
	if m := must(s.Memory(ctx, last.ID))(t); !m.ValidUntil.Equal(m.ValidFrom) {
		t.Errorf("replaced from before it began: holds from %v until %v", m.ValidFrom, m.ValidUntil)
	}

	// An end that was set before stays.
	ending := statement("Toll until May")
	ending.ValidUntil = clk.now().Add(time.Hour)
	e := remember(t, s, ending)
	must(s.Supersede(ctx, e.ID, atocore.Memory{Content: "No toll", ValidFrom: clk.now().Add(2 * time.Hour)}))(t)
	if m := must(s.Memory(ctx, e.ID))(t); !m.ValidUntil.Equal(ending.ValidUntil) {
		t.Errorf("an earlier end was moved to %v", m.ValidUntil)
	}

	var chain []string
	for _, m := range collect(t, s.Memories(ctx, atocore.MemoryFilter{Statuses: []atocore.Status{atocore.Superseded}})) {
		chain = append(chain, m.ID)
	}
	slices.Sort(chain)
	if d := cmp.Diff([]string{old.ID, next.ID, last.ID, e.ID}, chain); d != "" {
		t.Errorf("superseded memories (-want +got):\n%s", d)
	}
	hits := must(s.Retriever(nil).Search(ctx, atocore.Query{Text: "how much does the crane lift"}))(t).Hits
	if len(hits) != 1 || hits[0].ID != early.ID {
		t.Errorf("search finds %+v, want the end of the chain", hits)
	}
}

func TestSupersedeBySomethingSaidAlready(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	ctx := t.Context()
	addProject(t, s, "harbour")
	old := remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: "Open till five", Tags: []string{"a"}})
	known := remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: "Open till six", Tags: []string{"b"}, Status: atocore.Candidate, Confidence: 0.5})
	seq := lastSeq(t, s)
	now := clk.advance(time.Hour)
	got := must(s.Supersede(ctx, old.ID, atocore.Memory{Content: "Open till six."}))(t)
	want := known
	want.Status, want.Supersedes, want.Tags, want.Confidence = atocore.Active, old.ID, []string{"a", "b"}, 1
	want.Reinforced, want.ReinforcedAt, want.UpdatedAt = 1, now, now
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("a live memory as the replacement (-want +got):\n%s", d)
	}
	if m := must(s.Memory(ctx, old.ID))(t); m.SupersededBy != known.ID {
		t.Errorf("replaced by %q, want %q", m.SupersededBy, known.ID)
	}
	wantOps(t, s, seq, "supersede "+old.ID, "reinforce "+known.ID)

	// It replaces two: the first link back stays.
	third := remember(t, s, statement("Open till four"))
	got = must(s.Supersede(ctx, third.ID, atocore.Memory{Content: "Open till six"}))(t)
	if got.ID != known.ID || got.Supersedes != old.ID {
		t.Errorf("replacing a second memory: got %+v", got)
	}

	wantUnchanged(t, s, atocore.ErrInvalid, func() error {
		_, err := s.Supersede(ctx, known.ID, atocore.Memory{Content: " Open till six"})
		return err
	})
	wantUnchanged(t, s, atocore.ErrInvalid, func() error {
		_, err := s.Supersede(ctx, known.ID, atocore.Memory{Content: "Open till ten", Status: atocore.Candidate})
		return err
	})
	wantUnchanged(t, s, atocore.ErrInvalid, func() error {
		_, err := s.Supersede(ctx, known.ID, atocore.Memory{Content: ""})
		return err
	})
	wantUnchanged(t, s, atocore.ErrNotFound, func() error {
		_, err := s.Supersede(ctx, known.ID, atocore.Memory{Content: "Open till ten", Project: "nowhere"})
		return err
	})
	// The same words in another project are another statement.
	moved := must(s.Supersede(ctx, known.ID, atocore.Memory{Content: "Open till six", Project: "Harbour"}))(t)
	if moved.ID == known.ID || moved.Project != "harbour" {
		t.Errorf("moved to a project: got %+v", moved)
	}
}

func TestHistory(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now, Actor: "tests"})
	ctx := t.Context()
	m := remember(t, s, statement("one"))
	clk.advance(time.Minute)
	must(s.Revise(atocore.WithActor(ctx, "editor"), m.ID, "two"))(t)
	remember(t, s, statement("unrelated"))
	next := must(s.Supersede(ctx, m.ID, atocore.Memory{Content: "three"}))(t)

	h := must(s.History(ctx, m.ID))(t)
	var ops []string
	for i, e := range h {
		ops = append(ops, e.Op+" by "+e.Actor)
		if e.Entity != "memory" || e.EntityID != m.ID {
			t.Errorf("entry %d is about %s %s", i, e.Entity, e.EntityID)
		}
		if i == 0 {
			continue
		}
		if d := cmp.Diff(string(h[i-1].After), string(e.Before)); d != "" {
			t.Errorf("entry %d does not begin where entry %d ends (-want +got):\n%s", i, i-1, d)
		}
	}
	if d := cmp.Diff([]string{"remember by tests", "revise by editor", "supersede by tests"}, ops); d != "" {
		t.Errorf("History (-want +got):\n%s", d)
	}
	if h[0].Before != nil || !strings.Contains(string(h[1].After), `"two"`) || !h[1].Time.Equal(clk.now()) {
		t.Errorf("payloads or times are wrong: %+v", h)
	}
	if h := must(s.History(ctx, next.ID))(t); len(h) != 1 || h[0].Op != "remember" {
		t.Errorf("history of the replacement: %+v", h)
	}
	wantUnchanged(t, s, atocore.ErrNotFound, func() error {
		_, err := s.History(ctx, "nobody")
		return err
	})
}

// What is listed as of an earlier time is what was listed then.
func TestAsOf(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	ctx := t.Context()
	addProject(t, s, "harbour")
	every := []atocore.Status{atocore.Candidate, atocore.Active, atocore.Superseded, atocore.Invalid}

	type seen struct {
		at       time.Time
		memories []atocore.Memory
		state    []atocore.StateEntry
	}
	var past []seen
	look := func() {
		past = append(past, seen{
			clk.now(),
			collect(t, s.Memories(ctx, atocore.MemoryFilter{Statuses: every})),
			must(s.State(ctx, atocore.StateFilter{}))(t),
		})
		clk.advance(time.Hour)
	}
	start := clk.now().Add(-time.Second)
	a := remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: "a", Status: atocore.Candidate})
	b := remember(t, s, atocore.Memory{Type: atocore.Episodic, Content: "b", Project: "harbour", Tags: []string{"t"}})
	secret := remember(t, s, statement("the secret"))
	look()
	set := func(key, value string) atocore.StateEntry {
		return must(s.SetState(ctx, atocore.StateEntry{Project: "harbour", Key: key, Value: value}))(t)
	}
	set("z", "1")
	hidden := set("secret", "hidden")
	must(s.Promote(ctx, a.ID))(t)
	must(s.Revise(ctx, b.ID, "b, revised"))(t)
	look()
	set("a", "2")
	set("z", "3")
	must(s.Supersede(ctx, a.ID, atocore.Memory{Content: "a, better"}))(t)
	must(s.Invalidate(ctx, b.ID, "no"))(t)
	look()
	must(s.UnsetState(ctx, "harbour", "", "z"))(t)
	look()

	same := func(when string) {
		t.Helper()
		for i, p := range past {
			for _, at := range []time.Time{p.at, p.at.Add(59 * time.Minute).In(time.FixedZone("", -7200))} {
				got := collect(t, s.Memories(ctx, atocore.MemoryFilter{Statuses: every, AsOf: at}))
				if d := cmp.Diff(p.memories, got); d != "" {
					t.Errorf("%s: memories as of step %d (-then +now):\n%s", when, i, d)
				}
				if d := cmp.Diff(p.state, must(s.State(ctx, atocore.StateFilter{AsOf: at}))(t)); d != "" {
					t.Errorf("%s: state as of step %d (-then +now):\n%s", when, i, d)
				}
			}
		}
		if got := collect(t, s.Memories(ctx, atocore.MemoryFilter{Statuses: every, AsOf: start})); len(got) != 0 {
			t.Errorf("%s: before the first memory: got %+v", when, got)
		}
		if got := must(s.State(ctx, atocore.StateFilter{AsOf: start}))(t); len(got) != 0 {
			t.Errorf("%s: before the first state: got %+v", when, got)
		}
	}
	same("afterwards")

	// The filters look at what was then.
	for _, tt := range []struct {
		step   int
		filter atocore.MemoryFilter
		want   []string
	}{
		{0, atocore.MemoryFilter{}, []string{"the secret", "b"}},
		{0, atocore.MemoryFilter{Statuses: []atocore.Status{atocore.Candidate}}, []string{"a"}},
		{1, atocore.MemoryFilter{Tags: []string{"t"}}, []string{"b, revised"}},
		{1, atocore.MemoryFilter{Project: "HARBOUR"}, []string{"b, revised"}},
		{2, atocore.MemoryFilter{Project: "harbour"}, nil},
		{2, atocore.MemoryFilter{Limit: 1}, []string{"a, better"}},
	} {
		tt.filter.AsOf = past[tt.step].at
		var got []string
		for _, m := range collect(t, s.Memories(ctx, tt.filter)) {
			got = append(got, m.Content)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("step %d, %+v (-want +got):\n%s", tt.step, tt.filter, d)
		}
	}

	// What is forgotten is so at all times.
	must(s.Forget(ctx, "asked to", secret.ID, hidden.ID))(t)
	for i := range past {
		past[i].memories = slices.DeleteFunc(past[i].memories, func(m atocore.Memory) bool { return m.ID == secret.ID })
		past[i].state = slices.DeleteFunc(past[i].state, func(e atocore.StateEntry) bool { return e.ID == hidden.ID })
		if len(past[i].state) == 0 {
			past[i].state = nil
		}
	}
	same("after Forget")
}
