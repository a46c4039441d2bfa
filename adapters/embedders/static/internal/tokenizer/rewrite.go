package tokenizer

import (
	"bytes"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// A metaspace writes spaces as a visible sign and puts one before a text, as
// SentencePiece does, and cuts before each.
type metaspace struct {
	sign   []byte
	prefix scheme
	cut    bool
}

type scheme int

const (
	always scheme = iota
	never
	first // only before what the text begins with
)

func newMetaspace(f *splitterFile) (splitter, error) {
	m := &metaspace{sign: []byte("▁"), cut: orTrue(f.Split)}
	if f.Replacement != nil {
		if utf8.RuneCountInString(*f.Replacement) != 1 {
			return nil, fmt.Errorf("replacement %.20q is not one character", *f.Replacement)
		}
		m.sign = []byte(*f.Replacement)
	}
	switch {
	case f.Scheme == nil:
		if !orTrue(f.PrefixSpace) {
			m.prefix = never
		}
	case *f.Scheme == "always":
	case *f.Scheme == "never":
		m.prefix = never
	case *f.Scheme == "first":
		m.prefix = first
	default:
		return nil, errors.New("the scheme of Metaspace is none of always, never and first")
	}
	return m, nil
}

func (m *metaspace) split(s *State) {
	out := s.next.buf[:0]
	s.next.spans = s.next.spans[:0]
	for i := range s.pre.spans {
		piece := s.pre.at(i)
		start := len(out)
		if m.prefix == always || (m.prefix == first && s.first && i == 0 && s.pre.spans[i].from == 0) {
			if !bytes.HasPrefix(piece, m.sign) && !bytes.HasPrefix(piece, []byte{' '}) {
				out = append(out, m.sign...)
			}
		}
		for _, c := range piece {
			if c == ' ' {
				out = append(out, m.sign...)
			} else {
				out = append(out, c)
			}
		}
		if !m.cut {
			s.next.add(start, len(out))
			continue
		}
		for from := start; from < len(out); {
			to := len(out)
			if at := bytes.Index(out[from+1:], m.sign); at >= 0 {
				to = from + 1 + at
			}
			s.next.add(from, to)
			from = to
		}
	}
	s.next.buf = out
	s.rewritten()
}

// A byteLevel splitter cuts as GPT-2 does and writes each byte as a letter.
type byteLevel struct {
	prefix bool // a space before each piece
	cut    bool
}

func (b *byteLevel) split(s *State) {
	if b.prefix {
		b.addSpaces(s)
	}
	if b.cut {
		(&splitOn{find: findGPT2, how: isolated}).split(s)
	}
	out := s.next.buf[:0]
	s.next.spans = s.next.spans[:0]
	for i := range s.pre.spans {
		start := len(out)
		out = appendByteLetters(out, s.pre.at(i))
		s.next.add(start, len(out))
	}
	s.next.buf = out
	s.rewritten()
}

func (b *byteLevel) addSpaces(s *State) {
	out := s.next.buf[:0]
	s.next.spans = s.next.spans[:0]
	for i := range s.pre.spans {
		piece := s.pre.at(i)
		start := len(out)
		if !bytes.HasPrefix(piece, []byte{' '}) {
			out = append(out, ' ')
		}
		out = append(out, piece...)
		s.next.add(start, len(out))
	}
	s.next.buf = out
	s.rewritten()
}

// contractions are the endings of English words that are pieces of their own.
var contractions = [][]byte{[]byte("'s"), []byte("'t"), []byte("'re"), []byte("'ve"), []byte("'m"), []byte("'ll"), []byte("'d")}

// findGPT2 is the pattern gpt2 by hand. It finds something at the beginning of
// any text.
func findGPT2(text []byte) (from, to int) {
	if len(text) == 0 {
		return -1, -1
	}
	for _, c := range contractions {
		if bytes.HasPrefix(text, c) {
			return 0, len(c)
		}
	}
	at := 0
	if text[0] == ' ' && len(text) > 1 {
		at = 1
	}
	r, size := utf8.DecodeRune(text[at:])
	kind := kindOf(r)
	if kind == blank {
		end := runOf(text, 0, blank)
		return 0, leaveOne(text, 0, end)
	}
	return 0, runOf(text, at+size, kind)
}

type runeKind int

const (
	blank runeKind = iota
	letter
	number
	sign
)

func kindOf(r rune) runeKind {
	switch {
	case unicode.IsSpace(r):
		return blank
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	}
	return sign
}

// runOf is the end of the characters of a kind from at on.
func runOf(text []byte, at int, kind runeKind) int {
	for at < len(text) {
		r, size := utf8.DecodeRune(text[at:])
		if kindOf(r) != kind {
			break
		}
		at += size
	}
	return at
}

// leaveOne is the end of a run of blanks less the last, if others are before it
// and something is behind it.
func leaveOne(text []byte, from, to int) int {
	if to == len(text) {
		return to
	}
	_, size := utf8.DecodeLastRune(text[from:to])
	if to-size > from {
		return to - size
	}
	return to
}
