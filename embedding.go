package atocore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atocore/atocore/internal/hashembed"
	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// An Embedder turns texts into vectors. It must be safe for concurrent use.
//
// Embed returns one vector a text, in their order, each of Space().Dimensions
// finite numbers that are not all zero; nil stands for a text that has nothing
// to embed. An error says that the embedder cannot be used now: the store then
// keeps the texts and embeds them later. So it does where Embed takes longer
// than half of the time that a write's context has left; without a deadline,
// how long to wait is the embedder's own decision.
type Embedder interface {
	Space() Space
	Embed(ctx context.Context, texts []string, purpose Purpose) ([][]float32, error)
}

// Purpose tells an Embedder what the texts are, since many models treat
// questions and passages differently.
type Purpose uint8

const (
	ForDocument Purpose = iota // text to be found
	ForQuery                   // text to find it with
)

// A Space is the identity of an embedder. Vectors of two spaces never mix,
// also where the dimensions are the same.
type Space struct {
	Name        string `json:"name"`
	Dimensions  int    `json:"dimensions"`
	Fingerprint string `json:"fingerprint"` // changes with whatever changes the vectors
}

// String is the space as name/dimensions/fingerprint.
func (s Space) String() string { return fmt.Sprintf("%s/%d/%s", s.Name, s.Dimensions, s.Fingerprint) }

// MaxDimensions bounds an embedding space.
const MaxDimensions = 8192

func (s Space) validate() error {
	if s.Dimensions < 1 || s.Dimensions > MaxDimensions {
		return invalid("space", fmt.Sprintf("%s has %d dimensions", s.Name, s.Dimensions), fmt.Sprintf("use 1 to %d", MaxDimensions))
	}
	if s.Name == "" {
		return invalid("space", "has no name", "")
	}
	return firstError(checkName("space name", s.Name), checkName("space fingerprint", s.Fingerprint))
}

// DefaultEmbedder is the built-in embedder: words, parts of words and runs of
// characters hashed into a vector. It needs no model and no network, costs
// microseconds, and finds misspelt and inflected words; it does not know what
// words mean.
func DefaultEmbedder() Embedder { return lexical{} }

type lexical struct{}

func (lexical) Space() Space {
	return Space{Name: hashembed.Name, Dimensions: hashembed.Dimensions, Fingerprint: hashembed.Fingerprint}
}

func (lexical) Embed(ctx context.Context, texts []string, purpose Purpose) ([][]float32, error) {
	embed := hashembed.Document
	if purpose == ForQuery {
		embed = hashembed.Query
	}
	out := make([][]float32, len(texts))
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; int(i) < len(texts) && ctx.Err() == nil; i = next.Add(1) - 1 {
			out[i] = embed(texts[i])
		}
	}
	// A text takes microseconds: a few are not worth another goroutine.
	const each = 32
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(texts)/each) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
	return out, ctx.Err()
}

// embedBatch bounds how many texts an Embedder is handed at once.
const embedBatch = 256

// embedTexts embeds what can be embedded now. A text that is not in the result
// is left for later; an empty vector is a text with nothing to embed.
func (s *Store) embedTexts(ctx context.Context, texts []string) map[string][]float32 {
	if s.embedder == nil || len(texts) == 0 {
		return nil
	}
	ctx, cancel := halfOf(ctx)
	defer cancel()
	out := make(map[string][]float32, len(texts))
	for len(texts) > 0 {
		n := min(len(texts), embedBatch)
		vectors, faults, err := s.embedEach(ctx, texts[:n], ForDocument)
		if err != nil {
			s.log.WarnContext(ctx, "embedding is left for later", "texts", len(texts), "error", err)
			return out
		}
		for i, v := range vectors {
			if faults[i] != nil {
				s.log.WarnContext(ctx, "embedding is left for later", "texts", 1, "error", faults[i])
				continue
			}
			out[texts[i]] = v
		}
		texts = texts[n:]
	}
	return out
}

