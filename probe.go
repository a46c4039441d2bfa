package atocore

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/atocore/atocore/internal/sqlite"
)

// A Probe is a golden query: one whose answer matters, so that every drill holds
// the restored store to it.
type Probe struct {
	Query     string    `json:"query"`
	Project   string    `json:"project"` // empty is every project
	CreatedAt time.Time `json:"created_at"`
}

// AddProbe stores a query for drills to ask, once for each project. Probes are
// no records: neither the journal nor the digest has them, but snapshots do.
func (s *Store) AddProbe(ctx context.Context, p Probe) (Probe, error) {
	q := Query{Text: p.Query}
	if err := firstError(q.validate(), checkText("query", p.Query, MaxQueryBytes, "")); err != nil {
		return Probe{}, fmt.Errorf("add probe: %w", err)
	}
	err := s.db.Write(ctx, func(tx *sqlite.Tx) (err error) {
		if p.Project != "" {
			if p.Project, err = projectNamed(tx, p.Project); err != nil {
				return err
			}
		}
		p.CreatedAt = s.now()
		if err = insertProbe(tx, p); err != nil {
			return err
		}
		_, err = tx.QueryRow(func(r sqlite.Row) { p.CreatedAt = parseTime(r.Text(0)) },
			`SELECT created_at FROM probes WHERE query = ? AND project = ?`, p.Query, p.Project)
		return err
	})
	if err != nil {
		return Probe{}, fmt.Errorf("add probe: %w", err)
	}
	return p, nil
}

