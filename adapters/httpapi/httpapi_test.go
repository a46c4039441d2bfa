package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/httpapi"
)

const token = "correct-horse-battery"

// cacheDir is the compiled engine of all tests of a run.
var cacheDir = filepath.Join(os.TempDir(), "atocore-test-wasm")

// openStore opens a store in a new directory. At the end of the test it is checked and
// closed.
func openStore(t testing.TB, o *atocore.Options) *atocore.Store {
	t.Helper()
	var opts atocore.Options
	if o != nil {
		opts = *o
	}
	opts.CompileCache = cacheDir
	s, err := atocore.Open(t.Context(), t.TempDir(), &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		report, err := s.Check(context.Background()) // the test's own is over
		if err != nil && !errors.Is(err, atocore.ErrClosed) {
			t.Errorf("check of the store: %v", err)
		}
		for _, f := range report.Findings {
			t.Errorf("check of the store: %+v", f)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A service is a store behind a server.
type service struct {
	*httptest.Server
	store *atocore.Store
	log   *lines
}

// lines is a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func serve(t testing.TB, store *atocore.Store, o *httpapi.Options) *service {
	t.Helper()
	s := &service{store: store, log: &lines{}}
	opts := httpapi.Options{Token: token, Metrics: true}
	if o != nil {
		opts = *o
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewJSONHandler(s.log, nil))
	}
	s.Server = httptest.NewServer(httpapi.NewHandler(store, &opts))
	t.Cleanup(s.Close)
	return s
}

func newService(t testing.TB) *service { return serve(t, openStore(t, nil), nil) }

// An answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request. A body that is no string is encoded.
func (s *service) do(t testing.TB, method, path string, body any, header ...string) answer {
	t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
			continue
		}
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	return send(t, s.Client(), req)
}

func send(t testing.TB, c *http.Client, req *http.Request) answer {
	t.Helper()
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, text}
}

// get sends a request that is to succeed, and decodes its answer.
func get[T any](t testing.TB, s *service, method, path string, body any, header ...string) (v T) {
	t.Helper()
	a := s.do(t, method, path, body, header...)
	if a.status != http.StatusOK {
		t.Fatalf("%s %s: %d: %s", method, path, a.status, a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("%s %s: content type %q", method, path, got)
	}
	dec := json.NewDecoder(bytes.NewReader(a.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, a.body)
	}
	return v
}

// fails sends a request that is to fail with this status and code.
func (s *service) fails(t testing.TB, status int, code, method, path string, body any, header ...string) httpapi.Problem {
	t.Helper()
	a := s.do(t, method, path, body, header...)
	return problem(t, a, status, code, method+" "+path)
}

func problem(t testing.TB, a answer, status int, code, what string) (p httpapi.Problem) {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("%s: content type %q", what, got)
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Fatalf("%s: %v: %s", what, err, a.body)
	}
	if a.status != status || p.Status != status || p.Code != code {
		t.Errorf("%s: %d %s, want %d %s: %s", what, a.status, p.Code, status, code, a.body)
	}
	if p.RequestID == "" || p.RequestID != a.header.Get("X-Request-Id") {
		t.Errorf("%s: request ID %q, in the header %q", what, p.RequestID, a.header.Get("X-Request-Id"))
	}
	return p
}
