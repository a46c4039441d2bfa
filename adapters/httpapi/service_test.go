package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/httpapi"
)

func contextWith(t testing.TB, key, value any) context.Context {
	return context.WithValue(t.Context(), key, value)
}

func TestHealth(t *testing.T) {
	store := openStore(t, nil)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var embedderErr error
	s := serve(t, store, &httpapi.Options{
		Build: httpapi.Build{Version: "v1.2.3", Revision: "abcdef", Time: "2026-03-01T12:00:00Z"},
		Jobs: func() []httpapi.JobStatus {
			well, badly := true, false
			return []httpapi.JobStatus{
				{Name: "drill", OK: &well, LastRun: &at, LastOK: &at, Runs: 2},
				{Name: "prune"}, // never run
				{Name: "validate", OK: &badly, Error: "was interrupted"}, // the process died of it
			}
		},
		EmbedderError: func() error { return embedderErr },
		Metrics:       true,
	})
	get[atocore.Memory](t, s, "POST", "/memories", `{"type":"knowledge","content":"x"}`)
	h := get[httpapi.Health](t, s, "GET", "/health", nil)
	if h.Status != "ok" || h.Version != "v1.2.3" || h.BuildSHA != "abcdef" || h.BuildTime != "2026-03-01T12:00:00Z" || h.Uptime <= 0 || h.Schema == 0 ||
		h.Counts.Memories[atocore.Active] != 1 || h.Counts.Journal != 1 || h.Embedder.State != "ok" || h.LastSnapshot != nil || h.LastDrill != nil || len(h.Jobs) != 3 {
		t.Errorf("health: %+v", h)
	}
	embedderErr = errors.New("no route to host")
	if h := get[httpapi.Health](t, s, "GET", "/health", nil); h.Embedder.State != "failing" {
		t.Errorf("embedder: %+v", h.Embedder)
	}
	text := string(s.do(t, "GET", "/metrics", nil).body)
	for _, want := range []string{
		`atocore_build_info{go="go`, `revision="abcdef",version="v1.2.3"} 1`, "atocore_store_usable 1", `atocore_memories{status="active"} 1`,
		"atocore_journal_last_seq 1", `atocore_embedder_state{state="failing"} 1`, `atocore_job_ok{job="drill"} 1`, `atocore_job_ok{job="validate"} 0`, `atocore_job_runs_total{job="prune"} 0`, `atocore_job_runs_total{job="drill"} 2`,
		"atocore_job_last_run_timestamp_seconds{job=\"drill\"} 1.772366", `atocore_http_requests_total{method="POST",route="/memories",status="200"} 1`,
		`atocore_http_request_duration_seconds_count{route="/health"} 2`, "atocore_http_requests_in_flight 1",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics have no %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, `job_ok{job="prune"}`) || strings.Contains(text, `job_duration_seconds{job="validate"}`) {
		t.Errorf("metrics have runs that were none:\n%s", text)
	}
	if a := s.do(t, "GET", "/health", nil); !strings.Contains(string(a.body), `{"name":"prune","running":false,"next":null,"last_run":null,"last_ok":null,"ok":null,`) {
		t.Errorf("a job that has never run: %s", a.body)
	}
	if strings.Contains(text, "last_drill") {
		t.Error("metrics have a drill that was none")
	}
}

func TestHealthOfEmbedders(t *testing.T) {
	dir := t.TempDir()
	none := openIn(t, dir, &atocore.Options{NoEmbedder: true})
	s := serve(t, none, nil)
	get[atocore.Memory](t, s, "POST", "/memories", `{"type":"knowledge","content":"x"}`)
	if h := get[httpapi.Health](t, s, "GET", "/health", nil); h.Embedder.State != "none" || h.Embedder.Pending != 1 {
		t.Errorf("without one: %+v", h.Embedder)
	}
	s = serve(t, openIn(t, dir, nil), nil)
	if h := get[httpapi.Health](t, s, "GET", "/health", nil); h.Embedder.State != "pending" || h.Counts.Pending != 1 {
		t.Errorf("with texts that wait: %+v", h.Embedder)
	}
}

