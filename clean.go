package atocore

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"

	"github.com/atocore/atocore/internal/redact"
)

// contextTag marks what atocore itself put into a prompt.
const contextTag = "atocore-context"

// private is what stands in the place of a private passage.
const private = "[private]"

// Marked is the pack's text between marks that name its hash, as a program puts it
// into a prompt: Interaction.Clean takes the marked block out again when the prompt,
// or an answer that repeats it, comes back to be stored. It is empty where Text is.
func (p Pack) Marked() string {
	if p.Text == "" {
		return ""
	}
	// A record cannot end the block, nor begin another.
	text := p.Text
	if indexFold(text, contextTag) >= 0 {
		text = defuse(text)
	}
	return "<" + contextTag + ` hash="` + p.Hash + "\">\n" + strings.TrimRight(text, "\n") + "\n</" + contextTag + ">\n"
}

// defuse puts another sign in the place of each that would make a mark of the words
// that follow it.
func defuse(s string) string {
	var out strings.Builder
	for s != "" {
		m, ok := nextMark(s, contextTag)
		if !ok {
			break
		}
		out.WriteString(s[:m.start])
		out.WriteString("‹")
		s = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(s[m.start:], "<"), `\u003c`), "&lt;")
	}
	return out.String() + s
}

// Clean returns the interaction without what must not be stored:
//
//   - context packs that atocore itself put in: whole marked blocks (see
//     Pack.Marked), quoted, fenced, nested or cut off, and without marks what has
//     the form of a pack;
//   - what stands between <private> and </private>, in any case; without the end, all
//     that follows. "[private]" stays in its place;
//   - secrets, such as keys and tokens of a known shape, private keys, and passwords
//     in URLs and assignments: "[redacted:RULE]" stays in their place.
//
// A text of which nothing but such places is left is empty. Values of the metadata
// are cleaned like texts. Where a session or a turn has a secret in it, a hash
// stands for the whole, so that it still tells one from another. Capture and Learn
// clean what they store; Clean is for what is kept or shown elsewhere before.
func (i Interaction) Clean() Interaction {
	i.Prompt, i.Response = cleanText(i.Prompt), cleanText(i.Response)
	i.Session, i.Turn = cleanIdentifier(i.Session), cleanIdentifier(i.Turn)
	i.Client, i.Actor = redact.Text(i.Client), redact.Text(i.Actor)
	if i.Metadata != nil {
		clean := make(map[string]string, len(i.Metadata))
		for k, v := range i.Metadata {
			v = cleanText(v)
			if key := redact.Text(k); key == k {
				clean[k] = redact.Value(k, v)
			} else {
				clean[key] = v
			}
		}
		i.Metadata = clean
	}
	return i
}

// cleanPasses bounds how often a text is gone through: what is taken out can bring
// together what is to go as well.
const cleanPasses = 8

func cleanText(s string) string {
	for range cleanPasses {
		before := s
		s = redact.Text(withoutPrivate(withoutPacks(s)))
		if s == before {
			break
		}
	}
	if strings.TrimSpace(strings.ReplaceAll(s, private, "")) == "" {
		return ""
	}
	return s
}

func cleanIdentifier(s string) string {
	if redact.Text(s) == s {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "redacted-" + hex.EncodeToString(sum[:12])
}

// withoutPrivate takes out what is marked as private.
func withoutPrivate(s string) string {
	var out strings.Builder
	for {
		begin, ok := nextMark(s, "private")
		for ok && begin.closes { // an end without a beginning is text
			out.WriteString(s[:begin.end])
			s = s[begin.end:]
			begin, ok = nextMark(s, "private")
		}
		if !ok {
			out.WriteString(s)
			return out.String()
		}
		out.WriteString(s[:begin.start] + private)
		s = s[begin.end:]
		for depth := 1; depth > 0; {
			m, ok := nextMark(s, "private")
			if !ok {
				return out.String() // to the end, where there is none
			}
			if m.closes {
				depth--
			} else {
				depth++
			}
			s = s[m.end:]
		}
	}
}

// A mark is one tag in a text.
type mark struct {
	start, end int
	closes     bool
}

// nextMark finds the first tag of a name, in any case, as it is or as JSON or HTML
// escapes it. A tag that has no end is one all the same, of the text up to its name.
func nextMark(s, name string) (mark, bool) {
	for at := 0; ; {
		i := indexFold(s[at:], name)
		if i < 0 {
			return mark{}, false
		}
		i += at
		at = i + len(name)
		m := mark{start: i, end: at}
		before := strings.TrimRight(s[max(0, i-8):i], " ")
		if strings.HasSuffix(before, `\/`) {
			before, m.closes = before[:len(before)-2], true
		} else if strings.HasSuffix(before, "/") {
			before, m.closes = before[:len(before)-1], true
		}
		before = strings.TrimRight(before, " ")
		from := max(0, i-8)
		switch {
		case strings.HasSuffix(before, "<"):
			m.start = from + len(before) - 1
		case hasSuffixFold(before, `\u003c`):
			m.start = from + len(before) - 6
		case hasSuffixFold(before, "&lt;"):
			m.start = from + len(before) - 4
		default:
			continue
		}
		rest := s[at:]
		if rest != "" && (rest[0] == '-' || rest[0] == '_' || rest[0] >= 0x80 || unicode.IsLetter(rune(rest[0])) || unicode.IsDigit(rune(rest[0]))) {
			continue // another word that begins with the name
		}
		// Attributes, if they end on the line.
		rest = rest[:min(len(rest), 200)]
		for _, end := range []string{">", `\u003e`, `\u003E`, "&gt;"} {
			if n := strings.Index(rest, end); n >= 0 && !strings.ContainsAny(rest[:n], "<\n") {
				m.end = at + n + len(end)
				break
			}
		}
		return m, true
	}
}

// indexFold is strings.Index for a sub in lower-case ASCII, in any case of s.
func indexFold(s, sub string) int {
	first := sub[:1] + strings.ToUpper(sub[:1])
	for at := 0; ; {
		i := strings.IndexAny(s[at:], first)
		if i < 0 {
			return -1
		}
		at += i
		if at+len(sub) > len(s) {
			return -1
		}
		if strings.EqualFold(s[at:at+len(sub)], sub) {
			return at
		}
		at++
	}
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}
