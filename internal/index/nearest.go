package index

import (
	"cmp"
	"context"
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/internal/vectorindex"
)

// A Scored is a unit with what one side of a search says of it.
type Scored struct {
	Unit  int64
	Score float64
}

// order puts the higher score first, and the newer unit where they are equal.
func order(a, b Scored) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(b.Unit, a.Unit))
}

// The codes choose, by plain distance, scannedTimes as many candidates as are then
// scored by their vectors after a closer look at the codes: half as many again as
// are wanted, at least leastRescored, and at least one in rescoredShare of all.
const (
	scannedTimes  = 4
	leastRescored = 160
	rescoredShare = 4000
)

// Nearest returns the n admitted units whose vectors, in the active space, have
// the greatest cosine with vector, and that cosine. Exact compares every vector;
// otherwise the codes choose which are compared, where there are any.
func (v *View) Nearest(ctx context.Context, tx *sqlite.Tx, vector []float32, a *Admission, n int, exact bool) ([]Scored, error) {
	if exact || v.coder == nil || v.coder.Dimensions() != len(vector) {
		return v.compareAll(tx, vector, a, n)
	}
	query := v.coder.Query(vector)
	rescored := max(leastRescored, n+n/2, a.units/rescoredShare)
	candidates, err := vectorindex.Scan(ctx, v.codes, query.Code(), a.sets, scannedTimes*rescored)
	if err != nil {
		return nil, err
	}
	candidates = vectorindex.Refine(v.codes, query, candidates, rescored)
	units := make([]int64, len(candidates))
	for i, c := range candidates {
		units[i] = c.Unit
	}
	out, err := v.Similarities(tx, vector, units)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, order)
	return out[:min(n, len(out))], nil
}

// compareAll is Nearest by the vectors themselves.
func (v *View) compareAll(tx *sqlite.Tx, vector []float32, a *Admission, n int) ([]Scored, error) {
	best := newBest(n)
	// The engine fails for vectors of another length, and has no distance of one that
	// is all zero. Both are damage, which a check sees.
	for r, err := range tx.Query(`SELECT unit, vec_distance_cosine(vector, ?) FROM vectors
		WHERE space = ? AND length(vector) = ?
		ORDER BY id`, Blob(vector), v.space, 4*len(vector)) {
		if err != nil {
			return nil, err
		}
		if s, ok := scanScored(r); ok && a.has(s.Unit) {
			best.offer(s)
		}
	}
	return best.sorted(), nil
}

// Similarities returns the cosines of the units' vectors with vector, of those
// that have one, in no particular order.
func (v *View) Similarities(tx *sqlite.Tx, vector []float32, units []int64) ([]Scored, error) {
	if len(units) == 0 {
		return nil, nil
	}
	out := make([]Scored, 0, len(units))
	for r, err := range tx.Query(`SELECT unit, vec_distance_cosine(vector, ?) FROM vectors
		WHERE space = ? AND unit IN (SELECT value FROM json_each(?)) AND length(vector) = ?`,
		Blob(vector), v.space, NumberList(units), 4*len(vector)) {
		if err != nil {
			return nil, err
		}
		if s, ok := scanScored(r); ok {
			out = append(out, s)
		}
	}
	return out, nil
}

// scanScored reads a unit and a distance, if there is one.
func scanScored(r sqlite.Row) (Scored, bool) {
	d := r.Float64(1)
	if d == 0 && r.IsNull(1) {
		return Scored{}, false
	}
	return Scored{r.Int64(0), 1 - d}, true
}

// NumberList is a JSON array of numbers.
func NumberList(numbers []int64) string {
	b := make([]byte, 0, 8*len(numbers)+2)
	b = append(b, '[')
	for i, n := range numbers {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return string(append(b, ']'))
}

// Blob is a vector as the store keeps it, which is the form that sqlite-vec
// reads: float32, little endian.
func Blob(v []float32) []byte {
	out := make([]byte, 0, 4*len(v))
	for _, x := range v {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
	}
	return out
}

// A best keeps the n best of what it is offered.
type best struct {
	n    int
	heap []Scored // the worst at the root
}

func newBest(n int) *best { return &best{n: n, heap: make([]Scored, 0, min(n, 4096))} }

// least is the score that has to be passed; everything does before there are n.
func (b *best) least() float64 {
	if len(b.heap) < b.n || b.n == 0 {
		return math.Inf(-1)
	}
	return b.heap[0].Score
}

func (b *best) offer(s Scored) {
	switch {
	case b.n == 0:
	case len(b.heap) < b.n:
		b.heap = append(b.heap, s)
		for i := len(b.heap) - 1; i > 0; {
			up := (i - 1) / 2
			if order(b.heap[up], b.heap[i]) >= 0 {
				break
			}
			b.heap[up], b.heap[i] = b.heap[i], b.heap[up]
			i = up
		}
	case order(s, b.heap[0]) < 0:
		b.heap[0] = s
		for i := 0; ; {
			down := 2*i + 1
			if down >= len(b.heap) {
				break
			}
			if down+1 < len(b.heap) && order(b.heap[down+1], b.heap[down]) > 0 {
				down++
			}
			if order(b.heap[i], b.heap[down]) >= 0 {
				break
			}
			b.heap[i], b.heap[down] = b.heap[down], b.heap[i]
			i = down
		}
	}
}

// sorted returns what was kept, best first.
func (b *best) sorted() []Scored {
	slices.SortFunc(b.heap, order)
	return b.heap
}
