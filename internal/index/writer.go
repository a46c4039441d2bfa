package index

import (
	"errors"
	"slices"

	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/internal/textindex"
)

// Sizes, which only tests change: what happens at thousands has to be seen with a few.
var (
	// sealUnits is how many units wait with their terms in rows of their own
	// before they become a segment. Every new view reads them all.
	sealUnits = int64(1024)

	// packEntries is how many log entries wait before they are packed.
	packEntries = int64(1024)

	// keptEntries is how many packed entries stay in the log, for programs that
	// have not looked for a while. One that is further behind reads everything.
	keptEntries = int64(4096)

	// checkEvery is how often a writer looks whether there is enough to seal or
	// to pack: with each so many numbers.
	checkEvery = int64(64)

	// writeUnits is how many units of one transaction are held in memory before
	// they are written.
	writeUnits = 4096
)

// A Writer changes the index in one transaction. Finish has to follow the last
// change.
type Writer struct {
	tx *sqlite.Tx

	terms   []unitTerms // of new units, ascending
	direct  bool        // terms come in any order, and are written at once
	check   bool        // some number was a multiple of checkEvery
	changed bool
	sealed  bool
	doubled bool
}

// Doubled reports whether there are twice as many units as when it was so last, of
// all that there ever were.
func (w *Writer) Doubled() bool { return w.doubled }

// Sealed reports whether there is another segment, so that it may be time to merge.
func (w *Writer) Sealed() bool { return w.sealed }

type unitTerms struct {
	unit  int64
	terms textindex.Vector
}

// NewWriter returns a writer for the transaction.
func NewWriter(tx *sqlite.Tx) *Writer { return &Writer{tx: tx} }

// Put indexes a unit by its texts' terms, in the place of what the index has of
// the record. fresh reports that the unit is a new one, which has no vector yet.
// The terms are asked for only then.
func (w *Writer) Put(u *Unit, terms func() (head, body []string)) (unit int64, fresh bool, err error) {
	var madeFrom, head, body int64
	found, err := w.tx.QueryRow(func(r sqlite.Row) { unit, madeFrom, head, body = r.Int64(0), r.Int64(1), r.Int64(2), r.Int64(3) },
		`SELECT unit, made_from, head_length, body_length FROM units WHERE id = ?`, u.ID)
	if err != nil {
		return 0, false, err
	}
	if found && madeFrom == u.MadeFrom {
		u.HeadLength, u.BodyLength = int(head), int(body)
		return unit, false, w.update(unit, u)
	}
	if found {
		if err := w.remove(unit); err != nil {
			return 0, false, err
		}
	}
	unit, err = w.insert(u, terms)
	return unit, true, err
}

func (w *Writer) insert(u *Unit, terms func() (head, body []string)) (unit int64, err error) {
	v := w.vector(u, terms)
	if _, err := w.tx.Exec(`INSERT INTO units (`+unitColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, u.args()...); err != nil {
		return 0, err
	}
	unit = w.tx.LastInsertRowID()
	w.check = w.check || unit%checkEvery == 0
	w.doubled = w.doubled || unit&(unit-1) == 0
	if err := w.log(unit); err != nil {
		return 0, err
	}
	return unit, w.hold(unit, v)
}

// vector makes the term vector of a unit, and notes its lengths.
func (w *Writer) vector(u *Unit, terms func() (head, body []string)) textindex.Vector {
	head, body := terms()
	u.HeadLength, u.BodyLength = len(head), len(body)
	return textindex.AppendVector(nil, head, body)
}

// update writes the columns of a unit whose texts are as they were.
func (w *Writer) update(unit int64, u *Unit) error {
	n, err := w.tx.Exec(`UPDATE units SET
			kind = ?1, id = ?2, document = ?3, project = ?4, type = ?5, status = ?6, tags = ?7, time = ?8,
			valid_from = ?9, valid_until = ?10, made_from = ?11, confidence = ?12, thread = ?13, place = ?14,
			siblings = ?15, head_length = ?16, body_length = ?17
		WHERE unit = ?18 AND (kind, id, document, project, type, status, tags, time, valid_from, valid_until, made_from,
			confidence, thread, place, siblings, head_length, body_length)
			IS NOT (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)`, append(u.args(), unit)...)
	if err != nil || n == 0 {
		return err
	}
	return w.log(unit)
}

