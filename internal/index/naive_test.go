package index_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/internal/textindex"
)

// admits is what Filter says, of a record.
func admits(f *index.Filter, u *index.Unit) bool {
	if f.Project != "" && u.Project != "" && u.Project != f.Project {
		return false
	}
	if len(f.Kinds) > 0 && !slices.Contains(f.Kinds, u.Kind) {
		return false
	}
	if len(f.Types) > 0 && u.Kind != "memory" {
		return false
	}
	if f.Any {
		return true
	}
	statuses := f.Statuses
	if len(statuses) == 0 {
		statuses = []string{"active"}
	}
	if !slices.Contains(statuses, u.Status) || len(f.Types) > 0 && !slices.Contains(f.Types, u.Type) {
		return false
	}
	if u.Status == "active" && (!u.From.IsZero() && f.Now.Before(u.From) || !u.Until.IsZero() && !f.Now.Before(u.Until)) {
		return false
	}
	if !f.After.IsZero() && u.Time.Before(f.After) || !f.Before.IsZero() && !u.Time.Before(f.Before) {
		return false
	}
	var tags []string
	_ = json.Unmarshal([]byte(u.Tags), &tags)
	return !slices.ContainsFunc(f.Tags, func(t string) bool { return !slices.Contains(tags, t) })
}

// filter makes one up.
func (s *store) filter() *index.Filter {
	f := &index.Filter{Now: s.hour()}
	some := func() bool { return s.rng.IntN(4) == 0 }
	if some() {
		f.Project = s.one("north", "south", "[\"x\"]", "nowhere")
	}
	if some() {
		f.Kinds = []string{"memory", s.one("state", "chunk")}
	}
	if some() {
		f.Types = []string{s.one("identity", "nonsense"), s.one("knowledge", "nonsense")}
	}
	if some() {
		f.Statuses = []string{s.one("active", "candidate"), s.one("superseded", "invalid", "nonsense")}
	}
	if some() {
		f.Tags = []string{s.one("x", "y", "z", "nonsense")}
	}
	if some() {
		f.After = s.hour()
	}
	if some() {
		f.Before = s.hour()
	}
	f.Any = s.rng.IntN(6) == 0
	return f
}

// frequencies counts a term, or all that begin with it, in the texts.
func (r *record) frequency(text string, prefix bool) (f textindex.Freq) {
	count := func(field []string) (n uint16) {
		for _, w := range field {
			if w == text || prefix && strings.HasPrefix(w, text) {
				n++
			}
		}
		return n
	}
	return textindex.Freq{Head: count(r.head), Body: count(r.body)}
}

// postings are those of a term.
func (s *store) postings(text string, prefix bool) (list []textindex.Posting) {
	for _, r := range s.sorted() {
		if f := r.frequency(text, prefix); f != (textindex.Freq{}) && text != "" {
			list = append(list, textindex.Posting{Unit: r.unit, Freq: f})
		}
	}
	return list
}

// neighbours are the units before and after each unit in its thread.
func (s *store) neighbours() (before, after map[int64]*record) {
	threads := map[int64][]*record{}
	for _, r := range s.sorted() {
		if r.u.Thread != 0 {
			threads[r.u.Thread] = append(threads[r.u.Thread], r)
		}
	}
	before, after = map[int64]*record{}, map[int64]*record{}
	for _, list := range threads {
		slices.SortStableFunc(list, func(a, b *record) int { return cmp.Compare(a.u.Place, b.u.Place) })
		for i, r := range list[1:] {
			before[r.unit], after[list[i].unit] = list[i], r
		}
	}
	return before, after
}

// A word is one of a question's.
type word struct {
	text   string
	prefix bool
	times  int
}

