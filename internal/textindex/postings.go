package textindex

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// GroupSize is how many postings are coded together.
const GroupSize = 64

// A Posting says that a term stands in a unit, and how often.
type Posting struct {
	Unit int64
	Freq
}

// Postings are those of one term in one block, in ascending order of units. They
// refer to the data of the block. A copy reads on independently.
type Postings struct {
	data []byte // the whole block: at least 8 bytes follow end
	pos  int    // negative for a single unit, which is in prev
	end  int
	n    int
	prev int64
}

// Len returns how many postings there are that have not been read yet.
func (p *Postings) Len() int { return p.n }

// Next decodes the next group into buf, and returns the part of it that is
// filled, with no posting at the end. After an error there is nothing more.
func (p *Postings) Next(buf *[GroupSize]Posting) ([]Posting, error) {
	if p.n == 0 {
		return nil, nil
	}
	if p.pos < 0 {
		p.n = 0
		buf[0] = Posting{p.prev, once}
		return buf[:1], nil
	}
	n := min(p.n, GroupSize)
	out := buf[:n]
	pos := decodeGroup(p.data, p.pos, p.end, p.prev, out)
	p.n -= n
	if pos < 0 || out[n-1].Unit > MaxUnit || p.n == 0 && pos != p.end {
		p.n = 0
		return nil, corrupt("postings at byte %d of a block are not well-formed", p.pos)
	}
	p.pos, p.prev = pos, out[n-1].Unit
	return out, nil
}

// Append appends what Next would return until the end to dst, and returns the
// extended slice.
func (p Postings) Append(dst []Posting) ([]Posting, error) {
	dst = slices.Grow(dst, p.n)
	var buf [GroupSize]Posting
	for {
		group, err := p.Next(&buf)
		if err != nil || len(group) == 0 {
			return dst, err
		}
		dst = append(dst, group...)
	}
}

// minGroupBytes is the least that a group takes: header and first.
const minGroupBytes = 2

// appendGroup encodes 1 to GroupSize postings, all after the unit prev.
func appendGroup(dst []byte, prev int64, group []Posting) []byte {
	var gaps, exceptions uint64
	last := group[0].Unit - 1
	for i, p := range group {
		gaps |= uint64(p.Unit - last - 1)
		last = p.Unit
		if p.Freq != once {
			exceptions |= 1 << i
		}
	}
	width := bits.Len64(gaps)
	header := byte(width << 1)
	if exceptions != 0 {
		header |= 1
	}
	dst = append(dst, header)
	dst = binary.AppendUvarint(dst, uint64(group[0].Unit-prev-1))
	if width > 0 {
		dst = appendGaps(dst, width, group)
	}
	if exceptions != 0 {
		dst = appendExceptions(dst, exceptions, group)
	}
	return dst
}

func appendGaps(dst []byte, width int, group []Posting) []byte {
	var acc uint64
	held := 0
	for i := 1; i < len(group); i++ {
		acc |= uint64(group[i].Unit-group[i-1].Unit-1) << held
		for held += width; held >= 8; held -= 8 {
			dst = append(dst, byte(acc))
			acc >>= 8
		}
	}
	if held > 0 {
		dst = append(dst, byte(acc))
	}
	return dst
}

func appendExceptions(dst []byte, exceptions uint64, group []Posting) []byte {
	count := bits.OnesCount64(exceptions)
	dst = append(dst, byte(count))
	if bitmap := (len(group) + 7) / 8; bitmap <= count {
		for i := range bitmap {
			dst = append(dst, byte(exceptions>>(8*i)))
		}
	} else {
		for set := exceptions; set != 0; set &= set - 1 {
			dst = append(dst, byte(bits.TrailingZeros64(set)))
		}
	}
	for set := exceptions; set != 0; set &= set - 1 {
		dst = appendFreq(dst, group[bits.TrailingZeros64(set)].Freq)
	}
	return dst
}

// decodeGroup decodes a group of len(out) postings after the unit prev from
// data[pos:end]. At least 8 bytes of data follow end, so that gaps can be read
// eight bytes at a time. It returns the position after the group, negative if the
// group is not well-formed; units may then be anything, and otherwise are
// ascending but perhaps greater than MaxUnit.
func decodeGroup(data []byte, pos, end int, prev int64, out []Posting) int {
	if pos >= end {
		return -1
	}
	header := data[pos]
	width := uint(header >> 1)
	first, pos := readUvarint(data, pos+1, end)
	if pos < 0 || first > MaxUnit || width > 40 {
		return -1
	}
	size := (int(width)*(len(out)-1) + 7) / 8
	if size > end-pos {
		return -1
	}
	unit := prev + 1 + int64(first)
	decodeGaps(data[pos:], width, unit, out)
	pos += size
	if header&1 != 0 {
		return decodeExceptions(data, pos, end, out)
	}
	return pos
}

// decodeGaps fills in the units that begin with unit, each once in the body.
func decodeGaps(data []byte, width uint, unit int64, out []Posting) {
	out[0] = Posting{unit, once}
	if width == 0 {
		for i := range out {
			out[i] = Posting{unit + int64(i), once}
		}
		return
	}
	mask := int64(1)<<width - 1
	at := uint(0)
	for i := 1; i < len(out); i++ {
		word := binary.LittleEndian.Uint64(data[at>>3:])
		unit += int64(word>>(at&7))&mask + 1
		at += width
		out[i] = Posting{unit, once}
	}
}

// decodeExceptions fills in the frequencies of postings that are not once in the
// body. It returns the position after them, negative if they are not well-formed.
func decodeExceptions(data []byte, pos, end int, out []Posting) int {
	if pos >= end {
		return -1
	}
	count := int(data[pos])
	pos++
	bitmap := (len(out) + 7) / 8
	var set uint64
	if size := min(bitmap, count); size == 0 || size > end-pos {
		return -1
	}
	if bitmap <= count {
		for i, b := range data[pos : pos+bitmap] {
			set |= uint64(b) << (8 * i)
		}
		pos += bitmap
	} else {
		for _, b := range data[pos : pos+count] {
			if b >= GroupSize || set>>b != 0 {
				return -1 // not ascending
			}
			set |= 1 << b
		}
		pos += count
	}
	if bits.OnesCount64(set) != count || bits.Len64(set) > len(out) {
		return -1
	}
	for ; set != 0; set &= set - 1 {
		p := &out[bits.TrailingZeros64(set)]
		if pos < end && data[pos] < longFreq && data[pos] > 1 { // as nearly always
			p.Freq = shortFreq(data[pos])
			pos++
			continue
		}
		if p.Freq, pos = readFreq(data, pos, end); pos < 0 || p.Freq == once {
			return -1
		}
	}
	return pos
}
