package index

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/atocore/atocore/internal/hashembed"
	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/internal/vectorindex"
)

// packedKey is where a store notes up to which log entry its blobs are packed.
const packedKey = "packed"

func packedThrough(tx *sqlite.Tx) (seq int64, err error) {
	_, err = tx.QueryRow(func(r sqlite.Row) { seq, _ = strconv.ParseInt(r.Text(0), 10, 64) }, `SELECT value FROM meta WHERE key = ?`, packedKey)
	return seq, err
}

// Pack writes what the log has gathered into the packed blobs, so that nothing is
// left in them of units that have gone.
func (w *Writer) Pack() error {
	tx := w.tx
	packed, err := packedThrough(tx)
	if err != nil {
		return err
	}
	numbers, err := blockNumbers(tx, `SELECT DISTINCT unit / ? FROM unit_log WHERE seq > ? AND unit > 0 ORDER BY 1`, int64(blockUnits), packed)
	if err != nil {
		return err
	}
	if err := packBlocks(tx, numbers, packed); err != nil {
		return err
	}
	return w.packed(numbers)
}

// packed packs the codes of the blocks, whose columns are, and notes that the log
// is packed.
func (w *Writer) packed(numbers []int) error {
	packed, err := packedThrough(w.tx)
	if err != nil {
		return err
	}
	if err := w.packCodes(numbers, packed); err != nil {
		return err
	}
	last, err := lastEntry(w.tx)
	if err != nil {
		return err
	}
	if _, err := w.tx.Exec(`INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
		packedKey, strconv.FormatInt(last, 10)); err != nil {
		return err
	}
	_, err = w.tx.Exec(`DELETE FROM unit_log WHERE seq <= ?`, last-keptEntries)
	return err
}

func blockNumbers(tx *sqlite.Tx, query string, args ...any) (numbers []int, err error) {
	for r, err := range tx.Query(query, args...) {
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, int(r.Int64(0)))
	}
	return numbers, nil
}

// allEntries, in the place of a log entry, has blocks made anew from the rows,
// whatever the log says.
const allEntries = -1

// packBlocks applies the log from an entry on to the packed columns of the blocks.
func packBlocks(tx *sqlite.Tx, numbers []int, packed int64) error {
	e := &editor{ix: &Index{names: newNames()}, tx: tx, v: &View{}}
	for _, n := range numbers {
		read := e.loadBlock
		if packed == allEntries {
			read = e.unpacked
		}
		if err := read(n); err != nil {
			return err
		}
	}
	if packed != allEntries {
		if err := e.follow(packed, true); err != nil {
			return err
		}
	}
	for _, n := range numbers {
		var err error
		if b := e.v.block(n); b == nil || b.live == (bitmap{}) {
			_, err = tx.Exec(`DELETE FROM unit_blocks WHERE block = ?`, n)
		} else {
			_, err = tx.Exec(`INSERT INTO unit_blocks (block, data) VALUES (?, ?) ON CONFLICT (block) DO UPDATE SET data = excluded.data`,
				n, b.pack(n, e.ix.names))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// codedFrom is how many vectors a space has before it gets codes: fewer are compared
// one by one as fast. Only tests change it.
var codedFrom = int64(1_000)

const (
	// The mean is taken again when there are meanGrowth times as many vectors,
	// as long as the last one was of fewer than meanEnough: it hardly moves then.
	meanGrowth = 4
	meanEnough = 50_000
)

// packCodes packs the codes of the blocks, of every space, and takes a space's
// mean, anew, where it has grown enough.
func (w *Writer) packCodes(numbers []int, packed int64) error {
	type space struct {
		id         int64
		name       string
		dimensions int
		coded      int64
	}
	var spaces []space
	for r, err := range w.tx.Query(`SELECT spaces.space, name, dimensions, coalesce(vectors, 0) FROM spaces
			LEFT JOIN code_means ON code_means.space = spaces.space
			ORDER BY spaces.space`) {
		if err != nil {
			return err
		}
		spaces = append(spaces, space{r.Int64(0), r.Text(1), int(r.Int64(2)), r.Int64(3)})
	}
	for _, s := range spaces {
		if s.dimensions > vectorindex.MaxDimensions {
			continue // compared one by one
		}
		if s.coded < meanEnough {
			vectors, err := count(w.tx, `SELECT count(*) FROM vectors WHERE space = ?`, s.id)
			if err != nil {
				return err
			}
			if vectors >= max(codedFrom, meanGrowth*s.coded) {
				if err := w.recode(s.id, s.dimensions, codeBits(s.name, s.dimensions)); err != nil {
					return err
				}
				continue
			}
		}
		if err := packSpace(w.tx, s.id, numbers, packed); err != nil {
			return err
		}
	}
	return nil
}

// recode takes the mean of a space's vectors, and makes all codes against it.
func (w *Writer) recode(space int64, dimensions, bits int) error {
	if err := w.takeMean(space, dimensions, bits); err != nil {
		return err
	}
	numbers, err := blockNumbers(w.tx, `SELECT DISTINCT unit / ? FROM vectors WHERE space = ? ORDER BY 1`, int64(blockUnits), space)
	if err != nil {
		return err
	}
	return packSpace(w.tx, space, numbers, allEntries)
}

// codeBits is how long a code is. Vectors of hashed words have few neighbours in
// common and many that are equally far: one bit a dimension does not tell them
// apart.
func codeBits(name string, dimensions int) int {
	if name == hashembed.Name {
		return 1024
	}
	return dimensions
}

// takeMean takes the mean of a space's vectors, against which they are coded. The
// codes that there were are of no more use.
func (w *Writer) takeMean(space int64, dimensions, bits int) error {
	mean := vectorindex.NewMean(dimensions)
	v := make([]float32, dimensions)
	for r, err := range w.tx.Query(`SELECT vector FROM vectors WHERE space = ? ORDER BY unit`, space) {
		if err != nil {
			return err
		}
		if blob := r.Blob(0); sound(blob, dimensions) && floats(v, blob) {
			mean.Add(v)
		}
	}
	data, err := mean.CoderWithBits(bits).AppendBinary(nil)
	if err != nil {
		return err
	}
	if _, err := w.tx.Exec(`INSERT INTO code_means (space, vectors, mean) VALUES (?, ?, ?)
		ON CONFLICT (space) DO UPDATE SET vectors = excluded.vectors, mean = excluded.mean`, space, mean.Count(), data); err != nil {
		return err
	}
	if _, err := w.tx.Exec(`DELETE FROM codes WHERE space = ?`, space); err != nil {
		return err
	}
	return w.Restructured()
}

// packSpace applies the log from an entry on to the packed codes of the blocks in a
// space, if it has a mean.
func packSpace(tx *sqlite.Tx, space int64, numbers []int, packed int64) error {
	var data []byte
	if found, err := tx.QueryRow(func(r sqlite.Row) { data = r.Blob(0) }, `SELECT mean FROM code_means WHERE space = ?`, space); err != nil || !found {
		return err
	}
	coder, err := vectorindex.ParseCoder(data)
	if err != nil {
		// Nobody can read the codes, and nothing of what has gone may stay in them.
		// The next time there is no mean, and one is taken.
		if _, err := tx.Exec(`DELETE FROM codes WHERE space = ?`, space); err != nil {
			return err
		}
		_, err = tx.Exec(`DELETE FROM code_means WHERE space = ?`, space)
		return err
	}
	e := &editor{ix: &Index{}, tx: tx, v: &View{space: space, coder: coder}}
	for _, n := range numbers {
		if packed == allEntries {
			err = e.uncoded(n)
		} else {
			err = e.loadCode(n)
		}
		if err != nil {
			return err
		}
	}
	if packed != allEntries {
		if err := e.followCodes(packed); err != nil {
			return err
		}
	}
	for _, n := range numbers {
		if b := e.v.codeBlock(n); b.Len() == 0 {
			_, err = tx.Exec(`DELETE FROM codes WHERE space = ? AND block = ?`, space, n)
		} else {
			_, err = tx.Exec(`INSERT INTO codes (space, block, data) VALUES (?, ?, ?) ON CONFLICT (space, block) DO UPDATE SET data = excluded.data`,
				space, n, coder.AppendBlock(nil, n, b))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// floats reads a vector as the store keeps it: float32, little endian.
func floats(dst []float32, blob []byte) bool {
	if len(blob) != 4*len(dst) {
		return false
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(blob[4*i:]))
	}
	return true
}

// Floats reads a vector as the store keeps it; nil for what is none.
func Floats(blob []byte) []float32 {
	v := make([]float32, len(blob)/4)
	if len(v) == 0 || !floats(v, blob) {
		return nil
	}
	return v
}

// encode codes a stored vector. It reports false for what is no vector of the
// coder's.
func encode(c *vectorindex.Coder, dst []uint64, blob []byte) bool {
	v := make([]float32, c.Dimensions())
	if !sound(blob, len(v)) || !floats(v, blob) {
		return false
	}
	c.Encode(dst, v)
	return true
}

// A vectorKey names a vector.
type vectorKey struct{ space, unit int64 }

// damagedVectors lists the vectors that are none: of another length than their
// space has dimensions, with a number that is not finite, or all zero.
func damagedVectors(tx *sqlite.Tx) (bad []vectorKey, err error) {
	for r, err := range tx.Query(`SELECT vectors.space, unit, dimensions, vector FROM vectors JOIN spaces ON spaces.space = vectors.space
		ORDER BY vectors.space, unit`) {
		if err != nil {
			return nil, err
		}
		var values [4]any
		r.Values(values[:])
		blob, _ := values[3].([]byte)
		if dimensions, _ := values[2].(int64); !sound(blob, int(dimensions)) {
			key := vectorKey{}
			key.space, _ = values[0].(int64)
			key.unit, _ = values[1].(int64)
			bad = append(bad, key)
		}
	}
	return bad, nil
}

// sound reports whether a stored vector has a cosine.
func sound(blob []byte, dimensions int) bool {
	if len(blob) != 4*dimensions {
		return false
	}
	var sum float64
	for i := 0; i < len(blob); i += 4 {
		x := float64(math.Float32frombits(binary.LittleEndian.Uint32(blob[i:])))
		sum += x * x
	}
	return sum > 0 && !math.IsInf(sum, 0) // NaN is not above 0
}

// DropDamagedVectors removes the vectors that are none, so that they can be made
// anew.
func (w *Writer) DropDamagedVectors() error {
	bad, err := damagedVectors(w.tx)
	if err != nil {
		return err
	}
	for _, k := range bad {
		if _, err := w.tx.Exec(`DELETE FROM vectors WHERE space = ? AND unit = ?`, k.space, k.unit); err != nil {
			return err
		}
		if err := w.Embedded(k.unit); err != nil {
			return err
		}
	}
	return nil
}
