package tokenizer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// A charsmap is SentencePiece's precompiled normalization: the length of a trie
// in bytes, the trie, and the texts that its values are offsets in, each with a
// zero at its end. The trie is a double array of darts-clone: in a unit of 32
// bits, bits 0 to 7 are the label, bit 8 says that there is a value, bits 10 to
// 30 are the offset to the children, bit 9 that it is shifted by 8, and bit 31
// that the unit is a value.
type charsmap struct {
	units []uint32
	texts []byte
}

func newCharsmap(src []byte) (normalizer, error) {
	if len(src) == 0 {
		return nil, nil // a file without rules
	}
	if len(src) < 8 {
		return nil, errors.New("the precompiled rules are cut off")
	}
	n := binary.LittleEndian.Uint32(src)
	src = src[4:]
	if n%4 != 0 || n == 0 || uint64(n) > uint64(len(src)) {
		return nil, errors.New("the precompiled rules are not whole")
	}
	m := &charsmap{units: make([]uint32, n/4), texts: src[n:]}
	for i := range m.units {
		m.units[i] = binary.LittleEndian.Uint32(src[4*i:])
	}
	if !utf8.Valid(m.texts) {
		return nil, errors.New("the precompiled rules have texts that are not UTF-8")
	}
	return m, nil
}

// find returns what the shortest key that text begins with stands for. That it
// is the shortest is how the library reads it that this is held to.
func (m *charsmap) find(text []byte) ([]byte, bool) {
	at := offset(m.units[0])
	for _, c := range text {
		at ^= uint32(c)
		if c == 0 || uint64(at) >= uint64(len(m.units)) {
			return nil, false
		}
		unit := m.units[at]
		if unit&(1<<31|0xff) != uint32(c) {
			return nil, false
		}
		at ^= offset(unit)
		if unit>>8&1 == 0 {
			continue
		}
		if uint64(at) >= uint64(len(m.units)) {
			return nil, false
		}
		from := m.units[at] & (1<<31 - 1)
		if uint64(from) > uint64(len(m.texts)) {
			return nil, false
		}
		found := m.texts[from:]
		if end := bytes.IndexByte(found, 0); end >= 0 {
			found = found[:end]
		}
		return found, utf8.Valid(found)
	}
	return nil, false
}

func offset(unit uint32) uint32 { return (unit >> 10) << ((unit & (1 << 9)) >> 6) }

// longestCluster is how many bytes a character as a reader sees it may have to be
// looked up as a whole.
const longestCluster = 5

func (m *charsmap) apply(text []byte, s *State) []byte {
	out := s.out()
	for len(text) > 0 {
		// A single byte before another is a cluster of its own, but for CR LF.
		if text[0] < utf8.RuneSelf && (len(text) == 1 || text[1] < utf8.RuneSelf && text[0] != '\r') {
			out = m.appendRune(out, text[:1])
			text = text[1:]
			continue
		}
		cluster, rest, _, _ := uniseg.FirstGraphemeCluster(text, -1)
		text = rest
		if len(cluster) <= longestCluster {
			if found, ok := m.find(cluster); ok {
				out = append(out, found...)
				continue
			}
		}
		for len(cluster) > 0 {
			_, size := utf8.DecodeRune(cluster)
			out = m.appendRune(out, cluster[:size])
			cluster = cluster[size:]
		}
	}
	return s.done(out)
}

func (m *charsmap) appendRune(out, encoded []byte) []byte {
	if found, ok := m.find(encoded); ok {
		return append(out, found...)
	}
	return append(out, encoded...)
}
