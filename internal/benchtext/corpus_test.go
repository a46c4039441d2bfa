package benchtext_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/benchtext"
)

// TestPinned holds the corpus to what it was: figures of two versions compare
// only where both stored and asked the same.
func TestPinned(t *testing.T) {
	c := benchtext.New()
	question, record := c.Question(7, 1_000)
	got := []any{c.Text(0), c.Text(123_456), question, record, benchtext.FacetsOf(99)}
	want := []any{
		"dikiels venasu loro damfo wihace vedamki xodije sujepe quidi belquice damjedam morcefo munidve focepe loro jetagu 0",
		"quice damro gujarje quijena xofomu belmufo quinata gujarje gujarje jardi basuve gorxomu gorjewi corbaqui zankipe wice corbaqui belmufo muce belmufo damce elselsgu gorxomu baloki kalce wigormu 123456",
		"xobaha hulkalce xoce gorna", 567,
		benchtext.Facets{Project: 8, Percent: 55, Day: 677},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the corpus is another (-want +got):\n%s", diff)
	}
}

func TestTexts(t *testing.T) {
	const records = 20_000
	c := benchtext.New()
	seen := map[string]bool{}
	df := map[string]int{}
	for i := range records {
		text := c.Text(i)
		if seen[text] {
			t.Fatalf("record %d has the text of another: %q", i, text)
		}
		seen[text] = true
		words := strings.Fields(text)
		if n := len(words) - 1; n < 12 || n > 27 {
			t.Fatalf("record %d has %d words, want 12 to 27", i, n)
		}
		slices.Sort(words)
		for _, w := range slices.Compact(words) {
			df[w]++
		}
	}
	var counts []int
	for _, n := range df {
		counts = append(counts, n)
	}
	slices.SortFunc(counts, func(a, b int) int { return b - a })
	// Zipf's law over half of about 19.5 words: the commonest is in a good third
	// of the texts, the hundredth in one of a hundred.
	if got := float64(counts[0]) / records; got < 0.25 || got > 0.6 {
		t.Errorf("the commonest word is in %.3f of the texts", got)
	}
	if got := float64(counts[99]) / records; got < 0.005 || got > 0.03 {
		t.Errorf("the hundredth word is in %.3f of the texts", got)
	}
}

func TestQuestions(t *testing.T) {
	const records = 5_000
	c := benchtext.New()
	lengths := map[int]bool{}
	for n := range 2_000 {
		question, record := c.Question(n, records)
		if record < 0 || record >= records {
			t.Fatalf("question %d is about record %d of %d", n, record, records)
		}
		words, of := strings.Fields(question), strings.Fields(c.Text(record))
		for _, w := range words {
			if !slices.Contains(of, w) {
				t.Fatalf("question %q has a word that its record has not: %q", question, of)
			}
		}
		slices.Sort(words)
		if distinct := slices.Compact(slices.Clone(words)); len(distinct) != len(words) {
			t.Fatalf("question %q repeats a word", question)
		}
		lengths[len(words)] = true
	}
	for n := range 10 {
		if want := n >= 3 && n <= 8; lengths[n] != want {
			t.Errorf("questions of %d words: %v, want %v", n, lengths[n], want)
		}
	}
}

func TestFacets(t *testing.T) {
	const records = 100_000
	var projects [10]int
	var percents [100]int
	var days [1000]int
	both := 0
	for n := range records {
		f := benchtext.FacetsOf(n)
		projects[f.Project]++
		percents[f.Percent]++
		days[f.Day]++
		if f.Project == 3 && f.Percent < 40 {
			both++
		}
	}
	even := func(name string, counts []int, slack float64) {
		want := records / float64(len(counts))
		for value, got := range counts {
			if float64(got) < want*(1-slack) || float64(got) > want*(1+slack) {
				t.Errorf("%d records have the %s %d, want about %g", got, name, value, want)
			}
		}
	}
	even("project", projects[:], 0.1)
	even("percent", percents[:], 0.2)
	even("day", days[:], 0.6)
	if got := float64(both) / records; got < 0.036 || got > 0.044 {
		t.Errorf("%.4f of the records have one project and are of 40 percents, want 0.04", got)
	}
}