// Reset empties what is packed, and all terms. Retell has to follow for every
// record, and then Rebuilt.
func (w *Writer) Reset() error {
	w.changed, w.direct, w.terms = true, true, nil
	for _, q := range []string{
		`DELETE FROM segment_blocks`, `DELETE FROM segments`, `DELETE FROM unit_terms`, `DELETE FROM unit_blocks`,
		`DELETE FROM codes`, `DELETE FROM code_means`,
	} {
		if _, err := w.tx.Exec(q); err != nil {
			return err
		}
	}
	return nil
}

// Retell is Put after Reset: the terms are written also where the texts are as
// they were. All programs read them anew, so that a unit may keep its number, and
// with it its vector, though it has others than before.
func (w *Writer) Retell(u *Unit, terms func() (head, body []string)) (unit int64, fresh bool, err error) {
	var madeFrom int64
	found, err := w.tx.QueryRow(func(r sqlite.Row) { unit, madeFrom = r.Int64(0), r.Int64(1) }, `SELECT unit, made_from FROM units WHERE id = ?`, u.ID)
	if err != nil {
		return 0, false, err
	}
	if !found || madeFrom != u.MadeFrom && madeFrom != u.Formerly {
		return w.Put(u, terms)
	}
	v := w.vector(u, terms)
	if err := w.update(unit, u); err != nil {
		return 0, false, err
	}
	return unit, false, w.hold(unit, v)
}

// Rebuilt packs everything anew, and has whoever follows the log begin anew.
func (w *Writer) Rebuilt() error {
	w.direct = false
	if err := w.seal(); err != nil {
		return err
	}
	numbers, err := blockNumbers(w.tx, `SELECT DISTINCT unit / ? FROM units ORDER BY 1`, int64(blockUnits))
	if err != nil {
		return err
	}
	if err := packBlocks(w.tx, numbers, allEntries); err != nil {
		return err
	}
	// The log does not say what was repaired. Two entries, of which only the last
	// one is kept, have every view that there is read everything.
	for range 2 {
		if err := w.Restructured(); err != nil {
			return err
		}
	}
	if err := w.packed(nil); err != nil {
		return err
	}
	_, err = w.tx.Exec(`DELETE FROM unit_log WHERE seq < (SELECT max(seq) FROM unit_log)`)
	return err
}

// Remove takes the unit of a record out of the index, with its vectors.
func (w *Writer) Remove(id string) error {
	var unit int64
	found, err := w.tx.QueryRow(func(r sqlite.Row) { unit = r.Int64(0) }, `SELECT unit FROM units WHERE id = ?`, id)
	if err != nil || !found {
		return err
	}
	return w.remove(unit)
}

func (w *Writer) remove(unit int64) error {
	w.terms = slices.DeleteFunc(w.terms, func(t unitTerms) bool { return t.unit == unit })
	for _, q := range []string{
		// Naming the spaces lets the engine find the rows by their key.
		`DELETE FROM vectors WHERE unit = ? AND space IN (SELECT space FROM spaces)`,
		`DELETE FROM vectorless WHERE unit = ? AND space IN (SELECT space FROM spaces)`,
		`DELETE FROM embedding_queue WHERE unit = ?`,
		`DELETE FROM unit_terms WHERE unit = ?`,
		`DELETE FROM units WHERE unit = ?`,
	} {
		if _, err := w.tx.Exec(q, unit); err != nil {
			return err
		}
	}
	return w.log(unit)
}

// Embedded notes that a unit was given a vector, or lost it.
func (w *Writer) Embedded(unit int64) error { return w.log(unit) }

// Restructured notes that something else than units has changed: the active
// space, say.
func (w *Writer) Restructured() error { return w.log(0) }

func (w *Writer) log(unit int64) error {
	w.changed = true
	if _, err := w.tx.Exec(`INSERT INTO unit_log (unit) VALUES (?)`, unit); err != nil {
		return err
	}
	w.check = w.check || w.tx.LastInsertRowID()%checkEvery == 0
	return nil
}

// hold keeps the terms of a new unit until there are enough to write, or Finish.
func (w *Writer) hold(unit int64, v textindex.Vector) error {
	w.terms = append(w.terms, unitTerms{unit, v})
	switch {
	case w.direct:
		return w.flush()
	case len(w.terms) < writeUnits:
		return nil
	}
	return w.seal()
}

