package evaluation

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/atocore/atocore"
)

// Ask asks the questions, each in the project of its scope, and returns what
// was found: documents by the IDs of the set, each at the place of its best
// chunk, or where the unit is Spans the chunks, as ScoreSpans reads them. Equal
// scores are in the order of the set, last first, as a store has them that was
// filled one by one. What searches noted comes back too, each note once. It
// fails where a search does: by vectors alone in a store without them, say.
func (c *Corpus) Ask(ctx context.Context, questions []Question, mode atocore.Mode) (Run, []string, error) {
	retriever := c.store.Retriever(nil)
	run := make(Run, len(questions))
	var mu sync.Mutex // of run, notes and done
	var notes []string
	done := 0
	err := parallel(ctx, max(1, c.opts.Workers/2), len(questions), func(ctx context.Context, i int) error {
		q := questions[i]
		results, err := retriever.Search(ctx, atocore.Query{Text: q.Text, Mode: mode, Project: q.Scope, Limit: c.opts.Limit, Weight: c.opts.Weight})
		if err != nil {
			return fmt.Errorf("%s: question %q: %w", mode, q.ID, err)
		}
		answers := c.answers(results.Hits)
		mu.Lock()
		defer mu.Unlock()
		run[q.ID] = answers
		for _, n := range results.Notes {
			if len(results.Elsewhere) > 0 {
				break // the note is that this question's scope has nothing for it
			}
			if !slices.Contains(notes, n) {
				notes = append(notes, n)
			}
		}
		done++
		c.opts.Progress(string(mode), done, len(questions))
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(notes)
	return run, notes, nil
}

func (c *Corpus) answers(hits []atocore.Hit) []Ranked {
	order := func(h *atocore.Hit) int {
		if i, ok := c.documents[h.Document]; ok {
			return i
		}
		return -1 // not of the set
	}
	// Which of two equal ones is the newer depends on how the writes fell.
	for i := 0; i < len(hits); {
		j := i + 1
		for j < len(hits) && hits[j].Score == hits[i].Score {
			j++
		}
		slices.SortStableFunc(hits[i:j], func(a, b atocore.Hit) int { return order(&b) - order(&a) })
		i = j
	}
	answers := make([]Ranked, len(hits))
	for i := range hits {
		answers[i] = Ranked{c.name(&hits[i]), hits[i].Score}
	}
	return once(answers)
}

// name is what a hit is called in a run.
func (c *Corpus) name(h *atocore.Hit) string {
	i, ok := c.documents[h.Document]
	if !ok {
		return h.ID // another record of the store: a wrong answer
	}
	id := c.set.Documents[i].ID
	if c.set.Unit != Spans {
		return id
	}
	p := c.characters[i]
	return chunkID(id, Range{p.character(h.Start), p.character(h.End)})
}

// positions finds which character of a text begins at a byte.
type positions struct {
	text   string
	counts []int // characters before each block of bytes
}

const positionBlock = 1 << 10

func newPositions(text string) *positions {
	p := &positions{text: text}
	n := 0
	for start := 0; start < len(text); start += positionBlock {
		p.counts = append(p.counts, n)
		n += starts(text[start:min(start+positionBlock, len(text))])
	}
	return p
}

func (p *positions) character(offset int) int {
	offset = min(max(0, offset), len(p.text))
	block := min(offset/positionBlock, len(p.counts)-1)
	if block < 0 {
		return 0 // an empty text
	}
	return p.counts[block] + starts(p.text[block*positionBlock:offset])
}

// starts counts the bytes that begin a character.
func starts(s string) int {
	n := 0
	for i := range len(s) {
		if utf8.RuneStart(s[i]) {
			n++
		}
	}
	return n
}
