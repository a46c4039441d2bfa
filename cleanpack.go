package atocore

import (
	"regexp"
	"strings"
)

// withoutPacks takes out context packs, marked or recognised by their form.
func withoutPacks(s string) string {
	// By their form first: a record may have words in it that look like a mark.
	return withoutMarked(withoutPackLines(withoutJSONPacks(s)))
}

// withoutMarked takes out marked blocks. Of one that has no end, as much goes as has
// the form of a pack.
func withoutMarked(s string) string {
	var out strings.Builder
	endless := false // there is no further end
	for {
		m, ok := nextMark(s, contextTag)
		if !ok {
			out.WriteString(s)
			return out.String()
		}
		before := trimQuote(s[:m.start])
		out.WriteString(before)
		if before != "" && !strings.HasSuffix(before, "\n") {
			out.WriteByte('\n') // what is before and after does not become one word
		}
		s = s[m.end:]
		if m.closes {
			continue
		}
		depth, last := 1, -1
		for at := 0; depth > 0 && !endless; {
			next, ok := nextMark(s[at:], contextTag)
			if !ok {
				break
			}
			at += next.end
			if next.closes {
				depth--
				last = at
			} else {
				depth++
			}
		}
		endless = depth > 0
		if last >= 0 {
			s = s[last:]
		} else {
			s = s[packPrefix(s):]
		}
	}
}

// trimQuote cuts what a line begins with before the mark that followed: signs of
// quotation.
func trimQuote(s string) string {
	nl := strings.LastIndexByte(s, '\n') + 1
	if strings.Trim(s[nl:], "> \t`") == "" {
		return s[:nl]
	}
	return s
}

// withoutJSONPacks takes out packs of the JSON format, whole or cut off.
func withoutJSONPacks(s string) string {
	var out strings.Builder
	for {
		i := strings.Index(s, preambleJSON)
		if i < 0 {
			out.WriteString(s)
			return out.String()
		}
		start := i
		if brace := strings.LastIndexByte(s[max(0, i-40):i], '{'); brace >= 0 {
			start = max(0, i-40) + brace
		}
		out.WriteString(s[:start])
		if start > 0 && s[start-1] != '\n' {
			out.WriteByte('\n')
		}
		s = s[start:]
		s = s[objectEnd(s, i-start+len(preambleJSON)):]
	}
}

// objectEnd is where the JSON object that s begins with ends; where it does not, the
// end of the paragraph, at least that of the first bytes.
func objectEnd(s string, least int) int {
	depth, inString := 0, false
	const nested = 8 // deeper than any pack
	end := len(s)
	if i := strings.Index(s[least:], preambleJSON); i >= 0 {
		end = least + i // of another one: this one has no end
	}
	for i := 0; i < end; i++ {
		switch c := s[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth <= 0 && i >= least {
				return i + 1
			}
		}
		if depth > nested {
			break
		}
	}
	if i := strings.Index(s[least:], "\n\n"); i >= 0 {
		return least + i
	}
	return len(s)
}

// packHeader is the line above a text of a pack, as shownItem.write has it, and of
// quotes.
var packHeader = regexp.MustCompile(`^\[\d{1,4}\] (?:state|document|interaction|identity|preference|project|episodic|knowledge|adaptation), \S`)

// withoutPackLines takes out packs in Markdown and plain text that have no marks:
// from the preamble on, and records by their numbered header and the quotation below
// it, wherever they stand.
func withoutPackLines(s string) string {
	if !strings.Contains(s, "Stored records, most trusted first") && !strings.Contains(s, "] ") {
		return s
	}
	var out strings.Builder
	for s != "" {
		line, _ := cutLine(s)
		rest := s[len(line):]
		bare := bareLine(line)
		next, _ := cutLine(rest)
		_, below, _ := strings.Cut(rest, "\n")
		second, _ := cutLine(below)
		switch {
		case isPreamble(bare),
			bare == "# Context" && (isPreamble(bareLine(next)) || bareLine(next) == "" && isPreamble(bareLine(second))),
			packHeader.MatchString(bare) && strings.HasPrefix(strings.TrimLeft(next, " \t"), ">"):
			s = s[packPrefix(s):]
		default:
			out.WriteString(line)
			s = rest
		}
	}
	return out.String()
}

func isPreamble(bare string) bool {
	return strings.Contains(bare, "Stored records, most trusted first.") || strings.Contains(bare, preambleQuotes)
}

// cutLine is the first line of s, with its end.
func cutLine(s string) (line string, rest string) {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return s[:i+1], s[i+1:]
	}
	return s, ""
}

// bareLine is a line without what quotes it.
func bareLine(line string) string { return strings.TrimSpace(strings.TrimLeft(line, "> \t")) }

// packPrefix is how much of s, in bytes, has the form of lines of a pack: its
// headings, headers and quotations.
func packPrefix(s string) int {
	n, blank := 0, 0 // blank lines are part of it if more of it follows
	for n+blank < len(s) {
		line, _ := cutLine(s[n+blank:])
		bare := bareLine(line)
		quote := strings.HasPrefix(strings.TrimLeft(line, " \t"), ">")
		switch {
		case strings.TrimSpace(line) == "":
			blank += len(line)
			continue
		case quote, bare == "# Context", isPreamble(bare), packHeader.MatchString(bare), isTierLine(bare):
			n += blank + len(line)
			blank = 0
			continue
		}
		break
	}
	if n+blank == len(s) {
		return len(s)
	}
	return n
}

func isTierLine(bare string) bool {
	for _, t := range tiers {
		if bare == "## "+t.title || bare == strings.ToUpper(t.title) {
			return true
		}
	}
	return false
}
