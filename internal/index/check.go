package index

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/internal/textindex"
	"github.com/atocore/atocore/internal/vectorindex"
)

// A Fault is something in the index that is not as it should be.
type Fault struct {
	Code            string // see NewCheck
	Table           string
	Expected, Found string
}

// A Check holds the index against the records.
type Check struct {
	tx     *sqlite.Tx
	text   *textCheck
	faults []Fault
	stale  int // units that are not what their records say
	absent int // units whose terms are not there at all
}

// NewCheck reads what is packed. The codes of its faults are fts_integrity (terms
// that cannot be read), fts_parity (units without their terms), units_stale (units
// indexed by another text, or with other columns), columns_stale (packed columns
// that are not the rows'), codes_stale (codes that are not the vectors') and
// vectors_damaged (vectors that have no cosine, or another length than their space's).
func NewCheck(ctx context.Context, tx *sqlite.Tx) (*Check, error) {
	c := &Check{tx: tx}
	var err error
	if c.text, err = readText(tx); err != nil {
		return nil, err
	}
	c.faults = append(c.faults, c.text.faults...)
	if err := c.packed(ctx); err != nil {
		return nil, err
	}
	bad, err := damagedVectors(tx)
	if err != nil {
		return nil, err
	}
	if len(bad) > 0 {
		c.faults = append(c.faults, Fault{"vectors_damaged", "vectors", "vectors that have a cosine", fmt.Sprintf("%d that have none", len(bad))})
	}
	return c, nil
}

// A textCheck has what the postings say of each unit.
type textCheck struct {
	prints map[int64]uint64 // fingerprints of the term vectors
	strays int64            // terms that wait for a segment, of units that are not there
	faults []Fault
}

// readText reads all postings. What cannot be read is a fault.
func readText(tx *sqlite.Tx) (*textCheck, error) {
	t := &textCheck{prints: map[int64]uint64{}}
	add := func(unit int64, h uint64) { t.prints[unit] += h }
	segments, err := readSegments(tx)
	if err != nil {
		return nil, err
	}
	before := int64(-1)
	for _, s := range segments {
		if s.first <= before || s.last < s.first {
			t.fault("segments", fmt.Sprintf("segment %d after unit %d", s.id, before), fmt.Sprintf("units %d to %d", s.first, s.last))
		}
		before = s.last
		if _, err := textindex.CheckSegment(segmentBlocks(tx, s.id), add); errors.Is(err, textindex.ErrCorrupt) {
			t.fault("segment_blocks", "postings that can be read", fmt.Sprintf("segment %d: %v", s.id, err))
		} else if err != nil {
			return nil, err
		}
	}
	for r, err := range tx.Query(`SELECT unit, terms FROM unit_terms ORDER BY unit`) {
		if err != nil {
			return nil, err
		}
		unit, v := r.Int64(0), textindex.Vector(r.Blob(1))
		switch {
		case unit <= before:
			t.fault("unit_terms", fmt.Sprintf("units after %d", before), fmt.Sprintf("unit %d", unit))
		case v.Check() != nil:
			t.fault("unit_terms", "terms that can be read", fmt.Sprintf("unit %d: %v", unit, v.Check()))
		default:
			t.prints[unit] += v.Fingerprint()
		}
	}
	t.strays, err = count(tx, `SELECT count(*) FROM unit_terms WHERE unit NOT IN (SELECT unit FROM units)`)
	return t, err
}

func (t *textCheck) fault(table, expected, found string) {
	t.faults = append(t.faults, Fault{Code: "fts_integrity", Table: table, Expected: expected, Found: found})
}

// Parity counts the units whose terms are not in the index, or the reverse, without
// a look at the records, and lists what of the index cannot be read.
func Parity(tx *sqlite.Tx) (absent int64, faults []Fault, err error) {
	t, err := readText(tx)
	if err != nil {
		return 0, nil, err
	}
	for r, err := range tx.Query(`SELECT unit FROM units WHERE head_length + body_length > 0`) {
		if err != nil {
			return 0, nil, err
		}
		if _, there := t.prints[r.Int64(0)]; !there {
			absent++
		}
	}
	return absent + t.strays, t.faults, nil
}

// Hold compares what the index has of a record with what it should have. A record
// that has no unit at all is not its concern.
func (c *Check) Hold(u *Unit, terms func() (head, body []string)) error {
	head, body := terms()
	v := textindex.Vector(textindex.AppendVector(nil, head, body))
	u.HeadLength, u.BodyLength = len(head), len(body)
	var unit int64
	var same bool
	found, err := c.tx.QueryRow(func(r sqlite.Row) { unit, same = r.Int64(0), r.Bool(1) },
		`SELECT unit, (kind, id, document, project, type, status, tags, time, valid_from, valid_until, made_from,
			confidence, thread, place, siblings, head_length, body_length)
			IS (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
		FROM units WHERE id = ?2`, u.args()...)
	if err != nil || !found {
		return err
	}
	print, there := c.text.prints[unit]
	switch {
	case !there && len(head)+len(body) > 0:
		c.absent++
	case !same || print != v.Fingerprint():
		c.stale++
	}
	return nil
}