func openIn(t *testing.T, dir string, o *atocore.Options) *atocore.Store {
	t.Helper()
	var opts atocore.Options
	if o != nil {
		opts = *o
	}
	opts.CompileCache = cacheDir
	s, err := atocore.Open(t.Context(), dir, &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestUnusable has the store become unusable under a service.
func TestUnusable(t *testing.T) {
	unusable := func(s *service, code string) {
		t.Helper()
		a := s.do(t, "GET", "/health", nil)
		var h httpapi.Health
		if err := json.Unmarshal(a.body, &h); err != nil {
			t.Fatal(err)
		}
		if a.status != http.StatusServiceUnavailable || h.Status != "unusable" || h.Code != code || h.Detail == "" || strings.HasPrefix(h.Detail, "There is no such") {
			t.Errorf("health: %d %+v, want 503 %s", a.status, h, code)
		}
		if m := s.do(t, "GET", "/metrics", nil); !strings.Contains(string(m.body), "atocore_store_usable 0") {
			t.Errorf("metrics: %s", m.body)
		}
	}
	t.Run("closed", func(t *testing.T) {
		s := newService(t)
		if err := s.store.Close(); err != nil {
			t.Fatal(err)
		}
		unusable(s, "closed")
		a := s.do(t, "GET", "/memories", nil)
		if !strings.Contains(s.log.String(), `"code":"closed","error":"list memories`) {
			t.Errorf("the cause is not in the log: %s", s.log)
		}
		if p := problem(t, a, 503, "closed", "GET /memories"); a.header.Get("Retry-After") == "" || p.Hint == "" {
			t.Errorf("closed: %+v", p)
		}
	})
	t.Run("gone", func(t *testing.T) {
		store := openIn(t, t.TempDir(), nil)
		s := serve(t, store, &httpapi.Options{Metrics: true})
		if err := os.Rename(filepath.Join(store.Dir(), "atocore.db"), filepath.Join(store.Dir(), "away")); err != nil {
			t.Fatal(err)
		}
		unusable(s, "not_found")
		if err := os.WriteFile(filepath.Join(store.Dir(), "atocore.db"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		unusable(s, "foreign")
		if err := os.Rename(filepath.Join(store.Dir(), "away"), filepath.Join(store.Dir(), "atocore.db")); err != nil {
			t.Fatal(err)
		}
		get[httpapi.Health](t, s, "GET", "/health", nil)
	})
}

// TestBusy holds the write lock while a request wants it.
func TestBusy(t *testing.T) {
	store := openStore(t, nil)
	s := serve(t, store, &httpapi.Options{Timeout: 300 * time.Millisecond})
	// A writer is kept in its transaction by a listing that it has to read: Replay
	// takes entries from a sequence, here from one that waits.
	other := openIn(t, store.Dir(), nil)
	inside, release, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- other.Replay(context.Background(), func(yield func(atocore.JournalEntry, error) bool) {
			close(inside)
			<-release
			yield(atocore.JournalEntry{}, errors.New("enough"))
		})
	}()
	<-inside
	a := s.do(t, "POST", "/memories", `{"type":"knowledge","content":"x"}`)
	p := problem(t, a, 503, "busy", "POST /memories")
	if a.header.Get("Retry-After") == "" || !strings.Contains(p.Title, "nothing was written") {
		t.Errorf("busy: %+v", p)
	}
	if a := s.do(t, "GET", "/memories", nil); a.status != 200 {
		t.Errorf("a reader waits for a writer: %d", a.status)
	}
	get[httpapi.Health](t, s, "GET", "/health", nil)
	close(release)
	<-done
	get[atocore.Memory](t, s, "POST", "/memories", `{"type":"knowledge","content":"x"}`)
}

// TestHealthUnderLoad has every connection of the store in use, as many searches have:
// who watches over the service must not take it for broken.
func TestHealthUnderLoad(t *testing.T) {
	store := openStore(t, nil)
	s := serve(t, store, &httpapi.Options{Metrics: true})
	get[atocore.Memory](t, s, "POST", "/memories", `{"type":"knowledge","content":"x"}`)
	release := make(chan struct{})
	var wg sync.WaitGroup
	inside := make(chan struct{}, 100)
	for range cap(inside) {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			for _, err := range store.Memories(ctx, atocore.MemoryFilter{}) {
				if err != nil {
					t.Error(err)
					return
				}
				inside <- struct{}{}
				<-release
			}
		})
	}
	<-inside
	<-inside // which is as many as a store has at least
	var h httpapi.Health
	for { // until the others are in
		a := s.do(t, "GET", "/health", nil)
		if err := json.Unmarshal(a.body, &h); err != nil || a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
			break
		}
		if h.Status == "busy" {
			break
		}
	}
	if h.Code != "busy" || h.Detail == "" {
		t.Errorf("health: %+v", h)
	}
	if m := s.do(t, "GET", "/metrics", nil); !strings.Contains(string(m.body), "atocore_store_usable 1") {
		t.Errorf("metrics: %s", m.body)
	}
	// What is wrong is seen all the same.
	name := filepath.Join(store.Dir(), "atocore.db")
	if err := os.Rename(name, name+".away"); err != nil {
		t.Fatal(err)
	}
	if a := s.do(t, "GET", "/health", nil); a.status != http.StatusServiceUnavailable || !strings.Contains(string(a.body), `"not_found"`) {
		t.Errorf("without its file: %d %s", a.status, a.body)
	}
	if err := os.Rename(name+".away", name); err != nil {
		t.Fatal(err)
	}
	close(release)
	wg.Wait()
	if h := get[httpapi.Health](t, s, "GET", "/health", nil); h.Status != "ok" {
		t.Errorf("afterwards: %+v", h)
	}
}

