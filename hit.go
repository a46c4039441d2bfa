package atocore

import (
	"cmp"
	"slices"
	"time"

	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/sqlite"
)

// loadAll reads the records of the candidates, as of the time that is asked for,
// and drops those that did not exist or did not hold then.
func (se *search) loadAll(tx *sqlite.Tx) error {
	if err := se.identify(tx, se.candidates); err != nil {
		return err
	}
	kept := se.candidates[:0]
	documents := map[string]*documentRecord{}
	for _, c := range se.candidates {
		ok, err := se.loadOne(tx, c, documents)
		if err != nil {
			return err
		}
		if ok && hasTags(c.hit.Tags, se.q.Tags) && se.inWindow(c.hit.Time) {
			kept = append(kept, c)
		}
	}
	se.candidates = kept
	return nil
}

// loadBest keeps the best candidates, as many as are asked for, and reads their
// records. Equal scores are ordered by ID, for which all those must be read that
// are as good as the last.
func (se *search) loadBest(tx *sqlite.Tx) error {
	best := se.candidates
	if n := se.q.Limit; len(best) > n {
		for n < len(best) && best[n].score == best[n-1].score {
			n++
		}
		best = best[:n]
	}
	if err := se.identify(tx, best); err != nil {
		return err
	}
	se.candidates = best
	se.sort()
	kept := se.candidates[:0]
	documents := map[string]*documentRecord{}
	for _, c := range se.candidates {
		if len(kept) == se.q.Limit {
			break
		}
		// A unit whose record has gone is a fault, which a check finds.
		ok, err := se.loadOne(tx, c, documents)
		if err != nil {
			return err
		}
		if ok {
			kept = append(kept, c)
		}
	}
	se.candidates = kept
	return nil
}

// identify reads the IDs of the records that candidates stand for.
func (se *search) identify(tx *sqlite.Tx, candidates []*candidate) error {
	byUnit := map[int64]*candidate{}
	var units []int64
	for _, c := range candidates {
		if c.id == "" {
			byUnit[c.unit] = c
			units = append(units, c.unit)
		}
	}
	if len(units) == 0 {
		return nil
	}
	for r, err := range tx.Query(`SELECT unit, id, document FROM units WHERE unit IN (SELECT value FROM json_each(?))`, index.NumberList(units)) {
		if err != nil {
			return err
		}
		c := byUnit[r.Int64(0)]
		c.id, c.document = r.Text(1), r.Text(2)
	}
	return nil
}

func (se *search) loadOne(tx *sqlite.Tx, c *candidate, documents map[string]*documentRecord) (bool, error) {
	if c.loaded {
		return true, nil
	}
	past := !se.q.AsOf.IsZero()
	switch c.kind {
	case KindMemory:
		m, found, err := memoryAt(tx, c.id, se.q.AsOf)
		if err != nil || !found {
			return false, err
		}
		c.fillMemory(&m)
		return !past || se.wants(&m), nil
	case KindState:
		e, found, err := stateAt(tx, c.id, se.q.AsOf)
		if err != nil || !found {
			return false, err
		}
		c.fillState(&e)
		return true, nil
	case KindInteraction:
		i, found, err := interactionByID(tx, c.id)
		if err != nil || !found {
			return false, err
		}
		c.fill(Hit{ID: i.ID, Kind: KindInteraction, Text: joinText(i.Prompt, i.Response), Project: i.Project, Time: i.CreatedAt,
			Source: "interaction:" + i.ID})
		return !past || !i.CreatedAt.After(se.q.AsOf), nil
	default:
		return se.loadChunk(tx, c, documents)
	}
}

// fill sets the hit, and by what it is ranked.
func (c *candidate) fill(h Hit) {
	c.hit, c.loaded = h, true
	c.id, c.kind, c.typ, c.global, c.time = h.ID, h.Kind, h.Type, h.Project == "", h.Time
	if c.confidence == 0 {
		c.confidence = 1
	}
}

func (se *search) loadChunk(tx *sqlite.Tx, c *candidate, documents map[string]*documentRecord) (bool, error) {
	ch, found, err := chunkByID(tx, c.id)
	if err != nil || !found {
		return false, err
	}
	d := documents[c.document]
	if d == nil {
		d = &documentRecord{}
		if se.q.AsOf.IsZero() {
			d.Document, found, err = documentByID(tx, c.document)
		} else {
			*d, found, err = recordAsOf[documentRecord](tx, c.document, se.q.AsOf)
		}
		if err != nil {
			return false, err
		}
		if !found {
			d.ID = ""
		}
		if found && !se.q.AsOf.IsZero() {
			if err := d.findHeirs(tx); err != nil {
				return false, err
			}
		}
		documents[c.document] = d
	}
	if d.ID == "" {
		return false, nil
	}
	if !se.q.AsOf.IsZero() {
		// Ordinals shift when a document changes: it is the text that was found.
		i, ok := d.heirs[ch.ID]
		if !ok {
			return false, nil
		}
		ch = d.Pieces[i]
	}
	c.fillChunk(d, &ch)
	return true, nil
}

func (c *candidate) fillChunk(d *documentRecord, ch *Chunk) {
	c.siblings, c.page = max(1, d.Chunks), index.Page(d.ID)
	c.fill(Hit{ID: ch.ID, Kind: KindChunk, Text: ch.Text, Source: d.Path, Title: d.Title, Heading: ch.Heading, Document: d.ID,
		Start: ch.Start, End: ch.End, Project: d.Project, Speaker: d.Speaker, Tags: d.Tags, Time: firstTime(d.Time, d.UpdatedAt)})
}

