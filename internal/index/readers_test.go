package index_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/sqlite"
)

// agree returns an error where two views of one state are not the same.
func agree(tx *sqlite.Tx, a, b *index.View) error {
	if !slices.Equal(a.Live(), b.Live()) {
		return fmt.Errorf("live units are %v and %v", a.Live(), b.Live())
	}
	for _, unit := range a.Live() {
		beforeA, afterA := a.Neighbours(unit)
		beforeB, afterB := b.Neighbours(unit)
		if a.Meta(unit) != b.Meta(unit) || beforeA != beforeB || afterA != afterB {
			return fmt.Errorf("unit %d is %v between %d and %d, and %v between %d and %d", unit, a.Meta(unit), beforeA, afterA, b.Meta(unit), beforeB, afterB)
		}
	}
	if diff := gocmp.Diff(a.Codes(), b.Codes()); diff != "" && a.HasCodes() && b.HasCodes() {
		return fmt.Errorf("codes differ: %s", diff)
	}
	var ranks [2][]index.Scored
	for i, v := range []*index.View{a, b} {
		var terms []index.Term
		for _, w := range words[:6] {
			t, err := v.Term(tx, w, w == "b")
			if err != nil {
				return err
			}
			terms = append(terms, t)
		}
		ranks[i] = v.Rank(terms, v.Admit(&index.Filter{Any: true}), 20)
	}
	if !slices.Equal(ranks[0], ranks[1]) {
		return fmt.Errorf("ranks are %v and %v", ranks[0], ranks[1])
	}
	return nil
}

