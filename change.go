package atocore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/atocore/atocore/internal/analysis"
	"github.com/atocore/atocore/internal/sqlite"
)

// The entities of the journal.
const (
	entityProject     = "project"
	entityMemory      = "memory"
	entityState       = "state"
	entityDocument    = "document"
	entityInteraction = "interaction"
	entityTombstone   = "tombstone"
)

// A change is one write transaction with what its parts share. Every mutation
// goes through its put and delete methods, which write the record's row, its
// index and the journal together: a record cannot change without its journal.
type change struct {
	s       *Store
	tx      *sqlite.Tx
	now     time.Time
	actor   string
	vectors map[string][]float32 // by text; an empty vector: nothing to embed
	space   int64                // the active space if it is the embedder's, or 0
}

// write embeds the texts that fn is about to index, outside the write lock,
// and runs fn in a write transaction. A text that could not be embedded is
// queued by index.
func (s *Store) write(ctx context.Context, texts []string, fn func(*change) error) error {
	if len(texts) > 0 && s.embedder != nil && !s.serves(ctx) {
		texts = nil // what the embedder says would be thrown away
	}
	vectors := s.embedTexts(ctx, texts)
	waiting := false
	err := s.db.Write(ctx, func(tx *sqlite.Tx) error {
		c := &change{s: s, tx: tx, now: s.now(), actor: s.actor(ctx), vectors: vectors}
		id, space, err := activeSpace(tx)
		if err != nil {
			return err
		}
		if s.embedder != nil && space == s.embedder.Space() {
			c.space = id
		}
		if err = fn(c); err != nil || c.space == 0 || len(vectors) == 0 {
			return err
		}
		waiting, err = tx.QueryRow(func(sqlite.Row) {}, `SELECT 1 FROM embedding_queue LIMIT 1`)
		return err
	})
	if err == nil && waiting {
		s.drain(ctx)
	}
	if err == nil {
		s.purge(ctx)
	}
	return err
}

// read runs fn on one consistent view of the store.
func (s *Store) read(ctx context.Context, fn func(*sqlite.Tx) error) error {
	return s.db.Read(ctx, fn)
}

// listing yields what list passes on, on one consistent view of the store, and
// then its error, if it has one. list ends when yield returns false.
func listing[T any](ctx context.Context, s *Store, what string, list func(tx *sqlite.Tx, yield func(T) bool) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		stopped := false
		err := s.read(ctx, func(tx *sqlite.Tx) error {
			return list(tx, func(v T) bool {
				stopped = !yield(v, nil)
				return !stopped
			})
		})
		if err != nil && !stopped {
			var zero T
			yield(zero, fmt.Errorf("%s: %w", what, err))
		}
	}
}

// journal appends an entry. A nil before is a record that is new, a nil after
// one that is gone.
func (c *change) journal(op, entity, id string, before, after any) error {
	b, err := payload(before)
	if err != nil {
		return err
	}
	a, err := payload(after)
	if err != nil {
		return err
	}
	_, err = c.tx.Exec(`INSERT INTO journal (time, actor, op, entity, entity_id, before, after) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		timeText(c.now), c.actor, op, entity, id, b, a)
	return err
}

func payload(v any) (any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode journal entry: %w", err)
	}
	if string(data) == "null" { // also a typed nil
		return nil, nil
	}
	return string(data), nil
}

// A unit is one searchable thing: a memory, a state entry, a chunk of a
// document, an interaction.
type unit struct {
	kind              Kind
	id                string
	document          string // of a chunk
	project           string
	typ               string
	status            Status
	tags              []string
	time, from, until time.Time

	head  string // searched: titles, headings, who speaks
	body  string // searched: the text
	embed string // what the vector stands for
}

// madeFrom stands for the texts that full text and vector are made from. Terms
// would not do: texts that have the same ones can have different vectors.
func (u *unit) madeFrom() int64 {
	h := sha256.New()
	for _, s := range []string{u.head, u.body, u.embed} {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return int64(binary.BigEndian.Uint64(h.Sum(nil)))
}

// index writes the unit's row, full text and vector, touching only what
// differs from what is there.
func (c *change) index(u unit) error {
	var n, former int64
	found, err := c.tx.QueryRow(func(r sqlite.Row) { n, former = r.Int64(0), r.Int64(1) }, `SELECT unit, made_from FROM units WHERE id = ?`, u.id)
	if err != nil {
		return err
	}
	madeFrom := u.madeFrom()
	args := []any{string(u.kind), u.id, nullString(u.document), nullString(u.project), u.typ, string(u.status),
		jsonText(u.tags, "[]"), timeText(u.time), nullTime(u.from), nullTime(u.until), madeFrom}
	if !found {
		if _, err := c.tx.Exec(`INSERT INTO units (kind, id, document, project, type, status, tags, time, valid_from, valid_until, made_from)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, args...); err != nil {
			return err
		}
		n = c.tx.LastInsertRowID()
		if err := c.indexText(n, &u); err != nil {
			return err
		}
		return c.indexVector(n, u.embed)
	}
	if _, err := c.tx.Exec(`UPDATE units SET kind = ?, id = ?, document = ?, project = ?, type = ?, status = ?, tags = ?,
			time = ?, valid_from = ?, valid_until = ?, made_from = ? WHERE unit = ?`, append(args, n)...); err != nil {
		return err
	}
	if former == madeFrom {
		return nil
	}
	if _, err := c.tx.Exec(`DELETE FROM fts WHERE rowid = ?`, n); err != nil {
		return err
	}
	if err := c.indexText(n, &u); err != nil {
		return err
	}
	if err := c.deleteVectors(n); err != nil {
		return err
	}
	return c.indexVector(n, u.embed)
}

// indexText writes the full text of a unit that has none.
func (c *change) indexText(n int64, u *unit) error {
	_, err := c.tx.Exec(`INSERT INTO fts (rowid, head, body) VALUES (?, ?, ?)`, n, analysis.Text(u.head), analysis.Text(u.body))
	return err
}

// deleteVectors removes the vectors of a unit, of every space. Naming the spaces
// lets the engine find them by their key instead of reading them all.
func (c *change) deleteVectors(n int64) error {
	for _, q := range []string{
		`DELETE FROM vectors WHERE unit = ? AND space IN (SELECT space FROM spaces)`,
		`DELETE FROM vectorless WHERE unit = ? AND space IN (SELECT space FROM spaces)`,
	} {
		if _, err := c.tx.Exec(q, n); err != nil {
			return err
		}
	}
	return nil
}

// indexVector stores the vector of a unit that has none, or queues the unit.
func (c *change) indexVector(n int64, text string) error {
	v, ok := c.vectors[text]
	if !ok || c.space == 0 {
		_, err := c.tx.Exec(`INSERT INTO embedding_queue (unit) VALUES (?) ON CONFLICT DO NOTHING`, n)
		return err
	}
	return putVector(c.tx, c.space, n, v)
}

// unindex removes a unit from everything that search reads.
func (c *change) unindex(id string) error {
	var n int64
	found, err := c.tx.QueryRow(func(r sqlite.Row) { n = r.Int64(0) }, `SELECT unit FROM units WHERE id = ?`, id)
	if err != nil || !found {
		return err
	}
	if err := c.deleteVectors(n); err != nil {
		return err
	}
	for _, q := range []string{
		`DELETE FROM fts WHERE rowid = ?`,
		`DELETE FROM embedding_queue WHERE unit = ?`,
		`DELETE FROM units WHERE unit = ?`,
	} {
		if _, err := c.tx.Exec(q, n); err != nil {
			return err
		}
	}
	return nil
}
