package atocore

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/atocore/atocore/internal/sqlite"
)

// A StateEntry is one trusted, curated fact of a project, keyed by project,
// category and key: the tier that a context pack puts first.
type StateEntry struct {
	ID        string    `json:"id"`
	Project   string    `json:"project"`
	Category  string    `json:"category"` // "general" where it is not given
	Key       string    `json:"key"`
	Value     string    `json:"value"` // at most 16 KiB
	Source    string    `json:"source,omitempty"`
	Actor     string    `json:"actor,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

const defaultCategory = "general"

// A StateFilter selects state entries. The zero value selects all.
type StateFilter struct {
	Project  string    // a project's name or alias; empty is every project
	Category string    // empty is every category
	AsOf     time.Time // the state as it stood at that time; zero is now
}

func (e *StateEntry) unit() unit {
	head := joinText(e.Category, e.Key)
	return unit{
		kind: KindState, id: e.ID, project: e.Project, typ: e.Category, status: Active, time: e.UpdatedAt, confidence: 1, siblings: 1,
		head: head, body: e.Value, embed: e.embedText(),
	}
}

func (e *StateEntry) embedText() string { return e.Key + ": " + e.Value }

// Hit is the entry as a search finds it.
func (e *StateEntry) Hit() Hit {
	return Hit{ID: e.ID, Kind: KindState, Text: e.Key + ": " + e.Value, Project: e.Project, Time: e.UpdatedAt, Title: e.Category,
		Source: cmp.Or(e.Source, "state:"+e.Project+"/"+e.Category+"/"+e.Key)}
}

func (e *StateEntry) validate() error {
	switch {
	case e.Project == "":
		return invalid("project", "is missing", "state belongs to a project")
	case strings.TrimSpace(e.Key) == "":
		return invalid("key", "is missing", "")
	case strings.TrimSpace(e.Category) == "":
		return invalid("category", "is blank", "leave it out for "+defaultCategory)
	}
	return firstError(
		checkName("category", e.Category),
		checkName("key", e.Key),
		checkName("source", e.Source),
		checkText("value", e.Value, maxValueBytes, "ingest longer texts as documents"),
	)
}

// SetState sets the value of (Project, Category, Key) and returns the entry as
// stored. Setting the value that is there already changes nothing.
func (s *Store) SetState(ctx context.Context, e StateEntry) (StateEntry, error) {
	if e.Category == "" {
		e.Category = defaultCategory
	}
	if err := e.validate(); err != nil {
		return StateEntry{}, fmt.Errorf("set state: %w", err)
	}
	var out StateEntry
	err := s.write(ctx, []string{e.embedText()}, func(c *change) (err error) {
		out, err = c.setState(e)
		return err
	})
	if err != nil {
		return StateEntry{}, fmt.Errorf("set state: %w", err)
	}
	return out, nil
}

func (c *change) setState(e StateEntry) (StateEntry, error) {
	project, err := projectNamed(c.tx, e.Project)
	if err != nil {
		return e, err
	}
	e.Project, e.Actor, e.UpdatedAt = project, c.actor, c.now
	old, found, err := stateByKey(c.tx, project, e.Category, e.Key)
	if err != nil {
		return e, err
	}
	if !found {
		e.ID, e.CreatedAt = c.s.newID(), c.now
		return e, c.putState("set", nil, &e)
	}
	if old.Value == e.Value && old.Source == e.Source {
		return old, nil
	}
	e.ID, e.CreatedAt = old.ID, old.CreatedAt
	return e, c.putState("set", &old, &e)
}

// UnsetState removes the entry (project, category, key) and returns what it
// was, or ErrNotFound. Its history stays in the journal; Forget removes that.
// An empty category is "general".
func (s *Store) UnsetState(ctx context.Context, project, category, key string) (StateEntry, error) {
	if category == "" {
		category = defaultCategory
	}
	var e StateEntry
	err := s.write(ctx, nil, func(c *change) error {
		name, err := projectNamed(c.tx, project)
		if err != nil {
			return err
		}
		var found bool
		if e, found, err = stateByKey(c.tx, name, category, key); err != nil {
			return err
		}
		if !found {
			return &NotFoundError{Kind: "state", ID: name + "/" + category + "/" + key}
		}
		if err := c.deleteRecord(entityState, e.ID); err != nil {
			return err
		}
		return c.journal("unset", entityState, e.ID, &e, nil)
	})
	if err != nil {
		return StateEntry{}, fmt.Errorf("unset state: %w", err)
	}
	return e, nil
}

// State lists the entries that f selects by project, category and key.
func (s *Store) State(ctx context.Context, f StateFilter) ([]StateEntry, error) {
	var out []StateEntry
	err := s.read(ctx, func(tx *sqlite.Tx) (err error) {
		out, err = f.state(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list state: %w", err)
	}
	return out, nil
}

func (f *StateFilter) state(tx *sqlite.Tx) ([]StateEntry, error) {
	project, err := projectFilter(tx, f.Project)
	if err != nil {
		return nil, err
	}
	all := allState(tx)
	if !f.AsOf.IsZero() {
		all = stateAsOf(tx, f.AsOf)
	}
	var out []StateEntry
	for e, err := range all {
		if err != nil {
			return nil, err
		}
		if (project == "" || e.Project == project) && (f.Category == "" || e.Category == f.Category) {
			out = append(out, e)
		}
	}
	if !f.AsOf.IsZero() { // the journal has them in another order
		slices.SortFunc(out, func(a, b StateEntry) int {
			return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Category, b.Category), cmp.Compare(a.Key, b.Key))
		})
	}
	return out, nil
}

func (c *change) putState(op string, before, after *StateEntry) error {
	if err := insertState(c.tx, after); err != nil {
		return err
	}
	if err := c.index(after.unit()); err != nil {
		return err
	}
	return c.journal(op, entityState, after.ID, before, after)
}

const stateColumns = `id, project, category, key, value, source, actor, created_at, updated_at`

func insertState(tx *sqlite.Tx, e *StateEntry) error {
	_, err := tx.Exec(`INSERT INTO state (`+stateColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET
			value = excluded.value,
			source = excluded.source,
			actor = excluded.actor,
			updated_at = excluded.updated_at`,
		e.ID, e.Project, e.Category, e.Key, e.Value, e.Source, e.Actor, timeText(e.CreatedAt), timeText(e.UpdatedAt))
	return err
}

