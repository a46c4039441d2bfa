package index_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/sqlite"
)

// TestModel does at random what stores do, and holds views that were led from state
// to state, and such that were loaded, against plain maps.
func TestModel(t *testing.T) {
	index.Small(t)
	seeds, steps := 3, 120
	if testing.Short() || raceEnabled {
		seeds, steps = 1, 80
	}
	seen := map[string]int{}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { runModel(newStore(t, uint64(seed)), steps, seen) })
	}
	// What never happened was not tested.
	for _, what := range []string{"segment", "run", "loose", "codes", "merge", "merge, late", "blocks", "behind the log", "rollback"} {
		if seen[what] == 0 && !testing.Short() && !raceEnabled {
			t.Errorf("%s: did not come up in %v", what, seen)
		}
	}
}

func runModel(s *store, steps int, seen map[string]int) {
	var led, lazy index.Index
	var behind int64 // log entries since lazy looked
	for i := range steps {
		name := s.step(&led, seen)
		s.read(func(tx *sqlite.Tx) {
			name = fmt.Sprintf("step %d, %s", i, name)
			s.compare(name+", led", tx, s.view(tx, &led))
			v := s.view(tx, new(index.Index))
			s.compare(name+", loaded", tx, v)
			var last, first int64
			if _, err := tx.QueryRow(func(r sqlite.Row) { first, last = r.Int64(0), r.Int64(1) }, `SELECT min(seq), max(seq) FROM unit_log`); err != nil {
				s.t.Fatal(err)
			}
			if s.rng.IntN(12) == 0 {
				if behind+1 < first {
					seen["behind the log"]++
				}
				s.compare(name+", lazy", tx, s.view(tx, &lazy))
				behind = last
			}
			segments, runs, loose := v.Pieces()
			seen["segment"] += segments
			seen["run"] += runs
			seen["loose"] += loose
			seen["codes"] += len(v.Codes())
			if live := v.Live(); len(live) > 0 && live[0]/index.BlockUnits != live[len(live)-1]/index.BlockUnits {
				seen["blocks"]++
			}
		})
		if faults := s.faults(); len(faults) > 0 {
			s.t.Fatalf("%s: faults %v", name, faults)
		}
	}
}

// step changes the store, and says how.
func (s *store) step(ix *index.Index, seen map[string]int) string {
	s.t.Helper()
	switch n := s.rng.IntN(40); n {
	case 0, 1:
		s.write(func(_ *sqlite.Tx, w *index.Writer) error { return w.Pack() })
		return "pack"
	case 2, 3:
		s.write(func(_ *sqlite.Tx, w *index.Writer) error { return w.Purge(s.t.Context()) })
		return "purge"
	case 4:
		s.orphan()
		s.repair()
		return "repair"
	case 5, 6:
		s.switchSpace(n == 5)
		return "switch space"
	case 7:
		s.rollBack()
		seen["rollback"]++
		return "roll back"
	case 8, 9, 10:
		s.write(func(tx *sqlite.Tx, w *index.Writer) error { return s.bulk(tx, w, 30+s.rng.IntN(60)) })
		return "bulk"
	case 11, 12, 13, 14, 15, 16:
		late := func() {}
		if n <= 13 {
			late = func() {
				s.write(s.some)
				seen["merge, late"]++
			}
		}
		if s.merge(ix, late) {
			seen["merge"]++
		}
		return "merge"
	case 17, 18:
		s.write(func(tx *sqlite.Tx, w *index.Writer) error {
			for _, r := range s.sorted()[len(s.records)/3:] {
				if err := s.remove(w, r.u.ID); err != nil {
					return err
				}
			}
			return nil
		})
		return "remove most"
	default:
		s.write(s.some)
		return "write"
	}
}

// orphan takes a record away behind the index's back.
func (s *store) orphan() {
	if r := s.any(); r != nil {
		s.dropVectors(r.unit)
		delete(s.records, r.u.ID)
	}
}

// switchSpace makes the other space the active one; pack as a store does.
func (s *store) switchSpace(pack bool) {
	s.space = 3 - s.space
	s.write(func(tx *sqlite.Tx, w *index.Writer) error {
		s.exec(tx, `UPDATE spaces SET active = 0 WHERE active = 1`)
		s.exec(tx, `UPDATE spaces SET active = 1 WHERE space = ?`, s.space)
		if err := w.Restructured(); err != nil || !pack {
			return err
		}
		return w.Pack()
	})
}

// rollBack begins what it does not commit.
func (s *store) rollBack() {
	records, vectors := s.records, s.vectors
	s.records, s.vectors = map[string]*record{}, map[int64]map[int64][]float32{1: {}, 2: {}}
	stop := errors.New("stop")
	err := s.db.Write(s.t.Context(), func(tx *sqlite.Tx) error {
		w := index.NewWriter(tx)
		if err := s.bulk(tx, w, 50); err != nil {
			return err
		}
		return errors.Join(stop, w.Finish())
	})
	if !errors.Is(err, stop) || err.Error() != stop.Error() {
		s.t.Fatal(err)
	}
	s.records, s.vectors = records, vectors
}

// bulk puts many new records.
func (s *store) bulk(tx *sqlite.Tx, w *index.Writer, n int) error {
	for range n {
		r := s.newRecord()
		if err := s.put(tx, w, r); err != nil {
			return err
		}
		if err := s.embedSome(tx, w, r); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) embedSome(tx *sqlite.Tx, w *index.Writer, r *record) error {
	for space := range int64(2) {
		if s.rng.IntN(4) > 0 {
			if err := s.embed(tx, w, space+1, r.unit, s.vector(space+1)); err != nil {
				return err
			}
		}
	}
	return nil
}

// some makes a few changes.
func (s *store) some(tx *sqlite.Tx, w *index.Writer) error {
	for range 1 + s.rng.IntN(8) {
		if err := s.change(tx, w); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) change(tx *sqlite.Tx, w *index.Writer) error {
	old := s.any()
	n := s.rng.IntN(20)
	if old == nil || n < 6 {
		if s.made > 0 && s.rng.IntN(30) == 0 {
			s.skip(tx, 400)
		}
		r := s.newRecord()
		if err := s.put(tx, w, r); err != nil {
			return err
		}
		return s.embedSome(tx, w, r)
	}
	r := *old
	switch {
	case n < 9:
		return s.put(tx, w, &r) // as it was
	case n < 12:
		s.redescribe(&r)
		return s.put(tx, w, &r)
	case n < 15:
		r.body = append(s.text(10), s.word())
		if err := s.put(tx, w, &r); err != nil {
			return err
		}
		return s.embedSome(tx, w, &r)
	case n < 18:
		return s.remove(w, r.u.ID)
	default:
		space := 1 + s.rng.Int64N(2)
		var vector []float32
		if s.rng.IntN(2) == 0 {
			vector = s.vector(space)
		}
		return s.embed(tx, w, space, r.unit, vector)
	}
}
