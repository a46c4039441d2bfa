package index_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/internal/vectorindex"
)

// mixed makes a store with something in every table of the index: packed blocks and
// codes and what has come since, segments and units beside them.
func mixed(t *testing.T) *store {
	t.Helper()
	index.Small(t)
	s := newStore(t, 7)
	s.fill(60)
	s.write(func(tx *sqlite.Tx, w *index.Writer) error { s.skip(tx, index.BlockUnits); return nil })
	s.fill(27)
	s.write(func(_ *sqlite.Tx, w *index.Writer) error { return w.Pack() })
	s.fill(6)
	s.read(func(tx *sqlite.Tx) {
		for table, least := range map[string]int64{
			"unit_blocks": 2, "codes": 4, "code_means": 2, "segments": 2, "segment_blocks": 2, "unit_terms": 3,
		} {
			var n int64
			if _, err := tx.QueryRow(func(r sqlite.Row) { n = r.Int64(0) }, `SELECT count(*) FROM `+table); err != nil {
				t.Fatal(err)
			}
			if n < least {
				t.Fatalf("%s has %d rows, want at least %d for what follows", table, n, least)
			}
		}
		s.compare("before", tx, s.view(tx, new(index.Index)))
	})
	if faults := s.faults(); len(faults) > 0 {
		t.Fatalf("faults %v before the damage", faults)
	}
	return s
}

// heal repairs the store and holds views against the maps: one that was led there
// from the damage, and a new one.
func (s *store) heal(led *index.Index) {
	s.t.Helper()
	s.repair()
	s.read(func(tx *sqlite.Tx) {
		s.compare("repaired, led", tx, s.view(tx, led))
		s.compare("repaired, loaded", tx, s.view(tx, new(index.Index)))
	})
	if faults := s.faults(); len(faults) > 0 {
		s.t.Errorf("faults after the repair: %v", faults)
	}
}

// wantFault fails the test unless a Check finds the fault.
func (s *store) wantFault(code string) {
	s.t.Helper()
	if faults := s.faults(); faults[code] == "" {
		s.t.Errorf("a check found %v, want %s", faults, code)
	}
}

func (s *store) blob(query string, args ...any) (data []byte) {
	s.t.Helper()
	s.read(func(tx *sqlite.Tx) {
		if found, err := tx.QueryRow(func(r sqlite.Row) { data = r.Blob(0) }, query, args...); err != nil || !found {
			s.t.Fatalf("%s: found %v, %v", query, found, err)
		}
	})
	return data
}

// TestFlippedBytes turns bits over in each kind of blob with a checksum: a check
// sees it, no view believes it, and a repair mends it.
func TestFlippedBytes(t *testing.T) {
	for _, c := range []struct{ table, where, code string }{
		{"unit_blocks", "block = 0", "columns_stale"},
		{"unit_blocks", "block = 1", "columns_stale"},
		{"codes", "space = 1 AND block = 0", "codes_stale"},
		{"code_means", "space = 1", "codes_stale"},
		{"segment_blocks", "id = (SELECT min(id) FROM segment_blocks)", "fts_integrity"},
	} {
		column := map[string]string{"code_means": "mean"}[c.table]
		if column == "" {
			column = "data"
		}
		t.Run(c.table+" "+c.where, func(t *testing.T) {
			s := mixed(t)
			good := s.blob(`SELECT ` + column + ` FROM ` + c.table + ` WHERE ` + c.where)
			set := func(data []byte) {
				s.damage(`UPDATE `+c.table+` SET `+column+` = ? WHERE `+c.where, data)
			}
			var led index.Index
			for i := range 12 {
				bad := slices.Clone(good)
				bad[i*(len(bad)-1)/11] ^= 1 << s.rng.IntN(8)
				if i == 5 {
					bad = bad[:len(bad)/2]
				}
				set(bad)
				s.wantFault(c.code)
				led = index.Index{}
				s.read(func(tx *sqlite.Tx) { s.distrusts(tx, s.view(tx, &led), c.table) })
				if s.t.Failed() {
					t.Fatalf("byte %d of %d", i*(len(bad)-1)/11, len(bad))
				}
			}
			s.heal(&led)
		})
	}
}

