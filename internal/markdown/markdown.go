// Package markdown takes documents apart for a search index: the title, the
// front matter, and chunks that follow the headings.
//
// [Parse] reads Markdown (CommonMark with tables and front matter), [ParseText]
// reads plain text. Neither fails and neither panics, whatever the bytes: a
// construct that is broken counts as text.
//
// # What holds for every result
//
//   - The text of a chunk is exactly source[Start:End], so a citation can be
//     checked against the file.
//   - Chunks are in the order of the source and never overlap. Every byte after
//     the front matter that is not white space (nor a byte order mark) is in
//     exactly one of them.
//   - No cut falls inside a fenced or indented code block, inside a table row,
//     between the head of a table and its delimiter row, or inside a UTF-8
//     sequence. A code block or a row that does not fit into [Options].Max with
//     the headings it is glued to is one chunk all the same, with at most Min
//     bytes of text before it; no other chunk is larger than Max. One kind of
//     fence may be cut, at line ends: one that is never closed and runs on for
//     more than 32 KiB, because there the missing fence is the mistake.
//   - Everything in a chunk stands under all the headings of its path; only the
//     heading lines of the path themselves may open it.
//
// Time and memory are linear in the size of the source. Block quotes and lists
// are followed to a depth far beyond what people write; deeper markers are
// text. The few inputs that make the block parser do far more work than they
// have bytes are cut as plain text.
//
// # Sizes
//
// Sizes are bytes of source text: they are what the context budget, the index
// and an embedder's window grow with, and in scripts of three bytes a letter one
// letter also carries more than in Latin script.
package markdown

import (
	"bytes"
	"strings"
)

// The default sizes in bytes; see [Options].
const (
	DefaultTarget = 1200
	DefaultMax    = 2000
	DefaultMin    = 80
)

// Options bound the size of chunks, in bytes of source text. Zero values are
// the defaults.
type Options struct {
	// Target is the size that the pieces of a section longer than Max aim at.
	// Default 1200; at least 32.
	Target int

	// Max is the size up to which a section stays in one piece and which only
	// a code block or a table row exceeds. Default 2000, at least 64 and at
	// least Target.
	Max int

	// Min is the size below which a piece is joined to a neighbour where
	// the result stays within Target and a heading stands above both: the
	// joined piece has the headings they share as its path. Default 80,
	// about a heading and one line; negative joins nothing but a heading
	// without text of its own to the section below it.
	Min int
}

// smallestMax keeps room for a few runes, whatever the caller asks for.
const smallestMax = 64

func (o Options) withDefaults() Options {
	if o.Max <= 0 {
		o.Max = DefaultMax
		if o.Target > o.Max {
			o.Max = o.Target * 5 / 3
		}
	}
	o.Max = max(o.Max, smallestMax)
	if o.Target <= 0 {
		o.Target = min(DefaultTarget, o.Max*3/5)
	}
	o.Target = max(min(o.Target, o.Max), smallestMax/2)
	switch {
	case o.Min < 0:
		o.Min = 0
	case o.Min == 0:
		o.Min = min(DefaultMin, o.Target/4)
	}
	o.Min = min(o.Min, o.Target/2)
	return o
}

// A Document is what a source holds.
type Document struct {
	// Title is the title of the front matter, else the text of the first
	// heading of level 1, else "".
	Title string

	// FrontMatter is the decoded YAML (between --- lines) or TOML (between
	// +++ lines) at the start of the source; nil when there is none. Its values
	// are nil, bool, int, int64, uint64, float64, string, time.Time, []any and
	// map[string]any, so that it can be encoded as JSON.
	FrontMatter map[string]any

	// FrontMatterErr says why the front matter could not be used. The block is
	// then kept as text, in chunks of its own that have no headings.
	FrontMatterErr error

	// Summary holds what the front matter says about the document in words,
	// a value a line: description, summary, subtitle, excerpt, abstract,
	// linkTitle, aliases. Without the title and the tags. A document of
	// front matter alone has no chunks, only this.
	Summary string

	// Tags are the tags and keywords of the front matter, in their order,
	// each once, without a leading #.
	Tags []string

	// Chunks are the pieces of the text.
	Chunks []Chunk
}

// A Chunk is one piece of a document.
type Chunk struct {
	// Heading is the path of headings above the text, outermost first, as
	// plain text. Nil above the first heading and in plain text.
	Heading []string

	// Start and End are the byte range in the source, half open.
	Start, End int

	// Text is source[Start:End].
	Text string
}

// Parse takes a Markdown document apart.
func Parse(source []byte, o Options) Document {
	o = o.withDefaults()
	var d Document
	start := len(byteOrderMark(source))
	fm, end := splitFrontMatter(source[start:])
	if fm != nil {
		d.FrontMatter, d.FrontMatterErr = fm.decode()
		end += start
		if d.FrontMatterErr != nil {
			d.Chunks = appendChunks(d.Chunks, source, start, textPieces(source[start:end], o))
		}
		d.describe()
		start = end
	}
	body := source[start:]
	b, ok := readBlocks(body)
	if !ok {
		d.Chunks = appendChunks(d.Chunks, source, start, textPieces(body, o))
		return d
	}
	d.Chunks = appendChunks(d.Chunks, source, start, b.pieces(o))
	if d.Title == "" {
		d.Title = b.title()
	}
	return d
}

// ParseText cuts plain text at blank lines, else at line ends, sentence ends,
// between words, between runes. The document has chunks and nothing else.
func ParseText(source []byte, o Options) Document {
	var d Document
	start := len(byteOrderMark(source))
	d.Chunks = appendChunks(nil, source, start, textPieces(source[start:], o.withDefaults()))
	return d
}

var utf8BOM = []byte("\xef\xbb\xbf")

func byteOrderMark(source []byte) []byte {
	if bytes.HasPrefix(source, utf8BOM) {
		return utf8BOM
	}
	return nil
}

// appendChunks turns pieces of source[base:] into chunks.
func appendChunks(chunks []Chunk, source []byte, base int, pieces []piece) []Chunk {
	for _, p := range pieces {
		start, end := trim(source, base+p.start, base+p.end)
		if start < end {
			chunks = append(chunks, Chunk{Heading: p.path, Start: start, End: end, Text: string(source[start:end])})
		}
	}
	return chunks
}

// trim takes white space from the ends of a range, but keeps the indentation
// of its first line: it may be what makes the line code.
func trim(source []byte, start, end int) (int, int) {
	for end > start && isBlank(source[end-1]) {
		end--
	}
	for i := start; i < end; i++ {
		if source[i] == '\n' || source[i] == '\r' {
			start = i + 1
		} else if !isBlank(source[i]) {
			break
		}
	}
	return start, end
}

func isBlank(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func allBlank(b []byte) bool {
	for _, c := range b {
		if !isBlank(c) {
			return false
		}
	}
	return true
}

// oneLine collapses white space.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
