// Package tokenizer turns texts into the numbers of tokens, as a tokenizer.json
// file says: the format of the Hugging Face tokenizers library, whose results it
// gives. https://huggingface.co/docs/tokenizers describes the parts.
//
// It reads the models WordPiece, Unigram, BPE and WordLevel, and the normalizers
// and pre-tokenizers that are used with them. What it does not know is an error
// of Parse that names it, never another result: a vector of the wrong tokens
// would be worse than none. Post-processors and decoders are left out, since
// embeddings of single tokens have no use for them.
//
// A file is somebody else's: whatever is in it, Parse returns an error or a
// tokenizer that works, within bounds of memory that the file's size sets.
package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// MaxFile bounds a tokenizer.json file, in bytes. The largest vocabularies take
// some 40 MB.
const MaxFile = 256 << 20

// MaxID is the highest number that a token may have.
const MaxID = 1<<24 - 1

// A Tokenizer is safe for concurrent use; a State is not.
type Tokenizer struct {
	normalize  normalizer // nil is none
	split      splitter   // nil is none
	model      model
	raw        *addedTokens // looked for in the text as it is
	normalized *addedTokens // looked for in the normalized text
	truncate   int          // tokens, or 0
	size       int
	unknown    int32 // -1 is none
	median     int
}

// A model turns a word into tokens.
type model interface {
	encode(word []byte, s *State)
}

// A State is the working memory of one Encode at a time. Its zero value works,
// and it grows with the texts that it has seen.
type State struct {
	ids  []int32
	a, b []byte // what the text becomes, by turns
	pre  pieces // what the splitters work on
	next pieces
	vit  viterbi
	bpe  bpeState
	word []byte

	begun bool // whether something of the text has been seen
	first bool // whether the part at hand is its beginning
}

// file is tokenizer.json as far as it is read.
type file struct {
	Truncation *struct {
		MaxLength int    `json:"max_length"`
		Direction string `json:"direction"`
	} `json:"truncation"`
	AddedTokens  []addedToken    `json:"added_tokens"`
	Normalizer   json.RawMessage `json:"normalizer"`
	PreTokenizer json.RawMessage `json:"pre_tokenizer"`
	Model        json.RawMessage `json:"model"`
}

// Parse reads a tokenizer.json file.
func Parse(src []byte) (*Tokenizer, error) {
	if len(src) > MaxFile {
		return nil, fmt.Errorf("the file has %d bytes, more than %d", len(src), MaxFile)
	}
	var f file
	if err := json.Unmarshal(src, &f); err != nil {
		return nil, wrongJSON(err)
	}
	t := &Tokenizer{}
	var err error
	if t.normalize, err = parseNormalizer(f.Normalizer, 0); err != nil {
		return nil, fmt.Errorf("normalizer: %w", err)
	}
	if t.split, err = parseSplitter(f.PreTokenizer, 0); err != nil {
		return nil, fmt.Errorf("pre-tokenizer: %w", err)
	}
	vocab, err := t.parseModel(f.Model)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if err := t.add(f.AddedTokens, vocab); err != nil {
		return nil, fmt.Errorf("added tokens: %w", err)
	}
	if f.Truncation != nil && f.Truncation.MaxLength > 0 {
		if f.Truncation.Direction == "Left" {
			return nil, errors.New("truncation on the left is not supported")
		}
		t.truncate = f.Truncation.MaxLength
	}
	t.measure(vocab)
	return t, nil
}

// wrongJSON is an error of encoding/json without what is in the file.
func wrongJSON(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("not JSON, at byte %d", syntax.Offset)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%.60q is a %s", wrong.Field, wrong.Value)
	}
	return err
}

// measure notes what is asked of the vocabulary as a whole.
func (t *Tokenizer) measure(vocab map[string]int32) {
	lengths := make([]int, 0, len(vocab))
	for token, id := range vocab {
		lengths = append(lengths, utf8.RuneCountInString(token))
		t.size = max(t.size, int(id)+1)
	}
	slices.Sort(lengths)
	if n := len(lengths); n > 0 {
		t.median = (lengths[(n-1)/2] + lengths[n/2]) / 2
	}
}

// Size is one more than the highest number that a token can have.
func (t *Tokenizer) Size() int { return t.size }

// Unknown is the token that stands for what has none, if the model has such a
// token by name.
func (t *Tokenizer) Unknown() (id int32, ok bool) { return t.unknown, t.unknown >= 0 }

// MedianLength is the median of the tokens' lengths in characters, the tokens
// that were added to the model's included.
func (t *Tokenizer) MedianLength() int { return t.median }

// Encode returns the tokens of a text, without those that a model wants around
// it. The result is valid until the next use of s.
func (t *Tokenizer) Encode(text []byte, s *State) []int32 {
	s.ids, s.begun = s.ids[:0], false
	t.raw.cut(text, func(part []byte, id int32) {
		if id >= 0 {
			s.ids, s.begun = append(s.ids, id), true
			return
		}
		if t.normalize != nil {
			part = t.normalize.apply(part, s)
		}
		t.normalized.cut(part, func(part []byte, id int32) {
			if id >= 0 {
				s.ids, s.begun = append(s.ids, id), true
				return
			}
			s.first, s.begun = !s.begun, true
			t.encodePart(part, s)
		})
	})
	if t.truncate > 0 && len(s.ids) > t.truncate {
		s.ids = s.ids[:t.truncate]
	}
	return s.ids
}

// encodePart encodes normalized text with no added token in it.
func (t *Tokenizer) encodePart(part []byte, s *State) {
	s.pre.reset(part)
	if t.split != nil {
		t.split.split(s)
	}
	for i := range s.pre.spans {
		if word := s.pre.at(i); len(word) > 0 {
			t.model.encode(word, s)
		}
	}
}