// flush writes the terms that are held as rows.
func (w *Writer) flush() error {
	for _, t := range w.terms {
		if _, err := w.tx.Exec(`INSERT INTO unit_terms (unit, terms) VALUES (?, ?)
			ON CONFLICT (unit) DO UPDATE SET terms = excluded.terms`, t.unit, []byte(t.terms)); err != nil {
			return err
		}
	}
	w.terms = nil
	return nil
}

// Finish writes what was held back, and packs what has gathered.
func (w *Writer) Finish() error {
	if !w.changed {
		return nil
	}
	if int64(len(w.terms)) >= sealUnits/2 {
		if err := w.seal(); err != nil {
			return err
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	if !w.check {
		return nil
	}
	waiting, err := count(w.tx, `SELECT count(*) FROM unit_terms`)
	if err != nil {
		return err
	}
	if waiting >= sealUnits {
		if err := w.seal(); err != nil {
			return err
		}
	}
	packed, err := packedThrough(w.tx)
	if err != nil {
		return err
	}
	last, err := lastEntry(w.tx)
	if err != nil {
		return err
	}
	if last-packed >= packEntries {
		return w.Pack()
	}
	return nil
}

// segmentUnits and segmentBytes bound what one segment is made of at once, and so
// the memory that it takes.
const (
	segmentUnits = 32 << 10
	segmentBytes = 16 << 20
)

// seal makes segments of all units that are in none.
func (w *Writer) seal() error {
	// Terms of a unit that is not there would stand in the way of the next ones.
	if _, err := w.tx.Exec(`DELETE FROM unit_terms WHERE unit NOT IN (SELECT unit FROM units)`); err != nil {
		return err
	}
	var b textindex.Builder
	for more := true; more; {
		var s segment
		var size int
		more = false
		for r, err := range w.tx.Query(`SELECT unit, terms FROM unit_terms ORDER BY unit LIMIT ?`, segmentUnits) {
			if err != nil {
				return err
			}
			terms := r.Blob(1)
			if err := s.add(&b, r.Int64(0), terms); err != nil {
				return err
			}
			if size += len(terms); size > segmentBytes {
				break
			}
		}
		if s.units > 0 {
			if _, err := w.tx.Exec(`DELETE FROM unit_terms WHERE unit <= ?`, s.last); err != nil {
				return err
			}
			left, err := count(w.tx, `SELECT EXISTS (SELECT 1 FROM unit_terms)`)
			if err != nil {
				return err
			}
			more = left > 0
		}
		if !more {
			for _, t := range w.terms {
				if err := s.add(&b, t.unit, t.terms); err != nil {
					return err
				}
			}
			w.terms = nil
		}
		if s.units == 0 {
			return nil
		}
		var err error
		if s.units, err = count(w.tx, `SELECT count(*) FROM units WHERE unit BETWEEN ? AND ?`, s.first, s.last); err != nil {
			return err
		}
		if err := w.writeSegment(s, b.Blocks()); err != nil {
			return err
		}
		b.Reset()
	}
	return nil
}

// add adds a unit to the segment that b builds. Terms that cannot be read are left
// out, which a check sees: they must not keep the store from being written.
func (s *segment) add(b *textindex.Builder, unit int64, terms textindex.Vector) error {
	if err := b.Add(unit, terms); err != nil && !errors.Is(err, textindex.ErrCorrupt) {
		return err
	}
	if s.units == 0 {
		s.first = unit
	}
	s.last = unit
	s.units++
	return nil
}

func count(tx *sqlite.Tx, query string, args ...any) (n int64, err error) {
	_, err = tx.QueryRow(func(r sqlite.Row) { n = r.Int64(0) }, query, args...)
	return n, err
}

// lastEntry is the number of the last log entry; 0 where there was none ever.
func lastEntry(tx *sqlite.Tx) (int64, error) {
	return count(tx, `SELECT coalesce(max(seq), 0) FROM unit_log`)
}

// entriesSince reports whether the log has every entry after seq.
func entriesSince(tx *sqlite.Tx, seq int64) (bool, error) {
	first, err := count(tx, `SELECT coalesce(min(seq), 0) FROM unit_log`)
	return first <= seq+1, err
}
