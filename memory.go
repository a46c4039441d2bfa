package atocore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/atocore/atocore/internal/analysis"
	"github.com/atocore/atocore/internal/sqlite"
)

// MemoryType is what kind of statement a memory makes.
type MemoryType string

// The six types of memory; nothing else is accepted. Type names that other
// systems use (note, fact, …) are errors, so that trust keeps its meaning.
const (
	Identity      MemoryType = "identity"   // who somebody is
	Preference    MemoryType = "preference" // how somebody wants things done
	ProjectMemory MemoryType = "project"    // what is true of a project
	Episodic      MemoryType = "episodic"   // what happened, when
	Knowledge     MemoryType = "knowledge"  // what is true of the world
	Adaptation    MemoryType = "adaptation" // what was learnt about how to work
)

var memoryTypes = []MemoryType{Identity, Preference, ProjectMemory, Episodic, Knowledge, Adaptation}

// Status is where a memory stands in its life.
type Status string

// A memory begins as Candidate or Active; Promote makes the former the latter.
// Superseded and Invalid memories stay, for history, and are not retrieved
// unless asked for.
const (
	Candidate  Status = "candidate"
	Active     Status = "active"
	Superseded Status = "superseded"
	Invalid    Status = "invalid"
)

var statuses = []Status{Candidate, Active, Superseded, Invalid}

