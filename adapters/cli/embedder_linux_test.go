package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/atocore/atocore"
)

// An embeddingServer answers as Ollama does, with vectors of 16 numbers that
// depend on the texts' lengths.
type embeddingServer struct {
	*httptest.Server

	mu    sync.Mutex
	texts int
	hold  int           // from how many texts on no answer is given, until
	held  chan struct{} // is closed when that is so, and
	free  chan struct{} // is closed
}

func newEmbeddingServer(t *testing.T) *embeddingServer {
	s := &embeddingServer{held: make(chan struct{}), free: make(chan struct{})}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Input []string }
		src, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(src, &q) != nil {
			return
		}
		s.mu.Lock()
		s.texts += len(q.Input)
		hold := s.hold > 0 && s.texts > s.hold
		if hold {
			s.hold = 0
			close(s.held)
		}
		s.mu.Unlock()
		if hold {
			<-s.free
		}
		var vectors [][]float32
		for _, text := range q.Input {
			v := make([]float32, 16)
			v[len(text)%15]++
			v[15] = 0.5
			vectors = append(vectors, v)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"embeddings": vectors})
	}))
	t.Cleanup(s.Close)
	return s
}

// holdFrom has the server hold back its answer from so many texts on.
func (s *embeddingServer) holdFrom(texts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = texts
}

// took returns how many texts were sent since the last call.
func (s *embeddingServer) took() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.texts
	s.texts = 0
	return n
}

// done runs a command line that has to work and returns its standard output.
func done(t *testing.T, data string, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if exit := run(t.Context(), data, nil, &out, &errs, args...); exit != 0 {
		t.Fatalf("atocore %s: exit code %d: %s", strings.Join(args, " "), exit, errs.String())
	}
	return out.String(), errs.String()
}

// filled is a store with so many memories, embedded with the built-in embedder.
func filled(t *testing.T, n int) (data string) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "store")
	store, err := atocore.Open(t.Context(), data, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var memories []atocore.Memory
	for i := range n {
		memories = append(memories, atocore.Memory{Type: atocore.Knowledge, Content: fmt.Sprintf("Ferry number %d sails at noon.", i)})
	}
	if _, err := store.RememberAll(t.Context(), memories); err != nil {
		t.Fatal(err)
	}
	return data
}

// space is the name of the space that serves.
func space(t *testing.T, data string) string {
	t.Helper()
	out, _ := done(t, data, "stats", "--json")
	var stats atocore.Stats
	if err := json.Unmarshal([]byte(out), &stats); err != nil {
		t.Fatal(err)
	}
	return stats.Space.Name
}

// TestReindexKilled kills a reindex with another embedder half-way: the old
// vectors serve meanwhile and after it, and the next one goes on where it was.
func TestReindexKilled(t *testing.T) {
	const texts, batch = 600, 256 // the store's own batch, each of which it commits
	data := filled(t, texts)
	server := newEmbeddingServer(t)
	server.holdFrom(batch + 100)
	args := []string{"reindex", "--data", data, "--embedding-cache", "off", "--embedder", "openai:small@" + server.URL + "/api/embed?dimensions=16"}

	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), "atocore", args...)
	for key, value := range homes() {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"))
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	died := make(chan error, 1)
	go func() { died <- cmd.Wait() }()
	select {
	case <-server.held:
	case err := <-died:
		t.Fatalf("the reindex ended before it could be killed: %v: %s", err, stderr.String())
	}
	search := func(when string) {
		t.Helper()
		out, notes := done(t, data, "search", "ferry number 7", "--mode", "vector", "--json", "--limit", "1")
		if !strings.Contains(out, "Ferry number 7 ") || strings.Contains(notes, "space") {
			t.Errorf("%s: the old vectors do not serve: %s%s", when, out, notes)
		}
		if got := space(t, data); got != "lexical-hash" {
			t.Errorf("%s: the space is %s", when, got)
		}
	}
	search("while it runs")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-died
	close(server.free)
	search("after the kill")
	if want := "those of lexical-hash/"; !strings.Contains(stderr.String(), want) {
		t.Errorf("standard error has no %q: %s", want, stderr.String())
	}

	server.took()
	done(t, data, args...)
	if got, want := server.took(), texts-batch; got != want {
		t.Errorf("the second reindex sent %d texts, want the %d that were left", got, want)
	}
	if got := space(t, data); got != "openai:small" {
		t.Errorf("at the end the space is %s", got)
	}
	var errs bytes.Buffer
	if exit := run(t.Context(), data, nil, io.Discard, &errs, "search", "ferry", "--mode", "vector"); exit != 1 || !strings.Contains(errs.String(), "openai:small") {
		t.Errorf("a search with the former embedder: exit code %d: %s", exit, errs.String())
	}
	done(t, data, append([]string{"search", "ferry", "--mode", "vector"}, args[3:]...)...)
}