// distrusts fails the test where the view has something of a damaged table in it.
func (s *store) distrusts(tx *sqlite.Tx, v *index.View, table string) {
	s.t.Helper()
	switch table {
	case "segment_blocks":
		// Whoever asks is told; what is found elsewhere is not passed off as all.
		failed := 0
		for _, w := range words {
			term, err := v.Term(tx, w, false)
			switch {
			case err == nil && !slices.Equal(term.Postings(), s.postings(w, false)):
				s.t.Errorf("term %q: %v without an error, want %v", w, term.Postings(), s.postings(w, false))
			case err != nil && !errors.Is(err, sqlite.ErrCorrupt):
				s.t.Errorf("term %q: error %v, want one that is %v", w, err, sqlite.ErrCorrupt)
			case err != nil:
				failed++
			}
		}
		if failed == 0 {
			s.t.Error("no term failed")
		}
	case "code_means":
		if v.HasCodes() {
			s.t.Error("there are codes by a mean that is damaged")
		}
		s.compare("damaged", tx, v)
	default:
		s.compare("damaged", tx, v)
	}
}

// TestPackingOverDamage packs next to what is damaged or gone, which mends it.
func TestPackingOverDamage(t *testing.T) {
	for _, damage := range []string{
		`UPDATE unit_blocks SET data = zeroblob(100) WHERE block = 1`,
		`DELETE FROM unit_blocks WHERE block = 1`,
		`UPDATE codes SET data = zeroblob(100) WHERE block = 1 AND space = 1`,
		`DELETE FROM codes WHERE block = 1 AND space = 1`,
		`UPDATE code_means SET mean = zeroblob(100) WHERE space = 1`,
		`DELETE FROM code_means WHERE space = 1`,
	} {
		t.Run(damage, func(t *testing.T) {
			s := mixed(t)
			s.damage(damage)
			for range 2 { // the first one drops a mean that is damaged
				s.fill(1)
				s.write(func(_ *sqlite.Tx, w *index.Writer) error { return w.Pack() })
			}
			if faults := s.faults(); len(faults) > 0 {
				t.Errorf("faults %v after packing anew", faults)
			}
			s.read(func(tx *sqlite.Tx) {
				v := s.view(tx, new(index.Index))
				if s.compare("packed anew", tx, v); !v.HasCodes() {
					t.Error("there are no codes")
				}
			})
		})
	}
}

