package textindex

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

const (
	// MaxTermBytes bounds a term, which has at least one byte.
	MaxTermBytes = 255

	// MaxUnit is the greatest unit number.
	MaxUnit = 1<<40 - 1
)

// ErrCorrupt is what is wrong with bytes that this package cannot have written,
// or that another version of it wrote.
var ErrCorrupt = errors.New("text index is damaged")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrCorrupt)
}

// A Freq says how often a term stands in the fields of a unit. What is more
// frequent than math.MaxUint16 counts as that. One of the two is not zero.
type Freq struct {
	Head, Body uint16
}

// once is the overwhelmingly frequent case, which is coded in no byte.
var once = Freq{Body: 1}

// add counts one more occurrence.
func add(n *uint16) {
	if *n < math.MaxUint16 {
		*n++
	}
}

const (
	maxShortHead = 6
	maxShortBody = 31
	longFreq     = 7 << 5
)

func appendFreq(dst []byte, f Freq) []byte {
	if f.Head <= maxShortHead && f.Body <= maxShortBody {
		return append(dst, byte(f.Head<<5|f.Body))
	}
	dst = append(dst, longFreq)
	dst = binary.AppendUvarint(dst, uint64(f.Head))
	return binary.AppendUvarint(dst, uint64(f.Body))
}

func shortFreq(b byte) Freq {
	return Freq{Head: uint16(b >> 5), Body: uint16(b & maxShortBody)}
}

// readFreq reads a frequency from data[pos:end]. The position after it is
// negative if there is none.
func readFreq(data []byte, pos, end int) (Freq, int) {
	if pos >= end {
		return Freq{}, -1
	}
	b := data[pos]
	pos++
	if b == 0 {
		return Freq{}, -1
	}
	if b < longFreq {
		return shortFreq(b), pos
	}
	head, pos := readUvarint(data, pos, end)
	if pos < 0 {
		return Freq{}, -1
	}
	body, pos := readUvarint(data, pos, end)
	if pos < 0 || b != longFreq || head > math.MaxUint16 || body > math.MaxUint16 ||
		head <= maxShortHead && body <= maxShortBody {
		return Freq{}, -1
	}
	return Freq{Head: uint16(head), Body: uint16(body)}, pos
}

// readUvarint reads a number from data[pos:end]. The position after it is
// negative if there is none.
func readUvarint(data []byte, pos, end int) (uint64, int) {
	if pos < end && data[pos] < 0x80 {
		return uint64(data[pos]), pos + 1
	}
	if pos >= end {
		return 0, -1
	}
	v, n := binary.Uvarint(data[pos:end])
	if n <= 0 {
		return 0, -1
	}
	return v, pos + n
}

// The parts of the byte that a term begins with.
const (
	flagBit    = 0x80
	longShared = 7
	longSuffix = 15
)

// appendTerm writes a term that shares its first bytes with the one before. The
// term is greater than that one, so there is at least one byte that it does not
// share.
func appendTerm[T string | []byte](dst []byte, term T, shared int, flag bool) []byte {
	suffix := term[shared:]
	s, l := min(shared, longShared), min(len(suffix)-1, longSuffix)
	b := byte(s<<4 | l)
	if flag {
		b |= flagBit
	}
	dst = append(dst, b)
	if s == longShared {
		dst = binary.AppendUvarint(dst, uint64(shared-longShared))
	}
	if l == longSuffix {
		dst = binary.AppendUvarint(dst, uint64(len(suffix)-1-longSuffix))
	}
	return append(dst, suffix...)
}

// A termBuffer holds one term. It is an array so that cursors need no allocation.
type termBuffer struct {
	n     int
	space [MaxTermBytes]byte
}

func (t *termBuffer) bytes() []byte { return t.space[:t.n] }

// key returns the first 8 bytes of term as a number of the same order, which
// nearly always settles a comparison.
func key(term []byte) uint64 {
	if len(term) >= 8 {
		return binary.BigEndian.Uint64(term)
	}
	var k uint64
	for i, b := range term {
		k |= uint64(b) << (56 - 8*i)
	}
	return k
}

// read replaces the term by the next one, which appendTerm wrote at
// data[pos:end]. The position after it is negative if there is none, or none that
// is greater and shares all that it can.
func (t *termBuffer) read(data []byte, pos, end int) (flag bool, _ int) {
	if pos >= end {
		return false, -1
	}
	b := data[pos]
	pos++
	shared, length := int(b>>4&longShared), int(b&longSuffix)+1
	if shared == longShared || length == longSuffix+1 {
		if shared, length, pos = readLong(data, pos, end, shared, length); pos < 0 {
			return false, -1
		}
	}
	if shared > t.n || shared+length > MaxTermBytes || length > end-pos ||
		shared < t.n && data[pos] <= t.space[shared] {
		return false, -1
	}
	copy(t.space[shared:], data[pos:pos+length])
	t.n = shared + length
	return b&flagBit != 0, pos + length
}

// readLong reads the lengths that do not fit into the first byte.
func readLong(data []byte, pos, end, shared, length int) (int, int, int) {
	var more uint64
	if shared == longShared {
		if more, pos = readUvarint(data, pos, end); pos < 0 || more > MaxTermBytes {
			return 0, 0, -1
		}
		shared += int(more)
	}
	if length == longSuffix+1 {
		if more, pos = readUvarint(data, pos, end); pos < 0 || more > MaxTermBytes {
			return 0, 0, -1
		}
		length += int(more)
	}
	return shared, length, pos
}

// sharedPrefix returns how many bytes a and b begin with in common.
func sharedPrefix[A, B string | []byte](a A, b B) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
