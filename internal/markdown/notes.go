package markdown

import (
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark/ast"
	tables "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// Notes is what the text of a note says in the syntax of Obsidian and Basic Memory,
// beside its front matter and outside code and comments. Everything is in the order
// of the text; tags, links and embeds are listed once.
type Notes struct {
	Tags         []string      // #tag, without the mark
	Links        []string      // [[target]]: with heading or block, without what is shown
	Embeds       []string      // ![[target]]
	Observations []Observation // - [category] text
	Relations    []Relation    // - relation [[target]]
	Done, Open   int           // tasks: - [x], - [ ]
}

// An Observation is a statement with a category. Its tags and what stands in
// brackets at its end are not in the text.
type Observation struct{ Category, Text string }

// A Relation says how the note is related to another.
type Relation struct{ Relation, Target string }

// maxNotes bounds each list of Notes.
const maxNotes = 10_000

// ParseNotes reads the notes in a Markdown text, front matter passed over. Like
// Parse it neither fails nor panics, and a text that takes too much work has none.
func ParseNotes(source []byte) (n Notes) {
	source = source[len(byteOrderMark(source)):]
	if fm, end := splitFrontMatter(source); fm != nil {
		source = source[end:]
	}
	source = lineFeeds(source)
	pc := parser.NewContext()
	pc.Set(traceKey, &trace{closed: map[ast.Node]int{}, budget: 2*len(source) + 1<<16})
	defer func() {
		if p := recover(); p != nil {
			if _, is := p.(hostile); !is {
				panic(p)
			}
			n = Notes{}
		}
	}()
	r := noteReader{notes: &n, seen: map[string]bool{}, source: source}
	_ = ast.Walk(blockParser().Parse(text.NewReader(source), parser.WithContext(pc)), r.visit)
	return n
}

type noteReader struct {
	notes   *Notes
	seen    map[string]bool // with a letter before that says in which list
	source  []byte
	comment bool // inside %%, which may go on over several blocks
}

func (r *noteReader) visit(n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	switch n.Kind() {
	case ast.KindHeading, ast.KindParagraph, ast.KindTextBlock, tables.KindTable:
	default:
		return ast.WalkContinue, nil
	}
	var b strings.Builder
	lines := n.Lines()
	for i := range lines.Len() {
		at := lines.At(i)
		b.Write(at.Value(r.source))
	}
	raw := strings.ToValidUTF8(b.String(), "\uFFFD")
	plain := r.blank(raw)
	item, isItem := n.Parent().(*ast.ListItem)
	if isItem && n.PreviousSibling() == nil {
		list, _ := item.Parent().(*ast.List)
		first, _, _ := strings.Cut(plain, "\n")
		r.item(strings.TrimSpace(first), list == nil || list.IsOrdered())
	}
	r.links(plain)
	return ast.WalkSkipChildren, nil
}

// blank puts spaces for what is code or a comment.
func (r *noteReader) blank(s string) string {
	out := []byte(s)
	clear := func(from, to int) {
		for i := from; i < to; i++ {
			if out[i] != '\n' {
				out[i] = ' '
			}
		}
	}
	var runs map[int][]int // of backticks, by their length
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "%%"):
			r.comment = !r.comment
			clear(i, i+2)
			i += 2
		case r.comment:
			clear(i, i+1)
			i++
		case s[i] == '\\' && i+1 < len(s):
			i += 2
		case strings.HasPrefix(s[i:], "<!--"):
			end := strings.Index(s[i:], "-->")
			if end < 0 {
				end = len(s) - i - 3
			}
			clear(i, i+end+3)
			i += end + 3
		case s[i] == '`':
			if runs == nil {
				runs = backtickRuns(s)
			}
			n := backticks(s, i)
			// A run without one as long behind it is text.
			at, _ := slices.BinarySearch(runs[n], i+n)
			if at == len(runs[n]) {
				i += n
				continue
			}
			end := runs[n][at] + n
			clear(i, end)
			i = end
		default:
			i++
		}
	}
	return string(out)
}

