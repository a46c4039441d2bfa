// Package httpapi serves a store over HTTP.
//
// NewHandler gives a handler for any Go server; atocore serve is that with a listener.
// Requests and answers are JSON in the words of the command line's --json, errors are
// application/problem+json, and the handler describes itself at /openapi.json. See
// docs/http.md for the routes.
//
// What each operation does is one call of the library. The handler adds what a server
// needs: bounds of size and time, request IDs, an access log without content, and the
// refusal of pages of other origins, of hosts that are none of this server's, and of
// whoever has no token. The zero Options are the safe ones: they serve this machine,
// and nothing under /admin.
package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/wire"
)

// Options configures NewHandler. A nil *Options consists entirely of default values.
type Options struct {
	// Token is what a client has to send, as Authorization: Bearer, for everything but
	// /health and the OpenAPI document. With none, what is under /admin is refused,
	// and so is who connects to an address that is not of the loopback interface.
	// NewHandler panics where it has fewer than MinToken characters.
	Token string

	// AllowHosts are names, besides those of the loopback interface and the address
	// that a client connected to, by which clients may call this server.
	AllowHosts []string

	// Unguarded leaves it to the handlers around this one to say who may do what:
	// neither token, host nor origin is looked at, and all may use /admin.
	Unguarded bool

	// Backup is where snapshots are, and what they say of this program. Its Options are
	// not used: they are the store's.
	Backup *atocore.BackupOptions

	// Scratch is where drills restore to; empty is the directory for temporary files.
	Scratch string

	// Build is what this program was built from, for /health.
	Build Build

	// Logger receives a line for each request, and the causes of faults. Nil is
	// silent. Neither content nor questions are logged.
	Logger *slog.Logger

	// Metrics serves Prometheus metrics, from a registry of this handler's own, at
	// /metrics.
	Metrics bool

	// Jobs are the periodic jobs, for /health and metrics; nil is none. It may be
	// called at any time and by several goroutines.
	Jobs func() []JobStatus

	// EmbedderError is why the embedder could not be used when it was last tried, for
	// /health. Nil, or a nil error, says nothing.
	EmbedderError func() error

	// Timeout bounds a request, LongTimeout one that takes or proves snapshots. 0 is 30
	// seconds and 30 minutes.
	Timeout, LongTimeout time.Duration

	// Closing is closed when the server is about to stop: answers that wait for more
	// to come end then. Nil is never.
	Closing <-chan struct{}

	// Mount puts further handlers beside the operations, by their paths, with the same
	// guard and log. A body may have 8 MiB and takes 30 seconds to arrive at most; how
	// long they take otherwise is their own concern.
	Mount map[string]http.Handler
}

// A Build is what a program was built from. Fields may be empty.
type Build struct {
	Version  string
	Revision string
	Time     string
}

// A JobStatus says how a periodic job is doing.
type JobStatus struct {
	Name     string     `json:"name"`
	Schedule string     `json:"schedule,omitempty"`
	Running  bool       `json:"running"`
	Next     *time.Time `json:"next"`     // when it is due; null is never
	LastRun  *time.Time `json:"last_run"` // when it last ended; null is never
	LastOK   *time.Time `json:"last_ok"`  // when it last ended well
	OK       *bool      `json:"ok"`       // whether the last run ended well; null is that there was none
	Took     float64    `json:"took_s"`   // the last run, in seconds
	Result   string     `json:"result,omitempty"`
	Error    string     `json:"error,omitempty"`
	Runs     int64      `json:"runs"` // since the program began
	Failures int64      `json:"failures"`
}

// A server is a handler with what it stands on.
type server struct {
	store   *atocore.Store
	backup  *atocore.Backup
	o       Options
	began   time.Time
	timeout time.Duration
	long    time.Duration

	mux     *http.ServeMux
	api     huma.API
	bounds  map[string]bounds // by pattern
	large   chan struct{}     // has an element for each large body
	metrics *metrics
}

// bounds are what a request to one of the operations may take.
type bounds struct {
	body int64         // bytes; 0 is defaultBody
	time time.Duration // 0 is Options.Timeout
	raw  bool          // neither is looked at
}

// mountedBody bounds the bodies for what is mounted.
const mountedBody = 8 << 20

// NewHandler returns a handler for the store, which stays the caller's to close, after the
// last request. A server that gives it a part of its paths has to strip the prefix:
// http.StripPrefix("/memory", NewHandler(store, nil)).
func NewHandler(store *atocore.Store, o *Options) http.Handler {
	s := newServer(store, o)
	return guarded(s.handler(), &s.o, s.metrics)
}

// Guard puts around h what every request to NewHandler's handler passes: the check of
// token, host and origin, request IDs, the log, and the end of panics. For handlers that
// go with the operations, Options.Mount is simpler.
func Guard(h http.Handler, o *Options) http.Handler {
	if o == nil {
		o = &Options{}
	}
	checkToken(o.Token)
	return guarded(h, o, nil)
}

func checkToken(token string) {
	if token != "" && len(token) < MinToken {
		panic("httpapi: Options.Token is too short to be a secret")
	}
}

