package atocore

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/atocore/atocore/internal/analysis"
	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/sqlite"
)

// The index has the texts of now. A search as of a time reads the others, which
// were there then and have changed or gone since, from the journal, and scores
// them as the index would. That costs as much as has changed since.

// A pastText is a text that was there at the time that is asked for, and that
// the index does not have.
type pastText struct {
	c          *candidate
	head, body []string // its terms
}

// findPast adds what the journal has to the candidates by words. A record that
// is still there and says something else by now is judged by what it said.
func (se *search) findPast(tx *sqlite.Tx, question *question, byUnit map[int64]*candidate) error {
	past, changed, err := se.pastTexts(tx)
	if err != nil || len(past)+len(changed) == 0 {
		return err
	}
	if err := se.identify(tx, se.candidates); err != nil {
		return err
	}
	byID := map[string]*candidate{}
	for _, c := range se.candidates {
		if changed[c.id] {
			c.textScore, c.textRank = 0, 0
			byID[c.id] = c
		}
	}
	scores := se.scorePast(question, past)
	for i, p := range past {
		switch c := byID[p.c.id]; {
		case c != nil && p.c.kind == c.kind && c.kind != KindChunk:
			c.textScore = scores[i]
		case scores[i] > 0:
			p.c.textScore = scores[i]
			se.candidates = append(se.candidates, p.c)
			if p.c.unit > 0 {
				byUnit[p.c.unit] = p.c
			}
		}
	}
	slices.SortStableFunc(se.candidates, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(b.textScore, a.textScore), cmp.Compare(b.id, a.id))
	})
	se.candidates = se.candidates[:min(len(se.candidates), se.depth())]
	for i, c := range se.candidates {
		if c.textScore > 0 {
			c.textRank = i + 1
		}
	}
	return nil
}

// pastTexts reads the records that have changed since, as they were, and the
// IDs of the memories and state entries whose text the index has otherwise.
func (se *search) pastTexts(tx *sqlite.Tx) (past []pastText, changed map[string]bool, err error) {
	var entries []JournalEntry
	for r, err := range tx.Query(`WITH later (id) AS (SELECT DISTINCT entity_id FROM journal WHERE seq > ?1)
		SELECT `+journalColumns+` FROM journal
		WHERE entity IN ('memory', 'state', 'document') AND after IS NOT NULL AND seq IN (
			SELECT (SELECT max(seq) FROM journal WHERE entity_id = later.id AND seq <= ?1) FROM later)
		ORDER BY seq DESC`, se.seq) {
		if err != nil {
			return nil, nil, err
		}
		entries = append(entries, scanEntry(r))
	}
	p := pastReader{se: se, tx: tx, changed: map[string]bool{}}
	for _, e := range entries {
		switch e.Entity {
		case entityMemory:
			err = p.memory(e)
		case entityState:
			err = p.state(e)
		case entityDocument:
			err = p.document(e)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return p.past, p.changed, nil
}

// A pastReader collects what pastTexts returns.
type pastReader struct {
	se      *search
	tx      *sqlite.Tx
	past    []pastText
	changed map[string]bool
}

func (p *pastReader) memory(e JournalEntry) error {
	m, err := decode[Memory](e)
	if err != nil {
		return err
	}
	u := m.unit()
	c, err := p.former(&u)
	if c != nil && p.se.wants(&m) {
		c.fillMemory(&m)
		p.add(c, &u)
	}
	return err
}

func (p *pastReader) state(e JournalEntry) error {
	st, err := decode[StateEntry](e)
	if err != nil {
		return err
	}
	u := st.unit()
	c, err := p.former(&u)
	if c != nil {
		c.fillState(&st)
		p.add(c, &u)
	}
	return err
}

func (p *pastReader) document(e JournalEntry) error {
	d, err := decode[documentRecord](e)
	if err != nil {
		return err
	}
	if err := d.findHeirs(p.tx); err != nil {
		return err
	}
	indexed := map[int]bool{} // found by the index, see loadChunk
	for _, i := range d.heirs {
		indexed[i] = true
	}
	for i := range d.Pieces {
		if u := d.unit(&d.Pieces[i]); !indexed[i] && p.se.admits(&u) {
			c := &candidate{confidence: 1}
			c.fillChunk(&d, &d.Pieces[i])
			p.add(c, &u)
		}
	}
	return nil
}

// former is a candidate for a unit of the past that the index does not have
// with the same texts, or nil where it has it or the query does not admit it.
func (p *pastReader) former(u *unit) (*candidate, error) {
	n, same, err := indexed(p.tx, u)
	if err != nil || same {
		return nil, err
	}
	p.changed[u.id] = true
	if !p.se.admits(u) {
		return nil, nil
	}
	return &candidate{unit: n, confidence: 1}, nil
}

func (p *pastReader) add(c *candidate, u *unit) {
	c.id, c.document = u.id, u.document
	head, body := u.terms()
	p.past = append(p.past, pastText{c: c, head: head, body: body})
}

// indexed is the number of the unit in the index, or 0, and whether the index
// has it with the same texts.
func indexed(tx *sqlite.Tx, u *unit) (n int64, same bool, err error) {
	_, err = tx.QueryRow(func(r sqlite.Row) { n, same = r.Int64(0), r.Int64(1) == u.madeFrom() }, `SELECT unit, made_from FROM units WHERE id = ?`, u.id)
	return n, same, err
}

// admits holds a unit of the past against the query's filters, as filter does.
func (se *search) admits(u *unit) bool {
	q := &se.q
	return (se.project == "" || u.project == "" || u.project == se.project) &&
		(len(q.Kinds) == 0 || slices.Contains(q.Kinds, u.kind)) &&
		(len(q.Types) == 0 || u.kind == KindMemory) && hasTags(u.tags, q.Tags) &&
		se.inWindow(u.time)
}

// scorePast computes what the index would say of the texts. How long a text is
// counts against those of now, and neighbours have no say.
func (se *search) scorePast(question *question, past []pastText) []float64 {
	scores := make([]float64, len(past))
	for k, t := range question.words {
		frequency := make([]index.Frequency, len(past))
		with := question.terms[k].Units() // units that have the term, there and here
		for i := range past {
			frequency[i] = index.Frequency{Head: count(past[i].head, t), Body: count(past[i].body, t)}
			if frequency[i] != (index.Frequency{}) {
				with++
			}
		}
		for i, f := range frequency {
			scores[i] += math.Sqrt(float64(t.Count)) * se.view.Score(f, len(past[i].head), len(past[i].body), with, se.view.Units()+len(past))
		}
	}
	return scores
}

// count is how often the term is among the terms of a text.
func count(in []string, t analysis.Term) int {
	n := 0
	for _, s := range in {
		if s == t.Text || t.Prefix && strings.HasPrefix(s, t.Text) {
			n++
		}
	}
	return n
}