// halfOf is ctx with half of the time that it has left: an embedder that hangs
// must not take the write or search with it.
func halfOf(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Until(deadline)/2)
}

// embed calls the embedder and holds it to its contract.
func (s *Store) embed(ctx context.Context, texts []string, purpose Purpose) ([][]float32, error) {
	vectors, faults, err := s.embedEach(ctx, texts, purpose)
	for i := range texts {
		if err == nil {
			err = faults[i]
		}
	}
	if err != nil {
		return nil, err
	}
	return vectors, nil
}

// embedEach is embed where one text that the embedder cannot do is not to keep
// the others waiting: faults has an error for each text whose vector is none.
func (s *Store) embedEach(ctx context.Context, texts []string, purpose Purpose) (vectors [][]float32, faults map[int]error, err error) {
	vectors, err = s.embedder.Embed(ctx, texts, purpose)
	if err != nil {
		return nil, nil, fmt.Errorf("embed: %w", err)
	}
	space := s.embedder.Space()
	if len(vectors) != len(texts) {
		return nil, nil, fmt.Errorf("embed: embedder %s gave %d vectors for %d texts", space, len(vectors), len(texts))
	}
	faults = map[int]error{}
	for i, v := range vectors {
		if v == nil {
			continue
		}
		if err := checkVector(v, space.Dimensions); err != nil {
			faults[i] = fmt.Errorf("embed: embedder %s, text %d: %w", space, i, err)
		}
	}
	return vectors, faults, nil
}

// checkVector refuses what has no distance: the engine would take it without a
// word and rank by it.
func checkVector(v []float32, dimensions int) error {
	if len(v) != dimensions {
		return invalid("vector", fmt.Sprintf("has %d dimensions, not %d", len(v), dimensions), "")
	}
	var sum float64
	for i, x := range v {
		f := float64(x)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return invalid("vector", fmt.Sprintf("has %v at dimension %d", x, i), "")
		}
		sum += f * f
	}
	// The engine computes in float32, where tiny and huge vectors have no
	// cosine either.
	if n := float32(sum); n == 0 || math.IsInf(float64(n), 0) {
		return invalid("vector", "is all zeros, or its length is out of range", "")
	}
	return nil
}

// putVector stores the vector of a unit that has none; an empty one is noted as
// such.
func putVector(tx *sqlite.Tx, space, unit int64, v []float32) error {
	if len(v) == 0 {
		_, err := tx.Exec(`INSERT INTO vectorless (space, unit) VALUES (?, ?) ON CONFLICT DO NOTHING`, space, unit)
		return err
	}
	_, err := tx.Exec(`INSERT INTO vectors (space, unit, vector) VALUES (?, ?, ?)`, space, unit, index.Blob(v))
	return err
}

// activeSpace is the space of the store's vectors; its number is 0 where there
// is none yet.
func activeSpace(tx *sqlite.Tx) (id int64, sp Space, err error) {
	id, found, err := schema.ActiveSpace(tx)
	return id, Space(found), err
}

// ensureSpace returns the number of a space, added where it is new.
func ensureSpace(tx *sqlite.Tx, sp Space) (id int64, err error) {
	if _, err := tx.Exec(`INSERT INTO spaces (name, dimensions, fingerprint, active) VALUES (?, ?, ?, 0)
		ON CONFLICT DO NOTHING`, sp.Name, sp.Dimensions, sp.Fingerprint); err != nil {
		return 0, err
	}
	_, err = tx.QueryRow(func(r sqlite.Row) { id = r.Int64(0) },
		`SELECT space FROM spaces WHERE name = ? AND dimensions = ? AND fingerprint = ?`, sp.Name, sp.Dimensions, sp.Fingerprint)
	return id, err
}

