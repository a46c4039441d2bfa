// Package static is an embedder for static models in the layout of model2vec: a
// vector for each token of a vocabulary, and a text's vector is the mean of
// those of its tokens. Such a model is a file of some megabytes, needs no
// network, and embeds tens of thousands of short texts a second on one
// processor; it knows what words mean, but not what they mean beside each
// other. See https://github.com/MinishLab/model2vec for the method and for models.
//
//	e, err := static.Open("models/potion-base-8M", nil)
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer e.Close()
//
// A model is a folder:
//
//	model.safetensors   tensor "embeddings", tokens × dimensions, as F32, F16, BF16, F64 or I8;
//	                    perhaps "weights", a factor for each token, and "mapping", each token's row
//	tokenizer.json      WordPiece, Unigram, BPE or WordLevel
//	config.json         "normalize": whether vectors get length 1
//
// The layout of sentence-transformers, with the tensor "embedding.weight", with or
// without a folder 0_StaticEmbedding, is read as well. I8 has no scale: model2vec
// stores none, and the direction of a mean does not depend on it.
//
// The tensors are mapped into memory on Unix, so that processes share them, and
// read elsewhere. The files are somebody else's: whatever is in them, Open
// returns an error or an embedder that works.
package static

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/embedders/static/internal/tokenizer"
)

// Options are optional, as a whole and each.
type Options struct {
	// MaxTokens is how many tokens of a text are embedded, those at its
	// beginning. The default is 512, as in model2vec; -1 is all of them.
	MaxTokens int
}

const defaultMaxTokens = 512

// An Embedder is one model. It is safe for concurrent use.
type Embedder struct {
	space     atocore.Space
	tokens    *tokenizer.Tokenizer
	table     table
	normalize bool
	maxTokens int // or -1
	unknown   int32
	states    sync.Pool

	mu     sync.RWMutex // held for reading while the mapping is used
	closed bool
	unmap  func() error
}

var _ atocore.Embedder = (*Embedder)(nil)

// ErrClosed is returned by Embed after Close.
var ErrClosed = errors.New("static: the model is closed")

// Open opens the model in a folder. A folder that is not there matches
// fs.ErrNotExist; files that are no such model, [atocore.ErrInvalid].
//
// The fingerprint of its space is a hash over all that the files say, which
// takes a second for some gigabytes.
func Open(dir string, o *Options) (*Embedder, error) {
	e := &Embedder{maxTokens: defaultMaxTokens}
	if o != nil && o.MaxTokens != 0 {
		e.maxTokens = max(o.MaxTokens, -1)
	}
	if err := e.open(dir); err != nil {
		return nil, fmt.Errorf("static: %w", err)
	}
	e.states.New = func() any { return new(state) }
	return e, nil
}

func (e *Embedder) open(dir string) (err error) {
	files, err := find(dir)
	if err != nil {
		return err
	}
	vocabulary, err := readBounded(files.tokenizer, tokenizer.MaxFile)
	if err != nil {
		return err
	}
	if e.normalize, err = files.normalizes(); err != nil {
		return err
	}
	data, unmap, err := mapFile(files.model)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unmap())
		}
	}()
	// The file is hashed and the vocabulary read side by side: each takes about
	// as long as the other.
	sum := make(chan string, 1)
	hashed := make(chan error, 1)
	go func() {
		hashed <- guard(func() { sum <- e.fingerprint(data, vocabulary) })
	}()
	e.tokens, err = tokenizer.Parse(vocabulary)
	hashErr := <-hashed
	if err != nil {
		return broken(files.tokenizer, err)
	}
	if hashErr != nil {
		return broken(files.model, hashErr)
	}
	if guardErr := guard(func() { e.table, err = newTable(data, e.tokens.Size()) }); guardErr != nil {
		err = guardErr
	}
	if err != nil {
		return broken(files.model, err)
	}
	e.unknown = -1
	if id, ok := e.tokens.Unknown(); ok {
		e.unknown = id
	}
	e.unmap = unmap
	e.space = atocore.Space{Name: "static-model", Dimensions: e.table.dims, Fingerprint: <-sum}
	return nil
}

