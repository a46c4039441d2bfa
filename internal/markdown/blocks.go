package markdown

import (
	"bytes"
	"html"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"
	tables "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

const (
	// maxOpen bounds how many blocks stand in each other: each line is looked
	// at once for every block that is open.
	maxOpen = 64

	// maxOpenFence is the size in bytes above which a fence that is never closed
	// no longer keeps its text together.
	maxOpenFence = 32 << 10

	// maxHeading bounds the text of a heading in bytes; a longer one is cut short
	// in paths, never in chunks.
	maxHeading = 256
)

// A trace notes, while goldmark reads, what its tree does not keep.
type trace struct {
	closed map[ast.Node]int // the end of the closing fence's line, of a setext underline
	budget int              // how often open containers may still be asked about a line
}

var traceKey = parser.NewContextKey()

func traceOf(pc parser.Context) *trace { return pc.Get(traceKey).(*trace) }

// hostile is the value of the panic that ends the reading of a text whose
// containers cost more than its bytes are worth. It never leaves readBlocks.
type hostile struct{}

// container bounds the nesting of block quotes and lists, and the work they
// make: a line feed inside sixty open lists is one byte and sixty questions.
type container struct{ parser.BlockParser }

func (c container) Open(parent ast.Node, r text.Reader, pc parser.Context) (ast.Node, parser.State) {
	if len(pc.OpenedBlocks()) >= maxOpen {
		return nil, parser.NoChildren
	}
	return c.BlockParser.Open(parent, r, pc)
}

func (c container) Continue(n ast.Node, r text.Reader, pc parser.Context) parser.State {
	t := traceOf(pc)
	if t.budget--; t.budget < 0 {
		panic(hostile{})
	}
	return c.BlockParser.Continue(n, r, pc)
}

// fence notes where a fenced code block is closed.
type fence struct{ parser.BlockParser }

func (f fence) Continue(n ast.Node, r text.Reader, pc parser.Context) parser.State {
	_, before := r.PeekLine()
	state := f.BlockParser.Continue(n, r, pc)
	if state&parser.Continue == 0 {
		if _, after := r.Position(); after.Start != before.Start {
			traceOf(pc).closed[n] = before.Stop
		}
	}
	return state
}

// setext notes where the underline of a heading ends.
type setext struct{ parser.BlockParser }

func (s setext) Open(parent ast.Node, r text.Reader, pc parser.Context) (ast.Node, parser.State) {
	_, line := r.PeekLine()
	n, state := s.BlockParser.Open(parent, r, pc)
	if n != nil {
		traceOf(pc).closed[n] = line.Stop
	}
	return n, state
}

// definitions takes link reference definitions from the start of a paragraph,
// short of paragraphs so long that the work on them would show: goldmark moves
// all lines that follow for each definition.
type definitions struct{}

func (definitions) Transform(p *ast.Paragraph, r text.Reader, pc parser.Context) {
	lines := p.Lines()
	first, last := lines.At(0), lines.At(lines.Len()-1)
	if lines.Len() <= 1000 && last.Stop-first.Start <= 64<<10 {
		parser.LinkReferenceParagraphTransformer.Transform(p, r, pc)
	}
}

// tableRows finds tables as goldmark's extension does, but makes one node that
// holds the lines instead of a node a cell: a head of many columns over many
// short rows would need memory in the square of the source.
type tableRows struct{}

func (tableRows) Transform(p *ast.Paragraph, r text.Reader, _ parser.Context) {
	lines := p.Lines()
	for i := 1; i < lines.Len(); i++ {
		at := lines.At(i)
		columns := delimiterColumns(at.Value(r.Source()))
		if columns == 0 {
			continue
		}
		head := lines.At(i - 1)
		if rowCells(head.Value(r.Source())) > columns {
			return
		}
		t := tables.NewTable()
		t.SetPos(head.Start)
		t.Lines().AppendAll(lines.Sliced(i-1, lines.Len()))
		parent := p.Parent()
		parent.InsertAfter(parent, p, t)
		lines.SetSliced(0, i-1)
		if i == 1 {
			parent.RemoveChild(parent, p)
		}
		return
	}
}

var delimiterCell = regexp.MustCompile(`^\s*:?-+:?\s*$`)

// delimiterColumns is the number of columns of a delimiter row, 0 for another line.
func delimiterColumns(line []byte) int {
	if w, _ := util.IndentWidth(line, 0); w > 3 {
		return 0
	}
	line = bytes.TrimSpace(line)
	if len(bytes.Trim(line, "-")) == 0 || len(bytes.Trim(line, "-|: \t\v\f")) > 0 {
		return 0
	}
	line = bytes.TrimSuffix(bytes.TrimPrefix(line, []byte("|")), []byte("|"))
	columns := 0
	for cell := range bytes.SplitSeq(line, []byte("|")) {
		if !delimiterCell.Match(cell) {
			return 0
		}
		columns++
	}
	return columns
}

// rowCells is the number of cells of a row.
func rowCells(line []byte) int {
	line = bytes.TrimSpace(line)
	line = bytes.TrimPrefix(line, []byte("|"))
	line = bytes.TrimSuffix(line, []byte("|"))
	if len(line) == 0 {
		return 0
	}
	cells := 1
	for i, c := range line {
		if c == '|' && i+1 < len(line) && (i == 0 || line[i-1] != '\\') {
			cells++
		}
	}
	return cells
}

// The parser for blocks knows no inline syntax, which is where Markdown hides
// its slowest inputs and which chunks do not need.
var blockParser = sync.OnceValue(func() parser.Parser {
	return parser.NewParser(
		parser.WithBlockParsers(
			util.Prioritized(setext{parser.NewSetextHeadingParser()}, 100),
			util.Prioritized(parser.NewThematicBreakParser(), 200),
			util.Prioritized(container{parser.NewListParser()}, 300),
			// Not bounded: a list without an item is more than goldmark expects.
			util.Prioritized(parser.NewListItemParser(), 400),
			util.Prioritized(parser.NewCodeBlockParser(), 500),
			util.Prioritized(parser.NewATXHeadingParser(), 600),
			util.Prioritized(fence{parser.NewFencedCodeBlockParser()}, 700),
			util.Prioritized(container{parser.NewBlockquoteParser()}, 800),
			util.Prioritized(parser.NewHTMLBlockParser(), 900),
			util.Prioritized(parser.NewParagraphParser(), 1000),
		),
		parser.WithParagraphTransformers(
			util.Prioritized(definitions{}, 100),
			util.Prioritized(tableRows{}, 200),
		),
	)
})

// The parser for headings sees one paragraph at a time, of bounded size.
var inlineParser = sync.OnceValue(func() parser.Parser {
	return parser.NewParser(
		parser.WithBlockParsers(util.Prioritized(parser.NewParagraphParser(), 1000)),
		parser.WithInlineParsers(parser.DefaultInlineParsers()...),
	)
})

// A heading is one that cuts the document into sections: not one inside a list
// or a block quote.
type heading struct {
	level      int
	text       string
	start, end int // its lines
}

// blocks is a Markdown text with its structure.
type blocks struct {
	*layout
	headings []heading
}

// readBlocks finds the structure of a text; false when that takes too much work.
func readBlocks(source []byte) (b *blocks, ok bool) {
	source = lineFeeds(source)
	pc := parser.NewContext()
	t := &trace{closed: map[ast.Node]int{}, budget: 2*len(source) + 1<<16}
	pc.Set(traceKey, t)
	defer func() {
		if p := recover(); p != nil {
			if _, is := p.(hostile); !is {
				panic(p)
			}
			b, ok = nil, false
		}
	}()
	doc := blockParser().Parse(text.NewReader(source), parser.WithContext(pc))
	b = &blocks{layout: newLayout(source, inside)}
	b.children(doc, 0, t)
	b.headingTexts(references(pc))
	return b, true
}

// children ranks the lines of the blocks inside n.
func (b *blocks) children(n ast.Node, depth int, t *trace) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if c.Type() == ast.TypeBlock {
			b.block(c, depth, t)
		}
	}
}

