package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/atocore/atocore/internal/benchtext"
)

const (
	warmQuestions = 20 // asked of every series before those that count
	perRound      = 10 // asked of one series before the next has its turn
)

// questions are those that are asked of a store: the first warmQuestions to warm
// it up. Their vectors have dims dimensions; 0 is none.
func questions(corpus *benchtext.Corpus, n, records, dims int) []question {
	out := make([]question, warmQuestions+n)
	var v *benchtext.Vectors
	if dims > 0 {
		v = corpus.Vectors(dims)
	}
	for i := range out {
		out[i].Text, _ = corpus.Question(i, records)
		if v != nil {
			out[i].Vector = v.Vector(out[i].Text)
		}
	}
	return out
}

// A series is one kind of search, with one filter, of one store.
type series struct {
	w      *worker
	key    key
	next   int // of the questions
	micros []float64
	spent  time.Duration
}

// search measures the searches of all stores of a size, in turns: perRound
// questions of each series and then of the next, so that what disturbs the machine
// disturbs all.
func (r *run) search(ctx context.Context, stores []store) error {
	return r.ask(ctx, stores, func(s *store) []request {
		var out []request
		for _, kind := range []string{kindHybrid, kindText, kindVector} {
			for _, f := range filters {
				if s.engine == engineChromem && (kind != kindVector || !f.after.IsZero()) || s.dims > 0 && kind == kindText {
					continue // not its work, or the same as in another store
				}
				out = append(out, request{Op: opAsk, Kind: kind, Filter: f.name})
			}
		}
		return out
	})
}

// packs measures context packs of the default budget.
func (r *run) packs(ctx context.Context, stores []store) error {
	return r.ask(ctx, stores, func(s *store) []request {
		if s.dims > 0 {
			return nil
		}
		return []request{{Op: opAsk, Kind: kindContext, Filter: "none"}, {Op: opAsk, Kind: kindContext, Filter: "project"}}
	})
}

func (r *run) ask(ctx context.Context, stores []store, of func(*store) []request) (err error) {
	var all []*series
	for i := range stores {
		s := &stores[i]
		requests := of(s)
		if s.memory || len(requests) == 0 {
			continue
		}
		w, stop, err := r.startAsking(ctx, s)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
		for _, req := range requests {
			all = append(all, &series{w: w, key: s.key(req.Kind, req.Filter)})
		}
	}
	for round := 0; ; round++ {
		left := 0
		r.progress("%d records: questions, round %d", stores[0].records, round+1)
		for _, s := range all {
			if s.next == r.method.Questions+warmQuestions || s.spent > r.patience && len(s.micros) >= perRound {
				continue
			}
			left++
			if err := s.askSome(r.method.Questions); err != nil {
				return fmt.Errorf("%+v: %w", s.key, err)
			}
		}
		if left == 0 {
			break
		}
	}
	for _, s := range all {
		r.result.add(summary(s.key, millis(s.micros)))
	}
	return nil
}

// startAsking starts a worker with questions on a store that is built.
func (r *run) startAsking(ctx context.Context, s *store) (w *worker, stop func() error, err error) {
	if _, err := r.ensure(ctx, s); err != nil {
		return nil, nil, err
	}
	set := r.setup(s)
	set.Questions = questions(r.corpus, r.method.Questions, s.records, s.dims)
	if w, err = startWorker(ctx, set); err != nil {
		return nil, nil, err
	}
	return w, func() error { _, err := w.close(); return err }, nil
}

// askSome asks the next questions of a series, the warming ones the first time.
func (s *series) askSome(questions int) error {
	began := time.Now()
	defer func() { s.spent += time.Since(began) }()
	n := perRound
	if s.next == 0 {
		n = warmQuestions
	}
	to := min(s.next+n, warmQuestions+questions)
	rep, err := s.w.send(request{Op: opAsk, Kind: s.key.What, Filter: s.key.Filter, From: s.next, To: to})
	if err != nil {
		return err
	}
	if s.next > 0 {
		s.micros = append(s.micros, rep.Micros...)
	}
	s.next = to
	return nil
}

// memory measures what a process takes that has opened a store and searched it:
// by words and vectors, and by vectors where there is nothing else.
func (r *run) memory(ctx context.Context, stores []store) error {
	for i := range stores {
		s := &stores[i]
		if s.memory {
			continue
		}
		r.progress("%s: memory", s.dir)
		w, stop, err := r.startAsking(ctx, s)
		if err != nil {
			return err
		}
		kind := kindHybrid
		if s.engine == engineChromem {
			kind = kindVector
		}
		began := time.Now()
		for from := 0; from < r.method.Questions && (from == 0 || time.Since(began) < r.patience); from += perRound {
			if _, err := w.send(request{Op: opAsk, Kind: kind, Filter: "none", From: from, To: min(from+perRound, r.method.Questions)}); err != nil {
				return errors.Join(err, w.stop())
			}
		}
		rep, err := w.send(request{Op: opMemory})
		if err = errors.Join(err, stop()); err != nil {
			return err
		}
		if rep.Memory.Resident > 0 {
			r.result.add(single(s.key(whatResident, ""), float64(rep.Memory.Resident)), single(s.key(whatPeak, ""), float64(rep.Memory.Peak)))
		}
		r.result.add(single(s.key(whatHeap, ""), float64(rep.Memory.Heap)))
	}
	return nil
}

// cold measures whole processes, from before their start to after their end: each
// opens the store, has one question answered and closes it. The compile cache and
// the system's cache of files are warm, by one process that does not count.
func (r *run) cold(ctx context.Context, stores []store) error {
	for i := range stores {
		s := &stores[i]
		if s.memory {
			continue
		}
		if _, err := r.ensure(ctx, s); err != nil {
			return err
		}
		r.progress("%s: cold starts", s.dir)
		all := questions(r.corpus, r.method.Processes+1, s.records, s.dims)[warmQuestions:]
		var micros []float64
		for n, q := range all {
			took, err := r.coldOnce(ctx, s, q)
			if err != nil {
				return err
			}
			if n > 0 {
				micros = append(micros, took)
			}
		}
		r.result.add(summary(s.key(whatCold, ""), millis(micros)))
	}
	return nil
}

func (r *run) coldOnce(ctx context.Context, s *store, q question) (micros float64, err error) {
	set := r.setup(s)
	set.Questions = []question{q}
	kind := kindHybrid
	if s.engine == engineChromem {
		kind = kindVector
	}
	began := time.Now()
	w, err := startWorker(ctx, set)
	if err != nil {
		return 0, err
	}
	if _, err := w.send(request{Op: opAsk, Kind: kind, Filter: "none", To: 1}); err != nil {
		return 0, errors.Join(err, w.stop())
	}
	if _, err := w.close(); err != nil {
		return 0, err
	}
	return since(began), nil
}
