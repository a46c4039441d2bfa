package markdown

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// A piece is a range of a text under a path of headings.
type piece struct {
	start, end int
	path       []string
}

// cut appends the pieces of [from, to), which starts at a line.
func (l *layout) cut(pieces []piece, from, to int, path []string, o Options) []piece {
	for s := from; s < to; {
		start, end := trim(l.text, s, to)
		if start >= end {
			break
		}
		e := to
		if end-start > o.Max {
			e = l.end(start, end, o)
		}
		pieces = append(pieces, piece{start, e, path})
		s = e
	}
	return pieces
}

// end chooses where the piece that starts at s ends: at most Max further on
// unless code or a table row reaches beyond.
//
// The borders of blocks, list items and rows in reach are weighed by rank and by
// how far they are from Target; where none leaves a piece of half the Target
// the inside of a paragraph is looked at.
func (l *layout) end(s, to int, o Options) int {
	best, bestScore := 0, 0
	small := 0 // the last border that leaves less than Min
	i := l.line(s) + 1
	for ; i < l.lines() && l.start[i] < to; i++ {
		size := l.start[i] - s
		if size > o.Max {
			break
		}
		r := l.rank[i]
		if r <= glued || l.blank(i) {
			continue
		}
		if size < o.Min {
			small = l.start[i]
			continue
		}
		score := 1000 + int(r) - 100*abs(size-o.Target)/o.Target
		if rest := to - l.start[i]; rest < o.Target/3 {
			score -= 40 // leaves a crumb
		}
		if score >= bestScore {
			best, bestScore = l.start[i], score
		}
	}
	if best > s && best-s >= o.Target/2 {
		return best
	}
	if e := l.fine(max(s, best), s, to, o); e > s {
		return e
	}
	if best > s {
		return best
	}
	// Code or a row: to its end, with the few words that lead to it, unless it
	// fits into Max without them.
	for ; i < l.lines() && l.start[i] < to; i++ {
		if l.rank[i] > glued && !l.blank(i) {
			break
		}
	}
	e := to
	if i < l.lines() {
		e = min(e, l.start[i])
	}
	if small > 0 {
		if _, rest := trim(l.text, small, e); rest-small <= o.Max {
			return small
		}
	}
	return e
}

// Kinds of places inside a paragraph, the better the higher.
const (
	atRune = iota
	atWord
	atClause
	atLine
	atSentence
	kinds
)

// fine finds the best place inside the paragraphs of (low, s+Max] for the end
// of a piece that starts at s; 0 when there is none.
func (l *layout) fine(low, s, to int, o Options) int {
	high := min(s+o.Max, to)
	guarded := guards(l.text[s:min(s+2*o.Max, to)])
	var best [kinds]int // by kind: nearest to Target, 0 none
	var bestRune int    // the last in reach
	var anyRune int     // the same, were it inside a letter of several runes
	offer := func(kind, at int) {
		if b := best[kind]; b == 0 || abs(at-s-o.Target) < abs(b-s-o.Target) {
			best[kind] = at
		}
	}
	line := l.line(s)
	for at := s; at < high; {
		for l.start[line+1] <= at {
			line++
		}
		if l.solid[line] {
			at = l.start[line+1]
			continue
		}
		r, n := utf8.DecodeRune(l.text[at:])
		next := at + n
		if next > high || next >= to {
			break
		}
		after, _ := utf8.DecodeRune(l.text[next:])
		lineEnd := next == l.start[line+1]
		switch {
		case next <= low:
		case lineEnd && (l.rank[line+1] == never || l.rank[line+1] == glued):
		case lineEnd && l.solid[line+1] && l.rank[line+1] <= glued:
		default:
			anyRune = next
			if joins(r, after) {
				break
			}
			bestRune = next
			g := guarded.holds(next - s)
			switch {
			case g:
			case lineEnd:
				if sentenceEnds(l.text[s:at], after) {
					offer(atSentence, next)
				} else {
					offer(atLine, next)
				}
			case isSpace(r):
				if isSpace(after) {
					break
				}
				if sentenceEnds(l.text[s:at], after) {
					offer(atSentence, next)
				} else if at > s && isClause(lastRune(l.text[s:at])) {
					offer(atClause, next)
				} else {
					offer(atWord, next)
				}
			case isFullStop(r) && !isFullStop(after) && !isCloser(after) && !isSpace(after):
				offer(atSentence, next)
			case isCloser(r) && at > s && isFullStop(lastRune(l.text[s:at])) && !isCloser(after) && !isSpace(after):
				offer(atSentence, next)
			case isWideClause(r) && !isSpace(after):
				offer(atClause, next)
			}
		}
		at = next
	}
	best[atRune] = bestRune
	if bestRune-s < o.Target/2 {
		best[atRune] = anyRune
	}
	for kind := atSentence; kind >= atRune; kind-- {
		if b := best[kind]; b > s && b-s >= o.Target/2 {
			return b
		}
	}
	return 0
}