// insertProbe stores a probe, unless it is there.
func insertProbe(tx *sqlite.Tx, p Probe) error {
	_, err := tx.Exec(`INSERT INTO probes (query, project, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
		p.Query, p.Project, timeText(p.CreatedAt))
	return err
}

// Probes lists the stored probes, in the order of their words.
func (s *Store) Probes(ctx context.Context) (list []Probe, err error) {
	err = s.read(ctx, func(tx *sqlite.Tx) (err error) {
		list, err = probes(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list probes: %w", err)
	}
	return list, nil
}

func probes(tx *sqlite.Tx) ([]Probe, error) {
	list := []Probe{}
	for r, err := range tx.Query(`SELECT query, project, created_at FROM probes ORDER BY query, project`) {
		if err != nil {
			return nil, err
		}
		list = append(list, Probe{Query: r.Text(0), Project: r.Text(1), CreatedAt: parseTime(r.Text(2))})
	}
	return list, nil
}

// RemoveProbe removes the probe with the query and project of p. It fails with
// ErrNotFound where there is none.
func (s *Store) RemoveProbe(ctx context.Context, p Probe) error {
	err := s.db.Write(ctx, func(tx *sqlite.Tx) (err error) {
		project := p.Project
		if project != "" {
			if project, err = projectNamed(tx, project); err != nil {
				return err
			}
		}
		n, err := tx.Exec(`DELETE FROM probes WHERE query = ? AND project = ?`, p.Query, project)
		if err == nil && n == 0 {
			err = &NotFoundError{Kind: "probe", ID: p.Query, Hint: "list the probes; its project belongs to it"}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("remove probe: %w", err)
	}
	return nil
}

// A probe is a question that a drill asks, and where it comes from. The name of
// one that was drawn from a record does not repeat its text, which may be
// forgotten later while the record of the drill stays.
type probe struct {
	name string
	q    Query
}

// chooseProbes are the caller's queries, or else those that are stored, or else
// some from the store's own content.
func chooseProbes(tx *sqlite.Tx, given []Query) (out []probe, err error) {
	for _, q := range given {
		out = append(out, probe{fmt.Sprintf("query %q", someWords(q.Text)), q})
	}
	if len(out) > 0 {
		return out, nil
	}
	stored, err := probes(tx)
	if err != nil {
		return nil, err
	}
	for _, p := range stored {
		out = append(out, probe{fmt.Sprintf("probe %q", someWords(p.Query)), Query{Text: p.Query, Project: p.Project}})
	}
	if len(out) > 0 {
		return out, nil
	}
	return drawProbes(tx)
}

// drawProbes makes questions of records: the oldest and the newest of each kind
// and type, where a copy that is cut short is likeliest to lack something. The
// same store gives the same questions.
func drawProbes(tx *sqlite.Tx) (out []probe, err error) {
	type group struct{ kind, typ, oldest, newest string }
	var groups []group
	for r, err := range tx.Query(`SELECT kind, type, min(id), max(id) FROM units WHERE status = 'active' GROUP BY kind, type ORDER BY kind, type`) {
		if err != nil {
			return nil, err
		}
		groups = append(groups, group{r.Text(0), r.Text(1), r.Text(2), r.Text(3)})
	}
	for _, g := range groups {
		for _, id := range slices.Compact([]string{g.oldest, g.newest}) {
			var unit int64
			if _, err := tx.QueryRow(func(r sqlite.Row) { unit = r.Int64(0) }, `SELECT unit FROM units WHERE id = ?`, id); err != nil {
				return nil, err
			}
			text, err := embedTextOf(tx, unit)
			if err != nil && !isNotFound(err) { // a unit without a record is for the check to find
				return nil, err
			}
			if text = someWords(text); text != "" {
				out = append(out, probe{"query from " + g.kind + " " + id, Query{Text: text}})
			}
		}
	}
	return out, nil
}

// someWords are enough words of a text to find it by.
func someWords(text string) string {
	const most, long = 12, 500
	words := strings.Fields(text)
	text = strings.Join(words[:min(most, len(words))], " ")
	if len(text) > long {
		text = strings.ToValidUTF8(text[:long], "")
	}
	return text
}

// modes are those that a query is asked in. Where it names none, vectors are
// asked by themselves besides: words that are known leave them no say.
func (q *Query) modes(vectors bool) []Mode {
	switch {
	case !vectors:
		return []Mode{TextOnly}
	case q.Mode == "":
		return []Mode{Hybrid, VectorOnly}
	default:
		return []Mode{q.Mode}
	}
}

// prepareProbes embeds the questions, once: both sides are asked the same, at
// the same time by the clock. Without vectors only words are asked for.
func (s *Store) prepareProbes(ctx context.Context, probes []probe, vectors bool) (out []preparedProbe, notes []string, err error) {
	for _, p := range probes {
		for _, mode := range p.q.modes(vectors && s.embedder != nil) {
			q := p.q
			q.Mode, q.Explain = mode, false
			se, err := s.newSearch(ctx, q)
			switch {
			case ctx.Err() != nil:
				return nil, nil, ctx.Err()
			case err != nil && p.q.Mode == "" && mode == VectorOnly:
				notes = append(notes, fmt.Sprintf("%s: vectors are not compared: %v", p.name, err))
				continue
			case err != nil:
				return nil, nil, fmt.Errorf("%s: %w", p.name, err)
			}
			out = append(out, preparedProbe{name: p.name + ", " + cmp.Or(string(mode), string(Hybrid)), search: se})
		}
	}
	return out, notes, nil
}

// A preparedProbe is a question in one mode, ready to be asked of any copy.
type preparedProbe struct {
	name   string
	search search
}

// ask runs the probe on s, which has the original or a copy of it. What keeps it
// from being answered is part of the answer.
func (p preparedProbe) ask(ctx context.Context, s *Store, tx *sqlite.Tx) answer {
	se := p.search
	se.s = s
	if err := se.run(ctx, tx); err != nil {
		return answer{err: err}
	}
	return answer{hits: se.results().Hits}
}

// An answer is what a probe found.
type answer struct {
	hits []Hit
	err  error
}

// differs says in what the other answer differs, or nothing where it does not.
// It names records, not their content.
func (a answer) differs(b answer) (expected, found string) {
	if a.err != nil || b.err != nil {
		if fmt.Sprint(a.err) == fmt.Sprint(b.err) {
			return "", ""
		}
		return a.String(), b.String()
	}
	for i := range max(len(a.hits), len(b.hits)) {
		x, y := a.hit(i), b.hit(i)
		if reflect.DeepEqual(x, y) {
			continue
		}
		expected, found = describeHit(i, x), describeHit(i, y)
		if expected == found {
			found += ", with another content"
		}
		return expected, found
	}
	return "", ""
}

func (a answer) String() string {
	if a.err != nil {
		return a.err.Error()
	}
	return fmt.Sprintf("%d hits", len(a.hits))
}

// hit is the i-th hit, or the zero one behind the last.
func (a answer) hit(i int) Hit {
	if i < len(a.hits) {
		return a.hits[i]
	}
	return Hit{}
}

func describeHit(i int, h Hit) string {
	if h.ID == "" {
		return fmt.Sprintf("no hit %d", i+1)
	}
	return fmt.Sprintf("hit %d: %s %s, score %v", i+1, h.Kind, h.ID, h.Score)
}
