package propose

import (
	"iter"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// A Sentence is one statement of a text.
type Sentence struct {
	Text     string // on one line, without emphasis
	Heading  string // above it: of a section, or a line that ends with a colon
	Item     bool   // it stands in a list, or is the first below such a heading
	Question bool
}

// Bounds of what is read of a text, and of a sentence in it.
const (
	maxText     = 256 << 10
	maxSentence = 2000
)

var markup = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\*\*|__|!?\[([^\]\n]{1,200})\]\([^)\n]{1,500}\)|\[\^?\d+\]`)
})

// Sentences yields the sentences of a text in Markdown or plain: of paragraphs and
// lists, not of code, quotations and tables.
func Sentences(text string) iter.Seq[Sentence] {
	return func(yield func(Sentence) bool) {
		if len(text) > maxText {
			text = text[:maxText]
		}
		text = strings.ToValidUTF8(text, "\ufffd")
		var r reader
		r.yield = yield
		for line := range strings.Lines(text) {
			if !r.line(strings.TrimRight(line, " \t\r\n")) {
				return
			}
		}
		r.flush()
	}
}

// A reader goes through the lines of a text.
type reader struct {
	yield   func(Sentence) bool
	stopped bool

	fence   string // what ends the code that it is in
	heading string
	label   bool // the heading is a line that ends with a colon
	begun   bool // something was said below it
	item    bool // the paragraph is one of a list
	part    strings.Builder
}

func (r *reader) line(line string) bool {
	bare := strings.TrimSpace(line)
	if r.fence != "" {
		if strings.HasPrefix(bare, r.fence) && strings.Trim(bare, r.fence[:1]) == "" {
			r.fence = ""
		}
		return !r.stopped
	}
	switch {
	case strings.HasPrefix(bare, "```"), strings.HasPrefix(bare, "~~~"):
		r.flush()
		r.fence = bare[:3]
	case bare == "":
		r.flush()
		if r.label && r.begun && !r.item {
			r.heading, r.label = "", false
		}
	case strings.HasPrefix(bare, ">"), strings.HasPrefix(bare, "|"), strings.HasPrefix(bare, "<"), strings.HasPrefix(bare, "$ "):
		r.flush()
	case r.part.Len() == 0 && (strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t")) && !isItem(bare):
		// Code, or what continues an item after a blank line: in doubt nothing.
	default:
		if title, label, ok := headingOf(bare); ok {
			r.flush()
			r.heading, r.label, r.begun, r.item = title, label, false, false
			break
		}
		if rest, ok := cutItem(bare); ok {
			r.flush()
			r.item = true
			bare = rest
		} else if r.part.Len() == 0 {
			if r.item && r.label { // a paragraph after the list is no longer below its label
				r.heading, r.label = "", false
			}
			r.item = false
		}
		if r.part.Len() > 0 {
			r.part.WriteByte(' ')
		}
		r.part.WriteString(bare)
	}
	return !r.stopped
}

// flush yields the sentences of the paragraph that was read.
func (r *reader) flush() {
	if r.part.Len() == 0 || r.stopped {
		r.part.Reset()
		return
	}
	text := markup().ReplaceAllString(r.part.String(), "$1")
	r.part.Reset()
	for s := range split(text) {
		if s = strings.TrimSpace(s); s == "" || len(s) > maxSentence {
			continue
		}
		last, _ := utf8.DecodeLastRuneInString(strings.TrimRight(s, `"')]*_ `))
		item := r.item || r.heading != "" && !r.begun
		r.begun = true
		if !r.yield(Sentence{Text: s, Heading: r.heading, Item: item, Question: last == '?' || last == '？'}) {
			r.stopped = true
			return
		}
	}
}

// headingOf reports whether a line is a heading: of Markdown, in bold, or a few words
// and a colon.
func headingOf(line string) (title string, label, ok bool) {
	if rest := strings.TrimLeft(line, "#"); len(rest) < len(line) && len(line)-len(rest) <= 6 && (rest == "" || rest[0] == ' ') {
		return plainTitle(rest), false, true
	}
	bold := strings.Trim(line, "*_: ")
	switch {
	case (strings.HasPrefix(line, "**") || strings.HasPrefix(line, "__")) && strings.Trim(line, ":") != bold &&
		(strings.HasSuffix(line, "**") || strings.HasSuffix(line, "__") || strings.HasSuffix(line, "**:")) && !strings.Contains(bold, "**"):
		return plainTitle(bold), true, true
	case strings.HasSuffix(line, ":") && len(strings.Fields(line)) <= 5 && !isItem(line):
		return plainTitle(line), true, true
	}
	return "", false, false
}

// plainTitle is a heading without numbers, signs and emphasis.
func plainTitle(s string) string {
	return strings.TrimFunc(strings.Trim(s, "*_:# "), func(r rune) bool { return !unicode.IsLetter(r) })
}

func isItem(line string) bool {
	_, ok := cutItem(line)
	return ok
}

// cutItem is a line of a list without its mark.
func cutItem(line string) (string, bool) {
	r, size := utf8.DecodeRuneInString(line)
	rest := line[size:]
	switch {
	case strings.ContainsRune("-*+•–", r):
	case r >= '0' && r <= '9':
		rest = strings.TrimLeft(rest, "0123456789")
		if rest == "" || rest[0] != '.' && rest[0] != ')' || len(line)-len(rest) > 3 {
			return line, false
		}
		rest = rest[1:]
	default:
		return line, false
	}
	if rest == "" || rest[0] != ' ' {
		return line, false
	}
	rest = strings.TrimLeft(rest, " ")
	for _, box := range []string{"[ ] ", "[x] ", "[X] "} {
		rest = strings.TrimPrefix(rest, box)
	}
	return rest, true
}

// abbreviations end with a full stop that ends no sentence, in lower case.
var abbreviations = func() map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(`mr mrs ms dr prof st sr jr vs etc eg ie e.g i.e cf al approx no nr fig vol dept inc ltd co corp est min max
		jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun a.m p.m am pm ca bzw z.b usw resp incl excl`) {
		m[w] = true
	}
	return m
}()

// split yields the sentences of one paragraph.
func split(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		start := 0
		code := false
		for i, r := range s {
			if r == '`' {
				code = !code
			}
			if code || i < start || !strings.ContainsRune(".!?。！？", r) {
				continue
			}
			end := i + utf8.RuneLen(r)
			wide := r > 0x80
			for end < len(s) && strings.IndexByte(`.!?"')]*_`, s[end]) >= 0 {
				end++
			}
			if end < len(s) && !wide && s[end] != ' ' {
				continue
			}
			if r == '.' && !ends(s[start:i], strings.TrimLeft(s[end:], " ")) {
				continue
			}
			if end > start {
				if !yield(s[start:end]) {
					return
				}
				start = end
			}
		}
		if start < len(s) {
			yield(s[start:])
		}
	}
}

// ends reports whether a full stop between the two ends a sentence.
func ends(before, after string) bool {
	word := strings.ToLower(before[strings.LastIndexAny(before, " (")+1:])
	if abbreviations[word] || utf8.RuneCountInString(word) == 1 && word >= "a" && word != "i" {
		return after == ""
	}
	r, _ := utf8.DecodeRuneInString(after)
	return after == "" || !unicode.IsLower(r)
}
