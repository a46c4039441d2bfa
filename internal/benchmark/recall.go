package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"github.com/atocore/atocore/internal/benchtext"
)

// recallAt is how many of the nearest records are looked for.
const recallAt = 10

// recallSlack is how far below the tenth's cosine another record's may be that
// counts as found: sums of single precision differ with their order.
const recallSlack = 1e-6

// A truth is the nearest records of each question, by filter and by question, as a
// comparison with every record of the corpus finds them. The engines have no part
// in it. What has no positive cosine is near to nothing: atocore does not return it.
type truth struct {
	Corpus    string               `json:"corpus"`
	Questions int                  `json:"questions"`
	Nearest   map[string][][]match `json:"nearest"`
}

// A match is a record and its cosine with the question.
type match struct {
	Record int     `json:"record"`
	Cosine float32 `json:"cosine"`
}

// recall measures how many of the ten nearest records a search by vectors has
// among its ten nearest.
func (r *run) recall(ctx context.Context, stores []store) error {
	for i := range stores {
		s := &stores[i]
		if s.memory || s.dims == 0 {
			continue
		}
		t, err := r.truth(ctx, s)
		if err != nil {
			return err
		}
		if err := r.recallOf(ctx, s, t); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) recallOf(ctx context.Context, s *store, t *truth) (err error) {
	w, stop, err := r.startAsking(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	made := newMaker(s.dims)
	asked := questions(r.corpus, r.method.Recall, s.records, s.dims)[warmQuestions:]
	for _, f := range filters {
		if s.engine == engineChromem && f.name != "none" && f.name != "type" {
			continue // it has no ranges, and a project there leaves out the global records
		}
		r.progress("%s: recall, %s", s.dir, f.name)
		req := request{Op: opFind, Filter: f.name, From: warmQuestions, To: warmQuestions + len(asked)}
		rep, err := w.send(req)
		if err != nil {
			return err
		}
		var shares []float64
		for n, found := range rep.Nearest {
			shares = append(shares, share(made, asked[n].Vector, t.Nearest[f.name][n], found))
		}
		r.result.add(mean(s.key(whatRecall, f.name), shares))
		req.Op = opExact
		if rep, err = w.send(req); err != nil {
			return err
		}
		if len(rep.Shares) > 0 {
			r.result.add(mean(s.key(whatRecallExact, f.name), rep.Shares))
		}
	}
	return nil
}

// mean is a figure whose every value is the mean, but for the worst.
func mean(k key, values []float64) figure {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return figure{key: k, N: len(values), Median: sum / float64(len(values)), P95: sum / float64(len(values)), Min: slices.Min(values)}
}

// share is how many of the nearest records were found; 1 where there are none.
func share(made *maker, q []float32, nearest []match, found []int) float64 {
	if len(nearest) == 0 {
		return 1
	}
	last := nearest[len(nearest)-1].Cosine - recallSlack
	n := 0
	for _, record := range found {
		if record < 0 {
			continue
		}
		if _, _, v := made.record(record); dot(q, v) >= last {
			n++
		}
	}
	return min(1, float64(n)/float64(len(nearest)))
}

func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	i := 0
	for ; i+4 <= len(a); i += 4 {
		x, y := a[i:i+4:i+4], b[i:i+4:i+4]
		s0 += x[0] * y[0]
		s1 += x[1] * y[1]
		s2 += x[2] * y[2]
		s3 += x[3] * y[3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}

// truth reads the truth that an earlier run has left, or finds it.
func (r *run) truth(ctx context.Context, s *store) (*truth, error) {
	name := filepath.Join(filepath.Dir(s.dir), "truth-"+s.name+".json")
	var t truth
	if data, err := os.ReadFile(name); err == nil {
		if err := json.Unmarshal(data, &t); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if t.Corpus == corpusVersion && t.Questions == r.method.Recall {
			return &t, nil
		}
	}
	r.progress("%s: the nearest records, by brute force", s.dir)
	asked := questions(r.corpus, r.method.Recall, s.records, s.dims)[warmQuestions:]
	nearest, err := bruteForce(ctx, r.corpus.Vectors(s.dims), r.corpus, asked, s.records)
	if err != nil {
		return nil, err
	}
	t = truth{Corpus: corpusVersion, Questions: r.method.Recall, Nearest: nearest}
	data, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	return &t, os.WriteFile(name, data, 0o600)
}

// bruteForce compares every question with every record, each processor a part of
// the records.
func bruteForce(ctx context.Context, v *benchtext.Vectors, corpus *benchtext.Corpus, asked []question, records int) (map[string][][]match, error) {
	parts := runtime.GOMAXPROCS(0)
	found := make([]map[string][][]match, parts)
	var wg sync.WaitGroup
	for p := range parts {
		wg.Go(func() {
			best := emptyNearest(len(asked))
			for n := p; n < records && ctx.Err() == nil; n += parts {
				offer(best, asked, n, v.Vector(corpus.Text(n)))
			}
			found[p] = best
		})
	}
	wg.Wait()
	out := emptyNearest(len(asked))
	for _, part := range found {
		for name, lists := range part {
			for q, list := range lists {
				for _, m := range list {
					out[name][q] = insert(out[name][q], m)
				}
			}
		}
	}
	return out, ctx.Err()
}

func emptyNearest(questions int) map[string][][]match {
	out := map[string][][]match{}
	for _, f := range filters {
		out[f.name] = make([][]match, questions)
	}
	return out
}

// offer enters a record wherever it is one of the nearest.
func offer(best map[string][][]match, asked []question, record int, v []float32) {
	a := attributesOf(record)
	var lists [][][]match
	for _, f := range filters {
		if f.matches(a) {
			lists = append(lists, best[f.name])
		}
	}
	for q := range asked {
		m := match{Record: record, Cosine: dot(asked[q].Vector, v)}
		for _, list := range lists {
			list[q] = insert(list[q], m)
		}
	}
}

// insert keeps the recallAt best, the best first; of equal ones the first record.
func insert(list []match, m match) []match {
	if m.Cosine <= 0 {
		return list
	}
	worse := func(x match) bool {
		return x.Cosine < m.Cosine || x.Cosine == m.Cosine && x.Record > m.Record
	}
	if len(list) == recallAt {
		if !worse(list[recallAt-1]) {
			return list
		}
		list = list[:recallAt-1]
	}
	at := len(list)
	for at > 0 && worse(list[at-1]) {
		at--
	}
	return slices.Insert(list, at, m)
}