func scanState(r sqlite.Row, e *StateEntry) {
	*e = StateEntry{
		ID:        r.Text(0),
		Project:   r.Text(1),
		Category:  r.Text(2),
		Key:       r.Text(3),
		Value:     r.Text(4),
		Source:    r.Text(5),
		Actor:     r.Text(6),
		CreatedAt: parseTime(r.Text(7)),
		UpdatedAt: parseTime(r.Text(8)),
	}
}

func stateByKey(tx *sqlite.Tx, project, category, key string) (e StateEntry, found bool, err error) {
	found, err = tx.QueryRow(func(r sqlite.Row) { scanState(r, &e) },
		`SELECT `+stateColumns+` FROM state WHERE project = ? AND category = ? AND key = ?`, project, category, key)
	return e, found, err
}

func stateByID(tx *sqlite.Tx, id string) (e StateEntry, found bool, err error) {
	found, err = tx.QueryRow(func(r sqlite.Row) { scanState(r, &e) },
		`SELECT `+stateColumns+` FROM state WHERE id = ?`, id)
	return e, found, err
}

func allState(tx *sqlite.Tx) iter.Seq2[StateEntry, error] {
	return func(yield func(StateEntry, error) bool) {
		for r, err := range tx.Query(`SELECT ` + stateColumns + ` FROM state ORDER BY project, category, key`) {
			var e StateEntry
			if err == nil {
				scanState(r, &e)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}