// A Memory is one typed statement.
type Memory struct {
	ID      string     `json:"id"` // a ULID in lower case; sorts by time
	Type    MemoryType `json:"type"`
	Status  Status     `json:"status"`
	Content string     `json:"content"` // at most MaxMemoryBytes
	Project string     `json:"project"` // a project's name; empty is global

	// Confidence is how sure the statement is, above 0 and at most 1. Given
	// as 0 it is taken for 1.
	Confidence float64           `json:"confidence"`
	Tags       []string          `json:"tags,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	Provenance Provenance        `json:"provenance"`

	// ValidFrom and ValidUntil bound when the statement is true in the world
	// (the end is exclusive), beside CreatedAt, when the store learnt it.
	// Zero is open. Times are kept in UTC to the microsecond.
	ValidFrom  time.Time `json:"valid_from,omitzero"`
	ValidUntil time.Time `json:"valid_until,omitzero"`

	Reinforced   int       `json:"reinforced"` // how often it was said again
	ReinforcedAt time.Time `json:"reinforced_at,omitzero"`

	Supersedes   string    `json:"supersedes,omitempty"`    // ID of the memory that this one replaced
	SupersededBy string    `json:"superseded_by,omitempty"` // ID of the memory that replaced this one
	Reason       string    `json:"reason,omitempty"`        // why it is invalid
	CreatedAt    time.Time `json:"created_at"`
	UpdatedAt    time.Time `json:"updated_at"`
}

// Provenance says where a record comes from.
type Provenance struct {
	Actor   string `json:"actor,omitempty"`   // who wrote it into the store; set by the store
	Client  string `json:"client,omitempty"`  // the program it was captured in
	Session string `json:"session,omitempty"` // the conversation it was said in
	Speaker string `json:"speaker,omitempty"` // who said it; searched with the text
	Source  string `json:"source,omitempty"`  // a URL, a path, a record's ID: what to cite
}

// MaxMemoryBytes bounds a memory's content. Longer texts are documents.
const MaxMemoryBytes = 64 << 10

// MaxBatch bounds how many memories one RememberAll takes.
const MaxBatch = 10_000

// A MemoryFilter selects memories. The zero value selects every memory of
// status Active.
type MemoryFilter struct {
	Project  string       // a project's name or alias; empty is every project and the global ones
	Types    []MemoryType // empty is every type
	Statuses []Status     // empty is Active alone
	Tags     []string     // a memory has to have all of them
	Limit    int          // how many at most; 0 is no limit

	// AsOf selects from the store as it stood at that time, contents
	// included. Zero is now.
	AsOf time.Time
}

// live reports whether the memory is neither replaced nor withdrawn.
func (m *Memory) live() bool { return m.Status == Candidate || m.Status == Active }

// validAt reports whether the statement holds at t.
func (m *Memory) validAt(t time.Time) bool {
	return (m.ValidFrom.IsZero() || !t.Before(m.ValidFrom)) && (m.ValidUntil.IsZero() || t.Before(m.ValidUntil))
}

// key identifies what makes two memories the same statement.
func (m *Memory) key() string {
	sum := sha256.Sum256([]byte(string(m.Type) + "\x00" + m.Project + "\x00" + analysis.Normalize(m.Content)))
	return hex.EncodeToString(sum[:])
}

// embedText is what the memory's vector stands for.
func (m *Memory) embedText() string { return speak(m.Provenance.Speaker, m.Content) }

func (m *Memory) unit() unit {
	return unit{
		kind: KindMemory, id: m.ID, project: m.Project, typ: string(m.Type), status: m.Status, tags: m.Tags,
		time: firstTime(m.ValidFrom, m.CreatedAt), from: m.ValidFrom, until: m.ValidUntil, confidence: m.Confidence, siblings: 1,
		head: joinText(m.Provenance.Speaker, strings.Join(m.Tags, " ")), date: dateWords(m.ValidFrom), body: m.Content, embed: m.embedText(),
	}
}

func (m *Memory) validate(field string) error {
	if err := m.checkType(field); err != nil {
		return err
	}
	switch {
	case m.ID != "":
		return invalid(field+"id", "is given", "the store assigns IDs; use Revise or Supersede to change a memory")
	case m.Supersedes != "" || m.SupersededBy != "" || m.Reason != "" || m.Reinforced != 0:
		return invalid(field+"status", "fields of the life cycle are given", "use Supersede, Invalidate or Reinforce")
	case m.Status != "" && m.Status != Candidate && m.Status != Active:
		return invalid(field+"status", fmt.Sprintf("%q is not how a memory begins", m.Status), "use candidate or active")
	case !m.ValidFrom.IsZero() && !m.ValidUntil.IsZero() && !storedTime(m.ValidFrom).Before(storedTime(m.ValidUntil)):
		return invalid(field+"valid_until", "is not after valid_from", "")
	}
	return m.checkStatement(field)
}

func (m *Memory) checkType(field string) error {
	switch {
	case m.Type == "":
		return invalid(field+"type", "is missing", "use one of "+joinNames(memoryTypes))
	case !slices.Contains(memoryTypes, m.Type):
		return invalid(field+"type", fmt.Sprintf("%q is not a memory type", m.Type), "use one of "+joinNames(memoryTypes))
	}
	return nil
}

// checkStatement holds what the memory says to its bounds.
func (m *Memory) checkStatement(field string) error {
	if !(m.Confidence >= 0 && m.Confidence <= 1) { // also refuses NaN
		return invalid(field+"confidence", fmt.Sprintf("%v is not between 0 and 1", m.Confidence), "")
	}
	return firstError(
		checkText(field+"content", m.Content, MaxMemoryBytes, "ingest longer texts as documents"),
		checkTags(field+"tags", m.Tags),
		checkMetadata(field+"metadata", m.Metadata),
		m.Provenance.validate(field+"provenance."),
		checkTime(field+"valid_from", m.ValidFrom),
		checkTime(field+"valid_until", m.ValidUntil),
	)
}

func (p *Provenance) validate(field string) error {
	return firstError(
		checkName(field+"client", p.Client),
		checkName(field+"session", p.Session),
		checkName(field+"speaker", p.Speaker),
		checkName(field+"source", p.Source),
	)
}

// Remember stores m and returns it as stored. It is idempotent: where the same
// content, compared normalised, is live already in the same type and project,
// that memory is reinforced and returned instead, with the new tags added and
// promoted where it was a candidate and m is not.
//
// m.Type and m.Content are required. m.Status may be Candidate or Active, the
// default. The ID, CreatedAt and UpdatedAt, and everything that the life cycle
// sets are the store's. It fails with ErrInvalid, and with ErrNotFound where
// m.Project does not exist.
func (s *Store) Remember(ctx context.Context, m Memory) (Memory, error) {
	all, err := s.remember(ctx, []Memory{m}, func(int) string { return "" })
	if err != nil {
		return Memory{}, err
	}
	return all[0], nil
}

// RememberAll is Remember for at most MaxBatch memories in one transaction:
// all of them are stored, in order, or none is.
func (s *Store) RememberAll(ctx context.Context, memories []Memory) ([]Memory, error) {
	if len(memories) > MaxBatch {
		return nil, invalid("memories", fmt.Sprintf("are %d", len(memories)), fmt.Sprintf("give at most %d at once", MaxBatch))
	}
	return s.remember(ctx, memories, func(i int) string { return fmt.Sprintf("memories[%d].", i) })
}

func (s *Store) remember(ctx context.Context, in []Memory, field func(int) string) ([]Memory, error) {
	texts := make([]string, len(in))
	for i := range in {
		if err := in[i].validate(field(i)); err != nil {
			return nil, fmt.Errorf("remember: %w", err)
		}
		texts[i] = in[i].embedText()
	}
	out := make([]Memory, len(in))
	err := s.write(ctx, texts, func(c *change) error {
		for i := range in {
			var err error
			if out[i], err = c.remember(in[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("remember: %w", err)
	}
	return out, nil
}

// remember stores m, or reinforces the live memory that says the same.
func (c *change) remember(m Memory) (Memory, error) {
	m, err := c.fill(m)
	if err != nil {
		return Memory{}, err
	}
	old, found, err := liveMemory(c.tx, m.key())
	if err != nil {
		return Memory{}, err
	}
	if found {
		return c.again(old, m)
	}
	return m, c.putMemory("remember", nil, &m)
}

// fill gives a new memory what the store assigns.
func (c *change) fill(m Memory) (Memory, error) {
	if m.Project != "" {
		p, err := projectNamed(c.tx, m.Project)
		if err != nil {
			return m, err
		}
		m.Project = p
	}
	m.ID = c.s.newID()
	m.Tags = cleanTags(m.Tags)
	if m.Status == "" {
		m.Status = Active
	}
	if m.Confidence == 0 {
		m.Confidence = 1
	}
	m.ValidFrom, m.ValidUntil = storedTime(m.ValidFrom), storedTime(m.ValidUntil)
	m.Provenance.Actor = c.actor
	m.ReinforcedAt = time.Time{}
	m.CreatedAt, m.UpdatedAt = c.now, c.now
	return m, nil
}

// again reinforces old because m says the same.
func (c *change) again(old, m Memory) (Memory, error) {
	next, err := c.merge(old, m)
	if err != nil {
		return Memory{}, err
	}
	return next, c.putMemory("reinforce", &old, &next)
}

// merge is old with what m adds by saying the same.
func (c *change) merge(old, m Memory) (Memory, error) {
	next := old
	next.Reinforced++
	next.ReinforcedAt, next.UpdatedAt = c.now, c.now
	next.Tags = cleanTags(append(slices.Clone(old.Tags), m.Tags...))
	if len(next.Tags) > maxTags {
		return Memory{}, invalid("tags", fmt.Sprintf("are %d together with those of memory %s, which says the same, more than %d", len(next.Tags), old.ID, maxTags), "")
	}
	next.Confidence = max(old.Confidence, m.Confidence)
	if m.Status == Active {
		next.Status = Active
	}
	if !old.validAt(c.now) {
		// The old statement would not be found: it holds from now on as the
		// new one says.
		next.ValidFrom, next.ValidUntil = m.ValidFrom, m.ValidUntil
	}
	return next, nil
}

// Memory returns the memory with the ID, whatever its status, or ErrNotFound.
func (s *Store) Memory(ctx context.Context, id string) (Memory, error) {
	m, err := s.memory(ctx, id)
	if err != nil {
		return Memory{}, fmt.Errorf("read memory: %w", err)
	}
	return m, nil
}

func (s *Store) memory(ctx context.Context, id string) (m Memory, err error) {
	err = s.read(ctx, func(tx *sqlite.Tx) (err error) {
		m, err = memoryByID(tx, id)
		return err
	})
	return m, err
}

// Memories lists the memories that f selects, newest first. The listing is one
// consistent view of the store; what is written meanwhile is not in it.
func (s *Store) Memories(ctx context.Context, f MemoryFilter) iter.Seq2[Memory, error] {
	return listing(ctx, s, "list memories", func(tx *sqlite.Tx, yield func(Memory) bool) error {
		if err := f.validate(); err != nil {
			return err
		}
		n := 0
		for m, err := range f.memories(tx) {
			if err != nil {
				return err
			}
			if n++; !yield(m) || n == f.Limit {
				return nil
			}
		}
		return nil
	})
}

func (f *MemoryFilter) validate() error {
	if f.Limit < 0 {
		return invalid("limit", "is negative", "use 0 for no limit")
	}
	return firstError(checkTypes(f.Types), checkStatuses(f.Statuses))
}

// memories yields what the filter selects, newest first, without its limit.
func (f *MemoryFilter) memories(tx *sqlite.Tx) iter.Seq2[Memory, error] {
	return func(yield func(Memory, error) bool) {
		project, err := projectFilter(tx, f.Project)
		if err != nil {
			yield(Memory{}, err)
			return
		}
		all := f.fromIndex(tx, project)
		if !f.AsOf.IsZero() {
			all = memoriesAsOf(tx, f.AsOf)
		}
		for m, err := range all {
			if err != nil {
				yield(m, err)
				return
			}
			if f.matches(&m, project) && !yield(m, nil) {
				return
			}
		}
	}
}

// fromIndex yields what may match of the present store, newest first. One
// status of one type comes straight from the index, without a sort.
func (f *MemoryFilter) fromIndex(tx *sqlite.Tx, project string) iter.Seq2[Memory, error] {
	statuses := f.Statuses
	if len(statuses) == 0 {
		statuses = []Status{Active}
	}
	var where strings.Builder
	args := anys(statuses)
	where.WriteString("status" + oneOf(len(statuses)))
	if len(f.Types) > 0 {
		where.WriteString(" AND type" + oneOf(len(f.Types)))
		args = append(args, anys(f.Types)...)
	}
	if project != "" {
		where.WriteString(" AND project = ?")
		args = append(args, project)
	}
	return queryMemories(tx, `SELECT `+memoryColumns+` FROM memories WHERE `+where.String()+` ORDER BY id DESC`, args...)
}

func anys[T ~string](in []T) []any {
	out := make([]any, len(in))
	for i, v := range in {
		out[i] = string(v)
	}
	return out
}

// oneOf is the condition that a column has one of n values.
func oneOf(n int) string {
	if n == 1 {
		return " = ?"
	}
	return " IN (?" + strings.Repeat(", ?", n-1) + ")"
}

func (f *MemoryFilter) matches(m *Memory, project string) bool {
	wanted := f.Statuses
	if len(wanted) == 0 {
		wanted = []Status{Active}
	}
	return slices.Contains(wanted, m.Status) &&
		(project == "" || m.Project == project) &&
		(len(f.Types) == 0 || slices.Contains(f.Types, m.Type)) &&
		hasTags(m.Tags, f.Tags)
}

// putMemory writes the memory's row, its index and the journal.
func (c *change) putMemory(op string, before, after *Memory) error {
	if err := insertMemory(c.tx, after); err != nil {
		return err
	}
	if err := c.index(after.unit()); err != nil {
		return err
	}
	return c.journal(op, entityMemory, after.ID, before, after)
}

const memoryColumns = `id, type, status, content, project, confidence, tags, metadata,
	actor, client, session, speaker, source, valid_from, valid_until,
	reinforced, reinforced_at, supersedes, superseded_by, reason, created_at, updated_at`

func insertMemory(tx *sqlite.Tx, m *Memory) error {
	_, err := tx.Exec(`INSERT INTO memories (content_key, `+memoryColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET
			content_key = excluded.content_key,
			type = excluded.type,
			status = excluded.status,
			content = excluded.content,
			project = excluded.project,
			confidence = excluded.confidence,
			tags = excluded.tags,
			metadata = excluded.metadata,
			actor = excluded.actor,
			client = excluded.client,
			session = excluded.session,
			speaker = excluded.speaker,
			source = excluded.source,
			valid_from = excluded.valid_from,
			valid_until = excluded.valid_until,
			reinforced = excluded.reinforced,
			reinforced_at = excluded.reinforced_at,
			supersedes = excluded.supersedes,
			superseded_by = excluded.superseded_by,
			reason = excluded.reason,
			created_at = excluded.created_at,
			updated_at = excluded.updated_at`,
		m.key(), m.ID, string(m.Type), string(m.Status), m.Content, nullString(m.Project), m.Confidence,
		jsonText(m.Tags, "[]"), jsonText(m.Metadata, "{}"),
		m.Provenance.Actor, m.Provenance.Client, m.Provenance.Session, m.Provenance.Speaker, m.Provenance.Source,
		nullTime(m.ValidFrom), nullTime(m.ValidUntil), m.Reinforced, nullTime(m.ReinforcedAt),
		nullString(m.Supersedes), nullString(m.SupersededBy), m.Reason, timeText(m.CreatedAt), timeText(m.UpdatedAt))
	return err
}

