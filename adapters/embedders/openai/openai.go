// Package openai is an embedder for servers that speak the OpenAI embeddings
// API: OpenAI itself, Ollama, llama.cpp's server, Text Embeddings Inference,
// vLLM and many more. The embedding routes that Ollama, llama.cpp and Text
// Embeddings Inference have besides are understood as well.
//
//	e, err := openai.New(ctx, &openai.Options{
//		BaseURL: "http://localhost:11434", Model: "nomic-embed-text",
//		QueryPrefix: "search_query: ", DocumentPrefix: "search_document: ",
//	})
//
// Texts are sent to that server and nowhere else; a redirect is an error. A
// key goes over plain http to this machine only, unless Options allow more, and
// stands in no error and no log; neither do texts, even where the server's
// error message repeats them.
package openai

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/atocore/atocore"
)

// Options say which server and model, and how to ask. Only Model has to be
// there.
type Options struct {
	// BaseURL is where the server is, with or without /v1. A path that ends in
	// /embeddings, /api/embed (Ollama), /embed (Text Embeddings Inference) or
	// /embedding (llama.cpp) is the whole address. The default is OpenAI's.
	BaseURL string

	// Model is the name by which the server knows the model.
	Model string

	// Dimensions is how many numbers a vector has. With 0, New asks the server.
	Dimensions int

	// RequestDimensions has the server asked for vectors of Dimensions numbers,
	// which models that were trained for it can shorten theirs to.
	RequestDimensions bool

	// Key is sent as bearer token where it is not empty.
	Key string

	// AllowKeyOverHTTP has Key sent over plain http to other machines too, where
	// everybody on the way can read it.
	AllowKeyOverHTTP bool

	// QueryPrefix and DocumentPrefix are put before each text. Many models were
	// trained with such, "query: " and "passage: " for instance, and are a good
	// deal worse without.
	QueryPrefix, DocumentPrefix string

	// Batch is how many texts are sent at once. The default is 32, the most that
	// Text Embeddings Inference takes when it is not told otherwise.
	Batch int

	// BatchBytes bounds the texts that are sent at once, in bytes of text; one
	// text alone may be longer. The default is 256 KiB.
	BatchBytes int

	// Timeout is for one request, its answer included. The default is 60 s.
	Timeout time.Duration

	// Retries is how often a request is repeated that met a busy or broken
	// server or none: status 408, 425, 429 and 5xx, and errors of the
	// connection. The default is 3; -1 is never.
	Retries int

	// Backoff is the wait before the first repetition. It doubles with each, and
	// up to half of it is left to chance. The default is 250 ms.
	Backoff time.Duration

	// MaxWait is the longest wait before one repetition. Where the server asks
	// for a longer one, with Retry-After, Embed fails at once. The default is 20 s.
	MaxWait time.Duration

	// NoShorten leaves a text without a vector that is too long for the server.
	// By default its beginning is embedded, as much as the server takes.
	NoShorten bool

	// Client sends the requests. The default is a client of its own with the
	// proxy settings of the environment. Redirects are refused in any case.
	Client *http.Client

	// Logger receives warnings. Nil is silent.
	Logger *slog.Logger
}

// DefaultBaseURL is OpenAI's address.
const DefaultBaseURL = "https://api.openai.com/v1"

// The defaults and bounds of Options.
const (
	defaultBatch      = 32
	defaultBatchBytes = 256 << 10
	defaultTimeout    = time.Minute
	defaultRetries    = 3
	defaultBackoff    = 250 * time.Millisecond
	defaultMaxWait    = 20 * time.Second
	maxBatch          = 4096
	maxRetries        = 20
)

// An Embedder asks one model of one server. It is safe for concurrent use.
type Embedder struct {
	opts     Options
	endpoint endpoint
	client   *http.Client
	log      *slog.Logger
	space    atocore.Space

	// downSince is when the server was last found not to answer, in Unix
	// nanoseconds, or 0. For a while from then on nothing is repeated, so that a
	// run of many small writes does not wait for a server that is gone each time.
	downSince atomic.Int64
}

var _ atocore.Embedder = (*Embedder)(nil)

// New returns an embedder. Where o.Dimensions is 0 it embeds one word to learn
// them, and fails if the server cannot be had; otherwise it sends nothing.
// Options that cannot be are errors that match [atocore.ErrInvalid].
func New(ctx context.Context, o *Options) (*Embedder, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if err := opts.complete(); err != nil {
		return nil, fmt.Errorf("openai: %w", err)
	}
	to, err := newEndpoint(opts.BaseURL)
	if err == nil && opts.Key != "" && !opts.AllowKeyOverHTTP && !to.private() {
		err = invalid("Key", fmt.Sprintf("would be sent in clear to %s", to), "use https, or allow it with AllowKeyOverHTTP")
	}
	if err == nil && opts.RequestDimensions && to.route != routeOpenAI && to.route != routeOllama {
		err = invalid("RequestDimensions", fmt.Sprintf("is not understood at %s", to), "use the route /v1/embeddings")
	}
	if err != nil {
		return nil, fmt.Errorf("openai: %w", err)
	}
	e := &Embedder{opts: opts, endpoint: to, client: withoutRedirects(opts.Client), log: opts.Logger}
	e.space = atocore.Space{Name: "openai:" + opts.Model, Dimensions: opts.Dimensions, Fingerprint: fingerprint(&opts)}
	if opts.Dimensions == 0 {
		if e.space.Dimensions, err = e.learn(ctx); err != nil {
			return nil, fmt.Errorf("openai: ask %s for the dimensions of model %q: %w", to, opts.Model, err)
		}
	}
	return e, nil
}

