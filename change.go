package atocore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/atocore/atocore/internal/analysis"
	"github.com/atocore/atocore/internal/index"
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
	entityImport      = "import"
)

// A change is one write transaction with what its parts share. Every mutation
// goes through its put and delete methods, which write the record's row, its
// index and the journal together: a record cannot change without its journal.
type change struct {
	s       *Store
	tx      *sqlite.Tx
	ix      *index.Writer
	now     time.Time
	actor   string
	vectors map[string][]float32 // by text; an empty vector: nothing to embed
	space   int64                // the active space if it is the embedder's, or 0
	dry     bool                 // it will be taken back: what search reads is left alone
}

// write embeds the texts that fn is about to index, outside the write lock,
// and runs fn in a write transaction. A text that could not be embedded is
// queued by index.
func (s *Store) write(ctx context.Context, texts []string, fn func(*change) error) error {
	if len(texts) > 0 && s.embedder != nil && !s.serves(ctx) {
		texts = nil // what the embedder says would be thrown away
	}
	vectors := s.embedTexts(ctx, texts)
	waiting, due := false, false
	err := s.db.Write(ctx, func(tx *sqlite.Tx) error {
		c := &change{s: s, tx: tx, ix: index.NewWriter(tx), now: s.now(), actor: s.actor(ctx), vectors: vectors}
		id, space, err := activeSpace(tx)
		if err != nil {
			return err
		}
		if s.embedder != nil && space == s.embedder.Space() {
			c.space = id
		}
		if err = fn(c); err != nil {
			return err
		}
		if err = c.ix.Finish(); err == nil {
			err = s.sameFile()
		}
		if err != nil {
			return err
		}
		due = c.ix.Sealed() || c.ix.Doubled()
		if c.space == 0 || len(vectors) == 0 {
			return nil
		}
		waiting, err = tx.QueryRow(func(sqlite.Row) {}, `SELECT 1 FROM embedding_queue LIMIT 1`)
		return err
	})
	s.noteDamage(err)
	if err == nil && waiting {
		s.drain(ctx)
	}
	if err == nil {
		s.purge(ctx)
	}
	if err == nil && due {
		s.maintain()
	}
	return err
}

// read runs fn on one consistent view of the store.
func (s *Store) read(ctx context.Context, fn func(*sqlite.Tx) error) error {
	err := s.db.Read(ctx, fn)
	s.noteDamage(err)
	return err
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
	confidence        float64
	thread            int64 // the conversation that it is said in, see index.Unit; 0 is none
	place             int64
	siblings          int // pieces of its document, itself included

	head  string // searched: titles, headings, who speaks
	date  string // searched with the head: the words of its day
	body  string // searched: the text
	embed string // what the vector stands for
}

// madeFrom stands for the texts that terms and vector are made from. Terms
// would not do: texts that have the same ones can have different vectors.
func (u *unit) madeFrom() int64 { return madeFrom(u.datedHead(), u.body, u.embed) }

func madeFrom(texts ...string) int64 {
	h := sha256.New()
	for _, s := range texts {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return int64(binary.BigEndian.Uint64(h.Sum(nil)))
}

func (u *unit) datedHead() string { return joinText(u.head, u.date) }

// row is the unit as the index stores it.
func (u *unit) row() index.Unit {
	return index.Unit{
		Kind: string(u.kind), ID: u.id, Document: u.document, Project: u.project, Type: u.typ, Status: string(u.status),
		Tags: jsonText(u.tags, "[]"), Time: u.time, From: u.from, Until: u.until,
		MadeFrom: u.madeFrom(), Formerly: madeFrom(u.head, u.body, u.embed),
		Confidence: u.confidence, Thread: u.thread, Place: u.place, Siblings: u.siblings,
	}
}

func (u *unit) terms() (head, body []string) {
	return analysis.Terms(u.datedHead()), analysis.Terms(u.body)
}

// index writes the unit's row, terms and vector, touching only what differs from
// what is there.
func (c *change) index(u unit) error {
	if c.dry {
		return nil
	}
	row := u.row()
	n, fresh, err := c.ix.Put(&row, u.terms)
	if err != nil || !fresh {
		return err
	}
	return c.indexVector(n, u.embed)
}

// indexVector stores the vector of a new unit, or queues the unit.
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
	if c.dry {
		return nil
	}
	return c.ix.Remove(id)
}

// inThread is the place of a record among those of its thread: when it was made,
// and which piece of it this is. Of the same microsecond the one that was indexed
// first comes first.
func inThread(created time.Time, piece int) int64 {
	const (
		pieces = 1 << 10
		most   = math.MaxInt64/pieces - 1 // microseconds, in the year 2255
	)
	return max(-most, min(created.UnixMicro(), most))*pieces + int64(min(piece, pieces-1))
}
