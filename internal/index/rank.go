package index

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Meta is by what a unit is ranked.
type Meta struct {
	Kind, Type string // Type is a memory's
	Global     bool   // it belongs to no project
	Time       time.Time
	Confidence float64
	Document   uint64 // see Page; 0 is none
	Siblings   int
}

// Page is the key that the units of a document share.
func Page(document string) uint64 { return hash(document) }

// Meta returns by what a live unit is ranked.
func (v *View) Meta(unit int64) Meta {
	n, i := at(unit)
	b := v.block(n)
	return Meta{
		Kind: kindNames[b.kind[i]], Type: typeNames[b.typ[i]], Global: b.project[i] == 0, Time: time.UnixMicro(b.time[i]).UTC(),
		Confidence: b.confidence[i], Document: b.document[i], Siblings: int(b.siblings[i]),
	}
}

// The score by words is BM25F (Robertson, Zaragoza: The Probabilistic Relevance
// Framework, 2009, section 3.6) with what is said next to a turn as a further,
// weaker field. Of a unit u and a term that has df of N units:
//
//	own = headWeight·tfHead·nHead + tfBody·nBody
//	say = tfBody·nBody
//	ctx = 1/(1+(lenBody/contextLength)²) · Σ over distances d ≤ reach: contextWeight·contextDecay^(d-1)·
//	      (earlier·say of the unit d before u + later·say of the unit d after u)
//	x   = own + ctx
//	sum += √(times that the question says the term) · ln(1 + (N-df+0.5)/(df+0.5)) · (k1+1)·x/(k1+x)
//
// where nHead = 1/(1-headB+headB·lenHead/mean) and nBody =
// (mean+pseudoLength)/(lenBody+pseudoLength), lengths in terms, means, N and df
// over all live units. Before and after are within a session, and pieces of one
// document do not count for each other.
const (
	k1            = 1.6
	headWeight    = 2.0
	headB         = 0.75
	pseudoLength  = 40.0
	reach         = 2
	contextWeight = 0.35
	contextDecay  = 0.8
	earlier       = 1.3
	later         = 0.7
	contextLength = 100.0
)

// A Frequency says how often a term stands in the fields of a text.
type Frequency struct{ Head, Body int }

// Score is what a term says of a text that is in no view, as if it were: with its
// lengths, and df of units that have the term.
func (v *View) Score(f Frequency, headLength, bodyLength, df, units int) float64 {
	r := v.ranking(nil)
	x := r.body(f.Body, bodyLength) + r.head(f.Head, headLength)
	return termWeight(float64(df), float64(units)) * x / (k1 + x)
}

// termWeight is what a term that df of units have is worth.
func termWeight(df, units float64) float64 {
	return math.Log1p((max(units, df)-df+0.5)/(df+0.5)) * (k1 + 1)
}

// Rank returns the n admitted units that the terms speak for most, with their
// scores.
func (v *View) Rank(terms []Term, a *Admission, n int) []Scored {
	if v.occupied == 0 {
		return nil
	}
	r := v.ranking(a)
	r.sums = make([]float32, v.occupied*blockUnits)
	for i := range terms {
		r.add(&terms[i])
	}
	return v.top(r.sums, n)
}

// A ranking adds up the scores of one question.
type ranking struct {
	v        *View
	a        *Admission
	headMean float64
	bodyMean float64

	sums    []float32 // by place among the blocks that are left
	x       []float32 // of the term at hand, of units that have neighbours
	touched []int32   // places in x that are not 0
}

func (v *View) ranking(a *Admission) *ranking {
	r := &ranking{v: v, a: a, headMean: 1}
	if v.units > 0 {
		r.headMean = math.Max(1, float64(v.headLength)/float64(v.units))
		r.bodyMean = float64(v.bodyLength) / float64(v.units)
	}
	return r
}

// head and body are what a term says of a text with so many of it in that field,
// which has so many terms.
func (r *ranking) head(frequency, length int) float64 {
	if frequency == 0 {
		return 0
	}
	return headWeight * float64(frequency) / (1 - headB + headB*float64(length)/r.headMean)
}