// TestReindexInterrupted says how far it came.
func TestReindexInterrupted(t *testing.T) {
	data := filled(t, 300)
	server := newEmbeddingServer(t)
	server.hold = 280
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-server.held
		cancel()
		close(server.free)
	}()
	var stderr bytes.Buffer
	exit := run(ctx, data, nil, io.Discard, &stderr, "reindex", "--embedding-cache", "off", "--embedder", "openai:small@"+server.URL+"/api/embed?dimensions=16")
	if exit != 1 || !strings.Contains(stderr.String(), "256 of 300 texts are done, and the next reindex goes on there") {
		t.Errorf("exit code %d: %s", exit, stderr.String())
	}
}

// TestReindexProgress has a bar on a terminal, and says whose vectors serve.
func TestReindexProgress(t *testing.T) {
	data := filled(t, 40)
	server := newEmbeddingServer(t)
	args := []string{"reindex", "--embedding-cache", "off", "--embedder", "openai:small@" + server.URL + "/api/embed?dimensions=16"}
	tty, shown := terminal(t)
	if exit := run(t.Context(), data, nil, io.Discard, tty, args...); exit != 0 {
		t.Fatalf("exit code %d", exit)
	}
	got := shown()
	for _, want := range []string{"embed", "until all texts have a vector of openai:small/16/", "those of lexical-hash/480/1 serve"} {
		if !strings.Contains(got, want) {
			t.Errorf("on a terminal: %q, want %q in it", got, want)
		}
	}
	// Once more, with the space that serves already.
	tty, shown = terminal(t)
	if exit := run(t.Context(), data, nil, io.Discard, tty, args...); exit != 0 {
		t.Fatalf("exit code %d", exit)
	}
	if got := shown(); strings.Contains(got, "serve") {
		t.Errorf("the same space: %q, want nothing about another", got)
	}
}

// TestEmbeddingCache has no text sent twice, also by another store, and a store
// opened while the server is gone.
func TestEmbeddingCache(t *testing.T) {
	server := newEmbeddingServer(t)
	cache := filepath.Join(t.TempDir(), "cache")
	args := []string{"--embedding-cache", cache, "--embedder", "openai:small@" + server.URL + "/api/embed?retries=0"}
	with := func(more ...string) []string { return append(more, args...) }
	done(t, filled(t, 40), with("reindex")...)
	if got, want := server.took(), 40+1; got != want { // and a word, for the dimensions
		t.Errorf("%d texts sent, want %d", got, want)
	}
	again := filled(t, 40)
	done(t, again, with("reindex")...)
	if got := server.took(); got != 0 {
		t.Errorf("%d texts sent again", got)
	}
	server.Close()
	if got := space(t, again); got != "openai:small" {
		t.Errorf("the space is %s", got)
	}
	_, notes := done(t, again, with("add", "knowledge", "The tide is out.")...)
	if !strings.Contains(notes, "left for later") {
		t.Errorf("standard error does not say that the vector is to come: %s", notes)
	}
}
