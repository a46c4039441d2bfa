package index

// complete holds what was loaded against how many rows there are, and reads the rows
// themselves where it is not as many: of a packed blob that is gone, and of a log
// that has lost entries, nothing else tells.
func (e *editor) complete() error {
	live := 0
	for _, b := range e.v.blocks {
		if b != nil {
			live += b.live.Count()
		}
	}
	units, err := count(e.tx, `SELECT count(*) FROM units`)
	if err != nil {
		return err
	}
	if int64(live) != units {
		if err := e.unpackedAll(); err != nil {
			return err
		}
	}
	if e.v.coder == nil {
		return nil
	}
	coded := 0
	for n := range e.v.codes {
		coded += e.v.codeBlock(n).Len()
	}
	vectors, err := count(e.tx, `SELECT count(*) FROM vectors WHERE space = ?`, e.v.space)
	if err != nil || int64(coded) == vectors {
		return err
	}
	return e.uncodedAll()
}

// unpackedAll makes all blocks from the rows of their units.
func (e *editor) unpackedAll() error {
	e.warn("packed columns are missing, and read from the rows instead", -1)
	if e.ix.noted != nil {
		e.ix.noted.columns++
	}
	numbers, err := blockNumbers(e.tx, `SELECT DISTINCT unit / ? FROM units ORDER BY 1`, int64(blockUnits))
	if err != nil {
		return err
	}
	e.v.blocks, e.own = nil, nil
	for _, n := range numbers {
		if err := e.unpacked(n); err != nil {
			return err
		}
	}
	return nil
}

// uncodedAll makes all codes from the vectors.
func (e *editor) uncodedAll() error {
	e.warn("codes are missing, and made from the vectors instead", -1)
	if e.ix.noted != nil {
		e.ix.noted.codes++
	}
	numbers, err := blockNumbers(e.tx, `SELECT DISTINCT unit / ? FROM vectors WHERE space = ? ORDER BY 1`, int64(blockUnits), e.v.space)
	if err != nil {
		return err
	}
	e.v.codes, e.codes = nil, nil
	for _, n := range numbers {
		if err := e.uncoded(n); err != nil {
			return err
		}
	}
	return nil
}
