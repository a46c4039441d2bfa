package markdown

import (
	"bytes"
	"sort"
)

// A rank says how good a place the start of a line is for a cut.
type rank uint8

const (
	never    rank = 0  // inside a code block, between table head and delimiter row
	inside   rank = 1  // inside a paragraph: a sentence end is better
	glued    rank = 5  // between a heading and what it announces
	innerRow rank = 40 // a line end that is a border of its own: HTML, a line of plain text
	outer    rank = 100
)

// blockRank is the rank of the start of a block inside depth others.
func blockRank(depth int) rank { return outer - rank(8*min(depth, 7)) }

// A layout is a text as lines, with what the cutter has to know about each.
type layout struct {
	text  []byte
	start []int  // offset of each line, and len(text) at the end
	rank  []rank // of a cut before the line
	solid []bool // the line is never cut inside
}

func newLayout(text []byte, def rank) *layout {
	l := &layout{text: text}
	for at := 0; at < len(text); {
		l.start = append(l.start, at)
		_, at = nextLine(text, at)
	}
	l.rank = make([]rank, len(l.start))
	for i := range l.rank {
		l.rank[i] = def
	}
	l.solid = make([]bool, len(l.start))
	l.start = append(l.start, len(text))
	return l
}

// lines is the number of lines.
func (l *layout) lines() int { return len(l.rank) }

// line is the index of the line that holds an offset.
func (l *layout) line(offset int) int {
	return max(0, min(l.lines()-1, sort.SearchInts(l.start, offset+1)-1))
}

func (l *layout) blank(i int) bool { return allBlank(l.text[l.start[i]:l.start[i+1]]) }

// textPieces cuts text that has no structure but lines.
func textPieces(text []byte, o Options) []piece {
	text = lineFeeds(text)
	l := newLayout(text, innerRow)
	blank := false
	for i := range l.lines() {
		if l.blank(i) {
			blank = true
			continue
		}
		if blank {
			l.rank[i] = outer
		}
		blank = false
	}
	return l.cut(nil, 0, len(text), nil, o)
}

// lineFeeds gives text the same length in which every line ends with a line
// feed: "\r\n" becomes " \n", and "\r" alone "\n". goldmark does not take the
// second for a line end, and takes a dash before the first for a table.
func lineFeeds(text []byte) []byte {
	if bytes.IndexByte(text, '\r') < 0 {
		return text
	}
	out := bytes.Clone(text)
	for i, c := range out {
		if c != '\r' {
			continue
		}
		out[i] = '\n'
		if i+1 < len(out) && out[i+1] == '\n' {
			out[i] = ' '
		}
	}
	return out
}