// TestReaders has many goroutines take views and search while a writer goes on: each
// finds what its transaction sees.
func TestReaders(t *testing.T) {
	index.Small(t)
	s := newStore(t, 5)
	s.fill(40)
	var ix index.Index
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				err := s.db.Read(t.Context(), func(tx *sqlite.Tx) error {
					v, err := ix.View(tx)
					if err != nil {
						return err
					}
					loaded, err := new(index.Index).View(tx)
					return errors.Join(err, agree(tx, v, loaded))
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 60 {
		s.step(&ix, map[string]int{})
		if t.Failed() {
			break
		}
	}
	close(done)
	wg.Wait()
}

// TestOlderReader takes the view of a transaction that began before others wrote,
// and looked.
func TestOlderReader(t *testing.T) {
	index.Small(t)
	for writes := range 8 {
		s := newStore(t, uint64(writes))
		s.fill(50)
		var ix index.Index
		s.read(func(tx *sqlite.Tx) {
			var loaded *index.View
			if writes%2 == 0 {
				loaded = s.view(tx, new(index.Index))
			} else {
				loaded = s.view(tx, &ix)
			}
			for range writes {
				s.write(s.some)
				s.read(func(tx *sqlite.Tx) { s.view(tx, &ix) })
			}
			v := s.view(tx, &ix)
			if err := agree(tx, v, loaded); err != nil {
				t.Errorf("after %d writes: %v", writes, err)
			}
			if kept := writes < 4; writes%2 == 1 && kept != (v == loaded) {
				t.Errorf("after %d writes: the view is the same: %v, want %v", writes, v == loaded, kept)
			}
		})
		s.read(func(tx *sqlite.Tx) { s.compare("the newest", tx, s.view(tx, &ix)) })
	}
}

// TestNothingNew gives out one view as long as nothing changes.
func TestNothingNew(t *testing.T) {
	s := newStore(t, 1)
	s.fill(3)
	var ix index.Index
	var before *index.View
	s.read(func(tx *sqlite.Tx) { before = s.view(tx, &ix) })
	s.write(func(tx *sqlite.Tx, w *index.Writer) error {
		for _, r := range s.sorted() {
			if err := s.put(tx, w, r); err != nil {
				return err
			}
		}
		return nil
	})
	s.read(func(tx *sqlite.Tx) {
		if s.view(tx, &ix) != before {
			t.Error("there is a new view after records were put as they were")
		}
	})
}

// TestTwoHandles opens the database twice, as two programs do: each writes, and sees
// what the other has written.
func TestTwoHandles(t *testing.T) {
	index.Small(t)
	s := newStore(t, 9)
	handles := []*sqlite.DB{s.db, openAt(t, s.dir)}
	views := make([]index.Index, 2)
	steps := 50
	if raceEnabled {
		steps = 20
	}
	for i := range steps {
		me := s.rng.IntN(2)
		s.db = handles[me]
		name := s.step(&views[me], map[string]int{})
		for k := range handles {
			s.db = handles[k]
			s.read(func(tx *sqlite.Tx) {
				s.compare(fmt.Sprintf("step %d of %d, %s, seen by %d", i, me, name, k), tx, s.view(tx, &views[k]))
			})
		}
	}
	s.db = handles[0]
	if faults := s.faults(); len(faults) > 0 {
		t.Errorf("faults %v", faults)
	}
}

// TestBehindTheLog looks again when the log has lost entries that were not seen.
func TestBehindTheLog(t *testing.T) {
	index.Small(t)
	s := newStore(t, 2)
	s.fill(5)
	var ix index.Index
	s.read(func(tx *sqlite.Tx) { s.view(tx, &ix) })
	s.write(func(_ *sqlite.Tx, w *index.Writer) error { return s.remove(w, s.sorted()[2].u.ID) })
	s.fill(60)
	s.read(func(tx *sqlite.Tx) {
		var first int64
		if _, err := tx.QueryRow(func(r sqlite.Row) { first = r.Int64(0) }, `SELECT min(seq) FROM unit_log`); err != nil {
			t.Fatal(err)
		}
		if first < 50 {
			t.Fatalf("the log begins at %d: nothing is behind it", first)
		}
		s.compare("behind", tx, s.view(tx, &ix))
	})
}

// TestFailedView ends a view halfway: the next one is whole.
func TestFailedView(t *testing.T) {
	index.Small(t)
	s := newStore(t, 6)
	s.fill(30)
	var ix index.Index
	s.read(func(tx *sqlite.Tx) { s.view(tx, &ix) })
	s.write(func(tx *sqlite.Tx, w *index.Writer) error {
		for range 3 {
			if err := s.some(tx, w); err != nil {
				return err
			}
		}
		return nil
	})
	// The view reads the units' rows, and then the log finds no table.
	err := s.db.Write(t.Context(), func(tx *sqlite.Tx) error {
		s.exec(tx, `INSERT INTO unit_log (unit) VALUES (0)`)
		s.exec(tx, `ALTER TABLE segments RENAME TO hidden`)
		_, err := ix.View(tx)
		return errors.Join(errors.New("roll back"), err)
	})
	var failed *sqlite.Error
	if !errors.As(err, &failed) {
		t.Fatalf("the view did not fail: %v", err)
	}
	s.read(func(tx *sqlite.Tx) { s.compare("after a failure", tx, s.view(tx, &ix)) })
	s.write(s.some)
	s.read(func(tx *sqlite.Tx) { s.compare("and then", tx, s.view(tx, &ix)) })
}

// TestScoreIsRanks gives a text that is in no view the score that it would have.
func TestScoreIsRanks(t *testing.T) {
	s := newStore(t, 8)
	s.write(func(tx *sqlite.Tx, w *index.Writer) error {
		for range 30 {
			r := s.newRecord()
			r.u.Thread = 0
			if err := s.put(tx, w, r); err != nil {
				return err
			}
		}
		return nil
	})
	s.read(func(tx *sqlite.Tx) {
		v := s.view(tx, new(index.Index))
		term, err := v.Term(tx, "ab", false)
		if err != nil {
			t.Fatal(err)
		}
		got := map[int64]float64{}
		for _, r := range s.records {
			f := r.frequency("ab", false)
			if score := v.Score(index.Frequency{Head: int(f.Head), Body: int(f.Body)}, len(r.head), len(r.body), term.Units(), v.Units()); score > 0 {
				got[r.unit] = score
			}
		}
		s.compareScores("score against rank", got, v.Rank([]index.Term{term}, v.Admit(&index.Filter{Any: true}), 100))
	})
}

// TestCountProjects counts each unit once, whatever words it has.
func TestCountProjects(t *testing.T) {
	s := newStore(t, 8)
	s.write(func(tx *sqlite.Tx, w *index.Writer) error { return s.bulk(tx, w, 60) })
	s.read(func(tx *sqlite.Tx) {
		v := s.view(tx, new(index.Index))
		var terms []index.Term
		for _, word := range []string{"a", "ab", "w1"} {
			term, err := v.Term(tx, word, false)
			if err != nil {
				t.Fatal(err)
			}
			terms = append(terms, term)
		}
		f := &index.Filter{Now: epoch, Statuses: []string{"active", "candidate"}}
		want := map[string]int{}
		for _, r := range s.records {
			if admits(f, &r.u) && (r.frequency("a", false).Head+r.frequency("a", false).Body+r.frequency("ab", false).Head+
				r.frequency("ab", false).Body+r.frequency("w1", false).Head+r.frequency("w1", false).Body > 0) {
				want[r.u.Project]++
			}
		}
		got := map[string]int{}
		last := 1 << 30
		for _, c := range v.CountProjects(terms, v.Admit(f)) {
			if got[c.Project] = c.Units; c.Units > last {
				t.Errorf("%d units stand after %d", c.Units, last)
			}
			last = c.Units
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("units by project (-want +got):\n%s", diff)
		}
	})
}
