package openai

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What an answer may have in bytes: for each text the longest vector written
// out, and some for what is around them.
const (
	maxAnswerBase = 1 << 20
	maxAnswerText = 256 << 10
	maxErrorBody  = 64 << 10
)

// down is for how long after an attempt that found no server nothing is
// repeated.
const down = 10 * time.Second

// A refusal is an answer that says that the request is wrong, not the server:
// one text too long, too many of them, a model that is not there.
type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// A passing error is one that may not come again.
type passing struct {
	err   error
	after time.Duration // what the server asked for, or 0
	gone  bool          // there was no server at all
}

func (p *passing) Error() string { return p.err.Error() }
func (p *passing) Unwrap() error { return p.err }

// ask sends texts and returns their vectors, as they come. It repeats what may
// pass.
func (e *Embedder) ask(ctx context.Context, texts []string) ([][]float32, error) {
	body, err := e.question(texts)
	if err != nil {
		return nil, err
	}
	wait := e.opts.Backoff
	for attempt := 0; ; attempt++ {
		vectors, err := e.once(ctx, body, texts)
		p, ok := errors.AsType[*passing](err)
		if !ok {
			if err == nil {
				e.downSince.Store(0)
			}
			return vectors, err
		}
		if attempt >= e.opts.Retries || (p.gone && e.isDown()) {
			if p.gone {
				e.downSince.Store(time.Now().UnixNano())
			}
			return nil, err
		}
		pause := max(jitter(min(wait, e.opts.MaxWait)), p.after)
		if pause > e.opts.MaxWait {
			return nil, fmt.Errorf("%w; it asks to be left alone for %v", err, p.after.Round(time.Second))
		}
		if err := sleep(ctx, pause, err); err != nil {
			return nil, err
		}
		wait *= 2
	}
}

func (e *Embedder) isDown() bool {
	since := e.downSince.Load()
	return since != 0 && time.Since(time.Unix(0, since)) < down
}

// sleep waits, or returns why what came before will not be repeated.
func sleep(ctx context.Context, d time.Duration, before error) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return fmt.Errorf("%w; there is no time to ask again", before)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// once sends a request and reads the answer.
func (e *Embedder) once(ctx context.Context, body []byte, texts []string) ([][]float32, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, e.opts.Timeout, errTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.endpoint.url.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "atocore")
	if e.opts.Key != "" {
		req.Header.Set("Authorization", "Bearer "+e.opts.Key)
	}
	res, err := e.client.Do(req)
	if err != nil {
		return nil, broken(ctx, err, true)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, e.failure(res, texts)
	}
	limit := int64(maxAnswerBase + len(texts)*maxAnswerText)
	answer, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return nil, broken(ctx, err, false)
	}
	if int64(len(answer)) > limit {
		return nil, fmt.Errorf("the answer is longer than %d bytes", limit)
	}
	return parseAnswer(answer, len(texts))
}

var errTimeout = errors.New("no answer in time")

// broken is the error of a connection that did not work.
func broken(ctx context.Context, err error, gone bool) error {
	if ctx.Err() != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errTimeout) {
			return &passing{err: errTimeout, gone: true}
		}
		return ctx.Err()
	}
	return &passing{err: err, gone: gone}
}

// failure is the error of an answer that is not 200.
func (e *Embedder) failure(res *http.Response, texts []string) error {
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody)) // what came of it will do
	said := message(body, texts, e.opts.Key)
	err := fmt.Errorf("the server answers %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	if said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	switch status := res.StatusCode; {
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge, status == http.StatusUnprocessableEntity, tooLong(said):
		return &refusal{err}
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		if e.opts.Key == "" {
			return fmt.Errorf("%w; no key was sent", err)
		}
		return err
	case status >= 300 && status < 400:
		return fmt.Errorf("%w, a redirect, which is not followed: name the address that it leads to", err)
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests, status >= 500:
		return &passing{err: err, after: retryAfter(res.Header.Get("Retry-After"), time.Now())}
	}
	return err
}

// tooLong recognises what llama.cpp and older versions of Ollama say of a text
// that is too long, with status 500.
func tooLong(said string) bool {
	return strings.Contains(said, "too large to process") || strings.Contains(said, "context length")
}

// retryAfter reads a Retry-After header, seconds or a date (RFC 9110, 10.2.3).
func retryAfter(header string, now time.Time) time.Duration {
	const longest = 24 * time.Hour
	if header == "" {
		return 0
	}
	if n, err := strconv.ParseUint(header, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, longest)
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), longest)
}
