package atocore

import (
	"context"
	"fmt"
)

// Revise replaces the content of a live memory, for a slip of the pen: the
// memory stays the same one, and its history keeps the former text. A statement
// that was true and is so no longer is superseded instead. It fails with
// ErrConflict where another live memory says the same or the memory is not
// live.
func (s *Store) Revise(ctx context.Context, id, content string) (Memory, error) {
	if err := checkText("content", content, MaxMemoryBytes, "ingest longer texts as documents"); err != nil {
		return Memory{}, fmt.Errorf("revise: %w", err)
	}
	// The speaker is part of what is embedded, and only the record knows it.
	old, err := s.memory(ctx, id)
	if err != nil {
		return Memory{}, fmt.Errorf("revise: %w", err)
	}
	old.Content = content
	return s.alter(ctx, "revise", id, []string{old.embedText()}, func(c *change, m *Memory) error {
		if !m.live() {
			return conflict(m, "only a live memory can be revised")
		}
		m.Content = content
		other, found, err := liveMemory(c.tx, m.key())
		if err != nil {
			return err
		}
		if found && other.ID != m.ID {
			return conflict(m, "memory "+other.ID+" says the same already")
		}
		return nil
	})
}

// Promote makes a candidate active. An active memory is returned as it is; any
// other is ErrConflict.
func (s *Store) Promote(ctx context.Context, id string) (Memory, error) {
	return s.alter(ctx, "promote", id, nil, func(_ *change, m *Memory) error {
		if !m.live() {
			return conflict(m, "only a candidate can be promoted")
		}
		m.Status = Active
		return nil
	})
}

// Reinforce notes that a live memory was said or confirmed again.
func (s *Store) Reinforce(ctx context.Context, id string) (Memory, error) {
	return s.alter(ctx, "reinforce", id, nil, func(c *change, m *Memory) error {
		if !m.live() {
			return conflict(m, "only a live memory can be reinforced")
		}
		m.Reinforced++
		m.ReinforcedAt = c.now
		return nil
	})
}

// Invalidate withdraws a live memory that was never true, or no longer is
// without anything in its place, and keeps the reason, which is required. An
// invalid memory is returned as it is.
func (s *Store) Invalidate(ctx context.Context, id, reason string) (Memory, error) {
	if err := checkText("reason", reason, maxNameBytes, ""); err != nil {
		return Memory{}, fmt.Errorf("invalidate: %w", err)
	}
	return s.alter(ctx, "invalidate", id, nil, func(_ *change, m *Memory) error {
		switch {
		case m.Status == Invalid:
			return nil
		case m.SupersededBy != "":
			return conflict(m, "it was replaced by "+m.SupersededBy+"; invalidate that one")
		case !m.live():
			return conflict(m, "only a live memory can be invalidated")
		}
		m.Status, m.Reason = Invalid, reason
		return nil
	})
}

// Supersede replaces a live memory by another statement and returns the new
// memory. The old one stays, linked to it, true until the new one's ValidFrom
// (now, where that is zero). Zero Type, Project, Tags, Confidence and Speaker of
// the replacement are taken from the old memory. Where another live memory
// already says what the replacement says, that one becomes the replacement,
// reinforced as by Remember.
//
// From now on the old memory is not retrieved: a replacement that begins to hold
// later leaves a gap until then. It fails with ErrConflict where the old memory
// is not live, and with ErrInvalid where both say the same.
func (s *Store) Supersede(ctx context.Context, id string, replacement Memory) (Memory, error) {
	old, err := s.memory(ctx, id)
	if err != nil {
		return Memory{}, fmt.Errorf("supersede: %w", err)
	}
	m := replacement
	if m.Type == "" {
		m.Type = old.Type
	}
	if m.Project == "" {
		m.Project = old.Project
	}
	if m.Tags == nil {
		m.Tags = old.Tags
	}
	if m.Confidence == 0 {
		m.Confidence = old.Confidence
	}
	if m.Provenance.Speaker == "" {
		m.Provenance.Speaker = old.Provenance.Speaker
	}
	if err := m.validate(""); err != nil {
		return Memory{}, fmt.Errorf("supersede: %w", err)
	}
	if m.Status == Candidate {
		return Memory{}, fmt.Errorf("supersede: %w", invalid("status", "a candidate replaces nothing", "remember it as a candidate, and supersede when it is accepted"))
	}
	var next Memory
	err = s.write(ctx, []string{m.embedText()}, func(c *change) (err error) {
		next, err = c.supersede(id, m)
		return err
	})
	if err != nil {
		return Memory{}, fmt.Errorf("supersede: %w", err)
	}
	return next, nil
}

func (c *change) supersede(id string, m Memory) (Memory, error) {
	old, err := memoryByID(c.tx, id)
	if err != nil {
		return Memory{}, err
	}
	if !old.live() {
		if old.SupersededBy != "" {
			return Memory{}, conflict(&old, "it was replaced by "+old.SupersededBy+"; supersede that one")
		}
		return Memory{}, conflict(&old, "only a live memory can be superseded; remember the statement anew")
	}
	if m, err = c.fill(m); err != nil {
		return Memory{}, err
	}
	existing, found, err := liveMemory(c.tx, m.key())
	switch {
	case err != nil:
		return Memory{}, err
	case found && existing.ID == old.ID:
		return Memory{}, invalid("content", "says what the old memory says", "use Revise to change its wording, Reinforce to confirm it")
	}
	from := firstTime(m.ValidFrom, c.now)

	// The old memory goes first: the two may not be live at once.
	former := old
	old.Status, old.UpdatedAt = Superseded, c.now
	if old.ValidUntil.IsZero() || from.Before(old.ValidUntil) {
		old.ValidUntil = from
	}
	if !old.ValidFrom.IsZero() && !old.ValidFrom.Before(old.ValidUntil) {
		// It never held: its interval is empty, and not the wrong way round.
		old.ValidUntil = old.ValidFrom
	}
	if found {
		old.SupersededBy = existing.ID
	} else {
		old.SupersededBy = m.ID
	}
	if err := c.putMemory("supersede", &former, &old); err != nil {
		return Memory{}, err
	}
	if found {
		next, err := c.merge(existing, m)
		if err != nil {
			return Memory{}, err
		}
		if next.Supersedes == "" {
			next.Supersedes = old.ID
		}
		return next, c.putMemory("reinforce", &existing, &next)
	}
	m.Supersedes = old.ID
	return m, c.putMemory("remember", nil, &m)
}

// alter changes one memory in a transaction. A change that leaves the memory
// as it was writes nothing.
func (s *Store) alter(ctx context.Context, op, id string, texts []string, fn func(*change, *Memory) error) (Memory, error) {
	var m Memory
	err := s.write(ctx, texts, func(c *change) error {
		old, err := memoryByID(c.tx, id)
		if err != nil {
			return err
		}
		m = old
		if err := fn(c, &m); err != nil {
			return err
		}
		if m.Content == old.Content && m.Status == old.Status && m.Reinforced == old.Reinforced {
			return nil
		}
		m.UpdatedAt = c.now
		return c.putMemory(op, &old, &m)
	})
	if err != nil {
		return Memory{}, fmt.Errorf("%s: %w", op, err)
	}
	return m, nil
}

func conflict(m *Memory, why string) error {
	return conflictError(fmt.Sprintf("memory %s is %s: %s", m.ID, m.Status, why))
}