// backticks counts those that stand at i.
func backticks(s string, i int) int {
	n := 0
	for i+n < len(s) && s[i+n] == '`' {
		n++
	}
	return n
}

// backtickRuns says for each length of a run of backticks where those begin.
func backtickRuns(s string) map[int][]int {
	runs := map[int][]int{}
	for i := 0; i < len(s); i++ {
		if s[i] == '`' {
			n := backticks(s, i)
			runs[n] = append(runs[n], i)
			i += n
		}
	}
	return runs
}

var (
	wikiLink = regexp.MustCompile(`!?\[\[([^\[\]|\n]+)(?:\|[^\[\]\n]*)?\]\]`)
	// A tag stands alone and is not a number.
	inlineTag = regexp.MustCompile(`(?:^|\s)#([\pL\pN\pM_/-]*[\pL_/-][\pL\pN\pM_/-]*)`)
	task      = regexp.MustCompile(`^\[(.)\](?:\s|$)`)
	// One character between the brackets is the state of a task.
	observation = regexp.MustCompile(`^\[([^\[\]\n]{2,64})\]\s+(\S.*)$`)
	relation    = regexp.MustCompile(`^([^\[\].,;:!?()]{1,64}?)\s*\[\[([^\[\]|\n]+)(?:\|[^\[\]\n]*)?\]\]\s*(?:\([^()]*\))?$`)
	atEnd       = regexp.MustCompile(`\s*\([^()]*\)\s*$`)
)

func (r *noteReader) links(s string) {
	for _, m := range wikiLink.FindAllStringSubmatchIndex(s, -1) {
		target := linkTarget(s[m[2]:m[3]])
		switch {
		case target == "" || escaped(s, m[0]):
		case s[m[0]] == '!':
			r.add("e", &r.notes.Embeds, target)
		default:
			r.add("l", &r.notes.Links, target)
		}
	}
	s = wikiLink.ReplaceAllString(s, " ")
	for _, m := range inlineTag.FindAllStringSubmatch(s, -1) {
		if tag := strings.Trim(m[1], "/"); tag != "" {
			r.add("t", &r.notes.Tags, tag)
		}
	}
}

// linkTarget is what a link leads to. In a table the bar behind it has a backslash.
func linkTarget(s string) string { return oneLine(strings.TrimSuffix(s, `\`)) }

// escaped reports whether what stands at i has a backslash before it.
func escaped(s string, i int) bool { return i > 0 && s[i-1] == '\\' }

func (r *noteReader) add(list string, to *[]string, s string) {
	if key := list + s; !r.seen[key] && len(*to) < maxNotes {
		r.seen[key] = true
		*to = append(*to, s)
	}
}

// item reads the first line of a list's item.
func (r *noteReader) item(line string, ordered bool) {
	n := r.notes
	if m := task.FindStringSubmatch(line); m != nil {
		if m[1] == " " {
			n.Open++
		} else {
			n.Done++
		}
		return
	}
	if ordered {
		return
	}
	if m := observation.FindStringSubmatch(line); m != nil && len(n.Observations) < maxNotes {
		said := atEnd.ReplaceAllString(m[2], "")
		said = oneLine(inlineTag.ReplaceAllString(said, " "))
		if said != "" {
			n.Observations = append(n.Observations, Observation{Category: oneLine(m[1]), Text: said})
		}
		return
	}
	if m := relation.FindStringSubmatch(line); m != nil && len(n.Relations) < maxNotes {
		if words := strings.Fields(m[1]); len(words) > 0 && len(words) <= 4 {
			rel := Relation{Relation: strings.Join(words, " "), Target: linkTarget(m[2])}
			if key := "r" + rel.Relation + "\x00" + rel.Target; !r.seen[key] {
				r.seen[key] = true
				n.Relations = append(n.Relations, rel)
			}
		}
	}
}