// TestOtherDamage is of what no checksum tells: rows that are gone, are too many, or
// tell of something else. A check sees it and a repair mends it.
func TestOtherDamage(t *testing.T) {
	const firstSegment = `(SELECT min(segment) FROM segments)`
	for _, c := range []struct {
		name, code string
		noticed    bool // by views as well
		damage     []string
	}{
		{"a block gone", "columns_stale", true, []string{`DELETE FROM unit_blocks WHERE block = 0`}},
		{"all blocks gone", "columns_stale", true, []string{`DELETE FROM unit_blocks`}},
		{"a block in another's place", "columns_stale", true, []string{
			`UPDATE unit_blocks SET data = (SELECT data FROM unit_blocks WHERE block = 0) WHERE block = 1`,
		}},
		{"a block too many", "columns_stale", true, []string{`INSERT INTO unit_blocks (block, data) SELECT 7, data FROM unit_blocks WHERE block = 0`}},
		{"a block of a number out of range", "columns_stale", true, []string{
			`INSERT INTO unit_blocks (block, data) SELECT 1 << 40, data FROM unit_blocks WHERE block = 0`,
			`INSERT INTO unit_blocks (block, data) SELECT -1, data FROM unit_blocks WHERE block = 0`,
		}},
		{"codes gone", "codes_stale", true, []string{`DELETE FROM codes WHERE space = 1 AND block = 0`}},
		{"codes in another's place", "codes_stale", true, []string{
			`UPDATE codes SET data = (SELECT data FROM codes WHERE space = 1 AND block = 0) WHERE space = 1 AND block = 1`,
		}},
		{"codes of another space", "codes_stale", true, []string{
			`UPDATE codes SET data = (SELECT data FROM codes WHERE space = 2 AND block = 0) WHERE space = 1 AND block = 0`,
		}},
		{"codes too many", "codes_stale", true, []string{`INSERT INTO codes (space, block, data) SELECT 1, 9, data FROM codes WHERE space = 1 AND block = 0`}},
		{"codes of a number out of range", "codes_stale", true, []string{`INSERT INTO codes (space, block, data) SELECT 1, 1 << 40, data FROM codes WHERE space = 1 AND block = 0`}},
		{"codes of no space", "codes_stale", true, []string{`INSERT INTO codes (space, block, data) SELECT 9, 0, data FROM codes WHERE space = 1 AND block = 0`}},
		{"the mean gone", "codes_stale", true, []string{`DELETE FROM code_means WHERE space = 1`}},
		{"a mean of no space", "codes_stale", true, []string{`INSERT INTO code_means (space, vectors, mean) VALUES (9, 1, x'00')`}},
		{"the mean of another space", "codes_stale", false, []string{
			`UPDATE code_means SET mean = (SELECT mean FROM code_means WHERE space = 2) WHERE space = 1`,
		}},
		{"the log gone", "columns_stale", true, []string{`DELETE FROM unit_log WHERE seq < (SELECT max(seq) FROM unit_log)`}},
		{"columns changed unheard", "columns_stale", false, []string{`UPDATE units SET project = 'elsewhere' WHERE unit = 5`}},
		{"columns not the record's", "units_stale", false, []string{`UPDATE units SET confidence = 9 WHERE unit = 5`}},
		{"a segment gone", "fts_parity", false, []string{
			`DELETE FROM segment_blocks WHERE segment = ` + firstSegment, `DELETE FROM segments WHERE segment = ` + firstSegment,
		}},
		{"a segment twice", "fts_integrity", false, []string{
			`INSERT INTO segments (first, last, units, bytes) SELECT first, last, units, bytes FROM segments WHERE segment = ` + firstSegment,
		}},
		{"a segment without end", "fts_integrity", false, []string{`UPDATE segments SET last = 1 << 62, first = -5 WHERE segment = ` + firstSegment}},
		{"postings gone", "fts_parity", false, []string{`DELETE FROM segment_blocks WHERE segment = ` + firstSegment}},
		{"postings of another segment", "units_stale", false, []string{
			`UPDATE segment_blocks SET data = (SELECT data FROM segment_blocks ORDER BY id DESC LIMIT 1) WHERE segment = ` + firstSegment,
		}},
		{"terms gone", "fts_parity", false, []string{`DELETE FROM unit_terms WHERE unit = (SELECT max(unit) FROM unit_terms WHERE length(terms) > 3)`}},
		{"terms of another unit", "units_stale", false, []string{
			`UPDATE unit_terms SET terms = (SELECT terms FROM unit_terms ORDER BY length(terms) DESC LIMIT 1)
			WHERE unit = (SELECT unit FROM unit_terms ORDER BY length(terms) LIMIT 1)`,
		}},
		{"terms too many", "fts_parity", false, []string{`INSERT INTO unit_terms (unit, terms) SELECT 9999, terms FROM unit_terms LIMIT 1`}},
		{"terms of a unit in a segment", "fts_integrity", false, []string{`INSERT INTO unit_terms (unit, terms) SELECT 5, terms FROM unit_terms LIMIT 1`}},
		{"terms that are none", "fts_integrity", false, []string{`UPDATE unit_terms SET terms = x'ffff' WHERE unit = (SELECT min(unit) FROM unit_terms)`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := mixed(t)
			for _, q := range c.damage {
				s.damage(q)
			}
			s.wantFault(c.code)
			var led index.Index
			s.read(func(tx *sqlite.Tx) {
				v := s.view(tx, &led)
				if c.noticed {
					s.compare("damaged", tx, v)
				}
				s.useAll(tx, v)
			})
			s.heal(&led)
		})
	}
}