// start is an offset on the first line of a block. Behind a tab, Pos may be up to
// three bytes too far, which leads to another line unless the block opens with as
// many marks, as a fence does.
func start(n ast.Node) int {
	if n.Kind() != ast.KindFencedCodeBlock && n.Lines().Len() > 0 {
		return n.Lines().At(0).Start
	}
	return n.Pos()
}

func (b *blocks) block(n ast.Node, depth int, t *trace) {
	pos := start(n)
	if pos < 0 || pos > len(b.text) || b.lines() == 0 {
		b.children(n, depth, t)
		return
	}
	first := b.line(pos)
	r := blockRank(depth)
	if prev := n.PreviousSibling(); prev != nil && announces(b.text, prev) {
		r -= 30
	}
	b.raise(first, r)
	switch n := n.(type) {
	case *ast.FencedCodeBlock:
		b.fenced(n, first, t)
	case *ast.CodeBlock:
		b.hold(first, b.lastLine(n, first))
	case *tables.Table:
		last := b.lastLine(n, first)
		for i := first; i <= last; i++ {
			b.solid[i] = true
			switch i {
			case first:
			case first + 1:
				b.rank[i] = never
			case first + 2:
				b.rank[i] = glued
			default:
				b.raise(i, blockRank(depth+1))
			}
		}
	case *ast.HTMLBlock:
		last := b.lastLine(n, first)
		if n.HasClosure() {
			last = max(last, b.line(n.ClosureLine.Start))
		}
		for i := first + 1; i <= last; i++ {
			b.raise(i, innerRow)
		}
	case *ast.Heading:
		last := first
		if end := t.closed[n]; end > 0 {
			last = max(first, b.line(end-1))
		}
		for i := first + 1; i <= last; i++ {
			b.rank[i] = inside
		}
		if depth == 0 {
			b.headings = append(b.headings, heading{level: n.Level, text: b.raw(n), start: b.start[first], end: b.start[last+1]})
		}
	default:
		b.children(n, depth+1, t)
	}
	if prev := n.PreviousSibling(); prev != nil && prev.Kind() == ast.KindHeading && n.Kind() != ast.KindHeading {
		b.rank[first] = glued
	}
}