func newServer(store *atocore.Store, o *Options) *server {
	s := &server{store: store, began: time.Now(), mux: http.NewServeMux(), bounds: map[string]bounds{}, large: make(chan struct{}, maxLarge)}
	if o != nil {
		s.o = *o
	}
	checkToken(s.o.Token)
	if s.timeout = s.o.Timeout; s.timeout == 0 {
		s.timeout = 30 * time.Second
	}
	if s.long = s.o.LongTimeout; s.long == 0 {
		s.long = 30 * time.Minute
	}
	s.backup = store.Backup(s.o.Backup)
	s.api = newAPI(s.mux)
	s.memoryRoutes()
	s.candidateRoutes()
	s.retrievalRoutes()
	s.documentRoutes()
	s.projectRoutes()
	s.interactionRoutes()
	s.journalRoute()
	s.healthRoute()
	s.adminRoutes()
	s.specRoutes()
	if s.o.Metrics {
		s.metrics = newMetrics(s)
		s.mux.Handle("GET /metrics", s.metrics.handler(logger(&s.o)))
	}
	for path, h := range s.o.Mount {
		s.mux.Handle(path, h)
		s.bounds[path] = bounds{raw: true, body: mountedBody}
	}
	return s
}

// handler is the operations and what is mounted, without the guard.
func (s *server) handler() http.Handler {
	bounded := s.bounded(s.mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := s.mux.Handler(r)
		if pattern != "" {
			bounded.ServeHTTP(w, r)
			return
		}
		// What net/http would answer, as a problem.
		var refusal refusal
		h.ServeHTTP(&refusal, r)
		if refusal.status == http.StatusMethodNotAllowed {
			w.Header()["Allow"] = refusal.header["Allow"]
			writeProblem(w, r, errMethod)
			return
		}
		writeProblem(w, r, &atocore.NotFoundError{Kind: "path", ID: r.URL.Path, Hint: "/openapi.json has them all"})
	})
}

// A refusal takes the answer of a handler that does nothing else.
type refusal struct {
	header http.Header
	status int
}

func (r *refusal) Header() http.Header {
	if r.header == nil {
		r.header = http.Header{}
	}
	return r.header
}

func (r *refusal) Write(b []byte) (int, error) { return len(b), nil }
func (r *refusal) WriteHeader(status int)      { r.status = status }

// newAPI is huma without what it adds of its own: pages that load scripts from elsewhere,
// links in answers, formats.
func newAPI(mux *http.ServeMux) huma.API {
	format := huma.Format{
		Marshal: func(w io.Writer, v any) error {
			b, err := wire.Encode(v)
			if err != nil {
				return err
			}
			_, err = w.Write(b)
			return err
		},
		Unmarshal: json.Unmarshal,
	}
	return humago.New(mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:       "atocore",
				Version:     apiVersion,
				Description: "A memory and context engine. Field names are those of the command line's --json; errors are problems in the form of RFC 9457, whose code tells them apart.",
				License:     &huma.License{Name: "MIT", Identifier: "MIT"},
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token": {Type: "http", Scheme: "bearer", Description: "The server's token, from ATOCORE_TOKEN or --token-file."},
				},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{plain},
	})
}

// apiVersion is of the interface, not of the program, which /health names.
const apiVersion = "1"

// An operation is a route and what is said of it.
type operation struct {
	route  string // method and path
	id     string
	tag    string
	doc    string
	body   int64 // bytes; 0 is defaultBody
	errors []int // beside those that all have
	admin  bool
	long   bool
	raw    bool // see bounds
	public bool // needs no token, ever
	write  bool
	// responses are documented instead of what the type of the result says.
	responses map[string]*huma.Response
}

// out is a result in the form that huma expects.
type out[O any] struct{ Body O }

// add adds an operation.
func add[I, O any](s *server, o operation, run func(context.Context, *I) (O, error)) {
	register(s, o, func(ctx context.Context, in *I) (*out[O], error) {
		if o.admin {
			if err := s.authorised(ctx); err != nil {
				return nil, s.problem(ctx, err)
			}
		}
		v, err := run(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		return &out[O]{v}, nil
	})
}

// authorised refuses who has not shown the token. It is asked by each operation that
// needs it, besides the guard, so that no way of writing a path leads around it.
func (s *server) authorised(ctx context.Context) error {
	switch {
	case requestOf(ctx).authorised:
		return nil
	case s.o.Token == "":
		return errNoToken
	}
	return errUnauthorized
}

// problem is an error for the client, noted for the log.
func (s *server) problem(ctx context.Context, err error) *Problem {
	requestOf(ctx).cause = err
	return problemOf(ctx, err)
}

// register tells huma, and the document, about an operation.
func register[I, O any](s *server, o operation, run func(context.Context, *I) (*O, error)) {
	method, path, _ := strings.Cut(o.route, " ")
	op := huma.Operation{
		OperationID: o.id, Method: method, Path: path, Tags: []string{o.tag}, Summary: o.doc,
		Responses: o.responses, MaxBodyBytes: -1, BodyReadTimeout: -1, // bounded has seen to it
		Security: []map[string][]string{{"token": {}}},
	}
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	if o.public {
		op.Security = []map[string][]string{}
	} else if !o.admin {
		op.Security = append(op.Security, map[string][]string{}) // where there is no token
	}
	b := bounds{body: o.body, raw: o.raw}
	if o.long {
		b.time = s.long
	}
	s.bounds[o.route] = b
	huma.Register(s.api, op, run)

	declared := []int{400, 401, 403, 421, 422, 500, 503, 504}
	if op := find(s.api.OpenAPI(), method, path); op.RequestBody != nil {
		declared = append(declared, 408, 413, 415)
	}
	if o.write {
		declared = append(declared, 507)
	}
	declared = append(declared, o.errors...)
	slices.Sort(declared)
	declare(s.api, method, path, declared)
}