// rank is the formula beside the constants of Rank, for all admitted units.
func (s *store) rank(question []word, admitted func(*index.Unit) bool) map[int64]float64 {
	before, after := s.neighbours()
	var heads, bodies float64
	for _, r := range s.records {
		heads += float64(len(r.head))
		bodies += float64(len(r.body))
	}
	n := float64(len(s.records))
	headMean, bodyMean := math.Max(1, heads/n), bodies/n
	scores := map[int64]float64{}
	for _, q := range question {
		df := float64(len(s.postings(q.text, q.prefix)))
		say := func(r *record) float64 {
			f := r.frequency(q.text, q.prefix)
			return float64(f.Body) * (bodyMean + 40) / (float64(len(r.body)) + 40)
		}
		for _, r := range s.records {
			if !admitted(&r.u) {
				continue
			}
			f := r.frequency(q.text, q.prefix)
			x := say(r) + 2*float64(f.Head)/(1-0.75+0.75*float64(len(r.head))/headMean)
			for _, side := range []struct {
				next   map[int64]*record
				weight float64
			}{{before, 1.3}, {after, 0.7}} {
				other := r
				for d := range 2 {
					if other = side.next[other.unit]; other == nil {
						break
					}
					if r.u.Document == "" || r.u.Document != other.u.Document {
						x += 0.35 * math.Pow(0.8, float64(d)) * side.weight * say(other) / (1 + math.Pow(float64(len(r.body))/100, 2))
					}
				}
			}
			if x > 0 && q.text != "" {
				scores[r.unit] += math.Sqrt(float64(q.times)) * math.Log(1+(n-df+0.5)/(df+0.5)) * 2.6 * x / (1.6 + x)
			}
		}
	}
	return scores
}

// near reports whether two computations in float32 may have come to both.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-4*math.Max(1, math.Abs(b)) }

// compare fails the test where what the view says is not what the maps say.
func (s *store) compare(name string, tx *sqlite.Tx, v *index.View) {
	s.t.Helper()
	s.compareUnits(name, v)
	if s.t.Failed() {
		s.t.FailNow()
	}
	for range 4 {
		s.compareAdmission(name, v)
	}
	for range 4 {
		s.compareTerm(name, tx, v)
	}
	for range 3 {
		s.compareRank(name, tx, v)
	}
	s.compareVectors(name, tx, v)
	if s.t.Failed() {
		s.t.FailNow()
	}
}

func (s *store) compareUnits(name string, v *index.View) {
	s.t.Helper()
	before, after := s.neighbours()
	number := func(r *record) int64 {
		if r == nil {
			return 0
		}
		return r.unit
	}
	var want, got []string
	var head, body int64
	for _, r := range s.sorted() {
		head, body = head+int64(len(r.head)), body+int64(len(r.body))
		m := index.Meta{
			Kind: r.u.Kind, Type: r.u.Type, Global: r.u.Project == "", Time: r.u.Time, Confidence: r.u.Confidence, Siblings: r.u.Siblings,
		}
		if r.u.Document != "" {
			m.Document = index.Page(r.u.Document)
		}
		want = append(want, fmt.Sprint(r.unit, m, number(before[r.unit]), number(after[r.unit])))
	}
	for _, unit := range v.Live() {
		b, a := v.Neighbours(unit)
		got = append(got, fmt.Sprint(unit, v.Meta(unit), b, a))
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		s.t.Errorf("%s: units, columns, units before and after (-want +got):\n%s", name, diff)
	}
	gotHead, gotBody := v.Lengths()
	if got, want := fmt.Sprint(v.Units(), gotHead, gotBody), fmt.Sprint(len(want), head, body); got != want {
		s.t.Errorf("%s: units and lengths %s, want %s", name, got, want)
	}
}

func (s *store) compareAdmission(name string, v *index.View) {
	s.t.Helper()
	f := s.filter()
	a := v.Admit(f)
	units := 0
	for _, r := range s.sorted() {
		want := admits(f, &r.u)
		if want {
			units++
		}
		if got := a.Has(r.unit); got != want {
			s.t.Errorf("%s: %+v admits %+v: %v, want %v", name, *f, r.u, got, want)
		}
	}
	if got := a.Units(); got != units {
		s.t.Errorf("%s: %+v admits %d units, want %d", name, *f, got, units)
	}
	if r := s.any(); r != nil && a.Has(r.unit) {
		if a.Remove(r.unit); a.Has(r.unit) || a.Units() != units-1 {
			s.t.Errorf("%s: a unit is admitted after Remove", name)
		}
	}
}

