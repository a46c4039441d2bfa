package httpapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/wire"
)

// A request is what is known of one request, from its beginning to the log.
type request struct {
	id         string
	client     string // as the client calls itself
	route      string // the pattern that matched
	authorised bool
	cause      error // behind a problem
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	if q, ok := ctx.Value(requestKey{}).(*request); ok {
		return q
	}
	return &request{}
}

func requestID(ctx context.Context) string { return requestOf(ctx).id }

// sane reports what an ID or a name from a header may be: 1 to 64 letters, digits and ._:-
func sane(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._:-", r)
	})
}

func newRequest(r *http.Request) *request {
	q := &request{id: r.Header.Get("X-Request-Id"), client: r.Header.Get("X-Atocore-Client")}
	if !sane(q.id) {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		q.id = hex.EncodeToString(b[:])
	}
	if !sane(q.client) {
		q.client = ""
	}
	return q
}

// actor is who the journal says has made a change.
func (q *request) actor() string {
	if q.client == "" {
		return "http"
	}
	return "http:" + q.client
}

// guarded puts around h what every request passes: its ID, the log, the guard, and the
// end of a panic.
func guarded(h http.Handler, o *Options, m *metrics) http.Handler {
	g, log := newGuard(o), logger(o)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		q, w, began := newRequest(r), &writer{ResponseWriter: rw}, time.Now()
		ctx := context.WithValue(atocore.WithActor(r.Context(), q.actor()), requestKey{}, q)
		r = r.WithContext(ctx)
		header := w.Header()
		header.Set("X-Request-Id", q.id)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store")
		m.begin()
		finish := func() {
			took := time.Since(began)
			q.route = r.Pattern
			m.end(q.route, r.Method, w.status(), took)
			attrs := []slog.Attr{
				slog.String("method", loggable(r.Method)), slog.String("route", q.route), slog.Int("status", w.status()),
				slog.Int64("bytes", w.bytes), slog.Duration("took", took.Round(time.Microsecond)),
				slog.String("request_id", q.id), slog.String("actor", q.actor()),
			}
			level := slog.LevelInfo
			if q.cause != nil {
				attrs = append(attrs, slog.String("code", classify(q.cause).code))
			}
			if q.cause != nil && w.status() >= http.StatusInternalServerError {
				// What is wrong with a request repeats some of it, and stays out.
				level = slog.LevelError
				attrs = append(attrs, slog.String("error", short(q.cause.Error())))
			}
			log.LogAttrs(ctx, level, "request", attrs...)
		}
		defer func() {
			p := recover()
			if p != nil && p != http.ErrAbortHandler { //nolint:errorlint // it is compared as net/http does
				log.LogAttrs(ctx, slog.LevelError, "panic", slog.String("request_id", q.id),
					slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
				if !w.begun() {
					writeProblem(w, r, errors.New("panic"))
					finish()
					return
				}
				p = http.ErrAbortHandler // what is out already must not look whole
			}
			finish()
			if p != nil {
				panic(p)
			}
		}()
		authorised, err := g.check(r)
		if err != nil {
			writeProblem(w, r, err)
			return
		}
		q.authorised = authorised
		h.ServeHTTP(w, r)
	})
}

func logger(o *Options) *slog.Logger {
	if o.Logger != nil {
		return o.Logger
	}
	return slog.New(slog.DiscardHandler)
}

