package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// unknownPenalty is how much less than the worst token's a character's score is
// that has no token; SentencePiece has the same number.
const unknownPenalty = 10

// A unigram model cuts a word so that the sum of its tokens' scores, which are
// logarithms of probabilities, is greatest (Kudo, 2018).
type unigram struct {
	trie      *trie
	scores    []float64
	unknown   int32 // -1 is none
	penalty   float64
	byteFall  bool
	byteToken [256]int32
}

// viterbi is the working memory: for each end of a token the best that ends
// there.
type viterbi struct {
	score []float64
	from  []int32
	id    []int32
	back  []int32 // ends, last first
}

func (t *Tokenizer) parseUnigram(f *modelFile) (map[string]int32, error) {
	var list []scored
	if err := json.Unmarshal(f.Vocab, &list); err != nil {
		return nil, fmt.Errorf("vocabulary: %w", wrongJSON(err))
	}
	if len(list) == 0 || len(list) > MaxID {
		return nil, fmt.Errorf("the vocabulary has %d tokens", len(list))
	}
	m := &unigram{scores: make([]float64, len(list)), unknown: -1, byteFall: f.ByteFall}
	if f.UnkID != nil {
		if *f.UnkID < 0 || *f.UnkID >= int64(len(list)) {
			return nil, fmt.Errorf("unknown token number %d is not in the vocabulary", *f.UnkID)
		}
		m.unknown = int32(*f.UnkID)
	}
	vocab := make(map[string]int32, len(list))
	keys := make(map[string]int32, len(list))
	lowest := math.Inf(1)
	for i, s := range list {
		if !finite(s.score) {
			return nil, fmt.Errorf("token %.40q has score %v", s.token, s.score)
		}
		m.scores[i] = s.score
		lowest = min(lowest, s.score)
		vocab[s.token] = int32(i)
		if s.token != "" {
			keys[s.token] = int32(i)
		}
	}
	m.penalty = lowest - unknownPenalty
	m.trie = newTrie(keys)
	m.byteToken = byteTokens(vocab)
	t.model = m
	return vocab, nil
}

// A scored token is ["token", score].
type scored struct {
	token string
	score float64
}

func (s *scored) UnmarshalJSON(src []byte) error {
	pair := []any{&s.token, &s.score}
	if err := json.Unmarshal(src, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return errors.New("a token is not a text and a score")
	}
	return nil
}

func (m *unigram) encode(word []byte, s *State) {
	v := &s.vit
	v.reset(len(word) + 1)
	for at := 0; at < len(word); {
		_, size := utf8.DecodeRune(word[at:])
		here := v.score[at]
		single := false
		node := int32(0)
		for end := at; end < len(word); end++ {
			if node = m.trie.child(node, word[end]); node == 0 {
				break
			}
			id := m.trie.values[node]
			if id < 0 {
				continue
			}
			v.offer(end+1, here+m.scores[id], at, id)
			single = single || end+1 == at+size
		}
		if !single {
			v.offer(at+size, here+m.penalty, at, -1)
		}
		at += size
	}
	m.collect(word, s)
}

// collect follows the best way back and appends its tokens. Unknown characters
// side by side are one token.
func (m *unigram) collect(word []byte, s *State) {
	v := &s.vit
	v.back = v.back[:0]
	for end := int32(len(word)); end > 0; end = v.from[end] {
		v.back = append(v.back, end)
	}
	for i := len(v.back) - 1; i >= 0; i-- {
		end := v.back[i]
		if id := v.id[end]; id >= 0 && id != m.unknown {
			s.ids = append(s.ids, id)
			continue
		}
		from := v.from[end]
		for i > 0 && (v.id[v.back[i-1]] < 0 || v.id[v.back[i-1]] == m.unknown) {
			i--
			end = v.back[i]
		}
		if id, n := m.trie.longest(word[from:end]); n == int(end-from) {
			s.ids = append(s.ids, id) // the unknown token's own name, written out
			continue
		}
		if m.byteFall {
			var ok bool
			if s.ids, ok = appendBytes(s.ids, &m.byteToken, word[from:end]); ok {
				continue
			}
		}
		if m.unknown >= 0 {
			s.ids = append(s.ids, m.unknown)
		}
	}
}

func (v *viterbi) reset(n int) {
	if cap(v.score) < n {
		v.score, v.from, v.id = make([]float64, n), make([]int32, n), make([]int32, n)
	}
	v.score, v.from, v.id = v.score[:n], v.from[:n], v.id[:n]
	for i := range v.from {
		v.from[i] = -1
	}
	v.score[0] = 0
}

// offer notes a way to end if it is the first or a better one.
func (v *viterbi) offer(end int, score float64, from int, id int32) {
	if v.from[end] < 0 || score > v.score[end] {
		v.score[end], v.from[end], v.id[end] = score, int32(from), id
	}
}