// mismatch is the *SpaceError of a store whose vectors are not the embedder's,
// or nil.
func (s *Store) mismatch(sp Space) error {
	if s.embedder == nil || sp == (Space{}) || sp == s.embedder.Space() {
		return nil
	}
	return &SpaceError{Store: sp, Embedder: s.embedder.Space()}
}

// serves reports whether the store's vectors are of the embedder's space, as far
// as one can tell before the write.
func (s *Store) serves(ctx context.Context) bool {
	err := s.read(ctx, func(tx *sqlite.Tx) error {
		_, sp, err := activeSpace(tx)
		if err != nil {
			return err
		}
		return s.mismatch(sp)
	})
	return !errors.Is(err, ErrSpaceMismatch)
}

// pendingUnit is a unit that waits for its vector.
type pendingUnit struct {
	unit int64
	text string
}

// EmbedPending embeds the texts that were stored while the embedder failed or
// was absent, and returns how many. It fails with ErrSpaceMismatch where the
// store's vectors are of another space than the embedder's, and with ErrInvalid
// where the embedder gave a vector that is none: the texts concerned still wait,
// all others are embedded.
func (s *Store) EmbedPending(ctx context.Context) (int, error) {
	if s.embedder == nil {
		return 0, nil
	}
	total := 0
	var fault error
	for after := int64(0); ; {
		n, last, err := s.embedSome(ctx, after, embedBatch)
		total += n
		var f *vectorFault
		switch {
		case errors.As(err, &f):
			if fault == nil {
				fault = fmt.Errorf("embed pending: %w", err)
			}
		case err != nil:
			return total, fmt.Errorf("embed pending: %w", err)
		}
		if last == 0 {
			if err := s.measureTrust(ctx, false); err != nil && fault == nil {
				s.log.WarnContext(ctx, "how well the vectors find is not measured", "error", err)
			}
			return total, fault
		}
		after = last
	}
}

// A vectorFault is the first of the vectors of a batch that are none. What else
// was in the batch has been stored.
type vectorFault struct{ err error }

func (f *vectorFault) Error() string { return f.err.Error() }
func (f *vectorFault) Unwrap() error { return f.err }

// embedSome embeds at most limit queued units whose number is above after, and
// returns how many were embedded and the last of them; 0 where none waits.
func (s *Store) embedSome(ctx context.Context, after int64, limit int) (n int, last int64, err error) {
	var units []pendingUnit
	var id int64
	err = s.read(ctx, func(tx *sqlite.Tx) error {
		var sp Space
		var err error
		if id, sp, err = activeSpace(tx); err != nil {
			return err
		}
		if err := s.mismatch(sp); err != nil {
			return err
		}
		units, err = pendingUnits(tx, `SELECT unit FROM embedding_queue WHERE unit > ? ORDER BY unit LIMIT ?`, after, limit)
		return err
	})
	if err != nil || len(units) == 0 {
		return 0, 0, err
	}
	n, err = s.embedUnits(ctx, id, units)
	return n, units[len(units)-1].unit, err
}

// pendingUnits reads the texts of the units that the query yields.
func pendingUnits(tx *sqlite.Tx, query string, args ...any) ([]pendingUnit, error) {
	var numbers []int64
	for r, err := range tx.Query(query, args...) {
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, r.Int64(0))
	}
	var out []pendingUnit
	for _, n := range numbers {
		text, err := embedTextOf(tx, n)
		if err != nil {
			return nil, err
		}
		out = append(out, pendingUnit{unit: n, text: text})
	}
	return out, nil
}

// embedTextOf is what the vector of a unit stands for, from its record.
func embedTextOf(tx *sqlite.Tx, n int64) (string, error) {
	u, _, err := unitByNumber(tx, n)
	return u.embed, err
}