// complete puts in the defaults and refuses what cannot be.
func (o *Options) complete() error {
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	if o.Model == "" || len(o.Model) > 256 || strings.ContainsFunc(o.Model, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return invalid("Model", fmt.Sprintf("%.40q is no name of a model", o.Model), "use the name that the server knows it by")
	}
	if strings.ContainsAny(o.Key, "\r\n\x00") {
		return invalid("Key", "has a line break in it", "look for a stray one at its end")
	}
	if o.Dimensions < 0 || o.Dimensions > atocore.MaxDimensions {
		return invalid("Dimensions", fmt.Sprintf("is %d", o.Dimensions), fmt.Sprintf("use 1 to %d, or 0 to ask the server", atocore.MaxDimensions))
	}
	if o.RequestDimensions && o.Dimensions == 0 {
		return invalid("RequestDimensions", "needs Dimensions", "say how many")
	}
	for _, n := range []struct {
		name              string
		value             *int
		otherwise, bottom int
		top               int
	}{
		{"Batch", &o.Batch, defaultBatch, 1, maxBatch},
		{"BatchBytes", &o.BatchBytes, defaultBatchBytes, 1, 64 << 20},
		{"Retries", &o.Retries, defaultRetries, -1, maxRetries},
	} {
		if *n.value == 0 {
			*n.value = n.otherwise
		}
		if *n.value < n.bottom || *n.value > n.top {
			return invalid(n.name, fmt.Sprintf("is %d", *n.value), fmt.Sprintf("use %d to %d", n.bottom, n.top))
		}
	}
	for _, d := range []struct {
		name      string
		value     *time.Duration
		otherwise time.Duration
	}{
		{"Timeout", &o.Timeout, defaultTimeout},
		{"Backoff", &o.Backoff, defaultBackoff},
		{"MaxWait", &o.MaxWait, defaultMaxWait},
	} {
		if *d.value == 0 {
			*d.value = d.otherwise
		}
		if *d.value < 0 {
			return invalid(d.name, fmt.Sprintf("is %v", *d.value), "use a time above 0")
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

func invalid(field, reason, hint string) error {
	return &atocore.InvalidError{Field: field, Reason: reason, Hint: hint}
}

// withoutRedirects is a copy of the client that follows none: the texts, and the
// key, are for the server that was named.
func withoutRedirects(c *http.Client) *http.Client {
	var own http.Client
	if c != nil {
		own = *c
	} else {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 4
		own.Transport = transport
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// fingerprint changes with what the vectors depend on, as far as one can know
// from here. The server's address is not part of it: the same model elsewhere
// gives the same vectors.
func fingerprint(o *Options) string {
	h := sha256.New()
	for _, s := range []string{"1", o.Model, o.QueryPrefix, o.DocumentPrefix, fmt.Sprint(o.RequestDimensions)} {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Space implements [atocore.Embedder].
func (e *Embedder) Space() atocore.Space { return e.space }

// Close lets go of idle connections.
func (e *Embedder) Close() error {
	e.client.CloseIdleConnections()
	return nil
}

var _ io.Closer = (*Embedder)(nil)

// learn embeds a word to see how many dimensions come back.
func (e *Embedder) learn(ctx context.Context) (int, error) {
	vectors, err := e.ask(ctx, []string{canary})
	if err != nil {
		return 0, err
	}
	if n := len(vectors[0]); n < 1 || n > atocore.MaxDimensions {
		return 0, fmt.Errorf("the vector has %d dimensions, not 1 to %d", n, atocore.MaxDimensions)
	}
	return len(vectors[0]), nil
}

// Embed implements [atocore.Embedder]. A blank text has a nil vector. A text
// that the server refuses, or answers with a vector that is none, has an empty
// one, which a store takes for a fault of that text alone: it waits, and the
// others do not wait for it.
func (e *Embedder) Embed(ctx context.Context, texts []string, purpose atocore.Purpose) ([][]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	prefix := e.opts.DocumentPrefix
	if purpose == atocore.ForQuery {
		prefix = e.opts.QueryPrefix
	}
	out := make([][]float32, len(texts))
	var batch []item
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := e.embedBatch(ctx, batch, out)
		batch, size = batch[:0], 0
		return err
	}
	for i, text := range texts {
		if strings.TrimSpace(text) == "" {
			continue // many servers answer with an error, some with the vector of nothing
		}
		if len(batch) == e.opts.Batch || (size > 0 && size+len(text) > e.opts.BatchBytes) {
			if err := flush(); err != nil {
				return nil, fmt.Errorf("openai: %s: %w", e.endpoint, err)
			}
		}
		batch = append(batch, item{to: i, prefix: prefix, text: strings.ToValidUTF8(text, "\uFFFD")})
		size += len(text)
	}
	if err := flush(); err != nil {
		return nil, fmt.Errorf("openai: %s: %w", e.endpoint, err)
	}
	return out, nil
}

// checkVector says what is wrong with a vector of the right length.
func checkVector(v []float32) error {
	var sum float64
	for i, x := range v {
		f := float64(x)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("it has %v at dimension %d", x, i)
		}
		sum += f * f
	}
	if n := float32(sum); n == 0 || math.IsInf(float64(n), 0) {
		return errors.New("it is all zeros, or its length is out of range")
	}
	return nil
}

// jitter takes up to half of a wait away, so that clients that failed together
// do not come back together.
func jitter(d time.Duration) time.Duration { return d - rand.N(d/2+1) }
