package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/embedders"
)

// A chosenEmbedder is the one of --embedder. It is opened when the first store
// is, for all that the command opens, and closed when the command ends.
type chosenEmbedder struct {
	spec   string
	cache  string // for vectors; empty is none
	getenv func(string) string

	opened   bool
	embedder atocore.Embedder // nil is none
	closer   io.Closer
	err      error // why there is none, though one was chosen
}

// noCache is what --embedding-cache is for no cache.
const noCache = "off"

// choose notes what the flags say.
func (p *globals) choose(dirs locations, getenv func(string) string) (*chosenEmbedder, error) {
	c := &chosenEmbedder{getenv: getenv}
	if p.Embedder != nil {
		c.spec = *p.Embedder
	}
	if err := embedders.Check(c.spec); err != nil {
		return nil, err
	}
	if dirs.cache != "" {
		c.cache = filepath.Join(filepath.Dir(dirs.cache), "embeddings")
	}
	if p.EmbeddingCache != nil {
		if c.cache = *p.EmbeddingCache; c.cache == "" {
			return nil, &usageError{reason: "--embedding-cache is empty: name a directory, or off"}
		}
	}
	if c.cache == noCache {
		c.cache = ""
	}
	return c, nil
}

// open opens the embedder, once. One that was chosen wrongly is an error. One
// that cannot be had at present is not: what is written then waits for its
// vectors, and is found by its words.
func (c *chosenEmbedder) open(ctx context.Context, log *slog.Logger) error {
	if !c.opened {
		c.opened = true
		c.embedder, c.closer, c.err = embedders.Open(ctx, c.spec, &embedders.Options{CacheDir: c.cache, Getenv: c.getenv, Logger: log})
		if c.err != nil && !errors.Is(c.err, atocore.ErrInvalid) && ctx.Err() == nil {
			log.Warn("the embedder cannot be had: texts wait for their vectors, and are found by their words", "error", c.err)
		}
	}
	if errors.Is(c.err, atocore.ErrInvalid) || ctx.Err() != nil {
		return c.err
	}
	return nil
}

func (c *chosenEmbedder) close() error {
	if c == nil || c.closer == nil {
		return nil
	}
	return c.closer.Close()
}

// withEmbedder puts the embedder into the options of a store.
func (s *session) withEmbedder(ctx context.Context, o *atocore.Options) error {
	if err := s.embedder.open(ctx, o.Logger); err != nil {
		return err
	}
	o.Embedder, o.NoEmbedder = s.embedder.embedder, s.embedder.embedder == nil
	return nil
}
