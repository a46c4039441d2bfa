package analysis

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A token is one occurrence of a term.
type token struct {
	text string // in lower case, not stemmed
	word int    // number of the word in the text
	kind Kind
	tail bool // the last character of a run of pairs, of use to the index only
}

// term returns the token as the index holds it.
func (t token) term() string {
	if t.kind <= Compound {
		return clip(base(t.text))
	}
	return clip(t.text)
}

// stem returns the token's stem, which of an irregular verb is not its base's.
func (t token) stem() string {
	if t.kind <= Compound {
		return clip(stem(t.text))
	}
	return clip(t.text)
}

// clip bounds a term without cutting a character.
func clip(s string) string {
	if len(s) <= MaxTermBytes {
		return s
	}
	n := MaxTermBytes
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Compounds beyond these bounds give their parts only: what is longer is a list or
// encoded data rather than a name.
const (
	maxParts      = 8
	maxCamelBytes = 48
)

// scan calls yield with each token of text until it returns false.
func scan(text string, yield func(token) bool) {
	s := scanner{text: fold(text), yield: yield}
	for s.pos < len(s.text) && !s.done {
		r, n := s.peek(s.pos)
		switch {
		case unspaced(r):
			s.run()
		case wordRune(r):
			s.compound()
		case pictogram(r):
			s.emit(s.text[s.pos:s.pos+n], Symbol)
			s.word++
			s.pos += n
		default:
			s.pos += n
		}
	}
}

type scanner struct {
	text    string
	pos     int
	word    int
	yield   func(token) bool
	done    bool
	parts   []string // of the compound at hand
	hyphens int      // joints of the compound that are hyphens
}

func (s *scanner) peek(i int) (rune, int) {
	if i >= len(s.text) {
		return 0, 0
	}
	if c := s.text[i]; c < utf8.RuneSelf {
		return rune(c), 1
	}
	r, n := utf8.DecodeRuneInString(s.text[i:])
	if r == utf8.RuneError {
		return 0, n
	}
	return r, n
}

func (s *scanner) emit(text string, k Kind) {
	if !s.done && text != "" {
		s.done = !s.yield(token{text: text, word: s.word, kind: k})
	}
}

// run takes characters of scripts without blanks and emits them as overlapping
// pairs. The last one is emitted alone too: so each character begins a term, and
// a question of one character finds it wherever it stands.
func (s *scanner) run() {
	second := s.pos // where the last character begins
	for n := 0; !s.done; n++ {
		if r, _ := s.peek(s.pos); !unspaced(r) {
			if n > 0 {
				s.done = !s.yield(token{text: lower(s.text[second:s.pos]), word: s.word, kind: Single, tail: n > 1})
			}
			break
		}
		start := s.pos
		for {
			_, size := s.peek(s.pos)
			s.pos += size
			if r, _ := s.peek(s.pos); r < utf8.RuneSelf || !unicode.Is(unicode.M, r) {
				break
			}
		}
		first := second
		second = start
		if n > 0 {
			s.emit(lower(s.text[first:s.pos]), Pair)
			s.word++
		}
	}
	s.word++
}

// compound takes a word with everything that is joined to it and emits its parts
// and its whole.
func (s *scanner) compound() {
	s.parts, s.hyphens = s.parts[:0], 0
	s.parts = append(s.parts, s.letters())
	number := false // a thousands separator: the parts are one number
	for {
		r, n := s.peek(s.pos)
		if !joint(r) {
			break
		}
		at := s.pos + n
		if r == '_' {
			for at < len(s.text) && s.text[at] == '_' {
				at++
			}
		}
		if next, _ := s.peek(at); !wordRune(next) || unspaced(next) {
			break
		}
		last := s.parts[len(s.parts)-1]
		mark := s.pos
		s.pos = at
		next := s.letters()
		if r == '-' {
			s.hyphens++
		}
		switch {
		case r == ',':
			if !digits(last) || !digits(next) || len(next) != 3 || len(last) > 3 {
				s.pos = mark
				s.flush(number)
				return
			}
			number = true
			s.parts = append(s.parts, next)
		case r == '\'':
			s.contract(last, next)
		default:
			s.parts = append(s.parts, next)
		}
	}
	s.suffix()
	s.flush(number)
}

// contract joins what stands before and after an apostrophe: a possessive and the
// short forms of verbs are dropped, n't belongs to its verb, anything else is a
// part of its own (o'brien, l'homme).
func (s *scanner) contract(before, after string) {
	switch lower(after) {
	case "s", "d", "ll", "m", "re", "ve":
	case "t":
		if len(before) > MaxTermBytes { // no word; joining again and again would take forever
			return
		}
		s.parts[len(s.parts)-1] = before + after
	default:
		s.parts = append(s.parts, after)
	}
}

// suffix takes the signs that belong to names such as C++ and C#.
func (s *scanner) suffix() {
	end := s.pos
	for end < len(s.text) && end < s.pos+2 && s.text[end] == '+' {
		end++
	}
	if end == s.pos && end < len(s.text) && s.text[end] == '#' {
		end++
	}
	if r, _ := s.peek(end); end == s.pos || wordRune(r) || r == '+' || r == '#' {
		return
	}
	last := s.parts[len(s.parts)-1]
	if len(last) > 16 || !unicode.IsLetter(rune(last[0])) {
		return
	}
	s.emit(lower(last)+s.text[s.pos:end], Compound)
	s.pos = end
}

// letters takes a run of letters and digits.
func (s *scanner) letters() string {
	start := s.pos
	for {
		r, n := s.peek(s.pos)
		if !wordRune(r) && !(r >= utf8.RuneSelf && unicode.Is(unicode.M, r)) || unspaced(r) {
			return s.text[start:s.pos]
		}
		s.pos += n
	}
}

// flush emits the parts collected and the whole that they make.
func (s *scanner) flush(number bool) {
	if len(s.parts) == 1 && !camel(s.parts[0]) {
		s.emit(lower(s.parts[0]), Content)
		s.word++
		return
	}
	if number || s.decimal() {
		s.emit(s.joined(number), Compound)
		s.word++
		return
	}
	for _, p := range s.parts {
		if camel(p) {
			humps(p, func(h string) { s.emit(lower(h), Content) })
			if len(s.parts) > 1 {
				s.emit(lower(p), Compound)
			}
		} else {
			s.emit(lower(p), Content)
		}
	}
	if s.joinable() {
		s.emit(s.joined(number), Compound)
	}
	s.word++
}

// decimal reports whether the parts are the two sides of one number. Alone,
// neither means anything.
func (s *scanner) decimal() bool {
	return len(s.parts) == 2 && s.hyphens == 0 && digits(s.parts[0]) && digits(s.parts[1])
}

// joinable reports whether the compound may also be written as one word. Two
// full words with a hyphen between them are not (rule-based), and one more term for
// each would only make the text longer than it is.
func (s *scanner) joinable() bool {
	if len(s.parts) > maxParts || len(s.parts) == 1 || s.hyphens < len(s.parts)-1 {
		return len(s.parts) <= maxParts
	}
	for _, p := range s.parts {
		if len(p) <= 3 {
			return true
		}
	}
	return false
}

// joined returns the parts as one word. Numbers stay apart, since 1.23 is not
// 12.3, and a version is the same with and without its v.
func (s *scanner) joined(number bool) string {
	var b strings.Builder
	for i, p := range s.parts {
		p = lower(p)
		if i == 0 && len(s.parts) > 1 && len(p) > 1 && p[0] == 'v' && digits(p[1:]) {
			p = p[1:]
		}
		if i > 0 && !number && digits(p[:1]) && digits(b.String()[b.Len()-1:]) {
			b.WriteByte('_')
		}
		b.WriteString(p)
	}
	return b.String()
}

// camel reports whether a word is written like getUserID.
func camel(s string) bool {
	if len(s) < 3 || len(s) > maxCamelBytes {
		return false
	}
	small := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			return false
		case 'a' <= c && c <= 'z':
			// ABCdef: the capital before the small letter begins a part.
			if i >= 2 && upper(s[i-1]) && upper(s[i-2]) && i+1 < len(s) && s[i+1] != 's' {
				return true
			}
			small = true
		case upper(c) && small:
			return true
		}
	}
	return false
}

