// Package redact finds secrets in text and takes them out: the keys and tokens
// that have a shape of their own, private keys, passwords in URLs, and what is
// assigned to a name such as password or api_key.
//
// Start with [Text]. It reads the text a fixed number of times, whatever is in
// it, and compiles nothing, so that a process that is started for one prompt
// can afford it. [Text] of its own result changes nothing.
//
// # Limits
//
// A secret that has no shape and stands beside no word that tells what it is
// cannot be told from other data. Hashes, UUIDs and encoded data stay unless
// they are assigned to a name that says secret.
package redact

import (
	"slices"
	"strings"
)

// What stands in the place of a secret: open, the name of the rule, shut.
const (
	open = "[redacted:"
	shut = "]"
)

// A span is a secret in a text.
type span struct {
	start, end int
	rule       string
}

// passes bounds how often a text is read. One reading finds what is there; what
// is left beside a secret that was taken out can be one of its own.
const passes = 6

// Text returns s with "[redacted:RULE]" in the place of each secret.
func Text(s string) string {
	for range passes {
		spans := find(s)
		if len(spans) == 0 {
			break
		}
		s = replace(s, spans)
	}
	return s
}

// Value is Text for a value that stands under a name, of a JSON object or in
// metadata, which may tell that it is secret.
func Value(name, value string) string {
	if c := classOf(name); c != noSecret && secretValue(c, value, true) {
		return open + c.rule() + shut
	}
	return Text(value)
}

func find(s string) []span {
	var spans []span
	spans = findShapes(s, spans)
	spans = findAnchored(s, spans)
	spans = findPrivateKeys(s, spans)
	spans = findURLs(s, spans)
	spans = findAssigned(s, spans)
	spans = findSpoken(s, spans)
	spans = findPasswords(s, spans)
	spans = findBeside(s, spans)
	spans = findCookies(s, spans)
	return slices.DeleteFunc(spans, func(p span) bool { return inMark(s, p) })
}

// inMark reports whether the span has part of a mark that stands for a secret
// already.
func inMark(s string, p span) bool {
	if strings.Contains(s[p.start:p.end], open) {
		return p.rule != privateKey // a key is taken out as a whole, marks and all
	}
	// Names of rules are short: a mark that the span lies in begins close by.
	from := max(0, p.start-len(open)-maxRuleName)
	i := strings.LastIndex(s[from:p.start], open)
	return i >= 0 && !strings.Contains(s[from+i:p.start], shut)
}

// maxRuleName bounds the name of a rule, in bytes.
const maxRuleName = 40

func replace(s string, spans []span) string {
	slices.SortFunc(spans, func(a, b span) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return b.end - a.end
	})
	var out strings.Builder
	done := 0
	for i := 0; i < len(spans); {
		p := spans[i]
		for i++; i < len(spans) && spans[i].start < p.end; i++ {
			p.end = max(p.end, spans[i].end)
		}
		out.WriteString(s[done:p.start])
		out.WriteString(open + p.rule + shut)
		done = p.end
	}
	out.WriteString(s[done:])
	return out.String()
}

// Rules lists the names of the rules, sorted.
func Rules() []string {
	names := []string{
		"aws-secret-key", "azure-secret", "discord-token", "telegram-token", "mailchimp-key", "terraform-token",
		privateKey, "url-password", "url-token", aPassword.rule(), aKey.rule(),
	}
	for i := range shapes {
		names = append(names, shapes[i].rule)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