// TestEveryColumn changes one column of a row at a time behind the index's back: a
// check sees that the packed one is another.
func TestEveryColumn(t *testing.T) {
	s := mixed(t)
	var r *record
	for _, r = range s.sorted() {
		if r.u.Kind == "memory" {
			break
		}
	}
	for _, set := range []string{
		`kind = 'state'`, `type = 'other'`, `status = 'other'`, `project = 'other'`, `tags = '["other"]'`, `document = 'other'`,
		`time = '2020-01-01T00:00:00.000000Z'`, `valid_from = '2020-01-01T00:00:00.000000Z'`, `valid_until = '2020-01-01T00:00:00.000000Z'`,
		`confidence = 7`, `thread = 7`, `place = 777`, `siblings = 777`, `head_length = 777`, `body_length = 777`,
	} {
		s.damage(`UPDATE units SET `+set+` WHERE unit = ?`, r.unit)
		if faults := s.faults(); faults["columns_stale"] == "" {
			t.Errorf("%s: a check found %v", set, faults)
		}
		s.repair()
	}
}

// useAll asks the view everything: whatever is damaged, nothing fails but with an
// error.
func (s *store) useAll(tx *sqlite.Tx, v *index.View) {
	s.t.Helper()
	a := v.Admit(s.filter())
	var terms []index.Term
	for _, w := range words {
		for _, prefix := range []bool{false, true} {
			term, err := v.Term(tx, w, prefix)
			if err != nil && !errors.Is(err, sqlite.ErrCorrupt) {
				s.t.Errorf("term %q: %v", w, err)
			}
			terms = append(terms, term)
		}
	}
	v.Rank(terms, a, 10)
	v.Rank(terms, a, 0)
	v.CountProjects(terms, a)
	if _, err := v.Nearest(s.t.Context(), tx, s.vector(s.space), a, 10, false); err != nil {
		s.t.Errorf("nearest: %v", err)
	}
	for _, unit := range v.Live() {
		v.Meta(unit)
	}
	v.PlanMerge()
}

