package atocore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/atocore/atocore/internal/sqlite"
)

// A Forgotten says what Forget removed.
type Forgotten struct {
	ID     string `json:"id"`
	Entity string `json:"entity"` // "memory", "state", "document" or "interaction"

	// Purged reports whether the content is gone from the write-ahead log as
	// well. It is not while some reader still holds a view from before; the
	// first write of this Store after that removes it, and so does closing the
	// database for the last time.
	Purged bool `json:"purged"`
}

// A tombstone stands for a record that was forgotten, without its content.
type tombstone struct {
	ID          string    `json:"id"`
	Entity      string    `json:"entity"`
	Reason      string    `json:"reason"`
	ForgottenAt time.Time `json:"forgotten_at"`

	// Proposal is the key by which a forgotten proposal stays away. It is in the
	// journal alone.
	Proposal string `json:"proposal,omitempty"`
}

// Forget removes records for good: from the rows, full text, vectors, kept
// originals, the payloads of the journal and the free pages of the file. What
// stays is a tombstone with the ID, the time and the reason, which may be
// empty and should not repeat the content. IDs are of memories, state entries,
// documents and interactions, also of those that are unset or removed and only
// in the journal; all of them are forgotten, or on an error none. Where results
// come with an error all the same, the records are gone from the database, and
// the error says what of them is still on the disk.
//
// A memory leaves its chain of replacements: what it replaced counts as
// replaced by what replaced it.
//
// It does not reach copies: snapshots, exports, and what other records quote.
// It rewrites the whole full-text index, for about half a second in a store of
// 20,000 memories, in which other writers wait: forget many records with one
// call.
func (s *Store) Forget(ctx context.Context, reason string, ids ...string) ([]Forgotten, error) {
	if err := checkOptional("reason", reason, maxNameBytes, ""); err != nil {
		return nil, fmt.Errorf("forget: %w", err)
	}
	var out []Forgotten
	var sums []string
	err := s.write(ctx, nil, func(c *change) error {
		out, sums = nil, nil
		seen := map[string]bool{}
		for _, id := range ids {
			if seen[id] {
				continue
			}
			seen[id] = true
			entity, err := c.entityOf(id)
			if err != nil {
				return err
			}
			if entity == entityDocument {
				if sums, err = c.originalsOf(id, sums); err != nil {
					return err
				}
			}
			if err := c.forget(entity, id, reason); err != nil {
				return err
			}
			out = append(out, Forgotten{ID: id, Entity: entity})
		}
		if len(out) == 0 {
			return nil
		}
		// Segments and packed blobs keep what they were made of until they are
		// written anew.
		return c.ix.Purge(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("forget: %w", err)
	}
	if err := s.sweepOriginals(ctx, sums); err != nil {
		return out, fmt.Errorf("forget: %w", err)
	}
	// The log holds the pages as they were before. Other writers wait for as long
	// as readers are waited for.
	purge, cancel := context.WithTimeout(ctx, purgeWait)
	defer cancel()
	r, err := s.db.Checkpoint(purge, sqlite.Truncate)
	if err != nil && !errors.Is(err, ErrBusy) {
		return out, fmt.Errorf("forget: %w", err)
	}
	purged := err == nil && r.Complete
	s.purgeOwed.Store(!purged)
	for i := range out {
		out[i].Purged = purged
	}
	return out, nil
}

// purge empties the log of what a Forget could not wait for, if its readers are
// gone by now. It follows every write, and a writer waits for no reader.
func (s *Store) purge(ctx context.Context) {
	if !s.purgeOwed.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if r, err := s.db.Checkpoint(ctx, sqlite.Truncate); err == nil && r.Complete {
		s.purgeOwed.Store(false)
	}
}

// purgeWait is how long Forget waits for readers that still see what is
// forgotten.
const purgeWait = 2 * time.Second

// originalsOf adds the hashes of all sources that the document ever had: those of
// former versions may still be there.
func (c *change) originalsOf(id string, sums []string) ([]string, error) {
	for r, err := range c.tx.Query(`SELECT DISTINCT after ->> '$.sha256' AS sum FROM journal
		WHERE entity_id = ? AND entity = 'document' AND after IS NOT NULL AND length(sum) = 64
		ORDER BY sum`, id) {
		if err != nil {
			return nil, err
		}
		sums = append(sums, r.Text(0))
	}
	return sums, nil
}

// entityOf tells what kind of record an ID is of, live or in the journal.
func (c *change) entityOf(id string) (string, error) {
	var entity string
	found, err := c.tx.QueryRow(func(r sqlite.Row) { entity = r.Text(0) },
		`SELECT entity FROM journal WHERE entity_id = ? AND entity NOT IN ('project', 'import') ORDER BY seq DESC LIMIT 1`, id)
	switch {
	case err != nil:
		return "", err
	case !found:
		if _, err := projectByName(c.tx, id); err == nil {
			return "", invalid("id", fmt.Sprintf("%q is a project", id), "forget its records")
		}
		fallthrough
	case entity == entityTombstone:
		if doc, _, ok := strings.Cut(id, "."); ok {
			if _, found, err := documentByID(c.tx, doc); err == nil && found {
				return "", invalid("id", fmt.Sprintf("%q is a chunk", id), "forget its document "+doc)
			}
		}
		return "", missing(c.tx, "record", id)
	}
	return entity, nil
}

func (c *change) forget(entity, id, reason string) error {
	proposal := ""
	if entity == entityMemory {
		m, err := memoryByID(c.tx, id)
		if err != nil && !isNotFound(err) {
			return err
		}
		proposal = m.Metadata[proposalKey]
		if err := c.unchain(id); err != nil {
			return err
		}
	}
	if err := c.deleteRecord(entity, id); err != nil {
		return err
	}
	if _, err := c.tx.Exec(`UPDATE journal SET before = NULL, after = NULL WHERE entity_id = ? AND entity = ?`, id, entity); err != nil {
		return err
	}
	t := tombstone{ID: id, Entity: entity, Reason: reason, ForgottenAt: c.now, Proposal: proposal}
	if err := insertTombstone(c.tx, &t); err != nil {
		return err
	}
	return c.journal("forget", entityTombstone, id, nil, &t)
}

// unchain takes a memory out of its chain of replacements: what it replaced
// counts as replaced by what replaced it.
func (c *change) unchain(id string) error {
	gone, err := memoryByID(c.tx, id)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var neighbours []Memory
	for m, err := range queryMemories(c.tx, `SELECT `+memoryColumns+` FROM memories
		WHERE superseded_by = ?1 OR supersedes = ?1
		ORDER BY id`, id) {
		if err != nil {
			return err
		}
		neighbours = append(neighbours, m)
	}
	for _, m := range neighbours {
		before := m
		if m.SupersededBy == id {
			m.SupersededBy = gone.SupersededBy
		}
		if m.Supersedes == id {
			m.Supersedes = gone.Supersedes
		}
		m.UpdatedAt = c.now
		if err := c.putMemory("relink", &before, &m); err != nil {
			return err
		}
	}
	return nil
}

func insertTombstone(tx *sqlite.Tx, t *tombstone) error {
	_, err := tx.Exec(`INSERT INTO tombstones (id, entity, reason, forgotten_at) VALUES (?, ?, ?, ?)`,
		t.ID, t.Entity, t.Reason, timeText(t.ForgottenAt))
	return err
}

// deleteRecord removes a record and its index, where it is there.
func (c *change) deleteRecord(entity, id string) error {
	units := []string{id}
	var query string
	switch entity {
	case entityProject:
		if _, err := c.tx.Exec(`DELETE FROM project_names WHERE project = ?`, id); err != nil {
			return err
		}
		query, units = `DELETE FROM projects WHERE name = ?`, nil
	case entityMemory:
		query = `DELETE FROM memories WHERE id = ?`
	case entityState:
		query = `DELETE FROM state WHERE id = ?`
	case entityInteraction:
		query = `DELETE FROM interactions WHERE id = ?`
	case entityDocument:
		query = `DELETE FROM documents WHERE id = ?` // its chunks go with it
		units = nil
		for r, err := range c.tx.Query(`SELECT id FROM chunks WHERE document = ? ORDER BY ordinal`, id) {
			if err != nil {
				return err
			}
			units = append(units, r.Text(0))
		}
	default:
		return conflictError("a " + entity + " cannot be deleted")
	}
	for _, u := range units {
		if err := c.unindex(u); err != nil {
			return err
		}
	}
	_, err := c.tx.Exec(query, id)
	return err
}

// missing is the error for an ID that is not there; it says so where the
// record was forgotten.
func missing(tx *sqlite.Tx, kind, id string) error {
	hint := ""
	_, err := tx.QueryRow(func(r sqlite.Row) { hint = "it was forgotten on " + parseTime(r.Text(0)).Format(time.DateOnly) },
		`SELECT forgotten_at FROM tombstones WHERE id = ?`, id)
	if err != nil {
		return err
	}
	return &NotFoundError{Kind: kind, ID: id, Hint: hint}
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// Record returns the record with the ID, whatever it is: a Memory, StateEntry,
// Document, Chunk or Interaction. It fails with ErrNotFound.
func (s *Store) Record(ctx context.Context, id string) (any, error) {
	var rec any
	err := s.read(ctx, func(tx *sqlite.Tx) (err error) {
		rec, err = recordByID(tx, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	return rec, nil
}

func recordByID(tx *sqlite.Tx, id string) (any, error) {
	m, err := memoryByID(tx, id)
	if err == nil || !isNotFound(err) {
		return m, err
	}
	if e, found, err := stateByID(tx, id); err != nil || found {
		return e, err
	}
	if d, found, err := documentByID(tx, id); err != nil || found {
		return d, err
	}
	if ch, found, err := chunkByID(tx, id); err != nil || found {
		return ch, err
	}
	if i, found, err := interactionByID(tx, id); err != nil || found {
		return i, err
	}
	return nil, missing(tx, "record", id)
}
