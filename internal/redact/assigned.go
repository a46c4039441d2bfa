package redact

import (
	"strings"
	"unicode/utf8"
)

// A class says what a name makes of its value.
type class uint8

const (
	noSecret  class = iota
	aPassword       // chosen by people: anything that is no word of the language around it
	aPwd            // a password, or the working directory
	aKey            // drawn by machines
	aHeader         // Authorization: a scheme, and then a key
)

func (c class) rule() string {
	if c == aPassword || c == aPwd {
		return "password"
	}
	return "secret"
}

// Bounds of what is looked at, in bytes.
const (
	maxName  = 64
	maxValue = 8 << 10
)

var nameSet = setOf("0-9A-Za-z_.$-")

// findAssigned adds values that a name tells to be secret: name = value, "name":
// "value", name => value, --name value, and passwords after "is".
func findAssigned(s string, spans []span) []span {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '=', ':', '>':
			if i > 0 && (s[i-1] == '=' || s[i-1] == ':') {
				continue // the second sign of one operator
			}
			name, own := nameBefore(s, i)
			if s[i] == '>' { // <name>value</name>
				if own = false; name == "" || !strings.HasSuffix(s[:i], "<"+name) {
					continue
				}
				if value, _, _ := strings.Cut(s[i+1:min(len(s), i+maxValue)], "<"); !strings.HasPrefix(s[i+1+len(value):], "</") {
					continue
				}
			}
			if i+1 < len(s) && strings.IndexByte("\"'`", s[i+1]) >= 0 && strings.HasSuffix(s[:i], s[i+1:i+2]+name) {
				continue // the end of a text that a value is put behind: "PWD=" + dir
			}
			c := classAt(s, i, name)
			if c == noSecret {
				continue
			}
			from := i + 1
			for from < len(s) && from < i+3 && (s[from] == '=' || s[from] == '>' || s[from] == ':') {
				from++
			}
			var end int
			if spans, end = valueAt(s, from, c, own, spans); end-i > maxRetry {
				i = end - 1
			}
		case '-':
			if !strings.HasPrefix(s[i:], "--") || i > 0 && (nameSet[s[i-1]]) {
				continue
			}
			n := run(s[i+2:min(len(s), i+2+maxName)], url64)
			end := i + 2 + n
			if n > 0 && end < len(s) && s[end] == ' ' {
				if c := classOf(s[i+2 : end]); c != noSecret && (end+1 >= len(s) || s[end+1] != '-') {
					spans, _ = valueAt(s, end, c, true, spans)
				}
				i = end - 1
			} else {
				i++
			}
		}
	}
	return spans
}

// nameBefore is the name that stands before the sign at i. It is on a line of its
// own, as in a file of settings, if nothing or export is before it.
func nameBefore(s string, i int) (name string, own bool) {
	end := i
	for end > 0 && end > i-8 && (s[end-1] == ' ' || s[end-1] == '\t') {
		end--
	}
	for k := 0; k < 6 && end > 0 && strings.IndexByte("\"'`]\\)*", s[end-1]) >= 0; k++ {
		end--
	}
	start := end - runBack(s[max(0, end-maxName):end], nameSet)
	if start > 0 && start < end && s[start-1] == '\\' && strings.IndexByte("nrt", s[start]) >= 0 {
		start++ // of an escape such as \n
	}
	if strings.HasSuffix(s[:start], open) {
		return "", false
	}
	before := s[max(0, start-16):start]
	if nl := strings.LastIndexByte(before, '\n'); nl >= 0 {
		before = before[nl+1:]
	} else if start > 16 {
		return s[start:end], false
	}
	before = strings.TrimSpace(before)
	return s[start:end], before == "" || before == "export" || before == "set" || before == "ENV" || before == "env"
}

