package tokenizer

import (
	"fmt"
	"regexp"
	"strings"
)

// What \s, \w and \d are in the files' regular expressions, which go by Unicode,
// as members of a character class.
var unicodeClasses = map[byte]string{
	's': `\t\n\v\f\r \x{85}\p{Z}`,
	'w': `\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be}\x{24b6}-\x{24e9}`,
	'd': `\p{Nd}`,
}

// maxPattern bounds a regular expression, in bytes.
const maxPattern = 4 << 10

// translate makes a regular expression of the files, which are Oniguruma's, one
// of Go's. What Go has not, such as looking ahead, is an error.
func translate(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("a regular expression of %d bytes is not supported", len(pattern))
	}
	var b strings.Builder
	class := false
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == '\\' && i+1 < len(pattern):
			i++
			lower := pattern[i] | 0x20
			members, ok := unicodeClasses[lower]
			switch {
			case !ok:
				b.WriteByte(c)
				b.WriteByte(pattern[i])
			case class && pattern[i] != lower:
				return nil, fmt.Errorf("the regular expression %.80q is not supported", pattern)
			case class:
				b.WriteString(members)
			case pattern[i] != lower:
				b.WriteString("[^" + members + "]")
			default:
				b.WriteString("[" + members + "]")
			}
			continue
		case c == '[' && class && i+1 < len(pattern) && pattern[i+1] != ':', c == '&' && class && strings.HasPrefix(pattern[i:], "&&"):
			// A class within a class, which Go would take for a character.
			return nil, fmt.Errorf("the regular expression %.80q is not supported", pattern)
		case c == '[' && !class:
			class = true
			if strings.HasPrefix(pattern[i+1:], "^") {
				b.WriteByte(c)
				i++
				c = '^'
			}
			if strings.HasPrefix(pattern[i+1:], "]") { // the first one is a member
				b.WriteByte(c)
				b.WriteByte('\\')
				i++
				c = ']'
			}
		case c == ']':
			class = false
		}
		b.WriteByte(c)
	}
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, fmt.Errorf("the regular expression %.80q is not supported", pattern)
	}
	return re, nil
}

// lookahead is how the patterns of GPT-2 and its successors end: blanks, but the
// last one left to the word behind them.
const lookahead = `\s+(?!\S)|\s+`

// gpt2 is the pattern that ByteLevel has built in.
const gpt2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|` + lookahead

// newRegexFinder is a finder of what a regular expression matches.
func newRegexFinder(pattern string) (finder, error) {
	if pattern == gpt2 {
		return findGPT2, nil
	}
	body, tail := strings.CutSuffix(pattern, lookahead)
	if tail {
		pattern = body + `(?P<blanks>\s+)`
	}
	re, err := translate(pattern)
	if err != nil {
		return nil, err
	}
	blanks := 2 * re.SubexpIndex("blanks")
	return func(text []byte) (from, to int) {
		m := re.FindSubmatchIndex(text)
		if m == nil {
			return -1, -1
		}
		from, to = m[0], m[1]
		if tail && m[blanks] >= 0 {
			to = leaveOne(text, from, to)
		}
		return from, to
	}, nil
}
