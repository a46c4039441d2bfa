package index

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/internal/textindex"
	"github.com/atocore/atocore/internal/vectorindex"
)

// An editor makes a view that nobody has seen yet.
type editor struct {
	ix *Index
	tx *sqlite.Tx
	v  *View

	shared bool         // blocks are other views' too, unless they are in own or ownCodes
	linked bool         // threads are kept linked on the way
	own    map[int]bool // blocks that were asked for to be changed
	codes  map[int]bool
	anew   numbers // blocks, or their codes, that were just made from the rows
}

// numbers is a set of numbers of blocks.
type numbers map[int]bool

func (n *numbers) add(number int) {
	if *n == nil {
		*n = numbers{}
	}
	(*n)[number] = true
}

// block returns the block of a number, for changing it.
func (e *editor) block(number int) *block {
	v := e.v
	for len(v.blocks) <= number {
		v.blocks = append(v.blocks, nil)
	}
	b := v.blocks[number]
	switch {
	case e.own[number]:
		return b
	case b == nil:
		b = &block{}
	case e.shared:
		b = b.clone()
	}
	if e.own == nil {
		e.own = map[int]bool{}
	}
	v.blocks[number], e.own[number] = b, true
	return b
}

// codeBlock likewise.
func (e *editor) codeBlock(number int) *vectorindex.Block {
	v := e.v
	for len(v.codes) <= number {
		v.codes = append(v.codes, nil)
	}
	b := v.codes[number]
	switch {
	case b == nil:
		b = vectorindex.NewBlock(v.coder.Words())
	case e.shared && !e.codes[number]:
		b = b.Clone()
	default:
		return b
	}
	if e.codes == nil {
		e.codes = map[int]bool{}
	}
	v.codes[number], e.codes[number] = b, true
	return b
}

// loadBlocks reads the packed blocks. One that is damaged is made anew from the
// rows, in memory: what writes next to it will pack it again.
func (e *editor) loadBlocks() error {
	var damaged []int
	for r, err := range e.tx.Query(`SELECT block, data FROM unit_blocks ORDER BY block`) {
		if err != nil {
			return err
		}
		number := int(r.Int64(0))
		if !inRange(number) {
			continue
		}
		b, err := unpack(r.Blob(1), number, e.ix.names)
		if err != nil {
			damaged = append(damaged, number)
			continue
		}
		if b.live == (bitmap{}) {
			continue
		}
		for len(e.v.blocks) <= number {
			e.v.blocks = append(e.v.blocks, nil)
		}
		e.v.blocks[number] = b
	}
	for _, number := range damaged {
		e.warn("packed columns are damaged, and read from the rows instead", number)
		if e.ix.noted != nil {
			e.ix.noted.columns++
		}
		if err := e.unpacked(number); err != nil {
			return err
		}
	}
	return nil
}

// loadBlock reads one packed block.
func (e *editor) loadBlock(number int) error {
	var data []byte
	found, err := e.tx.QueryRow(func(r sqlite.Row) { data = r.Blob(0) }, `SELECT data FROM unit_blocks WHERE block = ?`, number)
	if err != nil || !inRange(number) {
		return err
	}
	var b *block
	if found {
		b, err = unpack(data, number, e.ix.names)
	}
	if !found || err != nil {
		// Lost or damaged, or the first of their block: what the rows say is as new as
		// what the log does.
		e.anew.add(number)
		return e.unpacked(number)
	}
	for len(e.v.blocks) <= number {
		e.v.blocks = append(e.v.blocks, nil)
	}
	e.v.blocks[number] = b
	return nil
}

// loadCode reads one packed block of codes.
func (e *editor) loadCode(number int) error {
	var data []byte
	found, err := e.tx.QueryRow(func(r sqlite.Row) { data = r.Blob(0) }, `SELECT data FROM codes WHERE space = ? AND block = ?`, e.v.space, number)
	if err != nil || !inRange(number) {
		return err
	}
	var b *vectorindex.Block
	if found {
		b, err = e.v.coder.ParseBlock(data, number)
	}
	if !found || err != nil {
		e.anew.add(number) // likewise
		return e.uncoded(number)
	}
	for len(e.v.codes) <= number {
		e.v.codes = append(e.v.codes, nil)
	}
	e.v.codes[number] = b
	return nil
}

// maxBlocks bounds the numbers of blocks, and so what a hostile one makes us
// allocate. With it the distance of two units fits 32 bits.
const maxBlocks = 1 << 20

// inRange reports whether there can be a block of the number. The units of others
// are not found; a check counts their blocks.
func inRange(number int) bool { return 0 <= number && number < maxBlocks }

