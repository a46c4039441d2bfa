package atocore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

func TestProjects(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	ctx := t.Context()
	start := clk.now()
	got := must(s.AddProject(ctx, atocore.Project{Name: "Hafen Süd", Aliases: []string{"süd", "HS", "hs", "hafen süd"}, Description: "the southern quay"}))(t)
	want := atocore.Project{Name: "Hafen Süd", Aliases: []string{"HS", "süd"}, Description: "the southern quay", CreatedAt: start, UpdatedAt: start}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("AddProject (-want +got):\n%s", d)
	}
	for _, name := range []string{"Hafen Süd", "HAFEN SÜD", "hafen su\u0308d", "hs", "Hs", "SÜD"} {
		if d := cmp.Diff(want, must(s.Project(ctx, name))(t)); d != "" {
			t.Errorf("Project(%q) (-want +got):\n%s", name, d)
		}
	}

	// Adding it again adds to it; where there is nothing to add it writes nothing.
	seq := lastSeq(t, s)
	clk.advance(time.Hour)
	for _, p := range []atocore.Project{{Name: "hafen süd"}, {Name: "Hafen Süd", Aliases: []string{"Hs"}}, {Name: "Hafen Süd", Description: want.Description}} {
		if d := cmp.Diff(want, must(s.AddProject(ctx, p))(t)); d != "" {
			t.Errorf("AddProject(%+v) of what is there (-want +got):\n%s", p, d)
		}
	}
	wantOps(t, s, seq)
	want.Aliases, want.Description, want.UpdatedAt = []string{"HS", "quay", "süd"}, "the quay in the south", clk.now()
	if d := cmp.Diff(want, must(s.AddProject(ctx, atocore.Project{Name: "HAFEN SÜD", Aliases: []string{"quay"}, Description: "the quay in the south"}))(t)); d != "" {
		t.Errorf("AddProject with more (-want +got):\n%s", d)
	}
	wantOps(t, s, seq, "project Hafen Süd")

	addProject(t, s, "mill", "m")
	for _, p := range []atocore.Project{
		{Name: "QUAY"},                           // an alias of another
		{Name: "store", Aliases: []string{"HS"}}, // likewise
		{Name: "store", Aliases: []string{"Mill"}},
		{Name: "mill", Aliases: []string{"store", "hafen süd"}},
	} {
		err := wantUnchanged(t, s, atocore.ErrConflict, func() error { _, err := s.AddProject(ctx, p); return err })
		if err != nil && !strings.Contains(err.Error(), "Hafen Süd") && !strings.Contains(err.Error(), "mill") {
			t.Errorf("the conflict does not name the other project: %v", err)
		}
	}
	all := must(s.Projects(ctx))(t)
	if len(all) != 2 || all[0].Name != "Hafen Süd" || all[1].Name != "mill" {
		t.Errorf("Projects: got %+v", all)
	}

	// A record takes the project's name, whatever it was called by.
	m := remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: "x", Project: "Quay"})
	if m.Project != "Hafen Süd" {
		t.Errorf("project of a memory: got %q", m.Project)
	}
}

func TestNoSuchProject(t *testing.T) {
	s := openStore(t, nil)
	ctx := t.Context()
	calls := map[string]func(name string) error{
		"Project": func(n string) error { _, err := s.Project(ctx, n); return err },
		"Remember": func(n string) error {
			_, err := s.Remember(ctx, atocore.Memory{Type: atocore.Knowledge, Content: "x", Project: n})
			return err
		},
		"SetState": func(n string) error {
			_, err := s.SetState(ctx, atocore.StateEntry{Project: n, Key: "k", Value: "v"})
			return err
		},
		"UnsetState": func(n string) error { _, err := s.UnsetState(ctx, n, "", "k"); return err },
		"State":      func(n string) error { _, err := s.State(ctx, atocore.StateFilter{Project: n}); return err },
		"Capture": func(n string) error {
			_, err := s.Capture(ctx, atocore.Interaction{Prompt: "p", Project: n})
			return err
		},
		"AddDocument": func(n string) error {
			_, err := s.AddDocument(ctx, atocore.Document{Path: "a", Project: n}, "text")
			return err
		},
		"Memories": func(n string) error { _, err := first(s.Memories(ctx, atocore.MemoryFilter{Project: n})); return err },
		"Documents": func(n string) error {
			_, err := first(s.Documents(ctx, atocore.DocumentFilter{Project: n}))
			return err
		},
		"Interactions": func(n string) error {
			_, err := first(s.Interactions(ctx, atocore.InteractionFilter{Project: n}))
			return err
		},
		"Search": func(n string) error {
			_, err := s.Retriever(nil).Search(ctx, atocore.Query{Text: "x", Project: n})
			return err
		},
	}
	for name, call := range calls {
		err := wantUnchanged(t, s, atocore.ErrNotFound, func() error { return call("nowhere") })
		if err != nil && !strings.Contains(err.Error(), "there is no project yet") {
			t.Errorf("%s in an empty store: %v", name, err)
		}
	}
	for i := range 3 {
		addProject(t, s, fmt.Sprintf("p%d", i))
	}
	for name, call := range calls {
		err := wantUnchanged(t, s, atocore.ErrNotFound, func() error { return call("nowhere") })
		var nf *atocore.NotFoundError
		if !errors.As(err, &nf) || nf.Kind != "project" || nf.ID != "nowhere" || !strings.Contains(nf.Hint, "p0, p1, p2") {
			t.Errorf("%s: got %v, want the project named and the others listed", name, err)
		}
		wantUnchanged(t, s, atocore.ErrInvalid, func() error { return call(strings.Repeat("x", 2000)) })
	}
	for i := 3; i < 12; i++ {
		addProject(t, s, fmt.Sprintf("p%d", i))
	}
	if _, err := s.Project(ctx, "nowhere"); err == nil || !strings.Contains(err.Error(), "and more") {
		t.Errorf("with many projects: %v", err)
	}
}