// packed compares what a view is loaded from with the rows.
func (c *Check) packed(ctx context.Context) error {
	seq, err := lastEntry(c.tx)
	if err != nil {
		return err
	}
	noted := &notes{}
	ix := &Index{noted: noted}
	v, err := ix.load(c.tx, seq)
	if err != nil {
		return err
	}
	truth := &editor{ix: &Index{names: ix.names}, tx: c.tx, v: &View{space: v.space, coder: v.coder}}
	numbers, err := blockNumbers(c.tx, `SELECT unit / ?1 FROM units UNION SELECT block FROM unit_blocks
		UNION SELECT unit / ?1 FROM vectors WHERE space = ?2 UNION SELECT block FROM codes WHERE space = ?2
		ORDER BY 1`, int64(blockUnits), v.space)
	if err != nil {
		return err
	}
	columns, codes, err := c.strays()
	if err != nil {
		return err
	}
	columns, codes = columns+noted.columns, codes+noted.codes
	for _, n := range numbers {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := truth.unpacked(n); err != nil {
			return err
		}
		if !inRange(n) {
			continue
		}
		if !v.block(n).equal(truth.v.block(n)) {
			columns++
		}
		if v.coder != nil {
			if err := truth.uncoded(n); err != nil {
				return err
			}
			if !equalCodes(v.codeBlock(n), truth.v.codeBlock(n)) {
				codes++
			}
		}
	}
	if columns > 0 {
		c.faults = append(c.faults, Fault{"columns_stale", "unit_blocks", "the columns of each unit", fmt.Sprintf("%d blocks that differ", columns)})
	}
	if codes+noted.means > 0 {
		c.faults = append(c.faults, Fault{"codes_stale", "codes", "the code of each vector", fmt.Sprintf("%d blocks that differ", codes+noted.means)})
	}
	return nil
}

// strays counts what no view reads: blocks of numbers out of range, and codes that
// belong to nothing.
func (c *Check) strays() (columns, codes int, err error) {
	_, err = c.tx.QueryRow(func(r sqlite.Row) { columns, codes = int(r.Int64(0)), int(r.Int64(1)) }, `SELECT
		(SELECT count(*) FROM unit_blocks WHERE block NOT BETWEEN 0 AND ?1 - 1) +
		(SELECT count(*) FROM units WHERE unit NOT BETWEEN 0 AND ?1 * ?2 - 1),
		(SELECT count(*) FROM codes WHERE block NOT BETWEEN 0 AND ?1 - 1 OR space NOT IN (SELECT space FROM code_means)) +
		(SELECT count(*) FROM code_means WHERE space NOT IN (SELECT space FROM spaces))`, int64(maxBlocks), int64(blockUnits))
	return columns, codes, err
}

// equal reports whether the blocks have the same units with the same columns. The
// distances between neighbours are not compared: they are made with every view.
func (b *block) equal(other *block) bool {
	if b == nil || other == nil {
		return (b == nil || b.live == bitmap{}) && (other == nil || other.live == bitmap{})
	}
	if b.live != other.live || b.plain != other.plain || b.bounded != other.bounded {
		return false
	}
	same := true
	each(&b.bounded, func(i int) { same = same && b.spans[i] == other.spans[i] })
	each(&b.live, func(i int) {
		same = same && b.kind[i] == other.kind[i] && b.typ[i] == other.typ[i] && b.status[i] == other.status[i] &&
			b.project[i] == other.project[i] && b.tags[i] == other.tags[i] && b.time[i] == other.time[i] &&
			b.confidence[i] == other.confidence[i] && b.document[i] == other.document[i] && b.thread[i] == other.thread[i] &&
			b.place[i] == other.place[i] && b.siblings[i] == other.siblings[i] &&
			b.headLength[i] == other.headLength[i] && b.bodyLen[i] == other.bodyLen[i]
	})
	return same
}

func equalCodes(a, b *vectorindex.Block) bool {
	if a.Len() == 0 || b.Len() == 0 {
		return a.Len() == b.Len()
	}
	return reflect.DeepEqual(a, b)
}

// Faults lists what was found.
func (c *Check) Faults() []Fault {
	faults := c.faults
	if c.absent > 0 {
		faults = append(faults, Fault{"fts_parity", "segments", "the terms of each unit", fmt.Sprintf("%d units without", c.absent)})
	}
	if c.text.strays > 0 {
		faults = append(faults, Fault{"fts_parity", "unit_terms", "a unit for all terms", fmt.Sprintf("those of %d units that are not there", c.text.strays)})
	}
	if c.stale > 0 {
		faults = append(faults, Fault{"units_stale", "units", "the text of each record indexed", fmt.Sprintf("%d units indexed by another text", c.stale)})
	}
	return faults
}