// hung never answers.
type hung struct{ atocore.Embedder }

func (hung) Embed(ctx context.Context, _ []string, _ atocore.Purpose) ([][]float32, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestTimeout(t *testing.T) {
	s := serve(t, openIn(t, t.TempDir(), &atocore.Options{Embedder: hung{atocore.DefaultEmbedder()}}), &httpapi.Options{Timeout: 200 * time.Millisecond})
	get[atocore.Memory](t, s, "POST", "/memories", `{"type":"knowledge","content":"the landlord"}`) // its vector waits
	s.fails(t, 504, "timeout", "POST", "/search", `{"query":"landlord","mode":"vector"}`)
}

func TestPanic(t *testing.T) {
	s := serve(t, openStore(t, nil), &httpapi.Options{Mount: map[string]http.Handler{
		"/before": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret content") }),
		"/after": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("half"))
			_ = http.NewResponseController(w).Flush()
			panic("secret content")
		}),
	}})
	p := s.fails(t, 500, "failed", "GET", "/before", nil, "X-Request-Id", "mine-1")
	if p.RequestID != "mine-1" || strings.Contains(jsonText(p), "secret") {
		t.Errorf("a panic: %+v", p)
	}
	res, err := s.Client().Get(s.URL + "/after")
	if err == nil {
		defer res.Body.Close()
		_, err = io.ReadAll(res.Body)
	}
	if err == nil {
		t.Error("an answer that was cut off looks whole")
	}
	if log := s.log.String(); strings.Count(log, `"msg":"panic"`) != 2 || strings.Count(log, `"route":"/before"`) != 1 || strings.Count(log, `"route":"/after"`) != 1 || !strings.Contains(log, `"request_id":"mine-1"`) {
		t.Errorf("log: %s", log)
	}
}

func TestLog(t *testing.T) {
	s := newService(t)
	m := get[atocore.Memory](t, s, "POST", "/memories", `{"type":"knowledge","content":"confidential words"}`, "X-Request-Id", "abc:1", "X-Atocore-Client", "chat")
	s.do(t, "GET", "/memories/"+m.ID+"/history", nil)
	s.do(t, "POST", "/search", `{"query":"confidential question"}`)
	s.do(t, "GET", "/memories?project=confidential", nil)
	s.do(t, "POST", "/memories", `{"type":"confidential","content":"x"}`)
	s.do(t, "POST", "/memories", `{}`, "Content-Type", "text/plain")
	s.do(t, "GET", "/confidential", nil, "X-Request-Id", "two words\t")
	log := s.log.String()
	if strings.Contains(log, "confidential") {
		t.Errorf("content is in the log: %s", log)
	}
	var entries []map[string]any
	for line := range strings.Lines(log) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e["msg"] == "request" {
			entries = append(entries, e)
		}
	}
	if len(entries) != 7 {
		t.Fatalf("%d requests in the log: %s", len(entries), log)
	}
	first := entries[0]
	if first["method"] != "POST" || first["route"] != "POST /memories" || first["status"] != 200.0 || first["request_id"] != "abc:1" || first["actor"] != "http:chat" || first["bytes"].(float64) < 100 {
		t.Errorf("an entry: %v", first)
	}
	if entries[1]["route"] != "GET /memories/{id}/history" {
		t.Errorf("an entry: %v", entries[1])
	}
	if entries[5]["route"] != "POST /memories" || entries[5]["code"] != "media_type" {
		t.Errorf("an entry: %v", entries[5])
	}
	if id := entries[6]["request_id"]; id == "two words\t" || id == "" || entries[6]["route"] != "" {
		t.Errorf("an entry: %v", entries[6])
	}
}

