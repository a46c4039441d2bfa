package redact

import "strings"

// maxAuthority bounds what stands between :// and the host, in bytes.
const maxAuthority = 1 << 10

// findURLs adds the passwords of URLs, and what stands in the place of a user and
// looks like a token.
func findURLs(s string, spans []span) []span {
	for i := range indexes(s, "://") {
		if i == 0 || !word[s[i-1]] {
			continue
		}
		start := i + 3
		rest := s[start:min(len(s), start+maxAuthority)]
		if end := strings.IndexAny(rest, " \t\r\n\"'`<>|\\"); end >= 0 {
			rest = rest[:end]
		}
		// A password that is not encoded may have the signs that end an authority
		// otherwise; the host has none of them, and a path seldom has the at.
		at := strings.LastIndexByte(authority(rest), '@')
		if at < 0 {
			if at = strings.IndexByte(rest, '@'); at < 0 || !strings.Contains(authority(rest), ":") || portAhead(rest) {
				continue
			}
		}
		user, password, ok := strings.Cut(rest[:at], ":")
		switch {
		case ok && password != "" && !placeholder(password):
			spans = append(spans, span{start + len(user) + 1, start + at, "url-password"})
		case (!ok || password == "") && len(user) >= 20 && random(user):
			spans = append(spans, span{start, start + len(user), "url-token"})
		}
	}
	return spans
}

func authority(s string) string {
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		return s[:i]
	}
	return s
}

// portAhead reports whether what follows the first colon is a port, so that no
// password is there: http://host:80/path@1.
func portAhead(s string) bool {
	_, after, _ := strings.Cut(s, ":")
	n := run(after, setDigits)
	return n > 0 && (n == len(after) || strings.IndexByte("/?#", after[n]) >= 0)
}