// fenced holds a fenced block together, with its fences.
func (b *blocks) fenced(n *ast.FencedCodeBlock, first int, t *trace) {
	last := b.lastLine(n, first)
	end, closed := t.closed[n]
	if closed {
		last = max(last, b.line(end-1))
	}
	if !closed && b.start[last+1]-b.start[first] > maxOpenFence {
		for i := first + 1; i <= last; i++ {
			b.raise(i, innerRow)
			b.solid[i] = true
		}
		b.solid[first] = true
		b.rank[first+1] = never
		return
	}
	b.hold(first, last)
}

// hold forbids every cut inside the lines first to last.
func (b *blocks) hold(first, last int) {
	for i := first; i <= last; i++ {
		b.solid[i] = true
		if i > first {
			b.rank[i] = never
		}
	}
}

func (b *blocks) raise(line int, r rank) { b.rank[line] = max(b.rank[line], r) }

// lastLine is the index of a leaf's last line.
func (b *blocks) lastLine(n ast.Node, first int) int {
	lines := n.Lines()
	if lines.Len() == 0 {
		return first
	}
	last := lines.At(lines.Len() - 1)
	return max(first, b.line(max(last.Start, last.Stop-1)))
}

// announces reports whether a paragraph ends with a colon and so belongs to
// what follows.
func announces(source []byte, n ast.Node) bool {
	if n.Kind() != ast.KindParagraph && n.Kind() != ast.KindTextBlock || n.Lines().Len() == 0 {
		return false
	}
	last := n.Lines().At(n.Lines().Len() - 1)
	line := bytes.TrimRight(last.Value(source), " \t\r\n*_")
	return bytes.HasSuffix(line, []byte(":")) || bytes.HasSuffix(line, []byte("："))
}

// raw is the source of a heading's text, bounded.
func (b *blocks) raw(n *ast.Heading) string {
	var s []byte
	lines := n.Lines()
	for i := range lines.Len() {
		seg := lines.At(i)
		s = append(append(s, seg.Value(b.text)...), ' ')
		if len(s) > 4*maxHeading {
			break
		}
	}
	return shorten(oneLine(strings.ToValidUTF8(string(s), "\uFFFD")), 4*maxHeading)
}

// shorten cuts a text to at most n bytes, between words where there are any.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const dots = "…"
	n -= len(dots)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	s = s[:n]
	if i := strings.LastIndexByte(s, ' '); i > n/2 {
		s = s[:i]
	}
	return s + dots
}

var headingAttributes = regexp.MustCompile(`\s*\{\s*[#.][^{}]*\}\s*$`)

// references is a context that knows the link definitions of another and
// nothing else of it.
func references(pc parser.Context) parser.Context {
	fresh := parser.NewContext()
	for _, r := range pc.References() {
		fresh.AddReference(r)
	}
	return fresh
}

// headingTexts turns the source of the headings into plain text.
func (b *blocks) headingTexts(pc parser.Context) {
	for i := range b.headings {
		h := &b.headings[i]
		raw := headingAttributes.ReplaceAllString(h.text, "")
		if strings.ContainsAny(raw, "\\`*_[]<>&!") {
			raw = plain(raw, pc)
		}
		h.text = shorten(raw, maxHeading)
	}
}

// plain is the text of one line of Markdown without its syntax.
func plain(raw string, pc parser.Context) string {
	source := []byte(raw)
	doc := inlineParser().Parse(text.NewReader(source), parser.WithContext(pc))
	var s strings.Builder
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			v := n.Segment.Value(source)
			if n.Parent().Kind() != ast.KindCodeSpan {
				v = util.UnescapePunctuations(v)
				s.WriteString(html.UnescapeString(string(v)))
			} else {
				s.Write(v)
			}
			if n.SoftLineBreak() || n.HardLineBreak() {
				s.WriteByte(' ')
			}
		case *ast.String:
			s.Write(n.Value)
		case *ast.AutoLink:
			s.Write(n.Label(source))
		}
		return ast.WalkContinue, nil
	})
	return oneLine(s.String())
}

// title is the text of the first heading of level 1.
func (b *blocks) title() string {
	for _, h := range b.headings {
		if h.level == 1 && h.text != "" {
			return h.text
		}
	}
	return ""
}
