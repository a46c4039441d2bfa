package redact

import "strings"

// classAt is the class of the name that stands before the sign at i, also where it
// takes what is before the name to tell.
func classAt(s string, i int, name string) class {
	if c := classOf(name); c != noSecret || name == "" {
		return c
	}
	start := strings.LastIndex(s[:i], name)
	before := s[max(0, start-2*maxName):start]
	switch strings.ToLower(name) {
	case "key":
		switch {
		case strings.HasSuffix(before, "?"), strings.HasSuffix(before, "&"): // of a query
			return aKey
		case strings.HasSuffix(before, " "): // API key
			before = strings.TrimRight(before, " ")
			return classOf(before[len(before)-runBack(before, nameSet):] + name)
		}
	case "string", "str": // a type: token: string = "…"
		if s[i] == '=' {
			return classOf(lastName(strings.TrimRight(before, " \t:")))
		}
	case "value": // of a pair: name: API_KEY, value: …
		before = strings.TrimRight(before, " \t\r\n,;\\\"'")
		named := lastName(before)
		before = strings.TrimRight(strings.TrimSuffix(before, named), " \t\\\"'")
		if n := len(before); n == 0 || before[n-1] != ':' && before[n-1] != '=' {
			break
		}
		switch label := strings.ToLower(lastName(strings.TrimRight(before[:len(before)-1], " \t\\\"'"))); label {
		case "name", "key":
			return classOf(named)
		}
	}
	return noSecret
}

// lastName is the name that s ends with.
func lastName(s string) string { return s[len(s)-runBack(s, nameSet):] }

// findBeside adds what looks drawn and follows a name without any sign, as in a
// table, in the arguments of a command, or in a sentence: API_KEY x, the token x.
func findBeside(s string, spans []span) []span {
	for i := 0; i < len(s); i++ {
		n := run(s[i:], url64eq)
		if n < 20 || n > maxBeside || !drawn(s[i:i+n]) {
			i += n
			continue
		}
		end := i
		for k := 0; k < 12 && end > 0 && strings.IndexByte(" \t|`'\"*\\", s[end-1]) >= 0; k++ {
			end--
		}
		if end < i {
			name, _ := nameBefore(s, end)
			if strings.HasPrefix(name, "--") { // set API_KEY --body x
				end = strings.LastIndex(s[:end], name)
				name, _ = nameBefore(s, end)
			}
			if c := classAt(s, end, name); c == aKey || c == aPassword {
				spans = append(spans, span{i, i + n, aKey.rule()})
			}
		}
		i += n
	}
	return spans
}

// maxBeside bounds what stands beside a name, in bytes.
const maxBeside = 1 << 10

// drawn reports whether v looks like a key, and unlike a name with parts or an UUID.
func drawn(v string) bool {
	for part := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == '-' || r == '_' || r == '=' }) {
		digits := 0
		for i := range len(part) {
			if part[i] >= '0' && part[i] <= '9' {
				digits++
			}
		}
		if len(part) >= 16 && digits >= 2 && random(part) {
			return true
		}
	}
	return false
}

// findPasswords adds passwords that follow the word, or a flag of a command, without
// any sign.
func findPasswords(s string, spans []span) []span {
	for _, label := range []string{"assword ", "assphrase ", "asswort "} {
		for i := range indexes(s, label) {
			v, at := nextWord(s, i+len(label))
			if quoted := at > i+len(label); mixed(v, quoted) && !placeholder(v) {
				spans = append(spans, span{at, at + len(v), aPassword.rule()})
			}
		}
	}
	for _, c := range []struct{ command, flag string }{{"sshpass", " -p"}, {"mysql", " -p"}, {"mariadb", " -p"}} {
		for i := range indexes(s, c.flag) {
			line := s[max(0, i-200):i]
			line = line[strings.LastIndexByte(line, '\n')+1:]
			at := i + len(c.flag)
			if !strings.Contains(line, c.command) || at >= len(s) {
				continue
			}
			if s[at] == ' ' && c.command == "sshpass" {
				at++
			}
			v, at := nextWord(s, at)
			if len(v) >= 6 && !placeholder(v) && hasDigit(v) {
				spans = append(spans, span{at, at + len(v), aPassword.rule()})
			}
		}
	}
	return spans
}

// nextWord is the word at i, without its quotes, and where it is.
func nextWord(s string, i int) (string, int) {
	rest := s[i:min(len(s), i+200)]
	if rest != "" && strings.IndexByte("\"'`", rest[0]) >= 0 {
		v, _, ok := strings.Cut(rest[1:], rest[:1])
		if !ok || strings.ContainsAny(v, " \t\r\n") {
			return "", i
		}
		return v, i + 1
	}
	if end := strings.IndexAny(rest, " \t\r\n\"'`|"); end >= 0 {
		rest = rest[:end]
	}
	return strings.TrimRight(rest, ".,;:!?)\\"), i
}

// mixed reports whether a word is unlike those of a sentence about passwords: it has
// letters of both cases and digits, or in quotes letters and digits, and is no name
// of a program.
func mixed(v string, quoted bool) bool {
	if len(v) < 6 || !quoted && len(v) < 8 || strings.ContainsAny(v, "_.()[]{}/\\<>=:") || !hasDigit(v) || !hasLetter(v) {
		return false
	}
	return quoted || strings.ToLower(v) != v && strings.ToUpper(v) != v
}
