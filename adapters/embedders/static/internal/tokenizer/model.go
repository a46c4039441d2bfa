package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// modelFile is the model's part of the file; which fields there are depends on
// its type.
type modelFile struct {
	Type       string          `json:"type"`
	Vocab      json.RawMessage `json:"vocab"`
	Merges     json.RawMessage `json:"merges"`
	UnkToken   *string         `json:"unk_token"`
	UnkID      *int64          `json:"unk_id"`
	Prefix     *string         `json:"continuing_subword_prefix"`
	Suffix     *string         `json:"end_of_word_suffix"`
	MaxChars   *int            `json:"max_input_chars_per_word"`
	Dropout    *float64        `json:"dropout"`
	FuseUnk    bool            `json:"fuse_unk"`
	ByteFall   bool            `json:"byte_fallback"`
	IgnoreMrgs bool            `json:"ignore_merges"`
}

// parseModel reads the model, and returns its vocabulary.
func (t *Tokenizer) parseModel(src json.RawMessage) (map[string]int32, error) {
	var f modelFile
	if len(src) == 0 {
		return nil, errors.New("there is none")
	}
	if err := json.Unmarshal(src, &f); err != nil {
		return nil, wrongJSON(err)
	}
	t.unknown = -1
	kind := f.kind()
	if kind == "Unigram" {
		return t.parseUnigram(&f)
	}
	vocab, err := parseVocab(f.Vocab)
	if err != nil {
		return nil, err
	}
	if f.UnkToken != nil {
		id, ok := vocab[*f.UnkToken]
		switch {
		case ok:
			t.unknown = id
		case kind != "BPE" || *f.UnkToken != "": // which some files have for none
			return nil, fmt.Errorf("the unknown token %.40q is not in the vocabulary", *f.UnkToken)
		}
	}
	switch kind {
	case "WordPiece":
		t.model, err = newWordPiece(&f, vocab, t.unknown)
	case "WordLevel":
		t.model = &wordLevel{vocab: vocab, unknown: t.unknown}
	case "BPE":
		t.model, err = newBPE(&f, vocab, t.unknown)
	default:
		err = fmt.Errorf("type %.40q is not supported: WordPiece, Unigram, BPE and WordLevel are", f.Type)
	}
	return vocab, err
}

// kind is the model's type, which files of early versions leave to be guessed.
func (f *modelFile) kind() string {
	switch {
	case f.Type != "":
		return f.Type
	case len(f.Merges) > 0:
		return "BPE"
	case len(f.Vocab) > 0 && f.Vocab[0] == '[':
		return "Unigram"
	case f.Prefix != nil:
		return "WordPiece"
	}
	return "WordLevel"
}

// parseVocab reads {"token": number}.
func parseVocab(src json.RawMessage) (map[string]int32, error) {
	var vocab map[string]int32
	if err := json.Unmarshal(src, &vocab); err != nil {
		return nil, fmt.Errorf("vocabulary: %w", wrongJSON(err))
	}
	if len(vocab) == 0 {
		return nil, errors.New("the vocabulary is empty")
	}
	for token, id := range vocab {
		if id < 0 || id > MaxID {
			return nil, fmt.Errorf("token %.40q has number %d", token, id)
		}
	}
	return vocab, nil
}

// A wordLevel model knows whole words.
type wordLevel struct {
	vocab   map[string]int32
	unknown int32
}

func (m *wordLevel) encode(word []byte, s *State) {
	if id, ok := m.vocab[string(word)]; ok {
		s.ids = append(s.ids, id)
	} else if m.unknown >= 0 {
		s.ids = append(s.ids, m.unknown)
	}
}

// A wordPiece model takes the longest token that a word begins with, then the
// longest that goes on from there, and so on; a word that is not used up is
// unknown as a whole.
type wordPiece struct {
	first, later map[string]int32 // later without the prefix that marks them
	longest      int              // bytes of the longest in either
	maxChars     int
	unknown      int32
}

func newWordPiece(f *modelFile, vocab map[string]int32, unknown int32) (*wordPiece, error) {
	if unknown < 0 {
		return nil, errors.New("WordPiece without an unknown token")
	}
	m := &wordPiece{first: vocab, later: map[string]int32{}, maxChars: 100, unknown: unknown}
	prefix := "##"
	if f.Prefix != nil {
		prefix = *f.Prefix
	}
	if f.MaxChars != nil {
		m.maxChars = *f.MaxChars
	}
	for token, id := range vocab {
		m.longest = max(m.longest, len(token))
		if len(token) > len(prefix) && token[:len(prefix)] == prefix {
			m.later[token[len(prefix):]] = id
		}
	}
	return m, nil
}

func (m *wordPiece) encode(word []byte, s *State) {
	if len(word) > m.maxChars && utf8.RuneCount(word) > m.maxChars {
		s.ids = append(s.ids, m.unknown)
		return
	}
	before := len(s.ids)
	vocab := m.first
	for from := 0; from < len(word); {
		end := min(len(word), from+m.longest)
		id, found := int32(0), false
		for end > from {
			if end == len(word) || utf8.RuneStart(word[end]) {
				if id, found = vocab[string(word[from:end])]; found {
					break
				}
			}
			end--
		}
		if !found {
			s.ids = append(s.ids[:before], m.unknown)
			return
		}
		s.ids = append(s.ids, id)
		from, vocab = end, m.later
	}
}

// byteTokens are the tokens <0x00> to <0xFF>, if all are there.
func byteTokens(vocab map[string]int32) (ids [256]int32) {
	for b := range ids {
		id, ok := vocab[fmt.Sprintf("<0x%02X>", b)]
		if !ok {
			id = -1
		}
		ids[b] = id
	}
	return ids
}

// appendBytes appends the byte tokens of a text, and reports false where one
// of them is not there.
func appendBytes(ids []int32, tokens *[256]int32, text []byte) ([]int32, bool) {
	before := len(ids)
	for _, b := range text {
		if tokens[b] < 0 {
			return ids[:before], false
		}
		ids = append(ids, tokens[b])
	}
	return ids, true
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
