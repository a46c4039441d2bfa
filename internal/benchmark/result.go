package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// A key names what was measured.
type key struct {
	Engine  string `json:"engine"`
	Store   string `json:"store"` // storeDefault, or the dimensions of the vectors given
	What    string `json:"what"`
	Filter  string `json:"filter,omitempty"`
	Records int    `json:"records"`
}

// What is measured, beside the kinds of search.
const (
	whatIngest      = "ingest"       // records a second
	whatRemember    = "remember"     // milliseconds, one record, on the disk
	whatRecall      = "recall"       // recall@10 against brute force
	whatRecallExact = "recall-exact" // share of the hits of Query.Exact
	whatCold        = "cold"         // milliseconds, a process from its start to its end, with its first answer
	whatResident    = "resident"     // bytes
	whatPeak        = "peak"         // bytes
	whatHeap        = "heap"         // bytes
	whatBytes       = "bytes"        // of the store's files
	whatFiles       = "files"        // how many those are
)

// A figure is what was measured. Of a single value all three are the same.
type figure struct {
	key
	N      int     `json:"n"` // how many were measured
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
	Min    float64 `json:"min"`
}

// single is a figure of one value.
func single(k key, value float64) figure {
	return figure{key: k, N: 1, Median: value, P95: value, Min: value}
}

// summary is the figure of several values, of which there is at least one.
func summary(k key, values []float64) figure {
	v := slices.Sorted(slices.Values(values))
	return figure{key: k, N: len(v), Median: quantile(v, 0.5), P95: quantile(v, 0.95), Min: v[0]}
}

// quantile interpolates between the two values next to the place p·(n-1) of a
// sorted list, counted from 0.
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// millis turns microseconds into milliseconds.
func millis(micros []float64) []float64 {
	out := make([]float64, len(micros))
	for i, m := range micros {
		out[i] = m / 1e3
	}
	return out
}

// A result is what a run has measured.
type result struct {
	Machine machine  `json:"machine"`
	Method  method   `json:"method"`
	Notes   []string `json:"notes,omitempty"`
	Figures []figure `json:"figures"`
}

// A method says how much was asked.
type method struct {
	Sizes      []int `json:"sizes"`
	Dimensions []int `json:"dimensions"`
	Questions  int   `json:"questions"`  // of each search
	Recall     int   `json:"recall"`     // questions that recall is taken of
	Processes  int   `json:"processes"`  // cold starts
	Writes     int   `json:"writes"`     // single records written
	ChromemMax int   `json:"chromemmax"` // the largest size at which chromem-go takes part
}

func (r *result) add(figures ...figure) { r.Figures = append(r.Figures, figures...) }

func (r *result) note(s string) {
	if !slices.Contains(r.Notes, s) {
		r.Notes = append(r.Notes, s)
	}
}

// find returns the figure of a key.
func (r *result) find(k key) (figure, bool) {
	i := slices.IndexFunc(r.Figures, func(f figure) bool { return f.key == k })
	if i < 0 {
		return figure{}, false
	}
	return r.Figures[i], true
}

// readResults puts together what several runs of one commit have written, such as
// those of different sizes. Where and how is taken from the first.
func readResults(names []string) (result, error) {
	var out result
	for i, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return out, err
		}
		var next result
		if err := json.Unmarshal(data, &next); err != nil {
			return out, fmt.Errorf("%s: %w", name, err)
		}
		if i == 0 {
			out = next
			continue
		}
		if err := out.join(&next); err != nil {
			return out, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

func (r *result) join(next *result) error {
	if next.Machine.Commit != r.Machine.Commit {
		return fmt.Errorf("is of commit %s, not %s", next.Machine.Commit, r.Machine.Commit)
	}
	for _, f := range next.Figures {
		if _, ok := r.find(f.key); ok {
			return fmt.Errorf("measures %+v again", f.key)
		}
		r.add(f)
	}
	for _, n := range next.Notes {
		r.note(n)
	}
	r.Method.Sizes = slices.Compact(slices.Sorted(slices.Values(slices.Concat(r.Method.Sizes, next.Method.Sizes))))
	return nil
}
