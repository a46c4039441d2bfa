// Package analysis turns text into the terms that the full-text index holds
// and a question asks for.
//
// Both sides go through the same code, so a word that stands in a text is found
// by a question that contains it. Start with [Terms] for what is stored and [Query]
// for what is asked; [Normalize] is the form in which two statements are compared.
//
// # What becomes a term
//
// Text is brought to one Unicode form (compatibility forms, letter case and the
// accents of Latin and Greek letters do not count; bytes that are not UTF-8
// separate words). Runs of letters and digits are words; English ones are reduced
// to their stem, irregular verbs to that of their base. Words that are written
// together (wrap-up, user_id, getUserID, config.yaml, v1.2.3, o'brien) give their
// parts and, as one more term, the whole written without its joints, so that userid
// and user_id find each other. Runs of scripts that put no blanks between words give
// overlapping pairs of characters.
//
// # Guarantees
//
// A term is 1 to [MaxTermBytes] bytes of valid UTF-8 and holds ASCII letters in
// lower case, digits, '+', '#', '_' and characters beyond ASCII, nothing else. Functions of this package are pure, safe for concurrent use
// and take time proportional to the text.
package analysis

import (
	"iter"
	"unicode/utf8"
)

// MaxTermBytes bounds a term: what is longer (encoded data, mostly) is cut, on
// both sides alike.
const MaxTermBytes = 64

// MaxQueryTerms bounds what [Query] returns. A question has about ten words; more
// come from pasted text, where the first distinct ones are enough to find it
// and every further one costs a walk through the index.
const MaxQueryTerms = 64

// maxQueryBytes bounds how far into a question Query looks for its terms.
const maxQueryBytes = 64 << 10

// Terms returns the terms of text in their order, with repeats.
func Terms(text string) []string {
	terms := make([]string, 0, len(text)/5+1)
	scan(text, func(t token) bool {
		terms = append(terms, t.term())
		return true
	})
	return terms
}

// A Kind says what a [Word] is.
type Kind uint8

const (
	Content  Kind = iota // a word or a part of one
	Function             // an English word without content of its own
	Compound             // a compound written without its joints; its parts stand before it
	Pair                 // two neighbouring characters of a script without blanks
	Single               // the only character of a run of such a script
	Symbol               // a pictogram
)

// A Word is one occurrence in a text, as an embedder wants it.
type Word struct {
	Text string // folded, in lower case
	Stem string // equal to Text where there is no stem
	Kind Kind
}

// Words returns the words of text in their order, with repeats.
func Words(text string) iter.Seq[Word] {
	return func(yield func(Word) bool) {
		scan(text, func(t token) bool {
			if t.tail {
				return true
			}
			k := t.kind
			if k == Content && functionWord(t.text) {
				k = Function
			}
			return yield(Word{Text: t.text, Stem: t.stem(), Kind: k})
		})
	}
}

// A Term is one thing to look for in the index.
type Term struct {
	// Text is the term as the index holds it.
	Text string
	// Source is the word or the part of one in the question, in lower case and not
	// stemmed.
	Source string
	// Count is how often the question says it.
	Count int
	// Word numbers the words of the question from 0. Terms that share a number
	// are forms of one word (user_id: user, id, userid), so the word is known to
	// the index when one of them is.
	Word int
	// Prefix also finds what begins with Text.
	Prefix bool
	// Pair marks two neighbouring characters of a script without blanks between
	// words. It says little about spelling: many a pair spans two words.
	Pair bool
}

// Partial returns t as the beginning of a term, for a word that the index does not
// know: conf finds config. It reports false for what is too short, less than three
// characters, to mean anything.
func (t Term) Partial() (Term, bool) {
	if t.Pair || utf8.RuneCountInString(t.Text) < 3 {
		return t, false
	}
	t.Prefix = true
	return t, true
}

// Shorter returns a partial term without its last character, for a word whose
// ending is misspelt or not among those the stemmer knows. It reports false when
// fewer than four characters would be left.
func (t Term) Shorter() (Term, bool) {
	if !t.Prefix || utf8.RuneCountInString(t.Text) < 5 {
		return t, false
	}
	_, n := utf8.DecodeLastRuneInString(t.Text)
	t.Text = t.Text[:len(t.Text)-n]
	return t, true
}

// Query returns the distinct terms to look for when text is the question, at most
// [MaxQueryTerms], in their order. Function words are left out unless there is
// nothing else.
func Query(text string) []Term {
	if len(text) > maxQueryBytes {
		text = text[:maxQueryBytes]
	}
	if terms := query(text, true); len(terms) > 0 {
		return terms
	}
	return query(text, false)
}

func query(text string, content bool) []Term {
	var terms []Term
	seen := make(map[string]int) // where among terms, from 1
	word, last := -1, -1
	scan(text, func(t token) bool {
		if t.tail || content && (functionWord(t.text) || askingWord(t.text)) {
			return true
		}
		s := t.term()
		if k := seen[s]; k > 0 {
			terms[k-1].Count++
			return true
		}
		seen[s] = len(terms) + 1
		if t.word != last {
			word, last = word+1, t.word
		}
		// One character stands in the index as the beginning of a pair.
		terms = append(terms, Term{Text: s, Source: t.text, Count: 1, Word: word, Prefix: t.kind == Single, Pair: t.kind == Pair})
		return len(terms) < MaxQueryTerms
	})
	return terms
}
