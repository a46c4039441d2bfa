// Package cached keeps the vectors that an embedder has computed, in files, so
// that no text is sent or computed twice: not after a reindex, a restore or a
// new start, and not by several processes.
//
//	e, err := cached.New(inner, dir, nil)
//
// An entry is found by a hash over the embedding space, the purpose and the text.
// Texts are not stored. A vector says a good deal about its text, though, and
// whoever guesses a text can find out whether it was embedded: the directory is
// for its owner's eyes, and is made so. Forgetting a record in a store does not
// reach here; Clear, or removing the directory, does.
//
// The cache is never what fails. An entry that is damaged, cut off or of another
// text is noticed by its checksum and computed again, and where nothing can be
// read or written, the embedder works as if there were no cache.
package cached

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/atocore/atocore"
)

// Options are optional, as a whole and each.
type Options struct {
	// MaxBytes is how much room the cache may take, each entry counted as what a
	// file of its size takes on a disk. Over that the entries written first go.
	// The default is 512 MiB, which is some 130,000 vectors of up to 1,000
	// dimensions. It is kept roughly: to some percent.
	MaxBytes int64

	// NoQueries leaves out the vectors of questions, which seldom come twice.
	NoQueries bool

	// Logger receives one warning where the cache cannot be written. Nil is
	// silent.
	Logger *slog.Logger
}

// DefaultMaxBytes is the default of Options.MaxBytes.
const DefaultMaxBytes = 512 << 20

// An Embedder is another one with a cache. It is safe for concurrent use.
type Embedder struct {
	inner atocore.Embedder
	space atocore.Space
	dir   string
	opts  Options
	log   *slog.Logger

	warned sync.Once
	writes [shards]atomic.Int64 // since the process began

	hits, misses atomic.Int64
}

var _ atocore.Embedder = (*Embedder)(nil)

// New puts a cache in a directory before an embedder; several embedders and
// processes may use the same one. The directory is made with the first entry.
func New(inner atocore.Embedder, dir string, o *Options) (*Embedder, error) {
	e := &Embedder{inner: inner, space: inner.Space(), dir: dir}
	if o != nil {
		e.opts = *o
	}
	if dir == "" {
		return nil, fmt.Errorf("cached: %w", &atocore.InvalidError{Field: "dir", Reason: "is empty", Hint: "name a directory"})
	}
	if e.opts.MaxBytes < 0 {
		return nil, fmt.Errorf("cached: %w", &atocore.InvalidError{Field: "MaxBytes", Reason: fmt.Sprintf("is %d", e.opts.MaxBytes)})
	}
	if e.opts.MaxBytes == 0 {
		e.opts.MaxBytes = DefaultMaxBytes
	}
	if e.log = e.opts.Logger; e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	return e, nil
}

// Space implements [atocore.Embedder]: it is the inner one's.
func (e *Embedder) Space() atocore.Space { return e.space }

// Close closes the inner embedder, if it can be closed.
func (e *Embedder) Close() error {
	if c, ok := e.inner.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Counts are how many texts were found in the cache and how many were not.
func (e *Embedder) Counts() (hits, misses int64) { return e.hits.Load(), e.misses.Load() }

// Embed implements [atocore.Embedder]. The inner embedder is asked for what is
// not there, each text once.
func (e *Embedder) Embed(ctx context.Context, texts []string, purpose atocore.Purpose) ([][]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if purpose == atocore.ForQuery && e.opts.NoQueries {
		return e.inner.Embed(ctx, texts, purpose)
	}
	out := make([][]float32, len(texts))
	keys := make([]key, len(texts))
	places := map[key]int{} // in missing
	var missing []string
	for i, text := range texts {
		keys[i] = e.key(text, purpose)
		if v, ok := e.read(keys[i]); ok {
			out[i] = v
			continue
		}
		if _, ok := places[keys[i]]; !ok {
			places[keys[i]] = len(missing)
			missing = append(missing, text)
		}
	}
	e.hits.Add(int64(len(texts) - len(missing)))
	e.misses.Add(int64(len(missing)))
	if len(missing) == 0 {
		return out, nil
	}
	vectors, err := e.inner.Embed(ctx, missing, purpose)
	if err != nil {
		return nil, err
	}
	if len(vectors) != len(missing) {
		return nil, fmt.Errorf("cached: embedder %s gave %d vectors for %d texts", e.space, len(vectors), len(missing))
	}
	for k, at := range places {
		e.write(k, vectors[at])
	}
	for i, k := range keys {
		if at, ok := places[k]; ok && out[i] == nil {
			out[i] = vectors[at]
		}
	}
	return out, nil
}

// keepable reports whether a vector is one that a store would take: what is a
// fault today may be none tomorrow.
func (e *Embedder) keepable(v []float32) bool {
	if len(v) != e.space.Dimensions {
		return false
	}
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return sum != 0 && !math.IsNaN(sum) && !math.IsInf(sum, 0)
}

// read returns an entry that is there and whole. One that is not whole is
// removed.
func (e *Embedder) read(k key) ([]float32, bool) {
	name := e.path(k)
	f, err := os.Open(name)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, int64(entrySize(e.space.Dimensions))+1))
	if err != nil {
		return nil, false
	}
	v, ok := decode(src, k, e.space.Dimensions)
	if !ok || !e.keepable(v) {
		os.Remove(name)
		return nil, false
	}
	return v, true
}

// write stores an entry, if that can be: under another name first, so that
// nobody reads half of it. It is not synced: what a crash damages is noticed.
func (e *Embedder) write(k key, v []float32) {
	if !e.keepable(v) {
		return
	}
	if err := e.store(k, encode(k, v)); err != nil {
		e.warned.Do(func() { e.log.Warn("the cache of embeddings cannot be written", "error", err) })
		return
	}
	// The first write of a process and every sixteenth from then on look whether
	// there is too much in the shard.
	const interval = 16
	if e.writes[k[0]].Add(1)%interval == 1 {
		e.evict(k)
	}
}

func (e *Embedder) store(k key, src []byte) (err error) {
	name := e.path(k)
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, "new-*")
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		f, err = os.CreateTemp(dir, "new-*")
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(src); err != nil {
		f.Close()
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