// valueAt adds the value that stands at or soon after i, if it is one to hide. own
// is whether nothing else is on its line. end is that of the value, secret or not.
func valueAt(s string, i int, c class, own bool, spans []span) (_ []span, end int) {
	if strings.HasPrefix(s[i:], "**") { // the end of a name in bold
		i += 2
	}
	for n := 0; i < len(s) && n < 40 && (s[i] == ' ' || s[i] == '\t'); n++ {
		i++
	}
	if c == aHeader {
		n := run(s[i:], alnum)
		if i+n < len(s) && s[i+n] == ' ' && n > 0 && n < 16 {
			i += n + 1
		}
	}
	escaped := false
	for n := 0; n < 8 && i < len(s) && s[i] == '\\'; n++ { // JSON within JSON
		escaped = true
		i++
	}
	if i >= len(s) {
		return spans, i
	}
	if q := s[i]; q == '"' || q == '\'' || q == '`' {
		i++
		rest := s[i:min(len(s), i+maxValue)]
		stop := strings.IndexAny(rest, string(q)+"\n")
		if stop < 0 {
			if stop = len(rest); i+stop < len(s) {
				return spans, i // longer than any password
			}
		}
		value := rest[:stop]
		if escaped {
			value = strings.TrimRight(value, `\`)
		}
		if secretValue(c, value, true) {
			spans = append(spans, span{i, i + len(value), c.rule()})
		}
		return spans, i + stop
	}
	rest := s[i:min(len(s), i+maxValue)]
	ends := " \t\r\n\"'`"
	if !own {
		ends += ",;&)}]<>|"
	}
	stop := strings.IndexAny(rest, ends)
	if stop < 0 {
		if stop = len(rest); i+stop < len(s) {
			return spans, i + stop
		}
	}
	value := rest[:stop]
	if j := strings.Index(value, `\n`); j >= 0 { // of text within JSON
		value = value[:j]
	}
	value = strings.TrimRight(value, ".,;:!?)*\\")
	if secretValue(c, value, false) {
		spans = append(spans, span{i, i + len(value), c.rule()})
	}
	return spans, i + stop
}

// Parts of names, in lower case and without joints.
var (
	passwordNames = strings.Fields(`password passwd passphrase passwort motdepasse contrasena pwd`)
	keyNames      = strings.Fields(`apikey accesskey secretkey privatekey signingkey encryptionkey masterkey authkey
		accountkey sharedkey subscriptionkey sessionkey hmackey deploykey licensekey appkey secret token credential jwt connectionstring bearer`)
	plainNames = strings.Fields(`public csrf xsrf tokeniz secretar forgot reset`)
	plainEnds  = strings.Fields(`id ids name names url uri path paths file files dir type types length len size count counts expiry
		expires expiresin expiresat expiration ttl endpoint version header headers prefix suffix field fields limit budget policy
		algorithm alg hash hint format label help regex pattern error errors message usage max min index arn ref provider manager
		store service class attempts strength tokens secrets passwords credentials input inputs output outputs rules rule required enabled`)
)

// classOf says what the name makes of its value.
func classOf(name string) class {
	if name == "" || len(name) > maxName {
		return noSecret
	}
	name = plain(name)
	switch name {
	case "pwd", "oldpwd":
		return aPwd
	case "pw":
		return aPassword
	case "jsessionid", "phpsessid":
		return aKey
	}
	for _, p := range plainNames {
		if strings.Contains(name, p) {
			return noSecret
		}
	}
	for _, e := range plainEnds {
		if strings.HasSuffix(name, e) {
			return noSecret
		}
	}
	switch {
	case strings.HasSuffix(name, "authorization"):
		return aHeader
	case containsAny(name, passwordNames), strings.HasSuffix(name, "psk"):
		return aPassword
	case containsAny(name, keyNames), name == "auth", name == "pass":
		return aKey
	}
	return noSecret
}

// plain is a name in lower case and without joints.
func plain(name string) string {
	out := make([]byte, 0, maxName)
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'A' && c <= 'Z':
			out = append(out, c|0x20)
		case c != '_' && c != '-' && c != '.' && c != '$':
			out = append(out, c)
		}
	}
	return string(out)
}

func containsAny(s string, subs []string) bool {
	for _, sub := range subs {
		if strings.Contains(s, sub) {
			return true
		}
	}
	return false
}

// secretValue reports whether a value under a name of the class is one to hide.
// Code that reads a secret from elsewhere, placeholders and words are not.
func secretValue(c class, v string, quoted bool) bool {
	if len(v) < 6 || len(v) > maxValue || !utf8.ValidString(v) || strings.ContainsAny(v, " \t\r\n") || placeholder(v) {
		return false
	}
	if !quoted && (strings.ContainsAny(v, "(){}[]") || namesOf(v) || c == aKey && variable(v[strings.LastIndexAny(v, ".*&")+1:])) {
		return false
	}
	switch {
	case c == aPwd:
		if strings.ContainsAny(v, `/\~`) { // the working directory
			return false
		}
		c = aPassword
	case c == aKey && (strings.Contains(v, "://") || strings.HasPrefix(v, "urn:")):
		return false // an address; its own password is another rule's
	}
	digits, letters, signs := 0, 0, 0
	for i := range len(v) {
		switch ch := v[i]; {
		case ch >= '0' && ch <= '9':
			digits++
		case ch|0x20 >= 'a' && ch|0x20 <= 'z':
			letters++
		case strings.IndexByte("!@#$%^&*+~?=", ch) >= 0:
			signs++
		}
	}
	switch {
	case letters == 0 && (c != aPassword || digits == 0 || signs == 0):
		return false
	case c == aPassword && digits+signs > 0:
		return true
	case c == aHeader:
		return entropy(v) >= 3 && (digits+signs > 0 || strings.ToLower(v) != v)
	case c == aPassword:
		return quoted && len(v) >= 12 // letters alone: a phrase, not a label
	case len(v) < 8 || digits == 0:
		return signs > 0 && len(v) >= 8 && quoted || len(v) >= 32 && entropy(v) >= 4
	case len(v) < 16 && !quoted && digits < 2:
		return false
	}
	return entropy(v) >= 2.8 || signs > 0
}

// variable reports whether v is a name that code gives to a secret, as in
// key = testPrivateKey.
func variable(v string) bool {
	if v == "" || run(v, word) != len(v) || v[0] >= '0' && v[0] <= '9' || strings.ToLower(v) == v || strings.ToUpper(v) == v {
		return false
	}
	v = plain(v)
	for _, n := range keyNames {
		if strings.HasSuffix(v, n) {
			return true
		}
	}
	return false
}

// namesOf reports whether v is a path through names of a program, as in
// settings.token, such as code assigns.
func namesOf(v string) bool {
	dots := 0
	for part := range strings.SplitSeq(v, ".") {
		digits := 0
		for i := range len(part) {
			if part[i] >= '0' && part[i] <= '9' {
				digits++
			}
		}
		if part == "" || part[0] >= '0' && part[0] <= '9' || run(part, word) != len(part) || digits > 2 || len(part) > 30 {
			return false
		}
		dots++
	}
	return dots > 1
}

// placeholder reports whether v stands for a value that is not there.
func placeholder(v string) bool {
	if strings.HasPrefix(v, open) || strings.HasPrefix(v, "[private]") || strings.IndexByte("${<%(", v[0]) >= 0 && !strings.HasSuffix(v, "!") {
		return true
	}
	lowered := strings.ToLower(v)
	switch lowered {
	case "password", "passwd", "pass", "secret", "token", "string", "undefined", "required", "optional", "changeme", "redacted", "hidden":
		return true
	}
	if strings.Contains(v, "...") || strings.Contains(v, "…") || strings.Contains(v, "***") {
		return true
	}
	return strings.Count(lowered, lowered[:1]) == len(lowered)
}

// findSpoken adds passwords that are told in words (the password is …), that stand
// in a line for netrc, and those that curl is given.
func findSpoken(s string, spans []span) []span {
	for i := range indexes(s, " is ") {
		name, _ := nameBefore(s, i)
		if c := classAt(s, i, name); c == aPassword || c == aKey {
			spans, _ = valueAt(s, i+4, c, true, spans)
		}
	}
	for i := range indexes(s, "password ") {
		line := s[max(0, i-200):i]
		line = line[strings.LastIndexByte(line, '\n')+1:]
		if strings.Contains(line, "login ") {
			spans, _ = valueAt(s, i+9, aPassword, true, spans)
		}
	}
	for _, flag := range []string{" -u ", " --user ", " -u", " --proxy-user "} {
		for i := range indexes(s, flag) {
			line := s[max(0, i-500):i]
			line = line[strings.LastIndexByte(line, '\n')+1:]
			if !strings.Contains(line, "curl") {
				continue
			}
			start := i + len(flag)
			if start < len(s) && (s[start] == '"' || s[start] == '\'') {
				start++
			}
			rest := s[start:min(len(s), start+maxAuthority)]
			if end := strings.IndexAny(rest, " \t\r\n\"'"); end >= 0 {
				rest = rest[:end]
			}
			if user, password, ok := strings.Cut(rest, ":"); ok && user != "" && password != "" && !strings.Contains(user, "/") && !placeholder(password) {
				spans = append(spans, span{start + len(user) + 1, start + len(rest), "password"})
			}
		}
	}
	return spans
}