// loggable keeps a method that somebody made up out of the log and the metrics.
func loggable(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

func writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	requestOf(r.Context()).cause = err
	if r.ContentLength != 0 {
		// net/http reads what is left of a body before it lets go of the connection,
		// for as long as that takes.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(restTime)) // best effort
	}
	p := problemOf(r.Context(), err)
	body, encodeErr := wire.Encode(p)
	if encodeErr != nil {
		panic(encodeErr) // it is strings and a number
	}
	for key, values := range p.GetHeaders() {
		w.Header()[key] = values
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // a client that is gone misses nothing
}

// A writer notes what is answered.
type writer struct {
	http.ResponseWriter
	code  int
	bytes int64
}

func (w *writer) WriteHeader(code int) {
	if w.code == 0 && code >= 200 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *writer) Write(b []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is for handlers that do not know http.ResponseController.
func (w *writer) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

func (w *writer) begun() bool { return w.code != 0 }

func (w *writer) status() int {
	if w.code == 0 {
		return http.StatusOK
	}
	return w.code
}

// bounded reads the body of a request to one of the operations, whole, within bounds of
// size and time, and gives the operation its deadline.
func (s *server) bounded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, pattern := s.mux.Handler(r)
		r.Pattern = pattern // for the log, also of what does not get there
		if !utf8.ValidString(r.URL.Path) || !validQuery(r) {
			writeProblem(w, r, &detailError{err: errMalformed, detail: "the path or the query is not UTF-8, or not escaped as it should be"})
			return
		}
		b := s.bounds[pattern]
		if b.body == 0 {
			b.body = defaultBody
		}
		if b.time == 0 {
			b.time = s.timeout
		}
		control := http.NewResponseController(w)
		if !b.raw {
			release, err := s.room(r, b)
			if err != nil {
				writeProblem(w, r, err)
				return
			}
			defer release()
			body, err := readBody(w, r, control, b.body)
			if err != nil {
				w.Header().Set("Connection", "close") // what is left of the body is not read
				writeProblem(w, r, err)
				return
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			ctx, cancel := context.WithTimeout(r.Context(), b.time)
			defer cancel()
			allow(r, control, b.time+writeSlack)
			h.ServeHTTP(w, r.WithContext(ctx))
			return
		}
		if b.body > 0 && r.ContentLength != 0 {
			// What is mounted reads its body itself, within the same bounds.
			r.Body = &timedBody{ReadCloser: http.MaxBytesReader(w, r.Body, b.body), control: control}
			_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // best effort: not all servers have deadlines
		}
		h.ServeHTTP(w, r)
	})
}

// maxLarge is how many bodies beyond the ordinary are in memory at once.
const maxLarge = 4

// room waits until there is room for the body.
func (s *server) room(r *http.Request, b bounds) (release func(), err error) {
	if b.body <= defaultBody || r.ContentLength >= 0 && r.ContentLength <= defaultBody {
		return func() {}, nil
	}
	wait := time.NewTimer(b.time)
	defer wait.Stop()
	select {
	case s.large <- struct{}{}:
		return func() { <-s.large }, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-wait.C:
		return nil, atocore.ErrBusy
	}
}

// A timedBody lifts the deadline for a body when it is there: it would end the request.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		_ = b.control.SetReadDeadline(time.Time{}) // it could be set as well
	}
	return n, err
}

const (
	// defaultBody bounds bodies: the longest text of a memory, were every byte of it
	// escaped, and what is around it.
	defaultBody = 1 << 20
	// bodyTime is how long a body may take to arrive.
	bodyTime = 30 * time.Second
	// restTime is how long what is left of a refused request's body may take.
	restTime = 2 * time.Second
	// writeSlack is how long an answer may take to be sent.
	writeSlack = 15 * time.Second
)

// roomFor is how long a body may be whose texts are so long: signs in it may be escaped.
func roomFor(text int64) int64 { return 2*text + 64<<10 }

// validQuery reports whether the query says what it seems to: a part with a false escape
// would be left out without a word.
func validQuery(r *http.Request) bool {
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if text, err := url.QueryUnescape(part); err != nil || !utf8.ValidString(text) {
			return false
		}
	}
	return true
}

// readBody reads the whole body, so that no operation waits for a client while it works.
func readBody(w http.ResponseWriter, r *http.Request, control *http.ResponseController, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	if err := control.SetReadDeadline(time.Now().Add(bodyTime)); err == nil {
		// The deadline must not outlast the body: it would end the request.
		defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge(limit)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, errSlow
	case err != nil:
		return nil, &detailError{err: errMalformed, detail: "the body ends before its end"}
	case len(body) == 0:
		return nil, nil
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := params["charset"]; err != nil || media != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return nil, errMediaType
	}
	if err := wire.Check(body); err != nil {
		return nil, &detailError{err: errMalformed, field: "body", detail: "the body " + err.Error()}
	}
	return body, nil
}

func tooLarge(limit int64) error {
	return &detailError{err: errTooLarge, detail: fmt.Sprintf("it may have %d bytes", limit), hint: "send less at once"}
}
