package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A bpe model begins with characters and joins pairs of neighbours, the pair
// first that was learnt first, the leftmost of equals (Sennrich et al., 2016).
type bpe struct {
	vocab     map[string]int32
	merges    map[uint64]merge
	unknown   int32
	fuse      bool
	whole     bool // a word that is a token is that token, whatever the merges
	byteFall  bool
	byteToken [256]int32
	prefix    string // of tokens that are not at the beginning of a word
	suffix    string // of tokens at its end
}

type merge struct{ rank, id int32 }

func pair(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

func newBPE(f *modelFile, vocab map[string]int32, unknown int32) (*bpe, error) {
	if f.Dropout != nil && *f.Dropout != 0 {
		return nil, errors.New("BPE with dropout gives another result each time")
	}
	m := &bpe{
		vocab: vocab, unknown: unknown, fuse: f.FuseUnk, whole: f.IgnoreMrgs,
		byteFall: f.ByteFall, byteToken: byteTokens(vocab),
	}
	if f.Prefix != nil {
		m.prefix = *f.Prefix
	}
	if f.Suffix != nil {
		m.suffix = *f.Suffix
	}
	merges, err := parseMerges(f.Merges)
	if err != nil {
		return nil, err
	}
	m.merges = make(map[uint64]merge, len(merges))
	for rank, p := range merges {
		a, okA := vocab[p[0]]
		b, okB := vocab[p[1]]
		joined, okJ := vocab[p[0]+strings.TrimPrefix(p[1], m.prefix)]
		if !okA || !okB || !okJ {
			return nil, fmt.Errorf("merge %d, of %.40q and %.40q, is not in the vocabulary", rank, p[0], p[1])
		}
		m.merges[pair(a, b)] = merge{int32(rank), joined}
	}
	return m, nil
}

// parseMerges reads "a b" of older files and ["a", "b"] of newer ones.
func parseMerges(src json.RawMessage) ([][2]string, error) {
	var pairs [][]string
	if json.Unmarshal(src, &pairs) == nil {
		out := make([][2]string, len(pairs))
		for i, p := range pairs {
			if len(p) != 2 {
				return nil, fmt.Errorf("merge %d has %d parts", i, len(p))
			}
			out[i] = [2]string{p[0], p[1]}
		}
		return out, nil
	}
	var lines []string
	if err := json.Unmarshal(src, &lines); err != nil {
		return nil, fmt.Errorf("merges: %w", wrongJSON(err))
	}
	var out [][2]string
	for i, l := range lines {
		if strings.HasPrefix(l, "#version") {
			continue
		}
		a, b, ok := strings.Cut(l, " ")
		if !ok || strings.Contains(b, " ") {
			return nil, fmt.Errorf("merge %d has not two parts", i)
		}
		out = append(out, [2]string{a, b})
	}
	return out, nil
}

// bpeState is the working memory: the word's symbols, linked to their
// neighbours, and the pairs that may be joined.
type bpeState struct {
	symbols []symbol
	heap    []candidate
}

type symbol struct {
	id         int32 // -1: joined to the one before
	prev, next int32
}

// A candidate is a pair that begins at a place, as it was when it was found.
type candidate struct {
	rank, at, a, b int32
}

func (c candidate) before(d candidate) bool {
	return c.rank < d.rank || (c.rank == d.rank && c.at < d.at)
}

func (m *bpe) encode(word []byte, s *State) {
	if m.whole {
		if id, ok := m.vocab[string(word)]; ok {
			s.ids = append(s.ids, id)
			return
		}
	}
	m.symbols(word, s)
	b := &s.bpe
	b.heap = b.heap[:0]
	for i := range len(b.symbols) - 1 {
		m.consider(b, int32(i))
	}
	for len(b.heap) > 0 {
		c := b.pop()
		left := &b.symbols[c.at]
		if left.id != c.a || left.next < 0 || b.symbols[left.next].id != c.b {
			continue // one of the two has been joined to another meanwhile
		}
		right := &b.symbols[left.next]
		left.id = m.merges[pair(c.a, c.b)].id
		right.id = -1
		left.next = right.next
		if left.next >= 0 {
			b.symbols[left.next].prev = c.at
			m.consider(b, c.at)
		}
		if left.prev >= 0 {
			m.consider(b, left.prev)
		}
	}
	for i := int32(0); i >= 0 && int(i) < len(b.symbols); i = b.symbols[i].next {
		s.ids = append(s.ids, b.symbols[i].id)
	}
}

// consider notes the pair at a place if it can be joined.
func (m *bpe) consider(b *bpeState, at int32) {
	s := &b.symbols[at]
	if s.next < 0 {
		return
	}
	next := b.symbols[s.next].id
	if j, ok := m.merges[pair(s.id, next)]; ok {
		b.push(candidate{j.rank, at, s.id, next})
	}
}

// symbols cuts a word into characters that are tokens. An unknown character is
// the unknown token, or its bytes, or nothing.
func (m *bpe) symbols(word []byte, s *State) {
	b := &s.bpe
	b.symbols = b.symbols[:0]
	unknown := false
	for at := 0; at < len(word); {
		_, size := utf8.DecodeRune(word[at:])
		text := word[at : at+size]
		key := text
		if (m.prefix != "" && at > 0) || (m.suffix != "" && at+size == len(word)) {
			s.word = s.word[:0]
			if at > 0 {
				s.word = append(s.word, m.prefix...)
			}
			s.word = append(s.word, text...)
			if at+size == len(word) {
				s.word = append(s.word, m.suffix...)
			}
			key = s.word
		}
		at += size
		if id, ok := m.vocab[string(key)]; ok {
			b.add(id)
			unknown = false
			continue
		}
		if m.byteFall && m.hasBytes(key) {
			for _, c := range key {
				b.add(m.byteToken[c])
			}
			continue
		}
		if m.unknown >= 0 && !(m.fuse && unknown) {
			b.add(m.unknown)
		}
		unknown = true
	}
	if n := len(b.symbols); n > 0 {
		b.symbols[n-1].next = -1
	}
}

func (m *bpe) hasBytes(text []byte) bool {
	for _, c := range text {
		if m.byteToken[c] < 0 {
			return false
		}
	}
	return true
}

func (b *bpeState) add(id int32) {
	n := int32(len(b.symbols))
	b.symbols = append(b.symbols, symbol{id, n - 1, n + 1})
}

func (b *bpeState) push(c candidate) {
	b.heap = append(b.heap, c)
	i := len(b.heap) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !b.heap[i].before(b.heap[up]) {
			break
		}
		b.heap[i], b.heap[up] = b.heap[up], b.heap[i]
		i = up
	}
}

func (b *bpeState) pop() candidate {
	top := b.heap[0]
	last := len(b.heap) - 1
	b.heap[0] = b.heap[last]
	b.heap = b.heap[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			return top
		}
		if down+1 < last && b.heap[down+1].before(b.heap[down]) {
			down++
		}
		if !b.heap[down].before(b.heap[i]) {
			return top
		}
		b.heap[i], b.heap[down] = b.heap[down], b.heap[i]
		i = down
	}
}
