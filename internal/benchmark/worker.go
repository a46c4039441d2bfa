package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
)

// Every store is worked on by a process of its own, so that the memory that is
// measured is its alone and no collector works for two. The parent writes a setup
// and then requests to its standard input, one at a time, and reads a reply to
// each from its standard output, all JSON.

// A setup says what a worker is to open.
type setup struct {
	Engine  string `json:"engine"` // engineAtocore or engineChromem
	Dir     string `json:"dir"`    // empty is a store in memory, of chromem-go
	Dims    int    `json:"dims"`   // of the vectors that are given; 0 is the default embedder
	Cache   string `json:"cache"`  // the compile cache
	Create  bool   `json:"create"`
	Records int    `json:"records"` // how many there are going to be

	Questions []question `json:"questions"`
}

const (
	engineAtocore = "atocore"
	engineChromem = "chromem-go"
)

// A question and, unless the default embedder is used, its vector.
type question struct {
	Text   string    `json:"text"`
	Vector []float32 `json:"vector,omitempty"`
}

// The operations of a request.
const (
	opAsk    = "ask"    // ask the questions From to To, timed
	opFind   = "find"   // ask them, untimed, and say which records are the nearest
	opExact  = "exact"  // share of the exact search's hits that the search has, for each
	opWrite  = "write"  // store the records From to To in batches of Batch, timed
	opMemory = "memory" // how much memory the process has
	opClose  = "close"
)

type request struct {
	Op     string `json:"op"`
	Kind   string `json:"kind,omitempty"`   // of opAsk: a kind of search
	Filter string `json:"filter,omitempty"` // its name
	From   int    `json:"from"`
	To     int    `json:"to"`
	Batch  int    `json:"batch,omitempty"` // of opWrite; 1 uses the call for single records
}

type reply struct {
	Error string `json:"error,omitempty"`

	Micros  []float64 `json:"micros,omitempty"`  // of opAsk and opWrite, each call
	Nearest [][]int   `json:"nearest,omitempty"` // of opFind, best first
	Shares  []float64 `json:"shares,omitempty"`  // of opExact; none where there is no exact search to ask for
	Memory  *memory   `json:"memory,omitempty"`
}

// An engine is what a worker drives.
type engine interface {
	ask(ctx context.Context, kind string, f filter, q question) (micros float64, err error)
	find(ctx context.Context, f filter, q question, n int) ([]int, error)
	exact(ctx context.Context, f filter, q question) (share float64, ok bool, err error)
	write(ctx context.Context, from, to, batch int) (micros []float64, err error)
	close() (micros float64, err error)
}

// work is a worker's main function.
func work(ctx context.Context, in io.Reader, out io.Writer) error {
	d, e := json.NewDecoder(in), json.NewEncoder(out)
	var s setup
	if err := d.Decode(&s); err != nil {
		return fmt.Errorf("worker: read setup: %w", err)
	}
	eng, err := openEngine(ctx, &s)
	if err != nil {
		return e.Encode(reply{Error: err.Error()})
	}
	if err := e.Encode(reply{}); err != nil {
		return err
	}
	for {
		var req request
		if err := d.Decode(&req); err != nil {
			_, closeErr := eng.close()
			if errors.Is(err, io.EOF) {
				return closeErr
			}
			return errors.Join(err, closeErr)
		}
		r, err := serve(ctx, eng, &s, &req)
		if err != nil {
			r.Error = err.Error()
		}
		if err := e.Encode(r); err != nil {
			return err
		}
		if req.Op == opClose {
			return nil
		}
	}
}

func openEngine(ctx context.Context, s *setup) (engine, error) {
	if s.Engine == engineChromem {
		return openChromem(s)
	}
	return openAtocore(ctx, s)
}

func serve(ctx context.Context, eng engine, s *setup, req *request) (r reply, err error) {
	f := filterNamed(req.Filter)
	switch req.Op {
	case opAsk:
		for _, q := range s.Questions[req.From:req.To] {
			micros, err := eng.ask(ctx, req.Kind, f, q)
			if err != nil {
				return r, err
			}
			r.Micros = append(r.Micros, micros)
		}
	case opFind:
		for _, q := range s.Questions[req.From:req.To] {
			nearest, err := eng.find(ctx, f, q, recallAt)
			if err != nil {
				return r, err
			}
			r.Nearest = append(r.Nearest, nearest)
		}
	case opExact:
		for _, q := range s.Questions[req.From:req.To] {
			share, ok, err := eng.exact(ctx, f, q)
			if err != nil || !ok {
				return r, err
			}
			r.Shares = append(r.Shares, share)
		}
	case opWrite:
		r.Micros, err = eng.write(ctx, req.From, req.To, req.Batch)
	case opMemory:
		r.Memory = readMemory()
	case opClose:
		var micros float64
		micros, err = eng.close()
		r.Micros = []float64{micros}
	default:
		err = fmt.Errorf("worker: unknown operation %q", req.Op)
	}
	return r, err
}

// memory is what a process takes, in bytes.
type memory struct {
	Resident int64 `json:"resident"` // now; 0 where the system does not say
	Peak     int64 `json:"peak"`     // at most so far
	Heap     int64 `json:"heap"`     // of Go's, in use
}

func readMemory() *memory {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	m := &memory{Heap: int64(stats.HeapInuse)}
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		m.Resident, m.Peak = statusBytes(status, "VmRSS:"), statusBytes(status, "VmHWM:")
	}
	return m
}
