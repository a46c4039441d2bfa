package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/atocore/atocore"
)

type getCmd struct {
	ID string `arg:"" help:"A record's ID."`
}

func (getCmd) Help() string {
	return `With --json, "kind" says which kind of record it is.` + examples(
		`atocore get 01jqv3k8w2x4n6p8r0t2v4y6z8`,
		`atocore get 01jqv3k8w2x4n6p8r0t2v4y6z8 --json`,
	)
}

func (c *getCmd) Run(ctx context.Context, s *session) error {
	var record any
	err := s.with(ctx, reads, func(store *atocore.Store) (err error) {
		record, err = store.Record(ctx, c.ID)
		return err
	})
	if err != nil {
		return err
	}
	switch r := record.(type) {
	case atocore.Memory:
		return s.out.put(struct {
			Kind string `json:"kind"`
			atocore.Memory
		}{"memory", r}, func() { s.showMemory(r) })
	case atocore.StateEntry:
		return s.out.put(struct {
			Kind string `json:"kind"`
			atocore.StateEntry
		}{"state", r}, func() { s.showState(r) })
	case atocore.Document:
		return s.out.put(struct {
			Kind string `json:"kind"`
			atocore.Document
		}{"document", r}, func() { s.showDocument(r) })
	case atocore.Chunk:
		return s.out.put(struct {
			Kind string `json:"kind"`
			atocore.Chunk
		}{"chunk", r}, func() { s.showChunk(r) })
	case atocore.Interaction:
		return s.out.put(struct {
			Kind string `json:"kind"`
			atocore.Interaction
		}{"interaction", r}, func() { s.showInteraction(r) })
	default:
		return fmt.Errorf("print record %s: unknown kind %T", c.ID, record)
	}
}

// field prints a labelled value, if there is one.
func (s *session) field(label, value string) {
	if value != "" {
		s.out.line("%-13s %s", label, value)
	}
}

func (s *session) body(text string) {
	s.out.line("")
	s.out.block(text)
}

func (s *session) showMemory(m atocore.Memory) {
	s.field("memory", m.ID)
	s.field("type", string(m.Type))
	s.field("status", string(m.Status))
	s.field("reason", m.Reason)
	s.field("project", m.Project)
	s.field("confidence", fmt.Sprintf("%g", m.Confidence))
	s.field("tags", strings.Join(m.Tags, ", "))
	s.field("speaker", m.Provenance.Speaker)
	s.field("source", m.Provenance.Source)
	s.field("session", m.Provenance.Session)
	s.field("client", m.Provenance.Client)
	s.field("actor", m.Provenance.Actor)
	s.field("supersedes", m.Supersedes)
	s.field("superseded by", m.SupersededBy)
	if !m.ValidFrom.IsZero() || !m.ValidUntil.IsZero() {
		s.field("valid", moment(m.ValidFrom)+" to "+moment(m.ValidUntil))
	}
	if m.Reinforced > 0 {
		s.field("reinforced", fmt.Sprintf("%d times, last %s", m.Reinforced, moment(m.ReinforcedAt)))
	}
	s.field("created", moment(m.CreatedAt))
	s.field("updated", moment(m.UpdatedAt))
	s.body(m.Content)
}

func (s *session) showState(e atocore.StateEntry) {
	s.field("state", e.ID)
	s.field("project", e.Project)
	s.field("category", e.Category)
	s.field("key", e.Key)
	s.field("source", e.Source)
	s.field("actor", e.Actor)
	s.field("updated", moment(e.UpdatedAt))
	s.body(e.Value)
}

func (s *session) showDocument(d atocore.Document) {
	s.field("document", d.ID)
	s.field("title", d.Title)
	s.field("project", d.Project)
	s.field("origin", d.Origin)
	s.field("path", d.Path)
	s.field("tags", strings.Join(d.Tags, ", "))
	s.field("size", fmt.Sprintf("%d bytes, %d chunks", d.Size, d.Chunks))
	s.field("sha256", d.SHA256)
	s.field("updated", moment(d.UpdatedAt))
	if d.Summary != "" {
		s.body(d.Summary)
	}
}

func (s *session) showChunk(c atocore.Chunk) {
	s.field("chunk", c.ID)
	s.field("document", c.Document)
	s.field("heading", strings.Join(c.Heading, " > "))
	s.field("bytes", fmt.Sprintf("%d to %d", c.Start, c.End))
	s.body(c.Text)
}

func (s *session) showInteraction(i atocore.Interaction) {
	s.field("interaction", i.ID)
	s.field("project", i.Project)
	s.field("client", i.Client)
	s.field("session", i.Session)
	s.field("turn", i.Turn)
	s.field("created", moment(i.CreatedAt))
	s.body("> " + strings.ReplaceAll(i.Prompt, "\n", "\n> "))
	s.body(i.Response)
}
