package atocore

import (
	"context"
	"fmt"
	"maps"
)

// An Edit changes a candidate while it is accepted. Zero fields leave it as it is.
type Edit struct {
	Type    MemoryType `json:"type,omitempty"`
	Content string     `json:"content,omitempty"`
	Project *string    `json:"project,omitempty"` // a project's name or alias; an empty one is none
}

// Accept makes a candidate active, with the changes of e, which may be nil, and
// returns it. Where another live memory says already what the candidate says by then,
// that one is reinforced (and active) and returned, and the candidate, with its own
// words, counts as superseded by it.
//
// It fails with ErrConflict where the memory is not a candidate, with ErrInvalid, and
// with ErrNotFound where the memory or the project is not there.
func (s *Store) Accept(ctx context.Context, id string, e *Edit) (Memory, error) {
	var edit Edit
	if e != nil {
		edit = *e
	}
	var next Memory
	err := edit.validate()
	if err == nil {
		// The speaker is part of what is embedded, and only the record knows it.
		next, err = s.memory(ctx, id)
	}
	if err == nil {
		edit.apply(&next)
		err = s.write(ctx, []string{next.embedText()}, func(c *change) (err error) {
			next, err = c.accept(id, edit)
			return err
		})
	}
	if err != nil {
		return Memory{}, fmt.Errorf("accept: %w", err)
	}
	return next, nil
}

func (e *Edit) validate() error {
	if e.Type != "" {
		if err := checkTypes([]MemoryType{e.Type}); err != nil {
			return err
		}
	}
	if e.Content == "" {
		return nil
	}
	return checkText("content", e.Content, MaxMemoryBytes, "ingest longer texts as documents")
}

// apply makes the changes, but for the project's, whose name is to be looked up.
func (e *Edit) apply(m *Memory) {
	if e.Type != "" {
		m.Type = e.Type
	}
	if e.Content != "" {
		m.Content = e.Content
	}
}

func (c *change) accept(id string, e Edit) (Memory, error) {
	old, err := memoryByID(c.tx, id)
	if err != nil {
		return Memory{}, err
	}
	if old.Status != Candidate {
		return Memory{}, conflict(&old, "only a candidate can be accepted")
	}
	m := old
	e.apply(&m)
	if e.Project != nil {
		m.Project = ""
		if *e.Project != "" {
			if m.Project, err = projectNamed(c.tx, *e.Project); err != nil {
				return Memory{}, err
			}
		}
	}
	m.Status, m.UpdatedAt = Active, c.now
	existing, found, err := liveMemory(c.tx, m.key())
	if err != nil {
		return Memory{}, err
	}
	if !found || existing.ID == old.ID {
		return m, c.putMemory("accept", &old, &m)
	}
	// The candidate goes first: the two may not be live at once.
	gone := old
	gone.Status, gone.SupersededBy, gone.UpdatedAt = Superseded, existing.ID, c.now
	if gone.ValidUntil.IsZero() || c.now.Before(gone.ValidUntil) {
		gone.ValidUntil = c.now
		if gone.ValidFrom.After(c.now) { // it never held
			gone.ValidUntil = gone.ValidFrom
		}
	}
	if err := c.putMemory("accept", &old, &gone); err != nil {
		return Memory{}, err
	}
	next, err := c.merge(existing, m)
	if err != nil {
		return Memory{}, err
	}
	if next.Supersedes == "" {
		next.Supersedes = gone.ID
	}
	return next, c.putMemory("reinforce", &existing, &next)
}

// Reject withdraws a candidate, with a reason ("rejected in review", where it is
// empty), and returns it. What it says is not proposed again. It fails with
// ErrConflict where the memory is not a candidate.
func (s *Store) Reject(ctx context.Context, id, reason string) (Memory, error) {
	if reason == "" {
		reason = "rejected in review"
	}
	if err := checkText("reason", reason, maxNameBytes, ""); err != nil {
		return Memory{}, fmt.Errorf("reject: %w", err)
	}
	return s.alter(ctx, "reject", id, nil, func(_ *change, m *Memory) error {
		if m.Status != Candidate {
			return conflict(m, "only a candidate can be rejected")
		}
		if m.Metadata[proposalKey] == "" && len(m.Metadata) < maxMetadata {
			// Somebody else's candidate stays away like one of Learn.
			m.Metadata = maps.Clone(m.Metadata)
			if m.Metadata == nil {
				m.Metadata = map[string]string{}
			}
			m.Metadata[proposalKey] = keyOfProposal(m.Project, m.Content)
		}
		m.Status, m.Reason = Invalid, reason
		return nil
	})
}
