package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// A splitter cuts the pieces of s.pre into more of them, and may rewrite them.
type splitter interface{ split(s *State) }

// pieces are parts of a text, in order.
type pieces struct {
	text  []byte
	buf   []byte // where the text is, if it has been rewritten
	spans []span
}

type span struct{ from, to int32 }

func (p *pieces) reset(text []byte) {
	p.text = text
	p.spans = append(p.spans[:0], span{0, int32(len(text))})
}

func (p *pieces) at(i int) []byte { return p.text[p.spans[i].from:p.spans[i].to] }

func (p *pieces) add(from, to int) {
	if from < to {
		p.spans = append(p.spans, span{int32(from), int32(to)})
	}
}

// cut ends a step that has put spans of the same text into s.next.
func (s *State) cut() {
	s.next.text = s.pre.text
	s.next.buf, s.pre.buf = s.pre.buf, s.next.buf // the text stays where it is, and what is in next is free
	s.pre, s.next = s.next, s.pre
}

// rewritten ends a step that has written a text into s.next.buf, and its spans.
func (s *State) rewritten() {
	s.next.text = s.next.buf
	s.pre, s.next = s.next, s.pre
}

// splitterFile is a pre-tokenizer's part of the file.
type splitterFile struct {
	Type          string            `json:"type"`
	PreTokenizers []json.RawMessage `json:"pretokenizers"`
	Replacement   *string           `json:"replacement"`
	PrefixSpace   *bool             `json:"add_prefix_space"`
	Scheme        *string           `json:"prepend_scheme"`
	Split         *bool             `json:"split"`
	UseRegex      *bool             `json:"use_regex"`
	Pattern       patternFile       `json:"pattern"`
	Behaviour     string            `json:"behavior"`
	Invert        bool              `json:"invert"`
	Individual    bool              `json:"individual_digits"`
	Delimiter     string            `json:"delimiter"`
}

func parseSplitter(src json.RawMessage, depth int) (splitter, error) {
	if len(src) == 0 || string(src) == "null" {
		return nil, nil
	}
	var f splitterFile
	if err := json.Unmarshal(src, &f); err != nil {
		return nil, wrongJSON(err)
	}
	switch f.Type {
	case "Sequence":
		if depth == maxDepth {
			return nil, errors.New("sequences are nested too deeply")
		}
		var all splitters
		for _, part := range f.PreTokenizers {
			p, err := parseSplitter(part, depth+1)
			if err != nil {
				return nil, err
			}
			if p != nil {
				all = append(all, p)
			}
		}
		return all, nil
	case "BertPreTokenizer":
		return splitters{&splitOn{find: findRune(unicode.IsSpace), how: removed}, &splitOn{find: findRune(isPunctuation), how: isolated}}, nil
	case "Whitespace":
		return &splitOn{find: findWord, how: removed, invert: true}, nil
	case "WhitespaceSplit":
		return &splitOn{find: findRune(unicode.IsSpace), how: removed}, nil
	case "Punctuation":
		return newSplitOn(findRune(isPunctuation), f.Behaviour, false)
	case "Digits":
		how := contiguous
		if f.Individual {
			how = isolated
		}
		return &splitOn{find: findRune(unicode.IsNumber), how: how}, nil
	case "CharDelimiterSplit":
		r, size := utf8.DecodeRuneInString(f.Delimiter)
		if size == 0 || size != len(f.Delimiter) {
			return nil, fmt.Errorf("delimiter %.20q is not one character", f.Delimiter)
		}
		return &splitOn{find: findRune(func(c rune) bool { return c == r }), how: removed}, nil
	case "Split":
		return newPatternSplit(&f)
	case "Metaspace":
		return newMetaspace(&f)
	case "ByteLevel":
		return &byteLevel{prefix: orTrue(f.PrefixSpace), cut: orTrue(f.UseRegex)}, nil
	}
	return nil, fmt.Errorf("type %.40q is not supported", f.Type)
}

type splitters []splitter

func (p splitters) split(s *State) {
	for _, part := range p {
		part.split(s)
	}
}

// A behaviour says what becomes of what a splitter finds.
type behaviour int

const (
	removed      behaviour = iota
	isolated               // a piece of its own
	withPrevious           // the end of the piece before it
	withNext               // the beginning of the piece behind it
	contiguous             // one piece with others beside it
)

var behaviours = map[string]behaviour{
	"Removed": removed, "Isolated": isolated, "MergedWithPrevious": withPrevious, "MergedWithNext": withNext, "Contiguous": contiguous,
}

