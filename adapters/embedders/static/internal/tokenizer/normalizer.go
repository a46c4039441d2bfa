package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A normalizer changes a text before it is cut. The result is the text itself,
// where nothing was to be changed, or stands in s.a.
type normalizer interface {
	apply(text []byte, s *State) []byte
}

// out is an empty buffer that the text to be changed is not in.
func (s *State) out() []byte { return s.b[:0] }

// done makes what was written to out the text.
func (s *State) done(b []byte) []byte {
	s.a, s.b = b, s.a
	return b
}

// maxDepth bounds sequences of sequences.
const maxDepth = 8

// normalizerFile is a normalizer's part of the file; which fields there are
// depends on its type.
type normalizerFile struct {
	Type        string            `json:"type"`
	Normalizers []json.RawMessage `json:"normalizers"`
	CleanText   *bool             `json:"clean_text"`
	Chinese     *bool             `json:"handle_chinese_chars"`
	Accents     *bool             `json:"strip_accents"`
	Lowercase   *bool             `json:"lowercase"`
	Left        bool              `json:"strip_left"`
	Right       bool              `json:"strip_right"`
	Pattern     patternFile       `json:"pattern"`
	Content     string            `json:"content"`
	Prepend     string            `json:"prepend"`
	Charsmap    []byte            `json:"precompiled_charsmap"`
}

// A patternFile is {"String": …} or {"Regex": …}.
type patternFile struct {
	String *string `json:"String"`
	Regex  *string `json:"Regex"`
}

func orTrue(b *bool) bool { return b == nil || *b }

func parseNormalizer(src json.RawMessage, depth int) (normalizer, error) {
	if len(src) == 0 || string(src) == "null" {
		return nil, nil
	}
	var f normalizerFile
	if err := json.Unmarshal(src, &f); err != nil {
		return nil, wrongJSON(err)
	}
	switch f.Type {
	case "Sequence":
		if depth == maxDepth {
			return nil, errors.New("sequences are nested too deeply")
		}
		var all sequence
		for _, part := range f.Normalizers {
			n, err := parseNormalizer(part, depth+1)
			if err != nil {
				return nil, err
			}
			if n != nil {
				all = append(all, n)
			}
		}
		return all, nil
	case "BertNormalizer":
		n := bertNormalizer{clean: orTrue(f.CleanText), chinese: orTrue(f.Chinese), lower: orTrue(f.Lowercase)}
		n.accents = n.lower
		if f.Accents != nil {
			n.accents = *f.Accents
		}
		return n, nil
	case "NFC":
		return unicodeForm{norm.NFC}, nil
	case "NFD":
		return unicodeForm{norm.NFD}, nil
	case "NFKC":
		return unicodeForm{norm.NFKC}, nil
	case "NFKD":
		return unicodeForm{norm.NFKD}, nil
	case "Lowercase":
		return runeMapper(lowercase), nil
	case "StripAccents":
		return runeMapper(withoutMarks), nil
	case "Nmt":
		return runeMapper(nmt), nil
	case "Strip":
		return strip{f.Left, f.Right}, nil
	case "Prepend":
		return prepend(f.Prepend), nil
	case "Replace":
		return newReplace(f.Pattern, f.Content)
	case "Precompiled":
		return newCharsmap(f.Charsmap)
	case "ByteLevel":
		return byteLetters{}, nil
	}
	return nil, fmt.Errorf("type %.40q is not supported", f.Type)
}

type sequence []normalizer

func (n sequence) apply(text []byte, s *State) []byte {
	for _, part := range n {
		text = part.apply(text, s)
	}
	return text
}

// bertNormalizer is what BERT does: control characters go, blanks become spaces,
// Chinese characters get spaces around them, accents go, letters become small.
type bertNormalizer struct{ clean, chinese, accents, lower bool }

func (n bertNormalizer) apply(text []byte, s *State) []byte {
	out := s.out()
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			i++
			switch {
			case n.clean && (c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'):
				// \v and \f are control characters to begin with.
				if c != '\v' && c != '\f' {
					out = append(out, ' ')
				}
			case n.clean && (c < ' ' || c == 0x7f):
			case n.lower && c >= 'A' && c <= 'Z':
				out = append(out, c|0x20)
			default:
				out = append(out, c)
			}
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		out = n.appendRune(out, text[i:i+size], r)
		i += size
	}
	return s.done(out)
}

func (n bertNormalizer) appendRune(out, encoded []byte, r rune) []byte {
	if n.clean {
		if r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co) {
			return out
		}
		if unicode.IsSpace(r) {
			return append(out, ' ')
		}
	}
	spaced := n.chinese && isChinese(r)
	if spaced {
		out = append(out, ' ')
	}
	switch {
	case !n.accents:
		out = n.appendLower(out, r)
	case r >= 0xAC00 && r <= 0xD7A3: // Korean syllables are taken apart by rule
		for _, part := range string(norm.NFD.Bytes(encoded)) {
			out = n.appendLower(out, part)
		}
	default:
		decomposed := norm.NFD.Properties(encoded).Decomposition()
		if decomposed == nil {
			decomposed = encoded
		}
		for len(decomposed) > 0 {
			part, size := utf8.DecodeRune(decomposed)
			decomposed = decomposed[size:]
			if !unicode.Is(unicode.Mn, part) {
				out = n.appendLower(out, part)
			}
		}
	}
	if spaced {
		out = append(out, ' ')
	}
	return out
}

func (n bertNormalizer) appendLower(out []byte, r rune) []byte {
	if n.lower {
		return lowercase(out, r)
	}
	return utf8.AppendRune(out, r)
}

