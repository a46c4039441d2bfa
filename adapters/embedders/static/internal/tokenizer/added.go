package tokenizer

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// An addedToken is one that is looked for in the text before all else.
type addedToken struct {
	ID         int64  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
}

// addedTokens finds them: the longest at the first place where there is one.
type addedTokens struct {
	trie   *trie
	tokens []addedToken // the trie's values are places in it
}

// add takes the added tokens in, and into vocab as well.
func (t *Tokenizer) add(tokens []addedToken, vocab map[string]int32) error {
	var raw, normalized []addedToken
	for _, a := range tokens {
		if a.Content == "" {
			continue
		}
		if a.ID < 0 || a.ID > MaxID {
			return fmt.Errorf("%.40q has number %d", a.Content, a.ID)
		}
		if id, ok := vocab[a.Content]; ok {
			a.ID = int64(id)
		}
		vocab[a.Content] = int32(a.ID)
		if !a.Normalized {
			raw = append(raw, a)
			continue
		}
		if t.normalize != nil {
			a.Content = string(t.normalize.apply([]byte(a.Content), new(State)))
		}
		if a.Content != "" {
			normalized = append(normalized, a)
		}
	}
	t.raw, t.normalized = newAddedTokens(raw), newAddedTokens(normalized)
	return nil
}

func newAddedTokens(tokens []addedToken) *addedTokens {
	if len(tokens) == 0 {
		return nil
	}
	keys := make(map[string]int32, len(tokens))
	for i, a := range tokens {
		if _, ok := keys[a.Content]; !ok {
			keys[a.Content] = int32(i)
		}
	}
	return &addedTokens{trie: newTrie(keys), tokens: tokens}
}

// cut calls fn with each added token's number and with the texts between them,
// whose number is -1.
func (a *addedTokens) cut(text []byte, fn func(part []byte, id int32)) {
	if a == nil {
		if len(text) > 0 {
			fn(text, -1)
		}
		return
	}
	from := 0
	for i := 0; i < len(text); {
		found, n := a.trie.longest(text[i:])
		if n == 0 {
			i++
			continue
		}
		token := &a.tokens[found]
		start, stop := i, i+n
		i = stop
		if token.SingleWord && (endsWithWord(text[:start]) || startsWithWord(text[stop:])) {
			continue
		}
		if token.LStrip {
			for start > from {
				r, size := utf8.DecodeLastRune(text[from:start])
				if !unicode.IsSpace(r) {
					break
				}
				start -= size
			}
		}
		if token.RStrip {
			for stop < len(text) {
				r, size := utf8.DecodeRune(text[stop:])
				if !unicode.IsSpace(r) {
					break
				}
				stop += size
			}
			i = stop
		}
		if from < start {
			fn(text[from:start], -1)
		}
		fn(nil, int32(token.ID))
		from = stop
	}
	if from < len(text) {
		fn(text[from:], -1)
	}
}

func endsWithWord(text []byte) bool {
	r, _ := utf8.DecodeLastRune(text)
	return len(text) > 0 && isWord(r)
}

func startsWithWord(text []byte) bool {
	r, _ := utf8.DecodeRune(text)
	return len(text) > 0 && isWord(r)
}

// isWord is \w as Unicode has it (UTS 18, annex C).
func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return r == '_' || (r|0x20 >= 'a' && r|0x20 <= 'z') || (r >= '0' && r <= '9')
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control)
}