func (c *candidate) fillState(e *StateEntry) { c.fill(e.Hit()) }

// findHeirs pairs the document's pieces with the present chunks that have the
// same text, one each: where several have it, those in the same place or under
// the same heading.
func (d *documentRecord) findHeirs(tx *sqlite.Tx) error {
	present, err := chunksOf(tx, d.ID)
	if err != nil {
		return err
	}
	d.heirs = map[string]int{}
	taken := make([]bool, len(d.Pieces))
	byText := map[string][]int{}
	for i := range d.Pieces {
		byText[d.Pieces[i].Text] = append(byText[d.Pieces[i].Text], i)
	}
	for least := 4; least > 0; least-- { // the closest pairs first
		for i := range present {
			ch := &present[i]
			if _, ok := d.heirs[ch.ID]; ok {
				continue
			}
			for _, j := range byText[ch.Text] {
				if !taken[j] && closeness(&d.Pieces[j], ch) >= least {
					d.heirs[ch.ID], taken[j] = j, true
					break
				}
			}
		}
	}
	return nil
}

// closeness of two chunks with the same text, from 1 to 4.
func closeness(a, b *Chunk) int {
	n := 1
	if slices.Equal(a.Heading, b.Heading) {
		n += 2
	}
	if a.Ordinal == b.Ordinal {
		n++
	}
	return n
}

func (c *candidate) fillMemory(m *Memory) {
	c.confidence = m.Confidence
	c.superseded = m.SupersededBy
	c.fill(Hit{ID: m.ID, Kind: KindMemory, Text: m.Content, Source: cmp.Or(m.Provenance.Source, "memory:"+m.ID), Project: m.Project,
		Type: m.Type, Status: m.Status, Speaker: m.Provenance.Speaker, Tags: m.Tags, Time: firstTime(m.ValidFrom, m.CreatedAt)})
}

// wants holds a memory against the filters that a query of the past cannot
// leave to the index.
func (se *search) wants(m *Memory) bool {
	statuses := se.q.Statuses
	if len(statuses) == 0 {
		statuses = []Status{Active}
	}
	return slices.Contains(statuses, m.Status) && (m.Status != Active || m.validAt(se.now)) &&
		(len(se.q.Types) == 0 || slices.Contains(se.q.Types, m.Type)) && hasTags(m.Tags, se.q.Tags) &&
		(se.project == "" || m.Project == "" || m.Project == se.project)
}

func memoryAt(tx *sqlite.Tx, id string, t time.Time) (m Memory, found bool, err error) {
	if !t.IsZero() {
		return recordAsOf[Memory](tx, id, t)
	}
	m, err = memoryByID(tx, id)
	if isNotFound(err) {
		return m, false, nil
	}
	return m, err == nil, err
}

func stateAt(tx *sqlite.Tx, id string, t time.Time) (StateEntry, bool, error) {
	if !t.IsZero() {
		return recordAsOf[StateEntry](tx, id, t)
	}
	return stateByID(tx, id)
}

// maxChain bounds how far a chain of replacements is followed.
const maxChain = 10_000

// pullReplacements adds, for each superseded memory among the candidates, what
// replaced it, where the filters let it in, so that nobody reads the old
// statement without the new one above it.
func (se *search) pullReplacements(tx *sqlite.Tx) error {
	se.replacedBy = map[string]string{}
	if se.q.AsOf.IsZero() {
		if !slices.Contains(se.q.Statuses, Superseded) {
			return nil
		}
		if err := se.loadAll(tx); err != nil {
			return err
		}
	}
	for _, c := range se.candidates {
		se.replacedBy[c.id] = c.superseded
	}
	for _, c := range slices.Clone(se.candidates) {
		at := c.id
		for next, n := c.superseded, 0; next != "" && n < maxChain; n++ {
			if after, seen := se.replacedBy[next]; seen {
				at, next = next, after
				continue
			}
			m, found, err := memoryAt(tx, next, se.q.AsOf)
			if err != nil {
				return err
			}
			if !found {
				// Forgotten since the time that is asked for: the present record
				// of what it replaced is linked past it.
				now, err := memoryByID(tx, at)
				if err != nil && !isNotFound(err) {
					return err
				}
				if now.SupersededBy == next {
					break
				}
				next = now.SupersededBy
				se.replacedBy[at] = next
				continue
			}
			se.replacedBy[m.ID] = m.SupersededBy
			at, next = m.ID, m.SupersededBy
			if !se.wants(&m) || !se.inTime(&m) {
				continue
			}
			r := &candidate{relevance: c.relevance}
			r.fillMemory(&m)
			r.factors.Note = "replaces " + c.id
			se.candidates = append(se.candidates, r)
		}
	}
	return nil
}

func (se *search) inTime(m *Memory) bool {
	return se.inWindow(firstTime(m.ValidFrom, m.CreatedAt)) && (len(se.q.Kinds) == 0 || slices.Contains(se.q.Kinds, KindMemory))
}

// inWindow reports whether a record's own time is what After and Before let in.
func (se *search) inWindow(t time.Time) bool {
	return (se.q.After.IsZero() || !t.Before(se.q.After)) && (se.q.Before.IsZero() || t.Before(se.q.Before))
}
