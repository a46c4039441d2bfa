package atocore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

func TestState(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now, Actor: "tests"})
	ctx := t.Context()
	addProject(t, s, "harbour", "hbr")
	addProject(t, s, "mill")
	start := clk.now()
	seq := lastSeq(t, s)

	got := must(s.SetState(ctx, atocore.StateEntry{ID: "mine", Project: "HBR", Key: "depth", Value: "12 m", Source: "chart", Actor: "somebody"}))(t)
	want := atocore.StateEntry{ID: got.ID, Project: "harbour", Category: "general", Key: "depth", Value: "12 m", Source: "chart", Actor: "tests", CreatedAt: start, UpdatedAt: start}
	if d := cmp.Diff(want, got); d != "" || got.ID == "mine" {
		t.Errorf("SetState (-want +got):\n%s", d)
	}
	clk.advance(time.Hour)
	again := atocore.StateEntry{Project: "harbour", Category: "general", Key: "depth", Value: "12 m", Source: "chart"}
	if d := cmp.Diff(want, must(s.SetState(atocore.WithActor(ctx, "another"), again))(t)); d != "" {
		t.Errorf("SetState to what it is (-want +got):\n%s", d)
	}
	wantOps(t, s, seq, "set "+want.ID)

	want.Value, want.Source, want.Actor, want.UpdatedAt = "11 m", "", "another", clk.now()
	if d := cmp.Diff(want, must(s.SetState(atocore.WithActor(ctx, "another"), atocore.StateEntry{Project: "harbour", Key: "depth", Value: "11 m"}))(t)); d != "" {
		t.Errorf("SetState to another (-want +got):\n%s", d)
	}
	wantOps(t, s, seq, "set "+want.ID, "set "+want.ID)

	others := []atocore.StateEntry{
		must(s.SetState(ctx, atocore.StateEntry{Project: "harbour", Category: "contact", Key: "pilot", Value: "ch. 12"}))(t),
		want,
		must(s.SetState(ctx, atocore.StateEntry{Project: "harbour", Key: "Depth", Value: "another key"}))(t),
		must(s.SetState(ctx, atocore.StateEntry{Project: "mill", Key: "depth", Value: "2 m"}))(t),
	}
	others[1], others[2] = others[2], others[1] // "Depth" is before "depth"
	for _, tt := range []struct {
		filter atocore.StateFilter
		want   []atocore.StateEntry
	}{
		{atocore.StateFilter{}, others},
		{atocore.StateFilter{Project: "Hbr"}, others[:3]},
		{atocore.StateFilter{Project: "harbour", Category: "contact"}, others[:1]},
		{atocore.StateFilter{Category: "general"}, others[1:]},
		{atocore.StateFilter{AsOf: clk.now()}, others},
		{atocore.StateFilter{AsOf: clk.now(), Project: "mill"}, others[3:]},
	} {
		if d := cmp.Diff(tt.want, must(s.State(ctx, tt.filter))(t)); d != "" {
			t.Errorf("State(%+v) (-want +got):\n%s", tt.filter, d)
		}
	}
	if d := cmp.Diff(any(want), must(s.Record(ctx, want.ID))(t)); d != "" {
		t.Errorf("Record (-want +got):\n%s", d)
	}

	if got := hitIDs(t, s, atocore.Query{Text: "11 m", Kinds: []atocore.Kind{atocore.KindState}, Mode: atocore.TextOnly}); len(got) == 0 || got[0] != want.ID {
		t.Errorf("search for the value: got %v", got)
	}
	gone := must(s.UnsetState(ctx, "hbr", "", "depth"))(t)
	if d := cmp.Diff(want, gone); d != "" {
		t.Errorf("UnsetState (-want +got):\n%s", d)
	}
	wantUnchanged(t, s, atocore.ErrNotFound, func() error { _, err := s.Record(ctx, want.ID); return err })
	err := wantUnchanged(t, s, atocore.ErrNotFound, func() error { _, err := s.UnsetState(ctx, "hbr", "", "depth"); return err })
	if err != nil && !strings.Contains(err.Error(), "harbour/general/depth") {
		t.Errorf("unset twice: %v does not name the entry", err)
	}
	// Set again it is another entry; the former's history stays.
	next := must(s.SetState(ctx, atocore.StateEntry{Project: "harbour", Key: "depth", Value: "10 m"}))(t)
	if next.ID == want.ID {
		t.Error("an entry that was unset has come back with its ID")
	}
	if h := must(s.History(ctx, want.ID))(t); len(h) != 3 || h[2].Op != "unset" {
		t.Errorf("History of what was unset: %+v", h)
	}
}