func scanMemory(r sqlite.Row, m *Memory) {
	var v values
	r.Values(v[:22])
	*m = Memory{
		ID:         v.text(0),
		Type:       MemoryType(v.text(1)),
		Status:     Status(v.text(2)),
		Content:    v.text(3),
		Project:    v.text(4),
		Confidence: v.float(5),
		Tags:       parseTags(v.text(6)),
		Metadata:   parseMetadata(v.text(7)),
		Provenance: Provenance{
			Actor:   v.text(8),
			Client:  v.text(9),
			Session: v.text(10),
			Speaker: v.text(11),
			Source:  v.text(12),
		},
		ValidFrom:    parseTime(v.text(13)),
		ValidUntil:   parseTime(v.text(14)),
		Reinforced:   int(v.int(15)),
		ReinforcedAt: parseTime(v.text(16)),
		Supersedes:   v.text(17),
		SupersededBy: v.text(18),
		Reason:       v.text(19),
		CreatedAt:    parseTime(v.text(20)),
		UpdatedAt:    parseTime(v.text(21)),
	}
}

func memoryByID(tx *sqlite.Tx, id string) (Memory, error) {
	var m Memory
	found, err := tx.QueryRow(func(r sqlite.Row) { scanMemory(r, &m) },
		`SELECT `+memoryColumns+` FROM memories WHERE id = ?`, id)
	if err == nil && !found {
		err = missing(tx, "memory", id)
	}
	return m, err
}

// liveMemory finds the live memory that says what the key stands for.
func liveMemory(tx *sqlite.Tx, key string) (m Memory, found bool, err error) {
	found, err = tx.QueryRow(func(r sqlite.Row) { scanMemory(r, &m) },
		`SELECT `+memoryColumns+` FROM memories WHERE content_key = ? AND status IN ('candidate', 'active')`, key)
	return m, found, err
}

func allMemories(tx *sqlite.Tx) iter.Seq2[Memory, error] {
	return queryMemories(tx, `SELECT `+memoryColumns+` FROM memories ORDER BY id DESC`)
}

func queryMemories(tx *sqlite.Tx, query string, args ...any) iter.Seq2[Memory, error] {
	return func(yield func(Memory, error) bool) {
		for r, err := range tx.Query(query, args...) {
			var m Memory
			if err == nil {
				scanMemory(r, &m)
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}
