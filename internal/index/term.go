package index

import (
	"cmp"
	"math"
	"slices"

	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/internal/textindex"
)

// A Term is one thing to look for, with its postings among the live units,
// ascending.
type Term struct {
	Count    int // how often the question says it
	postings []textindex.Posting
}

// Units is how many live units have the term.
func (t *Term) Units() int { return len(t.postings) }

// Term reads the postings of a term, or of all that begin with it.
func (v *View) Term(tx *sqlite.Tx, text string, prefix bool) (t Term, err error) {
	t.Count = 1
	if text == "" {
		return t, nil
	}
	for _, s := range v.segments {
		if t.postings, err = find(t.postings, segmentRange(tx, s.id, text, prefix), text, prefix); err != nil {
			return Term{}, err
		}
	}
	for i := range v.tail.runs {
		if t.postings, err = find(t.postings, v.tail.runs[i].between(text, prefix), text, prefix); err != nil {
			return Term{}, err
		}
	}
	t.postings = v.findLoose(t.postings, text, prefix)
	if prefix {
		t.postings = combine(t.postings)
	}
	t.postings = slices.DeleteFunc(t.postings, func(p textindex.Posting) bool { return !v.has(p.Unit) })
	return t, nil
}

// blockSource yields the data of blocks.
type blockSource func(yield func(data []byte, err error) bool)

// segmentRange reads the blocks of a segment that can have the term, or terms that
// begin with it.
func segmentRange(tx *sqlite.Tx, id int64, text string, prefix bool) blockSource {
	query := `SELECT data FROM segment_blocks
		WHERE segment = ?1 AND first = (SELECT max(first) FROM segment_blocks WHERE segment = ?1 AND first <= ?2)
		ORDER BY part`
	args := []any{id, text}
	if prefix {
		query = `SELECT data FROM segment_blocks
			WHERE segment = ?1 AND first >= coalesce((SELECT max(first) FROM segment_blocks WHERE segment = ?1 AND first <= ?2), ?2) AND first < ?3
			ORDER BY first, part`
		args = append(args, text+pastPrefix)
	}
	return func(yield func([]byte, error) bool) {
		for r, err := range tx.Query(query, args...) {
			var data []byte
			if err == nil {
				data = r.Blob(0)
			}
			if !yield(data, err) || err != nil {
				return
			}
		}
	}
}

// pastPrefix is after whatever can follow the prefix of a term.
const pastPrefix = "\U0010ffff"

// between are the blocks of a run that can have the term, or terms that begin
// with it.
func (r *run) between(text string, prefix bool) blockSource {
	return func(yield func([]byte, error) bool) {
		from, _ := slices.BinarySearchFunc(r.blocks, text, func(b textindex.Block, text string) int { return cmp.Compare(b.First, text) })
		if (from == len(r.blocks) || r.blocks[from].First != text) && from > 0 {
			from--
			for from > 0 && r.blocks[from-1].First == r.blocks[from].First {
				from--
			}
		}
		for i := from; i < len(r.blocks); i++ {
			first := r.blocks[i].First
			if first != r.blocks[from].First && (!prefix || first >= text+pastPrefix) {
				return
			}
			if !yield(r.blocks[i].Data, nil) {
				return
			}
		}
	}
}

// find appends to dst what the blocks have of a term, or of all that begin with it.
func find(dst []textindex.Posting, blocks blockSource, text string, prefix bool) ([]textindex.Posting, error) {
	for data, err := range blocks {
		if err != nil {
			return nil, err
		}
		b, err := textindex.OpenBlock(data)
		if err == nil && prefix {
			dst, err = appendPrefix(dst, b, text)
		} else if err == nil {
			dst, err = appendTerm(dst, b, text)
		}
		if err != nil {
			return nil, damaged(err)
		}
	}
	return dst, nil
}

func appendTerm(dst []textindex.Posting, b textindex.BlockView, term string) ([]textindex.Posting, error) {
	p, found, err := b.Find(term)
	if err != nil || !found {
		return dst, err
	}
	return p.Append(dst)
}

func appendPrefix(dst []textindex.Posting, b textindex.BlockView, prefix string) ([]textindex.Posting, error) {
	for e, err := range b.Prefix(prefix) {
		if err == nil {
			dst, err = e.Postings.Append(dst)
		}
		if err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// findLoose looks through the units of the tail that are in no run.
func (v *View) findLoose(dst []textindex.Posting, text string, prefix bool) []textindex.Posting {
	for _, u := range v.tail.loose {
		for term, f := range u.terms.All() {
			if term == text || prefix && len(term) > len(text) && term[:len(text)] == text {
				dst = append(dst, textindex.Posting{Unit: u.unit, Freq: f})
			}
			if term > text && !prefix || prefix && term >= text+pastPrefix {
				break
			}
		}
	}
	return dst
}

// combine puts the postings of several terms into the order of their units, one
// for each, with the frequencies added up.
func combine(list []textindex.Posting) []textindex.Posting {
	slices.SortFunc(list, func(a, b textindex.Posting) int { return cmp.Compare(a.Unit, b.Unit) })
	out := list[:0]
	for _, p := range list {
		if n := len(out); n > 0 && out[n-1].Unit == p.Unit {
			out[n-1].Freq.Head = saturated(out[n-1].Freq.Head, p.Freq.Head)
			out[n-1].Freq.Body = saturated(out[n-1].Freq.Body, p.Freq.Body)
			continue
		}
		out = append(out, p)
	}
	return out
}

func saturated(a, b uint16) uint16 { return uint16(min(int(a)+int(b), math.MaxUint16)) }

// damaged is a fault of the packed postings as a fault of the database.
func damaged(err error) error {
	return &sqlite.Error{Op: "read index", Kind: sqlite.ErrCorrupt, Err: err}
}
