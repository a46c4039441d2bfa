package atocore

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// The factors that weigh relevance are mild: they order what is about equally
// relevant, and never lift what does not answer above what does.
const (
	trustState       = 1.10
	trustCurated     = 1.04 // identity, preference, project, adaptation
	trustKnowledge   = 1.02
	trustInteraction = 0.92 // nobody has judged it yet

	globalFactor = 0.97 // a global record, when a project is asked for

	recencyWeight   = 0.04
	recencyHalfLife = 180 * 24 * time.Hour

	leastConfidence = 0.7 // the factor of a statement of confidence 0

	// Each further chunk of a document counts less by this factor, so that one
	// long document does not crowd out the others.
	repeatFactor = 0.9
)

// rank weighs the candidates and puts them in their final order.
func (se *search) rank() {
	// Recency counts from the newest candidate, not from now: the same store
	// gives the same answer tomorrow.
	var newest time.Time
	for _, c := range se.candidates {
		if c.time.After(newest) {
			newest = c.time
		}
	}
	for _, c := range se.candidates {
		f := &c.factors
		f.Trust, f.Project, f.Recency, f.Document, f.Diversity = c.trust(), 1, 1, 1, 1
		f.Confidence = leastConfidence + (1-leastConfidence)*c.confidence
		if se.project != "" && c.global {
			f.Project = globalFactor
		}
		if c.kind != KindChunk { // a document does not age by its date
			age := newest.Sub(c.time)
			f.Recency = 1 - recencyWeight + recencyWeight*math.Exp2(-float64(age)/float64(recencyHalfLife))
		}
		c.score = c.relevance * f.Trust * f.Project * f.Recency * f.Confidence
	}
	se.sort()
	se.weighDocuments()
	se.demoteSuperseded()
	se.sort()
}

func (c *candidate) trust() float64 {
	switch c.kind {
	case KindState:
		return trustState
	case KindInteraction:
		return trustInteraction
	case KindMemory:
		switch c.typ {
		case Identity, Preference, ProjectMemory, Adaptation:
			return trustCurated
		case Knowledge:
			return trustKnowledge
		}
	}
	return 1
}

func (se *search) sort() {
	slices.SortFunc(se.candidates, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.links, b.links), cmp.Compare(b.id, a.id), cmp.Compare(b.unit, a.unit))
	})
}

// weighDocuments lets a document's chunks speak for each other: a question
// whose words are spread over a page is answered by the page, and its best
// chunk alone does not say so. A document counts
//
//	best chunk + (sum of its chunks that were found) / (number of its chunks)^0.75
//
// where the exponent keeps long documents from winning by having many chunks,
// as the length does in BM25. The factor is that, as a share of the best
// chunk, scaled so that the best document keeps the score of its chunk and so
// its place among memories and state.
func (se *search) weighDocuments() {
	type evidence struct{ best, sum, value float64 }
	documents := map[uint64]*evidence{}
	for _, c := range se.candidates {
		if c.page == 0 {
			continue
		}
		e := documents[c.page]
		if e == nil {
			e = &evidence{best: c.score}
			documents[c.page] = e
		}
		e.sum += c.score
		e.value = e.best + e.sum/math.Pow(float64(c.siblings), 0.75)
	}
	var best, top float64
	for _, e := range documents {
		best, top = max(best, e.best), max(top, e.value)
	}
	seen := map[uint64]int{}
	for _, c := range se.candidates {
		e := documents[c.page]
		if e == nil {
			continue
		}
		c.factors.Document = e.value / e.best * best / top
		c.factors.Diversity = math.Pow(repeatFactor, float64(seen[c.page]))
		c.score *= c.factors.Document * c.factors.Diversity
		seen[c.page]++
	}
}

// demoteSuperseded sees to it that nothing ranks above what replaced it: a
// superseded memory scores at most what its replacements do, and on a tie the
// end of the chain comes first.
func (se *search) demoteSuperseded() {
	if len(se.replacedBy) == 0 {
		return
	}
	byID := map[string]*candidate{}
	for _, c := range se.candidates {
		byID[c.id] = c
	}
	for _, c := range se.candidates {
		limit := c.score
		for next := c.superseded; next != "" && c.links < maxChain; next = se.replacedBy[next] {
			c.links++
			if r := byID[next]; r != nil {
				limit = min(limit, r.score)
			}
		}
		if limit < c.score {
			c.score = limit
			c.factors.Note = "lowered below what replaced it"
		}
	}
}

// results are the best candidates as hits.
func (se *search) results() Results {
	out := Results{Hits: []Hit{}, Notes: se.notes, Elsewhere: se.elsewhere}
	for _, c := range se.candidates {
		c.hit.Score = c.score
		if se.q.Explain {
			e := c.factors
			e.Words, e.Weight = se.words, se.weight
			e.TextScore, e.TextRank, e.Similarity, e.VectorRank, e.Relevance = c.textScore, c.textRank, c.similarity, c.vectorRank, c.relevance
			c.hit.Explanation = &e
		}
		out.Hits = append(out.Hits, c.hit)
	}
	return out
}
