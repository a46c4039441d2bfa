package atocore_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/atocore/atocore"
)

// What the store does not accept is refused with a typed error that names the
// input, and nothing is written.
func TestBadInput(t *testing.T) {
	s := openStore(t, nil)
	ctx := t.Context()
	addProject(t, s, "harbour")
	kept := remember(t, s, statement("kept"))

	text := func(set func(*atocore.Memory, string)) func(string) error {
		return func(v string) error {
			m := statement("something")
			set(&m, v)
			_, err := s.Remember(ctx, m)
			return err
		}
	}
	// fields takes a text for each input; line says that it is one line, size
	// what it may have at most, blank whether it may be left out.
	fields := []struct {
		name  string // as the error has it
		call  func(string) error
		line  bool
		size  int
		blank bool
	}{
		{"content", text(func(m *atocore.Memory, v string) { m.Content = v }), false, atocore.MaxMemoryBytes, false},
		{"tags[1]", text(func(m *atocore.Memory, v string) { m.Tags = []string{"ok", v} }), true, 1 << 10, false},
		{"metadata.key", text(func(m *atocore.Memory, v string) { m.Metadata = map[string]string{"key": v} }), false, 16 << 10, true},
		{"metadata key", text(func(m *atocore.Memory, v string) { m.Metadata = map[string]string{v + "k": "v"} }), true, 1<<10 - 1, true},
		{"provenance.client", text(func(m *atocore.Memory, v string) { m.Provenance.Client = v }), true, 1 << 10, true},
		{"provenance.session", text(func(m *atocore.Memory, v string) { m.Provenance.Session = v }), true, 1 << 10, true},
		{"provenance.speaker", text(func(m *atocore.Memory, v string) { m.Provenance.Speaker = v }), true, 1 << 10, true},
		{"provenance.source", text(func(m *atocore.Memory, v string) { m.Provenance.Source = v }), true, 1 << 10, true},
		{"name", func(v string) error { _, err := s.AddProject(ctx, atocore.Project{Name: v}); return err }, true, 1 << 10, false},
		{"aliases[0]", func(v string) error {
			_, err := s.AddProject(ctx, atocore.Project{Name: "harbour", Aliases: []string{v}})
			return err
		}, true, 1 << 10, false},
		{"description", func(v string) error {
			_, err := s.AddProject(ctx, atocore.Project{Name: "harbour", Description: v})
			return err
		}, false, 16 << 10, true},
		{"category", func(v string) error {
			_, err := s.SetState(ctx, atocore.StateEntry{Project: "harbour", Category: v, Key: "k", Value: "v"})
			return err
		}, true, 1 << 10, true},
		{"key", func(v string) error {
			_, err := s.SetState(ctx, atocore.StateEntry{Project: "harbour", Key: v, Value: "v"})
			return err
		}, true, 1 << 10, false},
		{"source", func(v string) error {
			_, err := s.SetState(ctx, atocore.StateEntry{Project: "harbour", Key: "k", Value: "v", Source: v})
			return err
		}, true, 1 << 10, true},
		{"value", func(v string) error {
			_, err := s.SetState(ctx, atocore.StateEntry{Project: "harbour", Key: "k", Value: v})
			return err
		}, false, 16 << 10, false},
		{"prompt", func(v string) error { _, err := s.Capture(ctx, atocore.Interaction{Prompt: v}); return err }, false, atocore.MaxInteractionBytes, false},
		{"response", func(v string) error {
			_, err := s.Capture(ctx, atocore.Interaction{Prompt: "p", Response: v})
			return err
		}, false, atocore.MaxInteractionBytes, true},
		{"turn", func(v string) error { _, err := s.Capture(ctx, atocore.Interaction{Prompt: "p", Turn: v}); return err }, true, 1 << 10, true},
		{"text", func(v string) error { _, err := s.AddDocument(ctx, atocore.Document{Path: "a"}, v); return err }, false, atocore.MaxDocumentBytes, false},
		{"title", func(v string) error {
			_, err := s.AddDocument(ctx, atocore.Document{Path: "a", Title: v}, "text")
			return err
		}, true, 1 << 10, true},
		{"reason", func(v string) error { _, err := s.Invalidate(ctx, kept.ID, v); return err }, false, 1 << 10, false},
		{"reason", func(v string) error { _, err := s.Forget(ctx, v, kept.ID); return err }, false, 1 << 10, true},
	}
	before := digest(t, s)
	refused := func(field, what string, err error) {
		t.Helper()
		var invalid *atocore.InvalidError
		if !errors.As(err, &invalid) || !errors.Is(err, atocore.ErrInvalid) {
			t.Errorf("%s %s: got %v, want an InvalidError", field, what, err)
			return
		}
		if invalid.Field != field || invalid.Reason == "" {
			t.Errorf("%s %s: the error is about %q, which %q", field, what, invalid.Field, invalid.Reason)
		}
		if len(err.Error()) > 500 {
			t.Errorf("%s %s: the error has %d bytes", field, what, len(err.Error()))
		}
	}
	for _, f := range fields {
		refused(f.name, "with a NUL", f.call("a\x00b"))
		refused(f.name, "that is not UTF-8", f.call("a\ufffd\xffb"))
		refused(f.name, "that is too large", f.call(strings.Repeat("x", f.size+1)))
		if !f.blank {
			refused(f.name, "that is empty", f.call(""))
			refused(f.name, "that is blank", f.call(" \u00a0"))
		}
		if f.line {
			for _, c := range []string{"\n", "\r", "\t", "\x1b[31m", "\u0085", "\u2028"} {
				refused(f.name, "with a control character", f.call("a"+c+"b"))
			}
		}
	}
	refused("content", "of 10 MB", func() error { _, err := s.Remember(ctx, statement(strings.Repeat("ten MB ", 10<<20/7))); return err }())

	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	many := make([]string, 65)
	pairs := map[string]string{}
	for i := range many {
		many[i] = strings.Repeat("t", i+1)
		pairs[many[i]] = ""
	}
	for _, tt := range []struct {
		field string
		m     atocore.Memory
	}{
		{"type", atocore.Memory{Content: "x"}},
		{"type", atocore.Memory{Type: "Knowledge", Content: "x"}},
		{"status", atocore.Memory{Status: "superseded"}},
		{"status", atocore.Memory{Status: "new"}},
		{"status", atocore.Memory{Supersedes: kept.ID}},
		{"status", atocore.Memory{Reinforced: 3}},
		{"id", atocore.Memory{ID: kept.ID}},
		{"confidence", atocore.Memory{Confidence: math.NaN()}},
		{"confidence", atocore.Memory{Confidence: math.Inf(1)}},
		{"confidence", atocore.Memory{Confidence: -0.1}},
		{"confidence", atocore.Memory{Confidence: 1.0000001}},
		{"tags", atocore.Memory{Tags: many}},
		{"metadata", atocore.Memory{Metadata: pairs}},
		{"metadata", atocore.Memory{Metadata: map[string]string{"": "v"}}},
		{"valid_until", atocore.Memory{ValidFrom: year(2026), ValidUntil: year(2025)}},
		{"valid_until", atocore.Memory{ValidFrom: year(2026), ValidUntil: year(2026)}},
		{"valid_until", atocore.Memory{ValidFrom: year(2026), ValidUntil: year(2026).Add(time.Nanosecond)}}, // the same, as stored
		{"valid_from", atocore.Memory{ValidFrom: year(-1)}},
		{"valid_until", atocore.Memory{ValidUntil: year(10_000)}},
	} {
		m := tt.m
		if tt.field != "type" {
			m.Type, m.Content = atocore.Knowledge, "kept"
		}
		_, err := s.Remember(ctx, m)
		refused(tt.field, "of a memory", err)
	}
	if got := digest(t, s); got != before {
		t.Error("bad input has changed the store")
	}
	// Together with the tags that are there it would be too many.
	tagged := atocore.Memory{Type: atocore.Knowledge, Content: "tagged", Tags: many[:60]}
	remember(t, s, tagged)
	before, tagged.Tags = digest(t, s), []string{"1", "2", "3", "4", "5"}
	_, err := s.Remember(ctx, tagged)
	refused("tags", "together", err)

	for _, tt := range []struct {
		field string
		err   error
	}{
		{"type", func() error { _, err := s.Remember(ctx, atocore.Memory{Type: "note", Content: "x"}); return err }()},
		{"id", func() error { _, err := s.Capture(ctx, atocore.Interaction{ID: "x", Prompt: "p"}); return err }()},
		{"prompt", func() error { _, err := s.Capture(ctx, atocore.Interaction{Prompt: " ", Response: "\n"}); return err }()},
		{"created_at", func() error {
			_, err := s.Capture(ctx, atocore.Interaction{Prompt: "p", CreatedAt: year(10_000)})
			return err
		}()},
		{"project", func() error { _, err := s.SetState(ctx, atocore.StateEntry{Key: "k", Value: "v"}); return err }()},
		{"aliases", func() error { _, err := s.AddProject(ctx, atocore.Project{Name: "p", Aliases: many}); return err }()},
		{"name", func() error { _, err := s.AddProject(ctx, atocore.Project{Name: " p"}); return err }()},
		{"media_type", func() error {
			_, err := s.AddDocument(ctx, atocore.Document{Path: "a", MediaType: "image/png"}, "x")
			return err
		}()},
	} {
		refused(tt.field, "", tt.err)
	}
	_, err = s.Remember(ctx, atocore.Memory{Type: "note", Content: "x"})
	for _, name := range []string{"note", "identity", "preference", "project", "episodic", "knowledge", "adaptation"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("unknown type: %v does not list %s", err, name)
		}
	}
	if !strings.Contains(fieldError(t, s, "a\ufffd\xff").Error(), "offset 4") {
		t.Errorf("not UTF-8: %v does not say where", fieldError(t, s, "a\ufffd\xff"))
	}
	if got := digest(t, s); got != before {
		t.Error("bad input has changed the store")
	}
}