// asked is a word that texts may have, or the beginning of some.
func (s *store) asked() word {
	q := word{s.word(), s.rng.IntN(3) == 0, 1 + s.rng.IntN(3)}
	if s.rng.IntN(10) == 0 {
		q.text = s.one("", "nonsense", "wz", "grü")
	}
	return q
}

func (s *store) compareTerm(name string, tx *sqlite.Tx, v *index.View) {
	s.t.Helper()
	q := s.asked()
	term, err := v.Term(tx, q.text, q.prefix)
	if err != nil {
		s.t.Fatalf("%s: term %q: %v", name, q.text, err)
	}
	want := s.postings(q.text, q.prefix)
	got := append([]textindex.Posting(nil), term.Postings()...)
	if diff := gocmp.Diff(want, got); diff != "" {
		s.t.Errorf("%s: postings of %+v (-want +got):\n%s", name, q, diff)
	}
}

func (s *store) compareRank(name string, tx *sqlite.Tx, v *index.View) {
	s.t.Helper()
	var question []word
	var terms []index.Term
	for range 1 + s.rng.IntN(4) {
		q := s.asked()
		term, err := v.Term(tx, q.text, q.prefix)
		if err != nil {
			s.t.Fatal(err)
		}
		term.Count = q.times
		question, terms = append(question, q), append(terms, term)
	}
	f := s.filter()
	want := s.rank(question, func(u *index.Unit) bool { return admits(f, u) })
	got := v.Rank(terms, v.Admit(f), len(s.records)+1)
	s.compareScores(fmt.Sprintf("%s: rank of %+v by %+v", name, question, *f), want, got)
	if few := v.Rank(terms, v.Admit(f), 3); !slices.Equal(few, got[:min(3, len(got))]) {
		s.t.Errorf("%s: the first 3 are %v, of all %v", name, few, got)
	}
}

// compareScores compares what was found with the score of each, and its order.
func (s *store) compareScores(what string, want map[int64]float64, got []index.Scored) {
	s.t.Helper()
	for i, g := range got {
		if w, ok := want[g.Unit]; !ok || !near(g.Score, w) {
			s.t.Errorf("%s: unit %d got %v, want %v", what, g.Unit, g.Score, w)
		}
		if i > 0 && (g.Score > got[i-1].Score || g.Score == got[i-1].Score && g.Unit >= got[i-1].Unit) {
			s.t.Errorf("%s: unit %d (%v) stands after %d (%v)", what, g.Unit, g.Score, got[i-1].Unit, got[i-1].Score)
		}
	}
	if len(got) != len(want) {
		s.t.Errorf("%s: found %d units, want %d", what, len(got), len(want))
	}
}

func (s *store) compareVectors(name string, tx *sqlite.Tx, v *index.View) {
	s.t.Helper()
	vectors := s.vectors[s.space]
	query := s.vector(s.space)
	f := s.filter()
	want := map[int64]float64{}
	for _, r := range s.records {
		if d := vectors[r.unit]; d != nil && admits(f, &r.u) {
			want[r.unit] = cosine(query, d)
		}
	}
	for _, exact := range []bool{true, false} {
		// So few units are all compared exactly, whether the codes choose them or not.
		got, err := v.Nearest(s.t.Context(), tx, query, v.Admit(f), len(s.records)+1, exact)
		if err != nil {
			s.t.Fatal(err)
		}
		s.compareScores(fmt.Sprintf("%s: nearest by %+v, exact %v", name, *f, exact), want, got)
		few, err := v.Nearest(s.t.Context(), tx, query, v.Admit(f), 2, exact)
		if err != nil || !slices.Equal(few, got[:min(2, len(got))]) {
			s.t.Errorf("%s: the nearest 2 are %v, of all %v; %v", name, few, got, err)
		}
	}
	codes := map[int64][]uint64{}
	if c := v.Coder(); c != nil {
		for unit, d := range vectors {
			codes[unit] = make([]uint64, c.Words())
			c.Encode(codes[unit], d)
		}
	}
	if diff := gocmp.Diff(codes, v.Codes()); diff != "" {
		s.t.Errorf("%s: codes (-want +got):\n%s", name, diff)
	}
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}