// isChinese has the blocks that BERT calls so.
func isChinese(r rune) bool {
	return r >= 0x3400 && (r >= 0x4E00 && r <= 0x9FFF || r <= 0x4DBF ||
		r >= 0x20000 && r <= 0x2A6DF || r >= 0x2A700 && r <= 0x2B73F || r >= 0x2B740 && r <= 0x2B81F ||
		r >= 0x2B920 && r <= 0x2CEAF || r >= 0xF900 && r <= 0xFAFF || r >= 0x2F800 && r <= 0x2FA1F)
}

// A runeMapper appends what becomes of a character.
type runeMapper func(out []byte, r rune) []byte

func (m runeMapper) apply(text []byte, s *State) []byte {
	out := s.out()
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		out = m(out, r)
		i += size
	}
	return s.done(out)
}

// lowercase has the one letter whose small form is two characters.
func lowercase(out []byte, r rune) []byte {
	if r == 'İ' {
		return append(out, "i\u0307"...)
	}
	return utf8.AppendRune(out, unicode.ToLower(r))
}

// withoutMarks takes all marks away, those that take up space as well.
func withoutMarks(out []byte, r rune) []byte {
	if unicode.Is(unicode.M, r) {
		return out
	}
	return utf8.AppendRune(out, r)
}

// nmt removes control characters and makes blanks of all sorts spaces, as
// SentencePiece's nmt rules do.
func nmt(out []byte, r rune) []byte {
	switch {
	case r >= 0x01 && r <= 0x08, r == 0x0B, r >= 0x0E && r <= 0x1F, r == 0x7F, r == 0x8F, r == 0x9F:
		return out
	case r == 0x09, r == 0x0A, r == 0x0C, r == 0x0D, r == 0x1680, r >= 0x200B && r <= 0x200F,
		r == 0x2028, r == 0x2029, r == 0x2581, r == 0xFEFF, r == 0xFFFD:
		return append(out, ' ')
	}
	return utf8.AppendRune(out, r)
}

type unicodeForm struct{ form norm.Form }

func (n unicodeForm) apply(text []byte, s *State) []byte {
	if n.form.IsNormal(text) {
		return text
	}
	return s.done(n.form.Append(s.out(), text...))
}

type strip struct{ left, right bool }

func (n strip) apply(text []byte, s *State) []byte {
	if n.left {
		text = bytes.TrimLeftFunc(text, unicode.IsSpace)
	}
	if n.right {
		text = bytes.TrimRightFunc(text, unicode.IsSpace)
	}
	return text
}

type prepend string

func (n prepend) apply(text []byte, s *State) []byte {
	if len(text) == 0 {
		return text
	}
	return s.done(append(append(s.out(), n...), text...))
}

// replace puts content for each occurrence of a text or of what a regular
// expression finds.
type replace struct {
	old     []byte
	re      *regexp.Regexp
	content []byte
}

// maxGrowth bounds how often longer than what it replaces a content may be, so
// that a chain of replacements cannot make a text without end of a short one.
const maxGrowth = 16

func newReplace(p patternFile, content string) (normalizer, error) {
	n := &replace{content: []byte(content)}
	switch {
	case p.String != nil:
		if *p.String == "" {
			return nil, errors.New("type Replace of an empty text")
		}
		n.old = []byte(*p.String)
	case p.Regex != nil:
		if strings.Contains(content, "$") {
			return nil, errors.New("type Replace with a part of what was found is not supported")
		}
		re, err := translate(*p.Regex)
		if err != nil {
			return nil, err
		}
		if re.MatchString("") {
			return nil, fmt.Errorf("type Replace: %.60q finds the empty text", *p.Regex)
		}
		n.re = re
	default:
		return nil, errors.New("type Replace without a pattern")
	}
	if len(content) > maxGrowth*max(len(n.old), 1) {
		return nil, fmt.Errorf("type Replace makes texts more than %d times as long", maxGrowth)
	}
	return n, nil
}

func (n *replace) apply(text []byte, s *State) []byte {
	if len(text) > maxText {
		return text
	}
	if n.re != nil {
		if !n.re.Match(text) {
			return text
		}
		return s.done(append(s.out(), n.re.ReplaceAllLiteral(text, n.content)...))
	}
	at := bytes.Index(text, n.old)
	if at < 0 {
		return text
	}
	out := s.out()
	for at >= 0 {
		out = append(append(out, text[:at]...), n.content...)
		text = text[at+len(n.old):]
		at = bytes.Index(text, n.old)
	}
	return s.done(append(out, text...))
}

// maxText is how long a text may become before replacements are left alone: no
// text is, and only a file made for it makes one.
const maxText = 64 << 20

// byteLetters writes each byte as a letter, as GPT-2 does.
type byteLetters struct{}

func (byteLetters) apply(text []byte, s *State) []byte {
	return s.done(appendByteLetters(s.out(), text))
}

// byteLetter are the letters that stand for bytes: printable ones for
// themselves, the others counted from U+0100.
var byteLetter = func() (letters [256]rune) {
	next := rune(0x100)
	for b := range letters {
		r := rune(b)
		if r >= '!' && r <= '~' || r >= 0xA1 && r <= 0xAC || r >= 0xAE {
			letters[b] = r
			continue
		}
		letters[b] = next
		next++
	}
	return letters
}()

func appendByteLetters(out, text []byte) []byte {
	for _, b := range text {
		out = utf8.AppendRune(out, byteLetter[b])
	}
	return out
}