// humps calls yield with each part of a word for which camel is true.
func humps(s string, yield func(string)) {
	start := 0
	for i := 1; i < len(s); i++ {
		up, before := upper(s[i]), upper(s[i-1])
		if up && !before || up && before && i+1 < len(s) && 'a' <= s[i+1] && s[i+1] <= 'z' {
			yield(s[start:i])
			start = i
		}
	}
	yield(s[start:])
}

func upper(c byte) bool { return 'A' <= c && c <= 'Z' }

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// joint reports whether r can stand inside a compound.
func joint(r rune) bool {
	switch r {
	case '_', '-', '.', '\'', '&', ',':
		return true
	}
	return false
}

func wordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r)
}

// unspaced reports whether r belongs to a script that is written without blanks
// between words, or, as Korean is, with words that change by what is glued to
// them.
func unspaced(r rune) bool {
	if r < 0x0e00 {
		return false
	}
	if !unicode.IsLetter(r) && !unicode.IsNumber(r) {
		return false
	}
	return unicode.In(r, unspacedScripts...) || r == 'ー'
}

var unspacedScripts = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan,
	unicode.Yi, unicode.Javanese, unicode.Balinese, unicode.Tai_Le, unicode.New_Tai_Lue,
	unicode.Tai_Tham, unicode.Tai_Viet, unicode.Nushu, unicode.Tangut,
}

// pictogram reports whether r is an emoji: they carry meaning in chat.
func pictogram(r rune) bool {
	return r >= 0x1f000 && r <= 0x1faff && !(r >= 0x1f3fb && r <= 0x1f3ff)
}