// unitByNumber makes a unit from its record.
func unitByNumber(tx *sqlite.Tx, n int64) (u unit, found bool, err error) {
	var id string
	if found, err := tx.QueryRow(func(r sqlite.Row) { id = r.Text(0) }, `SELECT id FROM units WHERE unit = ?`, n); err != nil || !found {
		return unit{}, false, err
	}
	rec, err := recordByID(tx, id)
	if err != nil {
		return unit{}, false, err
	}
	switch rec := rec.(type) {
	case Memory:
		return rec.unit(), true, nil
	case StateEntry:
		return rec.unit(), true, nil
	case Interaction:
		return rec.unit(), true, nil
	case Chunk:
		d, _, err := documentByID(tx, rec.Document)
		if err != nil {
			return unit{}, false, err
		}
		return (&documentRecord{Document: d}).unit(&rec), true, nil
	default:
		return unit{}, false, fmt.Errorf("unit %d stands for a %T", n, rec)
	}
}

// embedUnits embeds the units, stores their vectors in the space and returns how
// many that were. It leaves out those whose text has changed in between, which
// are queued anew, and reports those whose vector is none as a *vectorFault.
func (s *Store) embedUnits(ctx context.Context, space int64, units []pendingUnit) (n int, err error) {
	texts := make([]string, len(units))
	for i := range units {
		texts[i] = units[i].text
	}
	vectors, faults, err := s.embedEach(ctx, texts, ForDocument)
	if err != nil {
		return 0, err
	}
	err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
		n = 0
		if err := s.checkSpace(tx, space); err != nil {
			return err
		}
		active, _, err := activeSpace(tx)
		if err != nil {
			return err
		}
		ix := index.NewWriter(tx)
		for i := range units {
			text, err := embedTextOf(tx, units[i].unit)
			switch {
			case err != nil && !isNotFound(err):
				return err
			case err != nil || text == "":
				// The record is gone, and the unit with it.
				if _, err := tx.Exec(`DELETE FROM embedding_queue WHERE unit = ?`, units[i].unit); err != nil {
					return err
				}
				continue
			case text != units[i].text || faults[i] != nil:
				continue
			}
			n++
			for _, q := range []string{`DELETE FROM vectors WHERE space = ? AND unit = ?`, `DELETE FROM vectorless WHERE space = ? AND unit = ?`} {
				if _, err := tx.Exec(q, space, units[i].unit); err != nil {
					return err
				}
			}
			if err := putVector(tx, space, units[i].unit, vectors[i]); err != nil {
				return err
			}
			if err := ix.Embedded(units[i].unit); err != nil {
				return err
			}
			if space == active {
				if _, err := tx.Exec(`DELETE FROM embedding_queue WHERE unit = ?`, units[i].unit); err != nil {
					return err
				}
			}
		}
		return ix.Finish()
	})
	if err != nil {
		return 0, err
	}
	for i := range units {
		if faults[i] != nil {
			return n, &vectorFault{faults[i]}
		}
	}
	return n, nil
}

// A drainer says when a write takes along some of the texts that wait. Texts that
// the embedder cannot do stay in front: each time that nothing came of it, twice as
// many writes pass before the next, up to mostPassed.
type drainer struct{ passed, pause atomic.Int64 }

const mostPassed = 4096

// due reports whether to try again.
func (d *drainer) due() bool {
	if d.passed.Add(1) <= d.pause.Load() {
		return false
	}
	d.passed.Store(0)
	return true
}

// tell notes how many texts were embedded.
func (d *drainer) tell(n int) {
	if n > 0 {
		d.pause.Store(0)
		return
	}
	d.pause.Store(min(2*d.pause.Load()+1, mostPassed))
}

// drain embeds a few of the units that wait, after a write whose embedding
// worked, so that a store mends by being used. Its failure is no failure of
// that write.
func (s *Store) drain(ctx context.Context) {
	if !s.drainer.due() {
		return
	}
	n, _, err := s.embedSome(ctx, 0, embedBatch/4)
	s.drainer.tell(n)
	if err != nil && !errors.Is(err, ErrSpaceMismatch) {
		s.log.WarnContext(ctx, "embedding is left for later", "error", err)
	}
}