// TestOtherCodes has a unit's code be that of another vector: a check sees it, and
// the scores of what is found are right all the same.
func TestOtherCodes(t *testing.T) {
	s := mixed(t)
	coder, err := vectorindex.ParseCoder(s.blob(`SELECT mean FROM code_means WHERE space = 1`))
	if err != nil {
		t.Fatal(err)
	}
	b, err := coder.ParseBlock(s.blob(`SELECT data FROM codes WHERE space = 1 AND block = 0`), 0)
	if err != nil {
		t.Fatal(err)
	}
	b.Set(5, slices.Clone(b.Code(6)))
	s.damage(`UPDATE codes SET data = ? WHERE space = 1 AND block = 0`, coder.AppendBlock(nil, 0, b))
	s.wantFault("codes_stale")
	var led index.Index
	s.read(func(tx *sqlite.Tx) {
		v := s.view(tx, &led)
		query := s.vector(1)
		got, err := v.Nearest(t.Context(), tx, query, v.Admit(&index.Filter{Any: true}), 5, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range got {
			if want := cosine(query, s.vectors[1][g.Unit]); !near(g.Score, want) {
				t.Errorf("unit %d: %v, want %v", g.Unit, g.Score, want)
			}
		}
	})
	s.heal(&led)
}

// TestUnreadableTermsDoNotStopWrites seals terms that cannot be read.
func TestUnreadableTermsDoNotStopWrites(t *testing.T) {
	for _, damage := range []string{
		`UPDATE unit_terms SET terms = x'ffff' WHERE unit = (SELECT min(unit) FROM unit_terms)`,
		`INSERT INTO unit_terms (unit, terms) SELECT 1 << 45, terms FROM unit_terms LIMIT 1`,
		`INSERT INTO unit_terms (unit, terms) SELECT 99999, terms FROM unit_terms LIMIT 1`,
	} {
		s := mixed(t)
		s.damage(damage)
		s.fill(40)
		s.write(func(tx *sqlite.Tx, w *index.Writer) error { return s.bulk(tx, w, 50) })
		var segments int
		s.read(func(tx *sqlite.Tx) { segments, _, _ = s.view(tx, new(index.Index)).Pieces() })
		if segments < 4 {
			t.Errorf("%s: %d segments, want those of what was written since", damage, segments)
		}
		s.heal(new(index.Index))
	}
}

// TestPurgeOfDamage refuses to purge what it cannot read, and says why.
func TestPurgeOfDamage(t *testing.T) {
	s := mixed(t)
	s.damage(`UPDATE segment_blocks SET data = zeroblob(100) WHERE id = (SELECT min(id) FROM segment_blocks)`)
	id := s.sorted()[0].u.ID
	err := s.db.Write(t.Context(), func(tx *sqlite.Tx) error {
		w := index.NewWriter(tx)
		return errors.Join(w.Remove(id), w.Purge(t.Context()))
	})
	if !errors.Is(err, sqlite.ErrCorrupt) {
		t.Errorf("error %v, want one that is %v", err, sqlite.ErrCorrupt)
	}
	s.heal(new(index.Index))
	s.write(func(_ *sqlite.Tx, w *index.Writer) error {
		return errors.Join(s.remove(w, id), w.Purge(t.Context()))
	})
}

// TestHostileNumbers has units, vectors and log entries of numbers that no store
// comes to: they are not found, and nothing is allocated for them.
func TestHostileNumbers(t *testing.T) {
	s := mixed(t)
	var led index.Index
	s.read(func(tx *sqlite.Tx) { s.view(tx, &led) })
	for _, unit := range []int64{-5, -5000, index.MaxBlocks * index.BlockUnits, 1 << 45, 1<<63 - 1} {
		s.damage(`INSERT INTO units (`+unitColumns+`) SELECT ?1, kind, 'hostile' || ?1, document, project, type, status, tags, time, valid_from,
			valid_until, made_from, confidence, thread, place, siblings, head_length, body_length FROM units WHERE unit = 5`, unit)
		s.damage(`INSERT INTO vectors (space, unit, vector) SELECT space, ?, vector FROM vectors WHERE unit = 5`, unit)
		s.damage(`INSERT INTO unit_log (unit) VALUES (?)`, unit)
	}
	s.damage(`UPDATE sqlite_sequence SET seq = 5000 WHERE name = 'units'`)
	for i := range 2 {
		s.wantFault("columns_stale")
		s.read(func(tx *sqlite.Tx) {
			for _, v := range []*index.View{s.view(tx, &led), s.view(tx, new(index.Index))} {
				s.compare("hostile", tx, v)
				s.useAll(tx, v)
			}
		})
		if i == 0 {
			// The next ones would have numbers above.
			s.damage(`DELETE FROM units WHERE unit > 5000`)
		}
		s.fill(3)
		s.write(func(_ *sqlite.Tx, w *index.Writer) error {
			return errors.Join(w.Pack(), w.Purge(t.Context()))
		})
	}
	s.heal(&led)
}

const unitColumns = `unit, kind, id, document, project, type, status, tags, time, valid_from, valid_until, made_from,
	confidence, thread, place, siblings, head_length, body_length`
