package index_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// openAt opens the database of a directory, as each program does that uses it.
func openAt(t testing.TB, dir string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{
		Path:          filepath.Join(dir, "atocore.db"),
		LockPath:      filepath.Join(dir, "atocore.lock"),
		ApplicationID: schema.ApplicationID,
		Migrations:    schema.Migrations(),
		Durability:    sqlite.Normal,
		CacheDir:      filepath.Join(os.TempDir(), "atocore-test-wasm"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		findings, err := db.IntegrityCheck(context.Background())
		if err != nil || len(findings) > 0 {
			t.Errorf("check of the database: %v, %v", findings, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// A record is what a unit stands for.
type record struct {
	unit       int64
	u          index.Unit
	head, body []string
}

func (r *record) terms() (head, body []string) { return r.head, r.body }

// A store is an index in a database, with what it has to hold in plain maps. What
// is written changes the maps when it is committed.
type store struct {
	t       testing.TB
	dir     string
	db      *sqlite.DB
	rng     *rand.Rand
	made    int                // records that there ever were
	records map[string]*record // by ID
	vectors map[int64]map[int64][]float32
	space   int64 // the active one
}

// The spaces of a store, and their dimensions.
var spaces = map[int64]int{1: 64, 2: 100}

func newStore(t testing.TB, seed uint64) *store {
	t.Helper()
	s := &store{
		t: t, dir: t.TempDir(), rng: rand.New(rand.NewPCG(seed, 4)), records: map[string]*record{},
		vectors: map[int64]map[int64][]float32{1: {}, 2: {}}, space: 1,
	}
	s.db = openAt(t, s.dir)
	s.write(func(tx *sqlite.Tx, w *index.Writer) error {
		for id, dimensions := range spaces {
			s.exec(tx, `INSERT INTO spaces (space, name, dimensions, fingerprint, active) VALUES (?, ?, ?, '', ?)`,
				id, fmt.Sprintf("space %d", id), dimensions, id == s.space)
		}
		return w.Restructured()
	})
	return s
}

func (s *store) exec(tx *sqlite.Tx, query string, args ...any) {
	s.t.Helper()
	if _, err := tx.Exec(query, args...); err != nil {
		s.t.Fatal(err)
	}
}

// write runs fn in a write transaction, and has what it changes written out.
func (s *store) write(fn func(tx *sqlite.Tx, w *index.Writer) error) {
	s.t.Helper()
	err := s.db.Write(s.t.Context(), func(tx *sqlite.Tx) error {
		w := index.NewWriter(tx)
		if err := fn(tx, w); err != nil {
			return err
		}
		return w.Finish()
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// damage runs a statement that no Writer knows of.
func (s *store) damage(query string, args ...any) {
	s.t.Helper()
	var n int64
	err := s.db.Write(s.t.Context(), func(tx *sqlite.Tx) (err error) {
		n, err = tx.Exec(query, args...)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if n == 0 {
		s.t.Fatalf("%s: nothing was damaged", query)
	}
}

func (s *store) read(fn func(tx *sqlite.Tx)) {
	s.t.Helper()
	err := s.db.Read(s.t.Context(), func(tx *sqlite.Tx) error { fn(tx); return nil })
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *store) view(tx *sqlite.Tx, ix *index.Index) *index.View {
	s.t.Helper()
	v, err := ix.View(tx)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// skip lets the next unit have a number that is higher by n.
func (s *store) skip(tx *sqlite.Tx, n int) {
	s.exec(tx, `UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'units'`, n)
}

// put writes the record, and the maps.
func (s *store) put(tx *sqlite.Tx, w *index.Writer, r *record) error {
	h := fnv.New64a()
	fmt.Fprint(h, r.head, r.body)
	r.u.MadeFrom = int64(h.Sum64())
	u := r.u
	unit, fresh, err := w.Put(&u, r.terms)
	if err != nil {
		return err
	}
	old, there := s.records[r.u.ID]
	if want := !there || old.u.MadeFrom != r.u.MadeFrom; fresh != want {
		return fmt.Errorf("put %s: fresh is %v, want %v", r.u.ID, fresh, want)
	}
	if there && fresh {
		s.dropVectors(old.unit)
	}
	if there && !fresh && unit != old.unit {
		return fmt.Errorf("put %s: it became unit %d from %d", r.u.ID, unit, old.unit)
	}
	if u.HeadLength != len(r.head) || u.BodyLength != len(r.body) {
		return fmt.Errorf("put %s: lengths %d and %d, want %d and %d", r.u.ID, u.HeadLength, u.BodyLength, len(r.head), len(r.body))
	}
	r.unit = unit
	s.records[r.u.ID] = r
	return nil
}

func (s *store) remove(w *index.Writer, id string) error {
	s.dropVectors(s.records[id].unit)
	delete(s.records, id)
	return w.Remove(id)
}

func (s *store) dropVectors(unit int64) {
	for _, vectors := range s.vectors {
		delete(vectors, unit)
	}
}

// embed gives a unit a vector in a space, or takes it away where that is nil.
func (s *store) embed(tx *sqlite.Tx, w *index.Writer, space, unit int64, vector []float32) error {
	s.exec(tx, `DELETE FROM vectors WHERE space = ? AND unit = ?`, space, unit)
	delete(s.vectors[space], unit)
	if vector != nil {
		s.exec(tx, `INSERT INTO vectors (space, unit, vector) VALUES (?, ?, ?)`, space, unit, index.Blob(vector))
		s.vectors[space][unit] = vector
	}
	return w.Embedded(unit)
}

// repair makes everything anew from the records, as a store does.
func (s *store) repair() {
	s.t.Helper()
	s.write(func(tx *sqlite.Tx, w *index.Writer) error {
		var gone []string
		for r, err := range tx.Query(`SELECT id FROM units ORDER BY unit`) {
			if err != nil {
				return err
			}
			if s.records[r.Text(0)] == nil {
				gone = append(gone, r.Text(0))
			}
		}
		for _, id := range gone {
			s.exec(tx, `DELETE FROM units WHERE id = ?`, id)
		}
		s.exec(tx, `DELETE FROM vectors WHERE unit NOT IN (SELECT unit FROM units)`)
		if err := w.Reset(); err != nil {
			return err
		}
		for _, r := range s.sorted() {
			u := r.u
			unit, fresh, err := w.Retell(&u, r.terms)
			if err != nil {
				return err
			}
			if fresh {
				s.dropVectors(r.unit)
			}
			r.unit = unit
		}
		return w.Rebuilt()
	})
}

// merge does what is planned for ix, with between in between. It reports whether
// there was something.
func (s *store) merge(ix *index.Index, between func()) bool {
	s.t.Helper()
	var merged *index.Merged
	s.read(func(tx *sqlite.Tx) {
		plan := s.view(tx, ix).PlanMerge()
		if plan.Empty() {
			return
		}
		var err error
		if merged, err = plan.Merge(s.t.Context(), tx); err != nil {
			s.t.Fatal(err)
		}
	})
	if merged == nil {
		return false
	}
	between()
	s.write(func(_ *sqlite.Tx, w *index.Writer) error { return w.Replace(merged) })
	return true
}

// sorted are the records by unit.
func (s *store) sorted() []*record {
	list := make([]*record, 0, len(s.records))
	for _, r := range s.records {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b *record) int { return cmp.Compare(a.unit, b.unit) })
	return list
}

// faults are those that a Check finds, by code.
func (s *store) faults() map[string]string {
	s.t.Helper()
	found := map[string]string{}
	s.read(func(tx *sqlite.Tx) {
		c, err := index.NewCheck(s.t.Context(), tx)
		if err != nil {
			s.t.Fatalf("check: %v", err)
		}
		for _, r := range s.sorted() {
			u := r.u
			if err := c.Hold(&u, r.terms); err != nil {
				s.t.Fatalf("check: %v", err)
			}
		}
		for _, f := range c.Faults() {
			found[f.Code] = fmt.Sprintf("%s: expected %s, found %s", f.Table, f.Expected, f.Found)
		}
	})
	return found
}

// words are what texts are made of: some are the beginning of others.
var words = func() []string {
	list := []string{"a", "ab", "abc", "abcd", "abd", "b", "ba", "grün", "grünlich", "日", "日本", "z"}
	for n := range 30 {
		list = append(list, fmt.Sprintf("w%d", n))
	}
	return append(list, strings.Repeat("long", 60))
}()

// word draws one, the first ones more often.
func (s *store) word() string {
	n := len(words)
	return words[min(s.rng.IntN(n), s.rng.IntN(n))]
}

func (s *store) text(most int) []string {
	var list []string
	for range s.rng.IntN(most + 1) {
		list = append(list, s.word())
	}
	return list
}

func (s *store) one(list ...string) string { return list[s.rng.IntN(len(list))] }

var epoch = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func (s *store) hour() time.Time { return epoch.Add(time.Duration(s.rng.IntN(500)) * time.Hour) }

// newRecord makes up a record.
func (s *store) newRecord() *record {
	s.made++
	r := &record{u: index.Unit{ID: fmt.Sprintf("id-%06d", s.made)}}
	s.redescribe(r)
	r.head, r.body = s.text(3), s.text(14)
	return r
}

// redescribe makes up all of a record but its texts.
func (s *store) redescribe(r *record) {
	u := &r.u
	u.Kind = s.one("memory", "memory", "state", "chunk", "interaction")
	u.Project = s.one("", "", "north", "south", "[\"x\"]")
	u.Type, u.Document = "", ""
	switch u.Kind {
	case "memory":
		u.Type = s.one("identity", "preference", "project", "episodic", "knowledge", "adaptation")
	case "chunk":
		u.Document = s.one("d1", "d2")
	}
	u.Status = s.one("active", "active", "active", "candidate", "superseded", "invalid")
	tags, _ := json.Marshal(append([]string{}, []string{"x", "y", "z"}[:s.rng.IntN(4)]...))
	u.Tags = string(tags)
	u.Time, u.From, u.Until = s.hour(), time.Time{}, time.Time{}
	if s.rng.IntN(4) == 0 {
		u.From = s.hour()
	}
	if s.rng.IntN(4) == 0 {
		u.Until = s.hour()
	}
	u.Confidence = float64(s.rng.IntN(5)) / 4
	u.Thread, u.Place = 0, 0
	if s.rng.IntN(3) > 0 {
		u.Thread = index.Thread("t", s.one("1", "2", "3"))
		u.Place = int64(s.rng.IntN(9)) - 4
	}
	u.Siblings = 1 + s.rng.IntN(3)
}

func (s *store) vector(space int64) []float32 {
	v := make([]float32, spaces[space])
	for i := range v {
		v[i] = float32(s.rng.NormFloat64()) + 0.1
	}
	return v
}

// any is one of the records, or nil.
func (s *store) any() *record {
	list := s.sorted()
	if len(list) == 0 {
		return nil
	}
	return list[s.rng.IntN(len(list))]
}

// fill puts n new records, each in a transaction of its own with a vector in both
// spaces.
func (s *store) fill(n int) {
	s.t.Helper()
	for range n {
		s.write(func(tx *sqlite.Tx, w *index.Writer) error {
			r := s.newRecord()
			if err := s.put(tx, w, r); err != nil {
				return err
			}
			return errors.Join(s.embed(tx, w, 1, r.unit, s.vector(1)), s.embed(tx, w, 2, r.unit, s.vector(2)))
		})
	}
}