// A finder returns the first place in a text that it is about, or -1.
type finder func(text []byte) (from, to int)

// A splitOn splitter cuts at what a finder finds.
type splitOn struct {
	find   finder
	how    behaviour
	invert bool // what is between is what was found
}

func newSplitOn(find finder, how string, invert bool) (splitter, error) {
	if how == "" {
		how = "Isolated"
	}
	b, ok := behaviours[how]
	if !ok {
		return nil, fmt.Errorf("behaviour %.40q is not supported", how)
	}
	return &splitOn{find, b, invert}, nil
}

func newPatternSplit(f *splitterFile) (splitter, error) {
	switch {
	case f.Pattern.String != nil && *f.Pattern.String != "":
		text := []byte(*f.Pattern.String)
		return newSplitOn(func(in []byte) (int, int) {
			at := bytes.Index(in, text)
			return at, at + len(text)
		}, f.Behaviour, f.Invert)
	case f.Pattern.Regex != nil:
		find, err := newRegexFinder(*f.Pattern.Regex)
		if err != nil {
			return nil, err
		}
		return newSplitOn(find, f.Behaviour, f.Invert)
	}
	return nil, errors.New("type Split without a pattern")
}

func (p *splitOn) split(s *State) {
	s.next.spans = s.next.spans[:0]
	for i := range s.pre.spans {
		p.splitPiece(s, s.pre.spans[i])
	}
	s.cut()
}

// splitPiece walks over a piece: what is between, what was found, and so on. An
// empty find, which a pattern can have, cuts nothing.
func (p *splitOn) splitPiece(s *State, piece span) {
	text, end := s.pre.text, int(piece.to)
	run := segmentRun{out: &s.next, how: p.how, start: -1}
	at, scan := int(piece.from), int(piece.from)
	for scan < end {
		from, to := p.find(text[scan:end])
		if from < 0 {
			break
		}
		if from, to = from+scan, to+scan; from == to {
			_, size := utf8.DecodeRune(text[from:end])
			scan = from + max(size, 1)
			continue
		}
		run.add(at, from, p.invert)
		run.add(from, to, !p.invert)
		at, scan = to, to
	}
	run.add(at, end, p.invert)
	run.flush()
}

// A segmentRun puts segments together as the behaviour has it. What it holds
// back may still get a neighbour.
type segmentRun struct {
	out        *pieces
	how        behaviour
	start, end int // what is held back; start is -1 for nothing
	found      bool
}

func (r *segmentRun) flush() {
	if r.start >= 0 {
		r.out.add(r.start, r.end)
	}
	r.start = -1
}

func (r *segmentRun) add(from, to int, found bool) {
	if from == to || (found && r.how == removed) {
		return
	}
	joins := false
	switch r.how {
	case withPrevious:
		joins = found && !r.found
	case withNext:
		joins = !found && r.found
	case contiguous:
		joins = found == r.found
	}
	if joins && r.start >= 0 {
		r.end = to
		if r.how != contiguous {
			r.flush()
		}
		return
	}
	r.flush()
	r.start, r.end, r.found = from, to, found
}

// findRune finds single characters.
func findRune(is func(rune) bool) finder {
	var ascii [utf8.RuneSelf]bool
	for c := range ascii {
		ascii[c] = is(rune(c))
	}
	return func(text []byte) (from, to int) {
		for i := 0; i < len(text); {
			if c := text[i]; c < utf8.RuneSelf {
				if ascii[c] {
					return i, i + 1
				}
				i++
				continue
			}
			r, size := utf8.DecodeRune(text[i:])
			if is(r) {
				return i, i + size
			}
			i += size
		}
		return -1, -1
	}
}

func isPunctuation(r rune) bool {
	if r < utf8.RuneSelf {
		return r > ' ' && r < 0x7f && !(r >= '0' && r <= '9') && !(r|0x20 >= 'a' && r|0x20 <= 'z')
	}
	return unicode.IsPunct(r)
}

// findWord finds \w+|[^\w\s]+.
func findWord(text []byte) (from, to int) {
	for from < len(text) {
		r, size := utf8.DecodeRune(text[from:])
		if unicode.IsSpace(r) {
			from += size
			continue
		}
		word := isWord(r)
		to = from + size
		for to < len(text) {
			r, size := utf8.DecodeRune(text[to:])
			if unicode.IsSpace(r) || isWord(r) != word {
				break
			}
			to += size
		}
		return from, to
	}
	return -1, -1
}
