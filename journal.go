package atocore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// A JournalEntry is one mutation. The journal is append-only: entries are
// never changed, except that Forget takes the payloads out.
type JournalEntry struct {
	Seq      int64     `json:"seq"` // 1, 2, 3, …; may have gaps
	Time     time.Time `json:"time"`
	Actor    string    `json:"actor"`
	Op       string    `json:"op"`        // "remember", "revise", "supersede", "set", "ingest", "import", …
	Entity   string    `json:"entity"`    // "project", "memory", "state", "document", "interaction", "tombstone" or "import"
	EntityID string    `json:"entity_id"` // the record's ID; a project's name; of an import its actor

	// Before and After are the record as JSON, in the form of the Go type.
	// Before is nil where the record is new, After where it is gone, and both
	// where it was forgotten. A document's Before has no chunks: they are in
	// the entry that wrote them.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// Journal lists the entries whose Seq is greater than after, oldest first. The
// listing is one consistent view; entries that are written meanwhile are not
// in it.
func (s *Store) Journal(ctx context.Context, after int64) iter.Seq2[JournalEntry, error] {
	return listing(ctx, s, "read journal", func(tx *sqlite.Tx, yield func(JournalEntry) bool) error {
		for r, err := range tx.Query(`SELECT `+journalColumns+` FROM journal WHERE seq > ? ORDER BY seq`, after) {
			if err != nil {
				return err
			}
			if !yield(scanEntry(r)) {
				return nil
			}
		}
		return nil
	})
}

// History lists the journal entries of one record, oldest first: of a memory,
// state entry, document or interaction by its ID, of a project by its name. It
// fails with ErrNotFound where there never was one.
func (s *Store) History(ctx context.Context, id string) ([]JournalEntry, error) {
	var out []JournalEntry
	err := s.read(ctx, func(tx *sqlite.Tx) error {
		for r, err := range tx.Query(`SELECT `+journalColumns+` FROM journal WHERE entity_id = ? ORDER BY seq`, id) {
			if err != nil {
				return err
			}
			out = append(out, scanEntry(r))
		}
		if len(out) == 0 {
			return missing(tx, "record", id)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	return out, nil
}

const journalColumns = `seq, time, actor, op, entity, entity_id, before, after`

func scanEntry(r sqlite.Row) JournalEntry {
	return JournalEntry{
		Seq:      r.Int64(0),
		Time:     parseTime(r.Text(1)),
		Actor:    r.Text(2),
		Op:       r.Text(3),
		Entity:   r.Text(4),
		EntityID: r.Text(5),
		Before:   rawJSON(r, 6),
		After:    rawJSON(r, 7),
	}
}

func rawJSON(r sqlite.Row, i int) json.RawMessage {
	if r.IsNull(i) {
		return nil
	}
	return json.RawMessage(r.Text(i))
}

// Replay writes journal entries into a store that is empty, in their order, and
// with them the records: the result has the digest of the store that they come
// from. Vectors are computed anew. It fails with ErrConflict where the store is
// not empty, with ErrInvalid or ErrCorrupt where the entries are not what a store
// writes, and then, as on any error, changes nothing.
//
// Originals under files/ are not in the journal.
func (s *Store) Replay(ctx context.Context, entries iter.Seq2[JournalEntry, error]) error {
	return s.replay(ctx, func(c *change) error {
		for e, err := range entries {
			if err != nil {
				return err
			}
			if err := c.replay(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// replay runs fn, which replays entries, on a store that has to be empty.
func (s *Store) replay(ctx context.Context, fn func(*change) error) error {
	err := s.write(ctx, nil, func(c *change) error {
		last, err := lastEntry(c.tx)
		if err != nil {
			return err
		}
		if last > 0 {
			return conflictError(fmt.Sprintf("the store is not empty: it has %d journal entries", last))
		}
		return fn(c)
	})
	if err != nil {
		return fmt.Errorf("replay journal: %w", err)
	}
	if _, err := s.EmbedPending(ctx); err != nil {
		s.log.WarnContext(ctx, "replay: vectors are left for later", "error", err)
	}
	return nil
}

// lastEntry is the number of the newest entry; 0 where there is none.
func lastEntry(tx *sqlite.Tx) (seq int64, err error) {
	_, err = tx.QueryRow(func(r sqlite.Row) { seq = r.Int64(0) }, `SELECT coalesce(max(seq), 0) FROM journal`)
	return seq, err
}

func (c *change) replay(e JournalEntry) error {
	err := c.replayEntry(e)
	if errors.Is(err, sqlite.ErrConstraint) {
		err = fmt.Errorf("%w: %w", invalid("journal entry", "contradicts those before it, or is no entry", ""), err)
	}
	if err != nil {
		err = fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	return err
}

func (c *change) replayEntry(e JournalEntry) error {
	for _, p := range []json.RawMessage{e.Before, e.After} {
		if p != nil && !json.Valid(p) {
			return invalid("payload", "is not JSON", "")
		}
	}
	if _, err := c.tx.Exec(`INSERT INTO journal (`+journalColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		e.Seq, timeText(e.Time), e.Actor, e.Op, e.Entity, e.EntityID, rawText(e.Before), rawText(e.After)); err != nil {
		return err
	}
	if e.After == nil {
		if e.Entity == entityProject && e.Before == nil || e.Entity == entityTombstone || e.Entity == entityImport {
			return fmt.Errorf("%s %s has no payload: %w", e.Entity, e.EntityID, ErrCorrupt)
		}
		return c.deleteRecord(e.Entity, e.EntityID)
	}
	return c.applyRecord(e)
}

func rawText(m json.RawMessage) any {
	if m == nil {
		return nil
	}
	return string(m)
}

// applyRecord writes the record of an entry's After, and its index.
func (c *change) applyRecord(e JournalEntry) error {
	switch e.Entity {
	case entityProject:
		p, err := decode[Project](e)
		if err != nil {
			return err
		}
		return insertProject(c.tx, &p)
	case entityMemory:
		m, err := decode[Memory](e)
		if err != nil {
			return err
		}
		if err := insertMemory(c.tx, &m); err != nil {
			return err
		}
		return c.index(m.unit())
	case entityState:
		st, err := decode[StateEntry](e)
		if err != nil {
			return err
		}
		if err := insertState(c.tx, &st); err != nil {
			return err
		}
		return c.index(st.unit())
	case entityInteraction:
		i, err := decode[Interaction](e)
		if err != nil {
			return err
		}
		if err := insertInteraction(c.tx, &i); err != nil {
			return err
		}
		return c.index(i.unit())
	case entityDocument:
		d, err := decode[documentRecord](e)
		if err != nil {
			return err
		}
		if !schema.IsSum(d.SHA256) {
			return invalid("payload", fmt.Sprintf("has %.80q for a hash", d.SHA256), "") // it leads to a file
		}
		return c.writeDocument(&d)
	case entityTombstone:
		t, err := decode[tombstone](e)
		if err != nil {
			return err
		}
		return insertTombstone(c.tx, &t)
	case entityImport:
		_, err := decode[importedBatch](e)
		return err
	default:
		return invalid("journal entry", fmt.Sprintf("is about a %q, which this version does not know", e.Entity), "")
	}
}

func decode[T any](e JournalEntry) (v T, err error) {
	if err = json.Unmarshal(e.After, &v); err != nil {
		err = fmt.Errorf("%s %s: %w", e.Entity, e.EntityID, invalid("payload", err.Error(), ""))
	}
	return v, err
}

// asOf yields the records of an entity as they stood after the last entry that
// was made at or before t, ordered by ID.
func asOf[T any](tx *sqlite.Tx, entity string, t time.Time) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		for r, err := range tx.Query(`SELECT `+journalColumns+` FROM journal AS j
			WHERE entity = ? AND after IS NOT NULL AND seq = (
				SELECT max(seq) FROM journal WHERE entity_id = j.entity_id AND seq <= (SELECT max(seq) FROM journal WHERE time <= ?))
			ORDER BY entity_id DESC`, entity, timeText(t)) {
			if err != nil {
				yield(zero, err)
				return
			}
			v, err := decode[T](scanEntry(r))
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

func memoriesAsOf(tx *sqlite.Tx, t time.Time) iter.Seq2[Memory, error] {
	return asOf[Memory](tx, entityMemory, t)
}

func stateAsOf(tx *sqlite.Tx, t time.Time) iter.Seq2[StateEntry, error] {
	return asOf[StateEntry](tx, entityState, t)
}

// recordAsOf is one record as it stood at t.
func recordAsOf[T any](tx *sqlite.Tx, id string, t time.Time) (v T, found bool, err error) {
	var e JournalEntry
	found, err = tx.QueryRow(func(r sqlite.Row) { e = scanEntry(r) },
		`SELECT `+journalColumns+` FROM journal
		WHERE entity_id = ? AND seq <= (SELECT max(seq) FROM journal WHERE time <= ?)
		ORDER BY seq DESC
		LIMIT 1`, id, timeText(t))
	if err != nil || !found || e.After == nil || e.Entity == entityTombstone {
		return v, false, err
	}
	v, err = decode[T](e)
	return v, err == nil, err
}
