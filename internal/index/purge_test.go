package index_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/internal/textindex"
)

// secret is a word, project and tag that nothing else has, and that begins as
// nothing else.
const secret = "qqsecretword"

// withSecret puts a record that has the word everywhere.
func (s *store) withSecret() *record {
	s.t.Helper()
	r := s.newRecord()
	r.head, r.body = []string{secret}, []string{"a", secret, secret + "s"}
	r.u.Project, r.u.Tags = secret, `["`+secret+`"]`
	s.write(func(tx *sqlite.Tx, w *index.Writer) error {
		if err := s.put(tx, w, r); err != nil {
			return err
		}
		return s.embed(tx, w, 1, r.unit, s.vector(1))
	})
	return r
}

// file is all that is on the disk of the store.
func (s *store) file() []byte {
	s.t.Helper()
	if _, err := s.db.Checkpoint(s.t.Context(), sqlite.Truncate); err != nil {
		s.t.Fatal(err)
	}
	var all []byte
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(filepath.Join(s.dir, "atocore.db"+suffix))
		if err != nil && !os.IsNotExist(err) {
			s.t.Fatal(err)
		}
		all = append(all, data...)
	}
	return all
}

func (s *store) pack() error {
	return s.db.Write(s.t.Context(), func(tx *sqlite.Tx) error { return index.NewWriter(tx).Pack() })
}

// TestPurge forgets a unit wherever it stands: no byte of its words, project, tags
// and vector stays in the file, and no blob has its number.
func TestPurge(t *testing.T) {
	purge := func(s *store) {
		s.write(func(_ *sqlite.Tx, w *index.Writer) error { return w.Purge(s.t.Context()) })
	}
	forget := func(s *store, r *record) {
		s.write(func(_ *sqlite.Tx, w *index.Writer) error {
			if err := s.remove(w, r.u.ID); err != nil {
				return err
			}
			return w.Purge(s.t.Context())
		})
	}
	for _, c := range []struct {
		name   string
		before func(s *store) *record
		forget func(s *store, r *record)
	}{
		{"not sealed", func(s *store) *record { s.fill(30); return s.withSecret() }, forget},
		{"sealed", func(s *store) *record { r := s.withSecret(); s.fill(70); return r }, forget},
		{"alone in its segment", func(s *store) *record {
			r := s.withSecret()
			s.fill(70)
			s.write(func(_ *sqlite.Tx, w *index.Writer) error {
				for _, other := range s.sorted()[1:30] {
					if err := s.remove(w, other.u.ID); err != nil {
						return err
					}
				}
				return nil
			})
			return r
		}, forget},
		{"gone for a while", func(s *store) *record { r := s.withSecret(); s.fill(70); return r }, func(s *store, r *record) {
			s.write(func(_ *sqlite.Tx, w *index.Writer) error { return s.remove(w, r.u.ID) })
			s.fill(40)
			purge(s)
		}},
		{"replaced", func(s *store) *record { r := s.withSecret(); s.fill(70); return r }, func(s *store, r *record) {
			s.write(func(tx *sqlite.Tx, w *index.Writer) error {
				other := *r
				other.head, other.body, other.u.Project, other.u.Tags = nil, []string{"b"}, "", "[]"
				return s.put(tx, w, &other)
			})
			purge(s)
		}},
		{"merged meanwhile", func(s *store) *record { r := s.withSecret(); s.fill(70); return r }, func(s *store, r *record) {
			var ix index.Index
			s.write(func(_ *sqlite.Tx, w *index.Writer) error {
				for _, other := range s.sorted()[1:20] {
					if err := s.remove(w, other.u.ID); err != nil {
						return err
					}
				}
				return nil
			})
			if !s.merge(&ix, func() { forget(s, r) }) {
				s.t.Fatal("there was nothing to merge")
			}
		}},
		{"where terms are missing", func(s *store) *record {
			r := s.withSecret()
			s.fill(3)
			s.damage(`DELETE FROM unit_terms WHERE unit = 3`)
			s.fill(60)
			return r
		}, forget},
		{"by a mean that is damaged", func(s *store) *record { r := s.withSecret(); s.fill(70); return r }, func(s *store, r *record) {
			s.damage(`UPDATE code_means SET mean = x'00'`)
			forget(s, r)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			index.Small(t)
			s := newStore(t, 11)
			r := c.before(s)
			traces := map[string][]byte{"the word": []byte(secret[2:]), "the vector": index.Blob(s.vectors[1][r.unit])}
			if err := s.pack(); err != nil {
				t.Fatal(err)
			}
			s.read(func(tx *sqlite.Tx) {
				if code := s.view(tx, new(index.Index)).Codes()[r.unit]; code != nil {
					traces["the code"] = codeBytes(code)
				}
			})
			data := s.file()
			for what, trace := range traces {
				if !bytes.Contains(data, trace) {
					t.Fatalf("%s is not in the file before it is forgotten", what)
				}
			}
			unit := r.unit
			c.forget(s, r)
			data = s.file()
			for what, trace := range traces {
				if i := bytes.Index(data, trace); i >= 0 {
					t.Errorf("%s is in the file after it was forgotten, at byte %d", what, i)
				}
			}
			s.read(func(tx *sqlite.Tx) { s.wantNoTrace(tx, unit) })
		})
	}
}

func codeBytes(code []uint64) (b []byte) {
	for _, w := range code {
		for range 8 {
			b = append(b, byte(w))
			w >>= 8
		}
	}
	return b
}

// wantNoTrace fails the test where a blob has the unit, or a posting of one that
// is not live.
func (s *store) wantNoTrace(tx *sqlite.Tx, unit int64) {
	s.t.Helper()
	v := s.view(tx, new(index.Index))
	live := map[int64]bool{}
	for _, u := range v.Live() {
		live[u] = true
	}
	var blocks []textindex.Block
	check := func() {
		_, err := textindex.CheckSegment(func(yield func(textindex.Block, error) bool) {
			for _, b := range blocks {
				if !yield(b, nil) {
					return
				}
			}
		}, func(u int64, _ uint64) {
			if !live[u] {
				s.t.Errorf("a segment has unit %d, which has gone", u)
			}
		})
		if err != nil {
			s.t.Error(err)
		}
		blocks = nil
	}
	segment := int64(0)
	for r, err := range tx.Query(`SELECT segment, first, part, data FROM segment_blocks ORDER BY segment, first, part`) {
		if err != nil {
			s.t.Fatal(err)
		}
		if r.Int64(0) != segment {
			check()
		}
		segment = r.Int64(0)
		blocks = append(blocks, textindex.Block{First: r.Text(1), Part: int(r.Int64(2)), Data: r.Blob(3)})
	}
	check()
	if live[unit] || v.Codes()[unit] != nil {
		s.t.Errorf("unit %d is in packed columns or codes", unit)
	}
}