func (r *ranking) body(frequency, length int) float64 {
	return float64(frequency) * (r.bodyMean + pseudoLength) / (float64(length) + pseudoLength)
}

// add adds what a term says.
func (r *ranking) add(t *Term) {
	weight := math.Sqrt(float64(t.Count)) * termWeight(float64(len(t.postings)), float64(r.v.units))
	for k := range t.postings {
		p := &t.postings[k]
		number, i := at(p.Unit)
		b := r.v.blocks[number]
		body := r.body(int(p.Freq.Body), int(b.bodyLen[i]))
		own := body + r.head(int(p.Freq.Head), int(b.headLength[i]))
		place := r.v.slots[number]*blockUnits + int32(i)
		alone := b.before[i] == 0 && b.after[i] == 0
		switch admitted := r.a.has(p.Unit); {
		case alone && admitted:
			r.sums[place] += float32(weight * own / (k1 + own))
		case !alone && admitted:
			r.touch(place, own)
		}
		if !alone && body > 0 {
			r.tell(p.Unit, b, i, body)
		}
	}
	for _, place := range r.touched {
		x := float64(r.x[place])
		r.sums[place] += float32(weight * x / (k1 + x))
		r.x[place] = 0
	}
	r.touched = r.touched[:0]
}

func (r *ranking) touch(place int32, x float64) {
	if r.x == nil {
		r.x = make([]float32, len(r.sums))
	}
	if r.x[place] == 0 {
		r.touched = append(r.touched, place)
	}
	r.x[place] += float32(x)
}

// tell lets the neighbours of a unit know what it says.
func (r *ranking) tell(unit int64, b *block, i int, say float64) {
	for _, side := range [2]struct {
		step   int64
		weight float64
	}{{1, earlier}, {-1, later}} {
		weight := contextWeight * side.weight
		next, in, k := unit, b, i
		for range reach {
			distance := int64(in.after[k])
			if side.step < 0 {
				distance = -int64(in.before[k])
			}
			if distance == 0 {
				break
			}
			next += distance
			number, j := at(next)
			in, k = r.v.blocks[number], j
			if r.a.has(next) && (b.document[i] == 0 || in.document[k] != b.document[i]) {
				length := float64(in.bodyLen[k]) / contextLength
				r.touch(r.v.slots[number]*blockUnits+int32(k), weight*say/(1+length*length))
			}
			weight *= contextDecay
		}
	}
}

// top are the n units with the greatest sums above 0.
func (v *View) top(sums []float32, n int) []Scored {
	best := newBest(n)
	for number, slot := range v.slots {
		if slot < 0 {
			continue
		}
		for i, s := range sums[int(slot)*blockUnits : int(slot)*blockUnits+blockUnits] {
			if s > 0 && float64(s) >= best.least() {
				best.offer(Scored{int64(number)*blockUnits + int64(i), float64(s)})
			}
		}
	}
	return best.sorted()
}

// A ProjectCount counts units of a project.
type ProjectCount struct {
	Project string
	Units   int
}

// CountProjects counts the admitted units that have one of the terms, by project,
// the most first.
func (v *View) CountProjects(terms []Term, a *Admission) []ProjectCount {
	seen := map[int64]bool{}
	counts := map[uint32]int{}
	for _, t := range terms {
		for _, p := range t.postings {
			if seen[p.Unit] || !a.has(p.Unit) {
				continue
			}
			seen[p.Unit] = true
			n, i := at(p.Unit)
			counts[v.blocks[n].project[i]]++
		}
	}
	var out []ProjectCount
	for number, n := range counts {
		out = append(out, ProjectCount{v.names[number], n})
	}
	slices.SortFunc(out, func(x, y ProjectCount) int {
		return cmp.Or(cmp.Compare(y.Units, x.Units), cmp.Compare(x.Project, y.Project))
	})
	return out
}
