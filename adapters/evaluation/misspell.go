package evaluation

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// Misspell returns the questions with a letter of every third word changed, at
// random and in every call alike, as people and keyboards do. Words are what
// blanks stand between.
func Misspell(questions []Question) []Question {
	rng := rand.New(rand.NewPCG(1, 2))
	out := slices.Clone(questions)
	for i := range out {
		words := strings.Fields(out[i].Text)
		for j := 2; j < len(words); j += 3 {
			w := []rune(words[j])
			k := rng.IntN(len(w))
			w[k] = rune('a' + rng.IntN(26))
			words[j] = string(w)
		}
		out[i].Text = strings.Join(words, " ")
	}
	return out
}