// unpacked makes a block from the rows of its units.
func (e *editor) unpacked(number int) error {
	if !inRange(number) {
		return nil
	}
	if number < len(e.v.blocks) {
		e.v.blocks[number] = nil
	}
	values := make([]any, 16)
	for r, err := range e.tx.Query(`SELECT `+rowColumns+`, unit FROM units WHERE unit BETWEEN ? AND ? ORDER BY unit`,
		int64(number)*blockUnits, int64(number)*blockUnits+blockUnits-1) {
		if err != nil {
			return err
		}
		r.Values(values)
		row := scanRow(values)
		_, i := at(values[15].(int64))
		e.block(number).put(i, &row, e.ix.names)
	}
	return nil
}

// loadSpace reads which space is active and, where that or its mean is another
// than before, its codes.
func (e *editor) loadSpace() error {
	var space int64
	var mean []byte
	_, err := e.tx.QueryRow(func(r sqlite.Row) { space, mean = r.Int64(0), r.Blob(1) },
		`SELECT spaces.space, mean FROM spaces LEFT JOIN code_means ON code_means.space = spaces.space WHERE active = 1`)
	if err != nil {
		return err
	}
	var coder *vectorindex.Coder
	if mean != nil {
		if coder, err = vectorindex.ParseCoder(mean); err != nil {
			e.warn("the mean of the vectors is damaged: they are compared one by one", -1)
			if e.ix.noted != nil {
				e.ix.noted.means++
			}
		}
	}
	v := e.v
	if v.space == space && (v.coder == nil) == (coder == nil) && (coder == nil || v.coder.Identity() == coder.Identity()) {
		return nil
	}
	v.space, v.coder, v.codes, e.codes = space, coder, nil, nil
	if coder == nil {
		return nil
	}
	if err := e.loadCodes(); err != nil {
		return err
	}
	// What was packed may be older than the view that is made into the next.
	packed, err := packedThrough(e.tx)
	if err != nil {
		return err
	}
	return e.followCodes(packed)
}

func (e *editor) loadCodes() error {
	v := e.v
	var damaged []int
	for r, err := range e.tx.Query(`SELECT block, data FROM codes WHERE space = ? ORDER BY block`, v.space) {
		if err != nil {
			return err
		}
		number := int(r.Int64(0))
		if !inRange(number) {
			continue
		}
		for len(v.codes) <= number {
			v.codes = append(v.codes, nil)
		}
		if v.codes[number], err = v.coder.ParseBlock(r.Blob(1), number); err != nil {
			damaged = append(damaged, number)
		}
	}
	for _, number := range damaged {
		e.warn("codes are damaged, and made from the vectors instead", number)
		if e.ix.noted != nil {
			e.ix.noted.codes++
		}
		if err := e.uncoded(number); err != nil {
			return err
		}
	}
	return nil
}

// uncoded makes the codes of a block from the vectors of its units.
func (e *editor) uncoded(number int) error {
	if !inRange(number) {
		return nil
	}
	if number < len(e.v.codes) {
		e.v.codes[number] = nil
	}
	var units []int64
	var vectors [][]byte
	for r, err := range e.tx.Query(`SELECT unit, vector FROM vectors WHERE space = ? AND unit BETWEEN ? AND ? ORDER BY unit`,
		e.v.space, int64(number)*blockUnits, int64(number)*blockUnits+blockUnits-1) {
		if err != nil {
			return err
		}
		units, vectors = append(units, r.Int64(0)), append(vectors, r.Blob(1))
	}
	e.codeAll(units, vectors)
	return nil
}

// codeAll sets the codes of units by their vectors. Coding is most of the work of
// packing, so it is shared by the processors.
func (e *editor) codeAll(units []int64, vectors [][]byte) {
	words := e.v.coder.Words()
	codes := make([]uint64, words*len(units))
	coded := make([]bool, len(units))
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1) - 1); i < len(units); i = int(next.Add(1) - 1) {
			coded[i] = encode(e.v.coder, codes[i*words:(i+1)*words], vectors[i])
		}
	}
	const each = 64 // so many are worth another goroutine
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(units)/each) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
	for i, unit := range units {
		number, slot := at(unit)
		if coded[i] {
			e.codeBlock(number).Set(slot, codes[i*words:(i+1)*words])
		} else if e.v.codeBlock(number) != nil {
			e.codeBlock(number).Remove(slot)
		}
	}
}

