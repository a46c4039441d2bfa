// Package embedders opens the embedder that a line of text names, so that a
// program has one setting for all of them:
//
//	e, closer, err := embedders.Open(ctx, os.Getenv("EMBEDDER"), nil)
//	if err != nil {
//		return err
//	}
//	defer closer.Close()
//	store, err := atocore.Open(ctx, dir, &atocore.Options{Embedder: e, NoEmbedder: e == nil})
//
// The lines are:
//
//	default                       the built-in embedder; so is an empty line
//	none                          no embedder
//	static:DIR                    a static model in a folder, package static
//	openai:MODEL                  a model of OpenAI, package openai
//	openai:MODEL@URL              a model of any server with such an API
//
// Behind a "?" stand options, as in an address: name=value, with "&" between them,
// a space written as "+" or "%20". For static: max-tokens. For openai:
//
//	dimensions=N            how many numbers a vector has; else the server is asked once
//	request-dimensions=true have the server shorten its vectors to that
//	query-prefix=TEXT       put before questions
//	document-prefix=TEXT    put before texts to be found
//	key=NAME                the environment variable with the key; of OpenAI itself OPENAI_API_KEY
//	key-over-http=true      send the key over plain http to other machines too
//	batch=N                 texts a request
//	batch-bytes=N           and their bytes
//	timeout=30s             for a request
//	retries=N               0 is none
//	shorten=false           leave texts without a vector that are too long for the server
//
// An option that is not there is an error, as is a URL with a query of its own.
package embedders

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/embedders/cached"
	"github.com/atocore/atocore/adapters/embedders/openai"
	"github.com/atocore/atocore/adapters/embedders/static"
)

// Options are optional, as a whole and each.
type Options struct {
	// CacheDir is a directory for the vectors that a server has computed, see
	// package cached, and for what New would ask it. Empty is none. Vectors of
	// local embedders are not kept: to compute them is as fast as to read them.
	CacheDir string

	// Cache says how they are kept. Its Logger is the one below.
	Cache cached.Options

	// Getenv looks up keys and the home directory. Nil is os.Getenv.
	Getenv func(string) string

	// Client sends the requests to a server; nil is one of package openai's own.
	Client *http.Client

	// Logger receives warnings. Nil is silent.
	Logger *slog.Logger
}

// nothing is the closer of what needs none.
type nothing struct{}

func (nothing) Close() error { return nil }

// Open opens the embedder that spec names; it is nil for "none". The closer is
// never nil where err is.
//
// A spec that cannot be is an error that matches [atocore.ErrInvalid], with a hint
// how to write it; a folder that is not there matches it as well. With openai
// and without dimensions the server is asked for them, unless it was before, with
// the same CacheDir; that it cannot be had is any other error.
func Open(ctx context.Context, spec string, o *Options) (atocore.Embedder, io.Closer, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Getenv == nil {
		opts.Getenv = os.Getenv
	}
	s, err := parse(spec)
	if err != nil {
		return nil, nil, err
	}
	switch s.kind {
	case kindNone:
		return nil, nothing{}, nil
	case kindStatic:
		e, err := openStatic(s, &opts)
		if err != nil {
			return nil, nil, err
		}
		return e, e, nil
	case kindOpenAI:
		return openServer(ctx, s, &opts)
	}
	return atocore.DefaultEmbedder(), nothing{}, nil
}

func openStatic(s *parsed, o *Options) (*static.Embedder, error) {
	dir := s.dir
	if rest, ok := strings.CutPrefix(dir, "~/"); ok {
		if home := cmp.Or(o.Getenv("HOME"), o.Getenv("USERPROFILE")); home != "" {
			dir = filepath.Join(home, rest)
		}
	}
	e, err := static.Open(dir, &s.static)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &atocore.InvalidError{Field: "embedder", Reason: fmt.Sprintf("static: there is no folder %s", dir), Hint: "name the folder that model.safetensors is in, as in static:/models/potion-base-8M"}
	}
	return e, err
}

func openServer(ctx context.Context, s *parsed, o *Options) (atocore.Embedder, io.Closer, error) {
	server := s.openai
	server.Client, server.Logger = o.Client, o.Logger
	if s.key != "" {
		server.Key = strings.TrimSpace(o.Getenv(s.key))
		if server.Key == "" {
			return nil, nil, &atocore.InvalidError{Field: "embedder", Reason: fmt.Sprintf("the environment variable %s, which the key for %s is in, is empty", s.key, orOpenAI(server.BaseURL)),
				Hint: "set it, or name another with ?key=NAME"}
		}
	}
	memory := dimensionsFile(o.CacheDir, &server)
	known := server.Dimensions == 0 && memory != ""
	if known {
		server.Dimensions = readDimensions(memory)
		known = server.Dimensions != 0
	}
	e, err := openai.New(ctx, &server)
	if err != nil {
		if errors.Is(err, atocore.ErrInvalid) {
			return nil, nil, err
		}
		return nil, nil, fmt.Errorf("%w: is the server running, and does it know the model? With ?dimensions=N in the embedder it is not asked", err)
	}
	if o.CacheDir == "" {
		return e, e, nil
	}
	if s.openai.Dimensions == 0 && !known {
		writeDimensions(memory, e.Space().Dimensions)
	}
	keep := o.Cache
	keep.Logger = o.Logger
	c, err := cached.New(e, o.CacheDir, &keep)
	if err != nil {
		return nil, nil, errors.Join(err, e.Close())
	}
	return c, c, nil
}

func orOpenAI(url string) string {
	if url == "" {
		return openai.DefaultBaseURL
	}
	return url
}

// dimensionsFile is where it is kept how many dimensions a model has, so that a
// store can be opened while its server is down.
func dimensionsFile(dir string, o *openai.Options) string {
	if dir == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(orOpenAI(o.BaseURL) + "\n" + o.Model))
	return filepath.Join(dir, "dimensions-"+hex.EncodeToString(sum[:12])+".txt")
}

// readDimensions returns 0 where it is not known.
func readDimensions(name string) int {
	src, err := os.ReadFile(name)
	if err != nil || len(src) > 16 {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(src)))
	if err != nil || n < 1 || n > atocore.MaxDimensions {
		return 0
	}
	return n
}

// writeDimensions tries to; the server can be asked again.
func writeDimensions(name string, n int) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(name), "new-*")
	if err != nil {
		return
	}
	_, err = fmt.Fprintln(f, n)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
}
