package openai

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"
)

// An item is a text on its way, and where its vector goes.
type item struct {
	to     int
	prefix string
	text   string
}

// canary is a text that every model takes.
const canary = "word"

// shortest is what a text is shortened to at most, in bytes: a server that
// refuses that much refuses it for another reason.
const shortest = 256

// embedBatch embeds the items of one request. Where the server refuses it, one
// of the texts may be why, or all that is ever sent: a word that cannot be
// wrong tells.
func (e *Embedder) embedBatch(ctx context.Context, batch []item, out [][]float32) error {
	err := e.embedItems(ctx, batch, out)
	refused, ok := errors.AsType[*refusal](err)
	if !ok {
		return err
	}
	if _, err := e.ask(ctx, []string{canary}); err != nil {
		return err
	}
	return e.split(ctx, batch, out, refused.err)
}

// split embeds in halves what was refused as a whole, down to the texts that are
// to blame.
func (e *Embedder) split(ctx context.Context, batch []item, out [][]float32, why error) error {
	if len(batch) == 1 {
		return e.shorten(ctx, batch[0], out, why)
	}
	half := len(batch) / 2
	for _, part := range [][]item{batch[:half], batch[half:]} {
		err := e.embedItems(ctx, part, out)
		if refused, ok := errors.AsType[*refusal](err); ok {
			err = e.split(ctx, part, out, refused.err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shorten embeds as much of a text as the server takes, by halves. What is not
// even then taken has an empty vector.
func (e *Embedder) shorten(ctx context.Context, it item, out [][]float32, why error) error {
	full := len(it.text)
	for !e.opts.NoShorten && len(it.text) > shortest {
		it.text = beginning(it.text, max(len(it.text)/2, shortest))
		err := e.embedItems(ctx, []item{it}, out)
		if refused, ok := errors.AsType[*refusal](err); ok {
			why = refused.err
			continue
		}
		if err == nil {
			e.log.WarnContext(ctx, "a text is too long for the embedding server: its beginning is embedded", "bytes", full, "embedded", len(it.text))
		}
		return err
	}
	e.log.WarnContext(ctx, "the embedding server refuses a text", "bytes", full, "error", why)
	out[it.to] = []float32{}
	return nil
}

// beginning is the first n bytes of a text, less what is cut of a character.
func beginning(text string, n int) string {
	if n >= len(text) {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// embedItems sends one request and puts the vectors where they belong.
func (e *Embedder) embedItems(ctx context.Context, batch []item, out [][]float32) error {
	texts := make([]string, len(batch))
	for i, it := range batch {
		texts[i] = it.prefix + it.text
	}
	vectors, err := e.ask(ctx, texts)
	if err != nil {
		return err
	}
	for i, v := range vectors {
		if len(v) != e.space.Dimensions && len(v) > 0 {
			return fmt.Errorf("model %q gives vectors of %d dimensions, not %d", e.opts.Model, len(v), e.space.Dimensions)
		}
		if err := checkVector(v); err != nil {
			e.log.WarnContext(ctx, "the embedding server gave a vector that is none", "error", err)
			v = []float32{}
		}
		out[batch[i].to] = v
	}
	return nil
}