// broken is the error of a file that is not what it should be.
func broken(name string, err error) error {
	return &atocore.InvalidError{Field: name, Reason: "cannot be used: " + err.Error(), Hint: "is it whole, and a static model in the layout of model2vec?"}
}

// guard calls fn, which reads a mapping. A file that is cut off meanwhile makes
// such a read a fault of the process; here it is an error.
func guard(fn func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if fault, ok := p.(interface {
			error
			Addr() uintptr
		}); ok {
			err = fmt.Errorf("the file was cut off while it was in use: %w", fault)
			return
		}
		panic(p)
	}()
	fn()
	return nil
}

// Space implements [atocore.Embedder].
func (e *Embedder) Space() atocore.Space { return e.space }

// Close gives the memory back. It waits for calls of Embed that are under way.
func (e *Embedder) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	return e.unmap()
}

// state is the working memory of one text at a time.
type state struct {
	tokens tokenizer.State
	text   []byte
}

// Embed implements [atocore.Embedder]. Questions and documents have the same
// vectors. A text without a token that the model knows has a nil one, and one
// with a token whose numbers in the file are not finite an empty one, which is a
// fault of that text alone.
func (e *Embedder) Embed(ctx context.Context, texts []string, _ atocore.Purpose) ([][]float32, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return nil, ErrClosed
	}
	st := e.states.Get().(*state)
	defer e.states.Put(st)
	out := make([][]float32, len(texts))
	dims := e.table.dims
	room := make([]float32, len(texts)*dims)
	for i, text := range texts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		v := room[i*dims : (i+1)*dims : (i+1)*dims]
		if err := guard(func() { out[i] = e.embed(text, v, st) }); err != nil {
			return nil, fmt.Errorf("static: %w", err)
		}
	}
	return out, nil
}

// embed returns the vector of a text, which is put into v if it has one.
func (e *Embedder) embed(text string, v []float32, st *state) []float32 {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	st.text = append(st.text[:0], e.cut(text)...)
	ids := e.tokens.Encode(st.text, &st.tokens)
	n := 0
	for _, id := range ids {
		if id == e.unknown {
			continue
		}
		if n == e.maxTokens {
			break
		}
		e.table.add(id, v)
		n++
	}
	if n == 0 {
		return nil
	}
	return e.finish(v, n)
}

// cut is as much of a text as can be in the first tokens, by a guess that
// model2vec makes as well: so many times the median of the tokens' lengths, in
// characters.
func (e *Embedder) cut(text string) string {
	if e.maxTokens < 0 {
		return text
	}
	limit := e.maxTokens * e.tokens.MedianLength()
	if len(text) <= limit {
		return text
	}
	for i := range text {
		if limit == 0 {
			return text[:i]
		}
		limit--
	}
	return text
}

// finish makes a mean of a sum, of length 1 if the model is so. One that has no
// direction is nil.
func (e *Embedder) finish(v []float32, n int) []float32 {
	scale := 1 / float32(n)
	var sum float64
	for i := range v {
		v[i] *= scale
		sum += float64(v[i]) * float64(v[i])
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return []float32{}
	}
	if sum == 0 {
		return nil
	}
	if e.normalize || !inRange(sum) {
		by := 1 / math.Sqrt(sum)
		for i := range v {
			v[i] = float32(float64(v[i]) * by)
		}
	}
	return v
}

// inRange reports whether a vector's square has a place among 32-bit floats, as
// stores demand.
func inRange(sum float64) bool {
	f := float32(sum)
	return f != 0 && !math.IsInf(float64(f), 0)
}

// readBounded reads a file of at most so many bytes.
func readBounded(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, broken(name, fmt.Errorf("it is no file of at most %d bytes", limit))
	}
	return os.ReadFile(name)
}
