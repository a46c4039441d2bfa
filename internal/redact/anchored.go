package redact

import "strings"

const privateKey = "private-key"

// findAnchored adds the tokens that are known by what stands in their middle or at
// their end.
func findAnchored(s string, spans []span) []span {
	for i := range indexes(s, "Q~") {
		// An Azure client secret: three characters, a digit, the anchor, 31 to 34 more.
		end := i + 2 + run(s[i+2:min(len(s), i+40)], azure)
		if n := end - i - 2; i >= 4 && n >= 31 && n <= 34 && s[i-1] >= '0' && s[i-1] <= '9' && runBack(s[i-4:i-1], azure) == 3 {
			spans = append(spans, span{i - 4, end, "azure-secret"})
		}
	}
	for i := range indexes(s, ":AA") {
		// A Telegram bot: its number before, 33 characters after.
		digits := runBack(s[max(0, i-11):i], setDigits)
		end := i + 3 + run(s[i+3:min(len(s), i+40)], url64)
		if n := end - i - 3; digits >= 8 && digits <= 10 && n >= 32 && n <= 34 {
			spans = append(spans, span{i - digits, end, "telegram-token"})
		}
	}
	for i := range indexes(s, "-us") {
		end := i + 3 + run(s[i+3:min(len(s), i+6)], setDigits)
		if n := end - i - 3; n >= 1 && n <= 2 && i >= 32 && runBack(s[max(0, i-33):i], hex) == 32 {
			spans = append(spans, span{i - 32, end, "mailchimp-key"})
		}
	}
	for i := range indexes(s, ".") {
		// A Discord bot: its number in base64, six characters of time, 27 to 38 more.
		if i < 24 || i+8 > len(s) || run(s[i+1:i+8], url64) != 6 || s[i+7] != '.' || strings.IndexByte("MNO", s[i-runBack(s[max(0, i-40):i], url64)]) < 0 {
			continue
		}
		start := i - runBack(s[max(0, i-40):i], url64)
		end := i + 8 + run(s[i+8:min(len(s), i+60)], url64)
		if n := end - i - 8; i-start >= 24 && i-start <= 28 && n >= 27 && n <= 38 && random(s[start:end]) {
			spans = append(spans, span{start, end, "discord-token"})
		}
	}
	for i := range indexes(s, ".atlasv1.") {
		start := i - runBack(s[max(0, i-20):i], alnum)
		end := i + 9 + run(s[i+9:min(len(s), i+500)], url64eq)
		if i-start >= 10 && end-i >= 60 {
			spans = append(spans, span{start, end, "terraform-token"})
		}
	}
	return spans
}

var (
	azure     = setOf("0-9A-Za-z_~.-")
	setDigits = setOf("0-9")
)

// indexes yields where sub stands in s.
func indexes(s, sub string) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for at := 0; ; {
			i := strings.Index(s[at:], sub)
			if i < 0 || !yield(at+i) {
				return
			}
			at += i + len(sub)
		}
	}
}

// findCookies adds what looks drawn among the cookies of a header.
func findCookies(s string, spans []span) []span {
	done := 0
	for i := range indexes(s, "ookie: ") {
		at := i + len("ookie: ")
		if at < done {
			continue
		}
		rest := s[at:min(len(s), at+maxValue)]
		if end := strings.IndexAny(rest, "\r\n\"'`"); end >= 0 {
			rest = rest[:end]
		}
		for pair := range strings.SplitSeq(rest, ";") {
			if _, v, ok := strings.Cut(pair, "="); ok && len(v) >= 16 && !strings.Contains(v, open) && random(v) {
				from := at + len(pair) - len(v)
				spans = append(spans, span{from, from + len(v), aKey.rule()})
			}
			at += len(pair) + 1
		}
		done = at
	}
	return spans
}

// maxPEM bounds how far the end of a private key is looked for, in bytes.
const maxPEM = 32 << 10

// findPrivateKeys adds private keys in PEM, OpenPGP and PuTTY form, as blocks of
// lines or on one line with \n, whole or cut off.
func findPrivateKeys(s string, spans []span) []span {
	const begin, end, line = "-----BEGIN ", "-----END ", "-----"
	done := 0
	for i := range indexes(s, begin) {
		if i < done {
			continue
		}
		head := s[i+len(begin):]
		head = head[:min(len(head), 60)]
		n := strings.Index(head, line)
		if n < 0 || !strings.Contains(head[:n], "PRIVATE KEY") {
			continue
		}
		body := i + len(begin) + n + len(line)
		within := s[body:min(len(s), body+maxPEM)]
		if other := strings.Index(within, begin); other >= 0 {
			within = within[:other]
		}
		if stop := strings.Index(within, end); stop >= 0 {
			done = body + stop + len(end)
			if n := strings.Index(s[done:min(len(s), done+60)], line); n >= 0 {
				done += n + len(line)
			}
		} else {
			done = body + keyLines(s[body:])
		}
		spans = append(spans, span{i, done, privateKey})
	}
	for i := range indexes(s, "Private-Lines: ") {
		if nl := strings.IndexByte(s[i:min(len(s), i+30)], '\n'); nl >= 0 {
			if n := keyLines(s[i+nl:]); n > 1 {
				spans = append(spans, span{i + nl + 1, i + nl + n, privateKey})
			}
		}
	}
	return spans
}

// keyLines is how far s goes on with lines, or with parts between \n, that can be of
// a key: headers, and encoded data without blanks.
func keyLines(s string) int {
	n := 0
	for n < len(s) {
		rest := s[n:]
		skip := 0
		for skip < len(rest) && strings.IndexByte(" \t\r\n>\\\"'", rest[skip]) >= 0 {
			if rest[skip] == '\\' && skip+1 < len(rest) && (rest[skip+1] == 'n' || rest[skip+1] == 'r') {
				skip++
			}
			skip++
		}
		k := run(rest[skip:], base64)
		if k == 0 {
			return n
		}
		after := rest[skip+k:]
		switch {
		case strings.HasPrefix(after, ": ") && n < 300: // Proc-Type: 4,ENCRYPTED
			if nl := strings.IndexAny(after, "\n\\"); nl >= 0 {
				k += nl
			} else {
				k += len(after)
			}
		case after != "" && strings.IndexByte("\r\n\\\"'`,;", after[0]) < 0, k < 16 && !strings.HasSuffix(rest[skip:skip+k], "=") && n == 0:
			return n
		}
		n += skip + k
	}
	return n
}