func fieldError(t *testing.T, s *atocore.Store, content string) error {
	t.Helper()
	_, err := s.Remember(t.Context(), statement(content))
	if err == nil {
		t.Fatalf("%q is taken", content)
	}
	return err
}

// What is at the bounds goes in and comes back as it was.
func TestInputAtTheBounds(t *testing.T) {
	s := openStore(t, nil)
	line := strings.Repeat("\u00e9", 512) // 1 KiB
	tags := make([]string, 64)
	meta := map[string]string{}
	for i := range tags {
		tags[i] = strings.Repeat("t", i+1)
		meta[tags[i]] = strings.Repeat("v", 16<<10/64)
	}
	m := remember(t, s, atocore.Memory{
		Type: atocore.Adaptation, Content: strings.Repeat("\"\\<\u2028\u00e9\n\x01 ", atocore.MaxMemoryBytes/11), Tags: tags, Metadata: meta, Confidence: math.SmallestNonzeroFloat64,
		Provenance: atocore.Provenance{Client: line, Session: line, Speaker: line, Source: line},
		ValidFrom:  time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC), ValidUntil: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
	})
	got := must(s.Memory(t.Context(), m.ID))(t)
	if got.Content != m.Content || got.Confidence != m.Confidence || len(got.Tags) != 64 || len(got.Metadata) != 64 || got.Provenance != m.Provenance ||
		!got.ValidFrom.Equal(m.ValidFrom) || !got.ValidUntil.Equal(m.ValidUntil) {
		t.Errorf("a memory at the bounds does not come back as it was")
	}
	// Through the journal as well.
	again := openStore(t, nil)
	if err := again.Replay(t.Context(), s.Journal(t.Context(), 0)); err != nil {
		t.Fatal(err)
	}
	if digest(t, again) != digest(t, s) {
		t.Error("a memory at the bounds does not survive a replay")
	}
}
