package atocore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

func TestCapture(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now, Actor: "tests"})
	ctx := t.Context()
	addProject(t, s, "harbour", "hbr")
	in := atocore.Interaction{
		Project: "HBR", Session: "s1", Client: "chat", Actor: "somebody", Prompt: "How deep?\n", Response: "Twelve metres.", Turn: "1",
		Metadata: map[string]string{"model": "m"},
	}
	got := must(s.Capture(ctx, in))(t)
	want := in
	want.ID, want.Project, want.Actor, want.CreatedAt = got.ID, "harbour", "tests", clk.now()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Capture (-want +got):\n%s", d)
	}
	if d := cmp.Diff(any(want), must(s.Record(ctx, got.ID))(t)); d != "" {
		t.Errorf("Record (-want +got):\n%s", d)
	}

	// The same turn gives back the first, whatever it says.
	seq := lastSeq(t, s)
	clk.advance(time.Hour)
	again := in
	again.Response = "Thirteen."
	if d := cmp.Diff(want, must(s.Capture(ctx, again))(t)); d != "" {
		t.Errorf("the same turn (-want +got):\n%s", d)
	}
	wantOps(t, s, seq)

	then := time.Date(2024, 5, 1, 10, 0, 0, 0, time.FixedZone("", 3600))
	other := must(s.Capture(ctx, atocore.Interaction{Session: "s1", Client: "chat", Prompt: "no turn", CreatedAt: then}))(t)
	if !other.CreatedAt.Equal(then) || other.CreatedAt.Location() != time.UTC {
		t.Errorf("created at %v, want %v", other.CreatedAt, then)
	}
	ids := []string{got.ID, other.ID}
	for _, i := range []atocore.Interaction{
		{Session: "s1", Client: "chat", Prompt: "no turn"}, // each is new
		{Session: "s2", Client: "chat", Prompt: "p", Turn: "1"},
		{Session: "s1", Client: "mail", Response: "r", Turn: "1"},
	} {
		clk.advance(time.Minute)
		ids = append(ids, must(s.Capture(ctx, i))(t).ID)
	}
	for _, tt := range []struct {
		filter atocore.InteractionFilter
		want   []int // of ids; newest first by when it happened
	}{
		{atocore.InteractionFilter{}, []int{4, 3, 2, 0, 1}},
		{atocore.InteractionFilter{Project: "hbr"}, []int{0}},
		{atocore.InteractionFilter{Session: "s1", Client: "chat"}, []int{2, 0, 1}},
		{atocore.InteractionFilter{Client: "mail"}, []int{4}},
		{atocore.InteractionFilter{Limit: 2}, []int{4, 3}},
	} {
		var want, got []string
		for _, n := range tt.want {
			want = append(want, ids[n])
		}
		for _, i := range collect(t, s.Interactions(ctx, tt.filter)) {
			got = append(got, i.ID)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("Interactions(%+v) (-want +got):\n%s", tt.filter, d)
		}
	}
	wantUnchanged(t, s, atocore.ErrInvalid, func() error {
		_, err := first(s.Interactions(ctx, atocore.InteractionFilter{Limit: -1}))
		return err
	})
	if hits := hitIDs(t, s, atocore.Query{Text: "twelve metres"}); len(hits) == 0 || hits[0] != got.ID {
		t.Errorf("search for the response: got %v", hits)
	}
	long := atocore.Interaction{Prompt: strings.Repeat("word ", atocore.MaxInteractionBytes/5)}
	if i := must(s.Capture(ctx, long))(t); i.Prompt != long.Prompt {
		t.Error("a prompt of the largest size does not come back as it was")
	}
}
