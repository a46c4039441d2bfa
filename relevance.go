package atocore

import (
	"math"
	"slices"
	"strings"

	"github.com/atocore/atocore/internal/analysis"
)

// A gauge measures how much of a question a text speaks about. A hit's score is of
// no use for that: it is a share of the best hit's, which says nothing of how good
// that one is. What a gauge reads does not depend on what else was found.
type gauge struct {
	terms []analysis.Term // of the question, as it was asked
	found []int           // how many units have each
	units int
}

// Bounds of how many words have to be met for a full measure: a question of two
// words is not answered by having them both in a large store, where chance brings
// that about; and one of a thousand words, a log that was pasted, need not be met
// in all of them. In a small store chance brings about less.
const (
	leastWords = 2 // in a store of ten units
	fewWords   = 3 // in one of a hundred and more
	mostWords  = 4

	// A store of fewer units than this says nothing of how rare a word is.
	leastUnits = 200
)

// worth is what a word that df units have says: the rarer, the more.
func (g *gauge) worth(df int) float64 {
	n := float64(max(g.units, df, leastUnits))
	return math.Log1p((n - float64(df) + 0.5) / (float64(df) + 0.5))
}

// of is the worth of the question's words that the text has, as a share of that of
// all of them, from 0 to 1. All of them count as no fewer than leastWords to fewWords
// words that no unit has, and no more than mostWords.
func (g *gauge) of(text string) float64 {
	have := analysis.Terms(text)
	slices.Sort(have)
	// Several forms of one word count once, for the rarest, and are met as much as the
	// rarest that the text has; a form of two words, as test of test and parser_test,
	// is met once. Sums are in the order of the question: those of floats depend on it.
	type word struct{ worth, met float64 }
	var words []word
	seen := map[string]bool{}
	for i, t := range g.terms {
		for len(words) <= t.Word {
			words = append(words, word{})
		}
		w, worth := &words[t.Word], g.worth(g.found[i])
		w.worth = max(w.worth, worth)
		at, ok := slices.BinarySearch(have, t.Text)
		if (ok || t.Prefix && at < len(have) && strings.HasPrefix(have[at], t.Text)) && !seen[t.Text] {
			w.met = max(w.met, worth)
			seen[t.Text] = true
		}
	}
	var all, met float64
	for _, w := range words {
		all += w.worth
		met += w.met
	}
	least := min(max(leastWords, 1+math.Log10(float64(max(g.units, 1)))), fewWords)
	return min(1, met/min(max(all, least*g.worth(0)), mostWords*g.worth(0)))
}

// relevance is how relevant to the question the candidate is: by its words, or by
// its vector where an embedder that knows meaning has a say. Of the latter, what any
// text has is nothing, and the question itself is all.
func (se *search) relevance(c *candidate) float64 {
	r := se.asked.of(joinText(c.hit.Title, strings.Join(c.hit.Heading, "\n"), c.hit.Text))
	if base := se.base(); se.weight > 0 && !se.lexical() && c.similarity > base && base < 1 {
		r = max(r, (c.similarity-base)/(1-base))
	}
	return r
}
