package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/philippgille/chromem-go"
)

// A chromemEngine is a chromem-go database under measurement: in memory, or in a
// directory with one uncompressed file for each document, which is its default.
// Documents are added with its documentation's concurrency, runtime.NumCPU().
type chromemEngine struct {
	collection *chromem.Collection
	made       *maker
	dims       int
}

const chromemCollection = "benchmark"

// noEmbedding is for a collection whose vectors are all given.
func noEmbedding(context.Context, string) ([]float32, error) {
	return nil, errors.New("the vector of a document was not given")
}

func openChromem(s *setup) (engine, error) {
	db := chromem.NewDB()
	if s.Dir != "" {
		var err error
		if db, err = chromem.NewPersistentDB(s.Dir, false); err != nil {
			return nil, err
		}
	}
	e := &chromemEngine{dims: s.Dims}
	var err error
	if s.Create {
		e.collection, err = db.CreateCollection(chromemCollection, nil, noEmbedding)
	} else if e.collection = db.GetCollection(chromemCollection, noEmbedding); e.collection == nil {
		err = fmt.Errorf("no collection in %s", s.Dir)
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// where is a filter as chromem-go has it: fields that are equal. It has no ranges.
func where(f filter) (map[string]string, error) {
	if !f.after.IsZero() {
		return nil, errors.New("chromem-go cannot filter by time")
	}
	out := map[string]string{}
	if f.project != "" {
		out["project"] = f.project
	}
	if f.typ != "" {
		out["type"] = string(f.typ)
	}
	return out, nil
}

func (e *chromemEngine) search(ctx context.Context, f filter, q question, n int) (res []chromem.Result, micros float64, err error) {
	fields, err := where(f)
	if err != nil {
		return nil, 0, err
	}
	began := time.Now()
	res, err = e.collection.QueryEmbedding(ctx, q.Vector, n, fields, nil)
	return res, since(began), err
}

func (e *chromemEngine) ask(ctx context.Context, kind string, f filter, q question) (float64, error) {
	if kind != kindVector {
		return 0, fmt.Errorf("chromem-go has no %s search", kind)
	}
	_, micros, err := e.search(ctx, f, q, recallAt)
	return micros, err
}

func (e *chromemEngine) find(ctx context.Context, f filter, q question, n int) ([]int, error) {
	res, _, err := e.search(ctx, f, q, n)
	if err != nil {
		return nil, err
	}
	var out []int
	for _, r := range res {
		out = append(out, numberOf(r.Content))
	}
	return out, nil
}

func (e *chromemEngine) exact(context.Context, filter, question) (float64, bool, error) {
	return 0, false, nil // it has no other
}

func (e *chromemEngine) write(ctx context.Context, from, to, batch int) (micros []float64, err error) {
	if e.made == nil {
		e.made = newMaker(e.dims)
	}
	for ; from < to; from += batch {
		docs := make([]chromem.Document, min(batch, to-from))
		for i := range docs {
			text, a, v := e.made.record(from + i)
			docs[i] = chromem.Document{
				ID: strconv.Itoa(from + i), Content: text, Embedding: v,
				Metadata: map[string]string{"project": a.project, "type": string(a.typ)},
			}
		}
		began := time.Now()
		err := e.collection.AddDocuments(ctx, docs, runtime.NumCPU())
		micros = append(micros, since(began))
		if err != nil {
			return nil, err
		}
	}
	return micros, nil
}

func (e *chromemEngine) close() (float64, error) { return 0, nil }
