// Package benchtext makes up the texts and vectors that benchmarks store and ask
// for: the same on every machine and in every run, realistic where it matters to
// an index, and about nothing.
//
// Texts. Word n of 30,000 comes about as often as 1/n, as Zipf's law says of real
// text. The first 250 are function words; each of the others belongs to one of 1,024
// topics, whose sizes differ. A text has a topic, 12 to 27 words of which about
// half are the topic's own, and its record's number, as notes have dates, names
// and figures that nothing else has. A question has 3 to 8 words of one record's
// text, so that some are rare and some are in a third of all texts.
//
// Vectors come from the text alone, as an embedder's do: see Vectors.
package benchtext

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

const (
	// Topics is how many topics there are.
	Topics = 1024

	vocabulary = 30_000
	functions  = 250 // the commonest words, which belong to no topic

	zipfS, zipfV = 1.07, 2.7 // P(n) is proportional to (zipfV+n)^-zipfS
)

// The streams of random numbers, so that a question does not repeat its record's.
const (
	recordStream   = 0x7265636f7264
	questionStream = 0x7175657374
	topicStream    = 0x746f706963
	facetStream    = 0x6661636574
)

// A Corpus writes records and questions, each from its number alone. It is
// immutable and safe for concurrent use.
type Corpus struct {
	words  []string
	rank   map[string]int // of a word, from 0
	topic  []int          // of a word by rank; -1 of a function word
	topics [][]int        // the ranks of a topic's words, the commonest first
}

// New returns the corpus.
func New() *Corpus {
	c := &Corpus{rank: make(map[string]int, vocabulary), topics: make([][]int, Topics)}
	rng := rand.New(rand.NewPCG(topicStream, topicStream))
	for n := range vocabulary {
		w := Word(n)
		topic := -1
		if n >= functions {
			topic = rng.IntN(Topics)
			c.topics[topic] = append(c.topics[topic], n)
		}
		c.words = append(c.words, w)
		c.rank[w] = n
		c.topic = append(c.topic, topic)
	}
	return c
}

var syllables = strings.Fields("ba ce di fo gu ha je ki lo mu na pe qui ro su ta ve wi xo yu zan bel cor dam els fin gor hul ins jar kal lem mor nid ost")

// Word spells a number that is not negative, so that each has its own word, in
// lower case letters.
func Word(n int) string {
	var b strings.Builder
	for n += 40; n > 0; n /= len(syllables) {
		b.WriteString(syllables[n%len(syllables)])
	}
	return b.String()
}

// Text is the text of a record; no two numbers have the same.
func (c *Corpus) Text(record int) string {
	ranks := c.record(record)
	var b strings.Builder
	for _, r := range ranks {
		b.WriteString(c.words[r])
		b.WriteByte(' ')
	}
	b.WriteString(strconv.Itoa(record))
	return b.String()
}

// record is the words of a record's text, by rank.
func (c *Corpus) record(n int) []int {
	rng := rand.New(rand.NewPCG(recordStream, uint64(n)))
	common := rand.NewZipf(rng, zipfS, zipfV, vocabulary-1)
	// A topic's size: the largest has about fifteen times the mean.
	own := c.topics[rand.NewZipf(rng, zipfS, 20, Topics-1).Uint64()]
	special := rand.NewZipf(rng, zipfS, zipfV, uint64(len(own)-1))
	out := make([]int, 12+rng.IntN(16))
	for i := range out {
		if rng.IntN(2) == 0 {
			out[i] = own[special.Uint64()]
		} else {
			out[i] = int(common.Uint64())
		}
	}
	return out
}

// Question is question n about one of the first records records, and the number
// of that record. Its 3 to 8 words are drawn from that record's, without repetition.
func (c *Corpus) Question(n, records int) (text string, record int) {
	rng := rand.New(rand.NewPCG(questionStream, uint64(n)))
	record = rng.IntN(records)
	ranks := c.record(record)
	slices.Sort(ranks)
	ranks = slices.Compact(ranks)
	rng.Shuffle(len(ranks), func(i, j int) { ranks[i], ranks[j] = ranks[j], ranks[i] })
	ranks = ranks[:min(3+rng.IntN(6), len(ranks))]
	out := make([]string, len(ranks))
	for i, r := range ranks {
		out[i] = c.words[r]
	}
	return strings.Join(out, " "), record
}

// Facets are what a record can be filtered by. Each is evenly spread, and none says
// anything of the others or of the text.
type Facets struct {
	Project int // 0 to 9
	Percent int // 0 to 99
	Day     int // 0 to 999
}

// FacetsOf returns the facets of a record.
func FacetsOf(record int) Facets {
	rng := rand.New(rand.NewPCG(facetStream, uint64(record)))
	return Facets{Project: rng.IntN(10), Percent: rng.IntN(100), Day: rng.IntN(1000)}
}
