package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// corpusVersion changes with internal/benchtext and with attributesOf: stores of
// another are built anew.
const corpusVersion = "1"

// batchSize is how many records are stored at once.
const batchSize = 1000

// storeDefault is the name of the store with the default embedder.
const storeDefault = "default"

// A store is one that is measured.
type store struct {
	engine  string
	name    string // storeDefault, or the dimensions
	dims    int    // of the vectors that are given; 0 is the default embedder
	records int
	memory  bool // has no directory and is gone after the build
	dir     string
}

// stores are those of one size: atocore's with the default embedder and one for
// each number of dimensions, and chromem-go's of the first of those.
func (r *run) stores(records int) []store {
	at := func(name string) string { return filepath.Join(r.dir, strconv.Itoa(records), name) }
	out := []store{{engine: engineAtocore, name: storeDefault, records: records, dir: at("atocore-default")}}
	for _, d := range r.method.Dimensions {
		name := strconv.Itoa(d)
		out = append(out, store{engine: engineAtocore, name: name, dims: d, records: records, dir: at("atocore-" + name)})
	}
	if records <= r.method.ChromemMax && len(r.method.Dimensions) > 0 {
		d := r.method.Dimensions[0]
		name := strconv.Itoa(d)
		out = append(out,
			store{engine: engineChromem, name: name, dims: d, records: records, dir: at("chromem-" + name)},
			store{engine: engineChromem, name: name, dims: d, records: records, dir: at("chromem-memory-" + name), memory: true})
	}
	return out
}

func (s *store) key(what, filter string) key {
	k := key{Engine: s.engine, Store: s.name, What: what, Filter: filter, Records: s.records}
	if s.memory {
		k.Engine += " in memory"
	}
	return k
}

func (s *store) data() string { return filepath.Join(s.dir, "store") }

func (r *run) setup(s *store) setup {
	out := setup{Engine: s.engine, Dims: s.dims, Cache: r.cache, Records: s.records}
	if !s.memory {
		out.Dir = s.data()
	}
	return out
}

// A manifest lies beside a store that is complete, and says how it was built.
type manifest struct {
	Corpus  string  `json:"corpus"`
	Records int     `json:"records"`
	Commit  string  `json:"commit"`
	Seconds float64 `json:"seconds"` // in the calls that stored the records, and closing
	Bytes   int64   `json:"bytes"`
	Files   int     `json:"files"`
	Peak    int64   `json:"peak"` // memory, in bytes
}

const manifestName = "built.json"

// ensure builds the store, unless that was done before.
func (r *run) ensure(ctx context.Context, s *store) (manifest, error) {
	var m manifest
	name := filepath.Join(s.dir, manifestName)
	if data, err := os.ReadFile(name); err == nil && !r.rebuild[s.dir] {
		if err := json.Unmarshal(data, &m); err != nil {
			return m, fmt.Errorf("%s: %w", name, err)
		}
		if m.Corpus == corpusVersion && m.Records == s.records {
			return m, nil
		}
	}
	delete(r.rebuild, s.dir)
	if err := os.RemoveAll(s.dir); err != nil {
		return m, err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return m, err
	}
	m, err := r.build(ctx, s)
	if err != nil {
		return m, fmt.Errorf("build %s: %w", s.dir, err)
	}
	data, err := json.Marshal(m)
	if err != nil {
		return m, err
	}
	return m, os.WriteFile(name, data, 0o600)
}

func (r *run) build(ctx context.Context, s *store) (m manifest, err error) {
	set := r.setup(s)
	set.Create = true
	w, err := startWorker(ctx, set)
	if err != nil {
		return m, err
	}
	var micros float64
	const chunk = 10 * batchSize
	for from := 0; from < s.records; from += chunk {
		r.progress("%s %s: building, %d of %d", s.engine, s.dir, from, s.records)
		rep, err := w.send(request{Op: opWrite, From: from, To: min(from+chunk, s.records), Batch: batchSize})
		if err != nil {
			return m, errors.Join(err, w.stop())
		}
		for _, x := range rep.Micros {
			micros += x
		}
	}
	rep, err := w.send(request{Op: opMemory})
	if err != nil {
		return m, errors.Join(err, w.stop())
	}
	closing, err := w.close()
	if err != nil {
		return m, err
	}
	m = manifest{Corpus: corpusVersion, Records: s.records, Commit: r.result.Machine.Commit, Seconds: (micros + closing) / 1e6, Peak: rep.Memory.Peak}
	if !s.memory {
		m.Bytes, m.Files, err = sizeOf(s.data())
	}
	return m, err
}

// sizeOf is the size of all files under dir, and their number.
func sizeOf(dir string) (bytes int64, files int, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		bytes += info.Size()
		files++
		return nil
	})
	return bytes, files, err
}

// ingest reports how the stores of a size were built.
func (r *run) ingest(ctx context.Context, stores []store) error {
	for i := range stores {
		s := &stores[i]
		m, err := r.ensure(ctx, s)
		if err != nil {
			return err
		}
		r.result.add(single(s.key(whatIngest, ""), float64(m.Records)/m.Seconds))
		if m.Commit != r.result.Machine.Commit {
			r.result.note(fmt.Sprintf("Stores of %s records were built by commit %s.", grouped(s.records), m.Commit))
		}
	}
	return nil
}

// size reports the sizes of the stores' files.
func (r *run) size(ctx context.Context, stores []store) error {
	for i := range stores {
		s := &stores[i]
		if s.memory {
			continue
		}
		m, err := r.ensure(ctx, s)
		if err != nil {
			return err
		}
		r.result.add(single(s.key(whatBytes, ""), float64(m.Bytes)), single(s.key(whatFiles, ""), float64(m.Files)))
	}
	return nil
}