// sentenceEnds reports whether text ends a sentence before a rune that follows
// after white space.
func sentenceEnds(text []byte, after rune) bool {
	if unicode.IsLower(after) {
		return false
	}
	text = bytes.TrimRight(text, " \t")
	for len(text) > 0 {
		r, n := utf8.DecodeLastRune(text)
		if isCloser(r) || r == '"' || r == '\'' || r == '*' || r == '_' {
			text = text[:len(text)-n]
			continue
		}
		if r != '.' {
			return r == '!' || r == '?' || isFullStop(r)
		}
		// "J. Smith" and "1. step": no end of a sentence.
		text = text[:len(text)-n]
		last, n := utf8.DecodeLastRune(text)
		before, _ := utf8.DecodeLastRune(text[:len(text)-n])
		return !(unicode.IsUpper(last) || unicode.IsDigit(last)) || unicode.IsLetter(before) || unicode.IsDigit(before)
	}
	return false
}

func isSpace(r rune) bool {
	if r > '\u3000' { // beyond the ideographic space there is none
		return false
	}
	return unicode.IsSpace(r)
}

func lastRune(b []byte) rune { r, _ := utf8.DecodeLastRune(b); return r }

// isFullStop: marks that end a sentence without a blank behind them.
func isFullStop(r rune) bool {
	switch r {
	case '。', '！', '？', '｡', '…', '।', '॥', '។', '؟', '۔':
		return true
	}
	return false
}

func isCloser(r rune) bool {
	switch r {
	case ')', ']', '”', '’', '»', '」', '』', '）', '】', '》', '〉', '］':
		return true
	}
	return false
}

func isClause(r rune) bool { return r == ',' || r == ';' || r == ':' || isWideClause(r) }

func isWideClause(r rune) bool { return r == '，' || r == '；' || r == '：' || r == '、' }

// joins reports whether two runes are parts of one letter or sign.
func joins(r, after rune) bool {
	const zwj = '\u200d'
	if after < 0x300 || after >= 0x3100 && after < 0xa66f { // Latin, CJK: nothing that combines
		return r == zwj
	}
	return r == zwj || after == zwj || unicode.Is(unicode.M, after) ||
		after >= 0x1f3fb && after <= 0x1f3ff || // skin tones
		r >= 0x1f1e6 && r <= 0x1f1ff && after >= 0x1f1e6 && after <= 0x1f1ff // flags
}

// spans are disjoint ranges in order.
type spans [][2]int

// holds reports whether a cut at offset falls inside a range.
func (s spans) holds(offset int) bool {
	lo, hi := 0, len(s)
	for lo < hi {
		m := (lo + hi) / 2
		if s[m][1] <= offset {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo < len(s) && s[lo][0] < offset
}

// guards finds the inline constructs that a cut should leave whole: code spans,
// links, images, autolinks and tags, template calls. A construct that does not
// end within text is not guarded.
func guards(text []byte) spans {
	var out spans
	lost := 0 // brackets that close nothing
	for i := 0; i < len(text); {
		n := 0
		switch text[i] {
		case '\\':
			i += 2
			continue
		case '`':
			n = codeSpan(text[i:])
			if n == 0 { // a run that opens nothing
				for i < len(text) && text[i] == '`' {
					i++
				}
				continue
			}
		case '[':
			if lost < maxLost {
				if n = link(text[i:]); n == 0 {
					lost++
				}
			}
		case '<':
			n = closed(text[i:], "<", ">", "<\n")
		case '{':
			if n = closed(text[i:], "{{", "}}", "\n"); n == 0 {
				i++
			}
		}
		if n > 0 {
			out = append(out, [2]int{i, i + n})
			i += n
			continue
		}
		i++
	}
	return out
}

// codeSpan is the length of the code span at the start of b, or 0.
func codeSpan(b []byte) int {
	n := run(b)
	for i := n; i < len(b); {
		if b[i] != '`' {
			i++
			continue
		}
		m := run(b[i:])
		i += m
		if m == n {
			return i
		}
	}
	return 0
}

func run(b []byte) int {
	n := 0
	for n < len(b) && b[n] == b[0] {
		n++
	}
	return n
}

// Text that consists of open brackets must not cost its square: maxLink bounds
// the look ahead for the end of a link in bytes, maxLost how often it may fail.
const (
	maxLink = 512
	maxLost = 32
)

// link is the length of the link or wiki link at the start of b, or 0.
func link(b []byte) int {
	b = b[:min(len(b), maxLink)]
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '[':
			depth++
		case ']':
			if depth--; depth > 0 {
				continue
			}
			if i+1 < len(b) && b[i+1] == '(' {
				if n := closed(b[i+1:], "(", ")", "\n"); n > 0 {
					return i + 1 + n
				}
			} else if i+1 < len(b) && b[i+1] == '[' {
				if n := closed(b[i+1:], "[", "]", "\n"); n > 0 {
					return i + 1 + n
				}
			}
			return i + 1
		case '\n':
			if i+1 < len(b) && b[i+1] == '\n' {
				return 0
			}
		}
	}
	return 0
}

// closed is the length of what starts with open and ends with the first end,
// unless one of the bytes in not comes before; else 0.
func closed(b []byte, open, end, not string) int {
	b = b[:min(len(b), maxLink)]
	if !bytes.HasPrefix(b, []byte(open)) {
		return 0
	}
	n := bytes.Index(b[len(open):], []byte(end))
	if n < 0 || bytes.ContainsAny(b[len(open):len(open)+n], not) {
		return 0
	}
	return len(open) + n + len(end)
}

func abs(n int) int { return max(n, -n) }
