package analysis

// stem returns the stem of an English word by Porter's algorithm (1980), which
// drops endings in steps as long as enough of the word remains. Of the endings
// that its fourth step drops, those are left alone that make another word rather
// than another form (-able, -ate, -er, -ism, -ity, -ive, -ize): activity is not
// activism. Measured over questions of several kinds, that finds more than the
// whole step and more than none of it. Words that hold anything but the letters a to
// z, and words of one or two letters, are returned as they are.
func stem(word string) string {
	if len(word) < 3 || len(word) > MaxTermBytes {
		return word
	}
	for i := 0; i < len(word); i++ {
		if word[i] < 'a' || word[i] > 'z' {
			return word
		}
	}
	var buf [MaxTermBytes + 1]byte // one more: "e" is put back at times
	p := porter{b: append(buf[:0], word...)}
	p.plurals()
	p.pastAndProgressive()
	p.finalY()
	p.longEndings()
	p.shortEndings()
	p.bareEndings()
	p.finalE()
	if string(p.b) == word {
		return word
	}
	return string(p.b)
}

type porter struct{ b []byte }

// consonant reports whether letter i is one; y is one at the start and after a
// vowel.
func (p *porter) consonant(i int) bool {
	switch p.b[i] {
	case 'a', 'e', 'i', 'o', 'u':
		return false
	case 'y':
		return i == 0 || !p.consonant(i-1)
	}
	return true
}

// measure counts the changes from vowel to consonant in the first n letters.
func (p *porter) measure(n int) int {
	m, vowel := 0, false
	for i := range n {
		if p.consonant(i) {
			if vowel {
				m++
			}
			vowel = false
		} else {
			vowel = true
		}
	}
	return m
}

func (p *porter) hasVowel(n int) bool {
	for i := range n {
		if !p.consonant(i) {
			return true
		}
	}
	return false
}

// double reports whether the word's first n letters end in a doubled consonant.
func (p *porter) double(n int) bool {
	return n >= 2 && p.b[n-1] == p.b[n-2] && p.consonant(n-1)
}

// short reports whether the first n letters end consonant, vowel, consonant, the
// last not w, x or y: such stems lose and regain an e (hop, hope).
func (p *porter) short(n int) bool {
	if n < 3 || !p.consonant(n-1) || p.consonant(n-2) || !p.consonant(n-3) {
		return false
	}
	return p.b[n-1] != 'w' && p.b[n-1] != 'x' && p.b[n-1] != 'y'
}

func (p *porter) ends(s string) bool {
	return len(p.b) >= len(s) && string(p.b[len(p.b)-len(s):]) == s
}

// replace puts with in the place of the last n letters.
func (p *porter) replace(n int, with string) {
	p.b = append(p.b[:len(p.b)-n], with...)
}

func (p *porter) plurals() {
	switch {
	case p.ends("sses"), p.ends("ies"):
		p.replace(2, "")
	case p.ends("ss"):
	case p.ends("s"):
		p.replace(1, "")
	}
}

func (p *porter) pastAndProgressive() {
	switch {
	case p.ends("eed"):
		if p.measure(len(p.b)-3) > 0 {
			p.replace(1, "")
		}
		return
	case p.ends("ed") && p.hasVowel(len(p.b)-2):
		p.replace(2, "")
	case p.ends("ing") && p.hasVowel(len(p.b)-3):
		p.replace(3, "")
	default:
		return
	}
	n := len(p.b)
	switch {
	case p.ends("at"), p.ends("bl"), p.ends("iz"):
		p.b = append(p.b, 'e')
	case p.double(n):
		if c := p.b[n-1]; c != 'l' && c != 's' && c != 'z' {
			p.b = p.b[:n-1]
		}
	case p.measure(n) == 1 && p.short(n):
		p.b = append(p.b, 'e')
	}
}

func (p *porter) finalY() {
	if p.ends("y") && p.hasVowel(len(p.b)-1) {
		p.b[len(p.b)-1] = 'i'
	}
}

type ending struct{ from, to string }

// The longest ending that fits decides, also when what remains is too short for
// it to be dropped; so longer endings stand before those they end in.
var (
	longEndings = []ending{
		{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"},
		{"izer", "ize"}, {"bli", "ble"}, {"alli", "al"}, {"entli", "ent"}, {"eli", "e"},
		{"ousli", "ous"}, {"ization", "ize"}, {"ation", "ate"}, {"ator", "ate"},
		{"alism", "al"}, {"iveness", "ive"}, {"fulness", "ful"}, {"ousness", "ous"},
		{"aliti", "al"}, {"iviti", "ive"}, {"biliti", "ble"}, {"logi", "log"},
	}
	shortEndings = []ending{
		{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"}, {"ical", "ic"},
		{"ful", ""}, {"ness", ""},
	}
	bareEndings = []string{
		"al", "ance", "ence", "ic", "ant", "ement", "ment", "ent", "ion", "ous",
	}
)

func (p *porter) longEndings()  { p.swap(longEndings) }
func (p *porter) shortEndings() { p.swap(shortEndings) }

func (p *porter) swap(endings []ending) {
	for _, e := range endings {
		if p.ends(e.from) {
			if p.measure(len(p.b)-len(e.from)) > 0 {
				p.replace(len(e.from), e.to)
			}
			return
		}
	}
}

func (p *porter) bareEndings() {
	for _, e := range bareEndings {
		if !p.ends(e) {
			continue
		}
		n := len(p.b) - len(e)
		if e == "ion" && (n == 0 || p.b[n-1] != 's' && p.b[n-1] != 't') {
			return
		}
		if p.measure(n) > 1 {
			p.b = p.b[:n]
		}
		return
	}
}

func (p *porter) finalE() {
	if p.ends("e") {
		n := len(p.b) - 1
		if m := p.measure(n); m > 1 || m == 1 && !p.short(n) {
			p.b = p.b[:n]
		}
	}
	if n := len(p.b); p.ends("ll") && p.measure(n) > 1 {
		p.b = p.b[:n-1]
	}
}
