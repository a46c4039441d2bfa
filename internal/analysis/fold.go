package analysis

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// fold brings text to the form in which words are compared, short of letter
// case, which the scanner still needs to find the parts of getUserID.
func fold(text string) string {
	if isASCII(text) {
		return text
	}
	// What package norm does with bytes that are not UTF-8 depends on what follows them.
	text = strings.ToValidUTF8(text, " ")
	// Decomposed, the marks stand alone and can be judged by their letter;
	// composed again, a Korean syllable or a kana with its voicing mark is one
	// character, as pairs need it.
	text = norm.NFKD.String(text)
	var b strings.Builder
	b.Grow(len(text))
	var base rune // the letter that a mark belongs to
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r < utf8.RuneSelf:
			base = r
			b.WriteByte(byte(r))
		case ignored(r):
		case unicode.Is(unicode.Mn, r):
			if !optionalMark(base, r) {
				b.WriteString(text[i : i+n])
			}
		default:
			base = r
			if s, ok := plain[r]; ok {
				b.WriteString(s)
			} else {
				b.WriteString(text[i : i+n])
			}
		}
		i += n
	}
	return norm.NFC.String(b.String())
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// ignored reports whether r is invisible inside a word: soft hyphens, joiners,
// marks of direction, variation selectors. The zero width space is not, since it
// separates words in Khmer and Thai.
func ignored(r rune) bool {
	if r == '\u200b' {
		return false
	}
	return unicode.Is(unicode.Cf, r) ||
		r >= 0xfe00 && r <= 0xfe0f || r >= 0xe0100 && r <= 0xe01ef ||
		r == 0x0640 // the Arabic letter that only stretches a word
}

// optionalMark reports whether text is commonly written without mark on base:
// accents of Latin and Greek letters, the dots of the Russian yo, vowel points of
// Hebrew and Arabic. Vowel signs of Indic and Thai letters are part of the word.
func optionalMark(base, mark rune) bool {
	switch {
	case mark >= 0x0591 && mark <= 0x05c7, // Hebrew
		mark >= 0x064b && mark <= 0x0652, mark == 0x0670: // Arabic
		return true
	case mark == 0x0308 && (base == 'е' || base == 'Е'):
		return true
	}
	return base < 0x0400 || unicode.In(base, unicode.Latin, unicode.Greek)
}

// plain holds letters that Unicode does not take apart and that people type
// without what makes them special.
var plain = map[rune]string{
	'ß': "ss", 'ẞ': "SS", 'æ': "ae", 'Æ': "AE", 'œ': "oe", 'Œ': "OE",
	'ø': "o", 'Ø': "O", 'ł': "l", 'Ł': "L", 'đ': "d", 'Đ': "D", 'ð': "d", 'Ð': "D",
	'þ': "th", 'Þ': "TH", 'ħ': "h", 'Ħ': "H", 'ı': "i", 'ŧ': "t", 'Ŧ': "T",
	'ς': "σ",
	'’': "'", '‘': "'", 'ʼ': "'", '＇': "'", '‐': "-", '‑': "-", '⁄': "/",
}

// lower returns a word in lower case.
func lower(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}

// Normalize returns content in the form in which two statements are the same
// statement: composed Unicode (NFC), no blanks at the ends, every run of white
// space inside as one blank, no full stop after the last word. Letter case stays,
// since paths, names and keys that differ in it are different facts, and to take
// one for the other would lose it. Bytes that are not UTF-8 are all alike.
func Normalize(content string) string {
	s := strings.Join(strings.Fields(strings.ToValidUTF8(content, "\ufffd")), " ")
	s = norm.NFC.String(s)
	if t, ok := strings.CutSuffix(s, "."); ok {
		if r, _ := utf8.DecodeLastRuneInString(t); unicode.IsLetter(r) || unicode.IsDigit(r) {
			return t
		}
	}
	return s
}
