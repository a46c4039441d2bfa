package markdown_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	tables "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"

	"github.com/atocore/atocore/internal/markdown"
)

// A span is a half open byte range.
type span struct{ start, end int }

func isBlank(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// faults lists what is wrong with the chunks of a source whose text begins
// at body. limit is the size in force; solid are the ranges that must be
// in one chunk.
func faults(source []byte, body, limit int, chunks []markdown.Chunk, solid []span) []string {
	var out []string
	fault := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	at := body
	owner := make([]int32, len(source)) // chunk number + 1
	for i, c := range chunks {
		if c.Start < at || c.End <= c.Start || c.End > len(source) {
			fault("chunk %d: range [%d,%d) after %d of %d", i, c.Start, c.End, at, len(source))
			return out
		}
		if got, want := c.Text, string(source[c.Start:c.End]); got != want {
			fault("chunk %d: text %.40q, source has %.40q", i, got, want)
		}
		if utf8.Valid(source) && !utf8.ValidString(c.Text) {
			fault("chunk %d: a cut inside a rune: %.20q", i, c.Text)
		}
		for j := at; j < c.Start; j++ {
			if !isBlank(source[j]) {
				fault("byte %d (%q) before chunk %d is in no chunk", j, source[j], i)
				break
			}
		}
		for j := c.Start; j < c.End; j++ {
			owner[j] = int32(i + 1)
		}
		at = c.End
	}
	for j := at; j < len(source); j++ {
		if !isBlank(source[j]) {
			fault("byte %d (%q) after the last chunk is in no chunk", j, source[j])
			break
		}
	}
	excused := map[int32]int{} // the largest solid range of a chunk
	for _, s := range solid {
		whole := s // blanks at its ends belong to no chunk by rule, but they do to the code
		for s.start < s.end && isBlank(source[s.start]) {
			s.start++
		}
		for s.start < s.end && isBlank(source[s.end-1]) {
			s.end--
		}
		if s.start >= s.end {
			continue
		}
		first, last := owner[s.start], owner[s.end-1]
		if first != last {
			fault("cut inside %.60q [%d,%d): chunks %d and %d", source[s.start:s.end], s.start, s.end, first-1, last-1)
		}
		c := chunks[first-1]
		excused[first] += min(whole.end, c.End) - max(whole.start, c.Start)
	}
	for i, c := range chunks {
		if size := c.End - c.Start; size > limit && size-excused[int32(i+1)] > limit {
			fault("chunk %d has %d bytes, %d without code and rows: more than %d", i, size, size-excused[int32(i+1)], limit)
		}
	}
	return out
}

var reference = goldmark.New(goldmark.WithExtensions(extension.Table)).Parser()

// solids are the ranges of source[body:] that must not be cut, as goldmark with its own
// table extension sees them.
func solids(source []byte, body int) []span {
	var out []span
	// goldmark takes "-\r\n" for the delimiter row of a table and "\r" for no
	// line end.
	b := bytes.ReplaceAll(source[body:], []byte("\r\n"), []byte(" \n"))
	b = bytes.ReplaceAll(b, []byte("\r"), []byte("\n"))
	lineStart := func(at int) int { return bytes.LastIndexByte(b[:at], '\n') + 1 }
	lineEnd := func(at int) int {
		if i := bytes.IndexByte(b[at:], '\n'); i >= 0 {
			return at + i
		}
		return len(b)
	}
	add := func(start, end int) { out = append(out, span{body + start, body + end}) }
	doc := reference.Parse(text.NewReader(b))
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			// Behind a tab, Pos is too far.
			start := min(n.Pos(), len(b))
			if n.Kind() == ast.KindCodeBlock {
				start = n.Lines().At(0).Start
			}
			start = lineStart(start)
			end := start
			if n.Lines().Len() > 0 {
				end = n.Lines().At(n.Lines().Len() - 1).Stop
			}
			end = max(end, lineEnd(start))
			// With its closing fence. Inside a container the next line may be
			// another fence.
			if n.Kind() == ast.KindFencedCodeBlock && n.Parent() == doc {
				next := min(lineEnd(end-1)+1, len(b))
				line := bytes.TrimSpace(b[next:lineEnd(next)])
				if bytes.HasPrefix(line, []byte("```")) || bytes.HasPrefix(line, []byte("~~~")) {
					end = lineEnd(next)
				}
			}
			if end < len(b) || end-start <= 32<<10 { // else a fence that may be never closed
				add(start, end)
			}
		case *tables.TableHeader:
			if c := n.FirstChild(); c != nil && c.Pos() >= 0 {
				add(lineStart(c.Pos()), lineEnd(min(lineEnd(c.Pos())+1, len(b))))
			}
		case *tables.TableRow:
			add(lineStart(n.Pos()), lineEnd(n.Pos()))
		}
		return ast.WalkContinue, nil
	})
	return out
}

// bodyStart is where the text begins that the chunks must cover.
func bodyStart(source []byte, d markdown.Document) int {
	at := 0
	if bytes.HasPrefix(source, []byte("\xef\xbb\xbf")) {
		at = 3
	}
	if d.FrontMatter == nil {
		return at
	}
	// Front matter was used: it ends at the second delimiter.
	delim := string(source[at : at+3])
	for i, line := range bytes.SplitAfter(source[at:], []byte("\n")) {
		at += len(line)
		s := string(bytes.TrimRight(line, " \t\r\n"))
		if i > 0 && (s == delim || s == "..." && delim == "---") {
			break
		}
	}
	return at
}

// check parses and fails the test for each broken invariant.
func check(t testing.TB, source []byte, o markdown.Options, max int) markdown.Document {
	t.Helper()
	d := markdown.Parse(source, o)
	body := bodyStart(source, d)
	var solid []span
	if d.FrontMatterErr == nil && len(source) < 1<<20 {
		solid = solids(source, body)
	}
	for _, f := range faults(source, body, max, d.Chunks, solid) {
		t.Error(f)
	}
	for i, c := range d.Chunks {
		if slices.Contains(c.Heading, "") {
			t.Errorf("chunk %d: empty heading in %q", i, c.Heading)
		}
	}
	return d
}
