package index

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/internal/vectorindex"
)

// An Index is what an open store keeps in memory for searching. It is safe for
// concurrent use; its zero value is ready, and empty until the first View.
type Index struct {
	Logger *slog.Logger // hears of packed blobs that are damaged; nil is silence

	newest atomic.Pointer[View]
	noted  *notes // for a check: what was found damaged

	mu      sync.Mutex // for what follows
	views   []*View    // a few, the newest last: readers of a moment ago still ask for them
	names   *names
	threads map[int64][]int64 // the units of each thread, in their order, of the newest view
}

// notes count what was damaged and made anew.
type notes struct{ columns, codes, means int }

// keptViews is how many views an index keeps for readers whose transactions are
// older than the newest.
const keptViews = 4

// A View is the index as one state of the database has it. It never changes.
type View struct {
	seq   int64 // of the last log entry that it has seen
	names []string

	blocks   []*block // by number; nil where no unit is left
	slots    []int32  // by number of block: where its units stand among those that are left, in blocks; -1 is nowhere
	occupied int      // blocks that are not nil

	units      int64 // live ones
	headLength int64 // of all live units together, in terms
	bodyLength int64

	space int64              // the active one; 0 is none
	coder *vectorindex.Coder // of the space; nil where it has no codes
	codes []*vectorindex.Block

	segments []segment
	tail     tail

	lately *atomic.Pointer[standing] // what was active and held when somebody asked last
}

// View returns the index as tx sees the database. It reads what has changed since
// the newest view, which is nothing in most cases, or everything where there is
// none yet or tx is older than what is kept.
func (ix *Index) View(tx *sqlite.Tx) (*View, error) {
	seq, err := lastEntry(tx)
	if err != nil {
		return nil, err
	}
	if v := ix.newest.Load(); v != nil && v.seq == seq {
		return v, nil
	}
	if v, err := ix.present(tx, seq); v != nil || err != nil {
		return v, err
	}
	// A view of the past, a drill's say, is nobody else's: nobody waits for it.
	past := &Index{Logger: ix.Logger}
	return past.load(tx, seq)
}

// present returns the view of seq unless that is of the past: nil then.
func (ix *Index) present(tx *sqlite.Tx, seq int64) (v *View, err error) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	for _, v := range ix.views {
		if v.seq == seq {
			return v, nil
		}
	}
	newest := ix.newest.Load()
	if newest != nil && newest.seq > seq {
		return nil, nil
	}
	follows := false
	if newest != nil {
		if follows, err = entriesSince(tx, newest.seq); err != nil {
			return nil, err
		}
	}
	if follows {
		v, err = ix.advance(tx, newest, seq)
	} else {
		v, err = ix.load(tx, seq)
	}
	if err != nil {
		// What the maps have been told may be more than what the newest view has.
		ix.newest.Store(nil)
		ix.views = nil
		return nil, err
	}
	ix.views = append(ix.views[max(0, len(ix.views)-keptViews+1):], v)
	ix.newest.Store(v)
	return v, nil
}

// load reads the whole index.
func (ix *Index) load(tx *sqlite.Tx, seq int64) (*View, error) {
	ix.names, ix.threads = newNames(), map[int64][]int64{}
	packed, err := packedThrough(tx)
	if err != nil {
		return nil, err
	}
	e := &editor{ix: ix, tx: tx, v: &View{seq: seq}}
	if err := e.loadBlocks(); err != nil {
		return nil, err
	}
	if err := e.loadSpace(); err != nil {
		return nil, err
	}
	if err := e.follow(packed, true); err != nil {
		return nil, err
	}
	if err := e.complete(); err != nil {
		return nil, err
	}
	if err := e.loadText(); err != nil {
		return nil, err
	}
	e.linkAll()
	return e.done(), nil
}

// advance reads what has changed since a view.
func (ix *Index) advance(tx *sqlite.Tx, from *View, seq int64) (*View, error) {
	v := *from
	v.seq = seq
	v.blocks, v.codes = slices.Clone(v.blocks), slices.Clone(v.codes)
	e := &editor{ix: ix, tx: tx, v: &v, shared: true, linked: true}
	var restructured bool
	if _, err := tx.QueryRow(func(r sqlite.Row) { restructured = true },
		`SELECT 1 FROM unit_log WHERE seq > ? AND unit = 0 LIMIT 1`, from.seq); err != nil {
		return nil, err
	}
	if restructured {
		if err := e.loadSpace(); err != nil {
			return nil, err
		}
	}
	if err := e.follow(from.seq, restructured); err != nil {
		return nil, err
	}
	if restructured {
		if err := e.loadText(); err != nil {
			return nil, err
		}
	}
	return e.done(), nil
}

// at is where a unit stands.
func at(unit int64) (number, i int) { return vectorindex.Place(unit) }

// block returns the block of a number, or nil.
func (v *View) block(number int) *block {
	if number < 0 || number >= len(v.blocks) {
		return nil
	}
	return v.blocks[number]
}

// codeBlock returns the codes of a number, or nil.
func (v *View) codeBlock(number int) *vectorindex.Block {
	if number < 0 || number >= len(v.codes) {
		return nil
	}
	return v.codes[number]
}

// has reports whether the unit is live.
func (v *View) has(unit int64) bool {
	n, i := at(unit)
	b := v.block(n)
	return b != nil && unit >= 0 && b.live.Has(i)
}

// Units is how many units there are.
func (v *View) Units() int { return int(v.units) }

// HasCodes reports whether the vectors of the active space have codes.
func (v *View) HasCodes() bool { return v.coder != nil }