// followCodes applies the log from an entry on to the codes alone.
func (e *editor) followCodes(after int64) error {
	var units []int64
	var vectors [][]byte
	for r, err := range e.tx.Query(`WITH changed (number) AS (SELECT DISTINCT unit FROM unit_log WHERE seq > ?1 AND unit > 0)
		SELECT number, vector FROM changed LEFT JOIN vectors ON space = ?2 AND vectors.unit = number
		ORDER BY number`, after, e.v.space) {
		if err != nil {
			return err
		}
		unit := r.Int64(0)
		if number, _ := at(unit); e.anew[number] || !inRange(number) {
			continue
		}
		units, vectors = append(units, unit), append(vectors, r.Blob(1))
		if len(units) == blockUnits { // so many are held in memory
			e.codeAll(units, vectors)
			units, vectors = units[:0], vectors[:0]
		}
	}
	e.codeAll(units, vectors)
	return nil
}

// code sets the code of a unit by its vector, or removes it where that is none.
func (e *editor) code(unit int64, vector []byte, scratch []uint64) {
	number, i := at(unit)
	if !inRange(number) {
		return
	}
	if encode(e.v.coder, scratch, vector) {
		e.codeBlock(number).Set(i, scratch)
	} else if e.v.codeBlock(number) != nil {
		e.codeBlock(number).Remove(i)
	}
}

func (e *editor) warn(what string, number int) {
	if e.ix.Logger != nil {
		log := e.ix.Logger
		if number >= 0 {
			log = log.With("block", number)
		}
		log.Warn("index: " + what)
	}
}

// follow applies the log from an entry on. terms says whether the text is read
// otherwise.
func (e *editor) follow(after int64, textElsewhere bool) error {
	var code []uint64
	var space int64 // whose vectors are wanted
	if e.v.coder != nil {
		code, space = make([]uint64, e.v.coder.Words()), e.v.space
	}
	values := make([]any, 18)
	for r, err := range e.tx.Query(`WITH changed (number) AS (SELECT DISTINCT unit FROM unit_log WHERE seq > ?1 AND unit > 0)
		SELECT `+rowColumns+`, number, vector, terms
		FROM changed
			LEFT JOIN units ON units.unit = number
			LEFT JOIN vectors ON vectors.space = ?2 AND vectors.unit = number
			LEFT JOIN unit_terms ON unit_terms.unit = number
		ORDER BY number`, after, space) {
		if err != nil {
			return err
		}
		r.Values(values)
		unit, _ := values[15].(int64)
		number, _ := at(unit)
		if !inRange(number) {
			e.warn("units of numbers as high as no store comes to are not searched", number)
			continue
		}
		if e.anew[number] {
			continue
		}
		if values[0] == nil {
			e.remove(unit)
			continue
		}
		row := scanRow(values)
		e.put(unit, &row)
		if code != nil {
			vector, _ := values[16].([]byte)
			e.code(unit, vector, code)
		}
		if terms, ok := values[17].([]byte); ok && !textElsewhere {
			e.v.tail = e.v.tail.with(unit, textindex.Vector(slices.Clone(terms)))
		}
	}
	return nil
}

func (e *editor) put(unit int64, r *row) {
	number, i := at(unit)
	b := e.block(number)
	if e.linked && b.live.Has(i) && (b.thread[i] != r.thread || b.place[i] != r.place) {
		e.unlink(unit)
	}
	fresh := !b.live.Has(i) || b.thread[i] != r.thread || b.place[i] != r.place
	b.put(i, r, e.ix.names)
	if e.linked && fresh {
		e.link(unit)
	}
}

func (e *editor) remove(unit int64) {
	number, i := at(unit)
	if e.v.codeBlock(number) != nil {
		e.codeBlock(number).Remove(i) // also where the columns come from the rows, without the unit
	}
	if !e.v.has(unit) {
		return
	}
	if e.linked {
		e.unlink(unit)
	}
	e.block(number).remove(i)
}

// done drops what is empty, counts, and gives the view away.
func (e *editor) done() *View {
	v := e.v
	v.slots = make([]int32, len(v.blocks))
	v.occupied, v.units, v.headLength, v.bodyLength = 0, 0, 0, 0
	for n, b := range v.blocks {
		v.slots[n] = -1
		if b == nil {
			continue
		}
		if b.live == (bitmap{}) {
			v.blocks[n] = nil
			continue
		}
		if e.own[n] {
			b.sum()
		}
		v.slots[n] = int32(v.occupied)
		v.occupied++
		v.units += b.units
		v.headLength += b.headSum
		v.bodyLength += b.bodySum
	}
	v.names = e.ix.names.list
	v.lately = new(atomic.Pointer[standing])
	return v
}