// TestSlowBody sends a body that does not come.
func TestSlowBody(t *testing.T) {
	s := newService(t)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /memories HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+token+"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"type\":")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 400 {
		t.Errorf("half a body: %d", res.StatusCode)
	}
	var n int
	for _, err := range s.store.Memories(t.Context(), atocore.MemoryFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 0 {
		t.Errorf("half a body is stored")
	}
}

// TestRefusedBody is refused before its body is there, which never comes: it has to be
// answered all the same, and let go, also by a server that is about to stop.
func TestRefusedBody(t *testing.T) {
	s := newService(t)
	for name, test := range map[string]struct {
		head   string
		status int
	}{
		"without the token": {"POST /memories HTTP/1.1\r\nHost: localhost\r\n", 401},
		"a foreign host":    {"POST /memories HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer " + token + "\r\n", 421},
		"no such path":      {"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token + "\r\n", 404},
		"no such method":    {"PUT /memories HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token + "\r\n", 405},
		"a malformed query": {"GET /memories?project=%ff HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token + "\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil { // where it fails
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, test.head+"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(conn)
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.StatusCode != test.status {
				t.Errorf("status %d, want %d", res.StatusCode, test.status)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				t.Error(err)
			}
			if _, err := r.ReadByte(); err != io.EOF {
				t.Errorf("the connection stays: %v", err)
			}
		})
	}
}

// TestLargeBodies has more large bodies on their way than there is room for; the rest wait.
func TestLargeBodies(t *testing.T) {
	s := serve(t, openStore(t, &atocore.Options{NoEmbedder: true}), &httpapi.Options{Token: token})
	var pipes []*io.PipeWriter
	answers := make(chan int)
	for n := range 6 {
		r, w := io.Pipe()
		pipes = append(pipes, w)
		req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/documents", r)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		go func() {
			res, err := s.Client().Do(req)
			if err != nil {
				t.Errorf("document %d: %v", n, err)
				answers <- 0
				return
			}
			res.Body.Close()
			answers <- res.StatusCode
		}()
	}
	for n, w := range pipes {
		go func() {
			_, _ = io.WriteString(w, `{"path":"`+jsonText(n)+`.md","text":"x"}`)
			w.Close()
		}()
	}
	for range pipes {
		if status := <-answers; status != 200 {
			t.Errorf("a document of unknown length: %d", status)
		}
	}
}

// TestFollow reads the journal while it grows, until the server stops.
func TestFollow(t *testing.T) {
	closing := make(chan struct{})
	store := openStore(t, nil)
	s := serve(t, store, &httpapi.Options{Closing: closing})
	res, err := s.Client().Get(s.URL + "/journal?follow=true")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for i := range 3 {
		m, err := store.Remember(t.Context(), atocore.Memory{Type: atocore.Knowledge, Content: strings.Repeat("x", i+1)})
		if err != nil {
			t.Fatal(err)
		}
		var e atocore.JournalEntry
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.EntityID != m.ID {
			t.Errorf("followed: %s, %v", lines.Text(), err)
		}
	}
	close(closing)
	if lines.Scan() || lines.Err() != nil {
		t.Errorf("at the end: %q, %v", lines.Text(), lines.Err())
	}
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "GET", serve(t, store, nil).URL+"/journal?follow=true&after=3", nil)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err = http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	cancel() // the server's Close in the cleanup would wait for a stream that goes on
}

// TestJournalCut has the store fail in the midst of a stream.
func TestJournalCut(t *testing.T) {
	store := openStore(t, nil)
	s := serve(t, store, nil)
	if _, err := store.Remember(t.Context(), atocore.Memory{Type: atocore.Knowledge, Content: "x"}); err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/journal?follow=true", nil)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r := bufio.NewReader(res.Body)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a stream that broke off ends with %v", err)
	}
}
