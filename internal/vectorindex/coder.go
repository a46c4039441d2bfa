package vectorindex

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"math"
	"slices"
)

const maxWords = MaxDimensions / 64

// A Coder turns vectors into codes: brought to length one, less the corpus mean,
// rotated by a fixed rotation, one bit for each number that is positive.
//
// Vectors are brought to length one because what is searched for is a small angle.
// Otherwise a short vector less the mean would be little but the mean, and all of
// them would have one code.
type Coder struct {
	mean     []float32
	words    int
	rotation *rotation
	identity uint64
}

// NewCoder returns the coder for a corpus mean, 1 to [MaxDimensions] finite numbers,
// with a bit for each dimension, rounded up to whole words. [Mean.Coder] is the
// usual way to one.
func NewCoder(mean []float32) *Coder { return NewCoderWithBits(mean, len(mean)) }

// NewCoderWithBits is [NewCoder] for codes of another length, 1 to [MaxDimensions]
// bits, rounded up to a multiple of 64. More bits than dimensions make distances
// more exact, in proportion to the square root: where even the nearest are not very
// near, as among vectors of hashed words, that is what it takes to find them.
func NewCoderWithBits(mean []float32, bits int) *Coder {
	checkDimensions(len(mean))
	if bits < 1 || bits > MaxDimensions {
		panic(fmt.Sprintf("vectorindex: codes of %d bits", bits))
	}
	c := &Coder{mean: slices.Clone(mean), words: (bits + 63) / 64}
	c.rotation = newRotation(len(mean), c.words*64)
	c.identity = identify(c.appendFields(nil))
	return c
}

// Dimensions returns the length of the vectors.
func (c *Coder) Dimensions() int { return len(c.mean) }

// Words returns the length of a code in 64-bit words.
func (c *Coder) Words() int { return c.words }

// Identity tells coders apart: it is equal for those whose codes may be compared,
// and otherwise different but for a chance of about 2⁻⁶⁴.
func (c *Coder) Identity() uint64 { return c.identity }

// Encode writes the code of a vector into dst, which has [Coder.Words] words. A
// vector without a direction (zero, or not finite) is coded like the zero vector.
func (c *Coder) Encode(dst []uint64, v []float32) {
	if len(dst) != c.words {
		panic(fmt.Sprintf("vectorindex: %d words for a code of %d", len(dst), c.words))
	}
	var buffer [stackFloats]float32
	signs(dst, c.rotate(&buffer, v, 1))
}

// stackFloats is how many numbers are rotated without an allocation.
const stackFloats = 1024

// rotate returns v at length one, less the mean so many times, rotated: one number
// for each bit.
func (c *Coder) rotate(buffer *[stackFloats]float32, v []float32, times float32) []float32 {
	c.check(v)
	var x []float32
	if n := c.rotation.size(); n <= len(buffer) {
		x = buffer[:n]
	} else {
		x = make([]float32, n)
	}
	if scale := inverseLength(v); scale != 0 {
		for i, y := range v {
			x[i] = float32(float64(y) * scale)
		}
	}
	for i, y := range c.mean {
		x[i] -= float32(y * times) // not fused: see inverseLength
	}
	c.rotation.apply(x)
	return x[:c.words*64]
}

func (c *Coder) check(v []float32) {
	if len(v) != len(c.mean) {
		panic(fmt.Sprintf("vectorindex: a vector of %d dimensions for a coder of %d", len(v), len(c.mean)))
	}
}

// signs writes a bit for each number, set where it is positive.
func signs(dst []uint64, x []float32) {
	for i := range dst {
		var w uint64
		for j, y := range x[i*64 : i*64+64] {
			if y > 0 {
				w |= 1 << j
			}
		}
		dst[i] = w
	}
}

// The portable form of a coder, integers little-endian:
//
//	byte    1, the version of form and rotation
//	uint16  number of dimensions
//	uint16  number of words of a code
//	float32 the mean, as many as dimensions
//	uint32  CRC-32C of all that
const (
	coderVersion = 1
	coderHeader  = 5
)

func (c *Coder) appendFields(dst []byte) []byte {
	dst = append(dst, coderVersion)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(c.mean)))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(c.words))
	for _, x := range c.mean {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
	}
	return dst
}

// AppendBinary appends the coder's portable form, which [ParseCoder] reads. The
// error is always nil.
func (c *Coder) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	return appendChecksum(c.appendFields(dst), start), nil
}

// ParseCoder reads what [Coder.AppendBinary] wrote. The error is [ErrDamaged] for
// anything else.
func ParseCoder(data []byte) (*Coder, error) {
	fields, err := verifyChecksum(data)
	if err != nil {
		return nil, err
	}
	if len(fields) < coderHeader || fields[0] != coderVersion {
		return nil, fmt.Errorf("%w: not a coder of version %d", ErrDamaged, coderVersion)
	}
	dimensions := int(binary.LittleEndian.Uint16(fields[1:]))
	words := int(binary.LittleEndian.Uint16(fields[3:]))
	fields = fields[coderHeader:]
	if dimensions < 1 || dimensions > MaxDimensions || words < 1 || words > maxWords || len(fields) != 4*dimensions {
		return nil, fmt.Errorf("%w: a coder of %d dimensions and %d words in %d bytes", ErrDamaged, dimensions, words, len(data))
	}
	mean := make([]float32, dimensions)
	for i := range mean {
		mean[i] = math.Float32frombits(binary.LittleEndian.Uint32(fields[4*i:]))
		if x := float64(mean[i]); math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, fmt.Errorf("%w: a mean that is not finite", ErrDamaged)
		}
	}
	return NewCoderWithBits(mean, words*64), nil
}

func identify(fields []byte) uint64 {
	h := fnv.New64a()
	h.Write(fields)
	// FNV's upper bits are weak; a final mix costs nothing.
	state := h.Sum64()
	return splitMix(&state)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendChecksum appends the checksum of dst from start on.
func appendChecksum(dst []byte, start int) []byte {
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// verifyChecksum returns what stands before the checksum.
func verifyChecksum(data []byte) ([]byte, error) {
	n := len(data) - 4
	if n < 0 {
		return nil, fmt.Errorf("%w: %d bytes", ErrDamaged, len(data))
	}
	if crc32.Checksum(data[:n], castagnoli) != binary.LittleEndian.Uint32(data[n:]) {
		return nil, fmt.Errorf("%w: checksum", ErrDamaged)
	}
	return data[:n], nil
}
