package mcpserver_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/atocoretest"
	"github.com/atocore/atocore/adapters/mcpserver"
)

// httpServer serves a store under /mcp and returns the URL.
func httpServer(t *testing.T, store *atocore.Store, o *mcpserver.Options) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/mcp", mcpserver.NewHandler(store, o))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL + "/mcp"
}

// dial returns a client of a version of the protocol, the newest where it is empty.
func dial(t *testing.T, url, version string) *mcp.ClientSession {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "Test over HTTP", Version: "1"}, nil)
	c, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: url}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestHTTP(t *testing.T) {
	store := atocoretest.NewStore(t, nil)
	for _, name := range []string{"website", "garden"} {
		if _, err := store.AddProject(t.Context(), atocore.Project{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	url := httpServer(t, store, &mcpserver.Options{Project: "garden"})
	for _, version := range []string{"", "2025-11-25", "2025-06-18", "2025-03-26"} {
		c := dial(t, url+"?project=website", version)
		list, err := c.ListTools(t.Context(), nil)
		if err != nil || len(list.Tools) != 6 {
			t.Fatalf("%s: %d tools, %v", version, len(list.Tools), err)
		}
		_, m := call[memory](t, c, "remember", args{"type": "knowledge", "content": "Version " + version + " is spoken."})
		if m.Project != "website" {
			t.Errorf("%s: project %q", version, m.Project)
		}
		if _, f := call[found](t, c, "search", args{"query": "which version is spoken?"}); len(f.Hits) == 0 {
			t.Errorf("%s: nothing found", version)
		}
		if got := fails(t, c, "correct", args{"id": "none", "reason": "x"}); !strings.HasPrefix(got, "not_found: ") {
			t.Errorf("%s: %q", version, got)
		}
		if got := fails(t, c, "remember", args{"type": "note", "content": "x"}); !strings.HasPrefix(got, "invalid: ") {
			t.Errorf("%s: %q", version, got)
		}
	}
	if _, s := call[status](t, dial(t, url, ""), "status", nil); s.DefaultProject != "garden" {
		t.Errorf("default project %q", s.DefaultProject)
	}
}

// post sends a request by hand.
func post(t *testing.T, method, url, body string, change func(*http.Request)) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if change != nil {
		change(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestHTTPRequests(t *testing.T) {
	store := atocoretest.NewStore(t, nil)
	if _, err := store.AddProject(t.Context(), atocore.Project{Name: "website"}); err != nil {
		t.Fatal(err)
	}
	url := httpServer(t, store, nil)
	search := toolCall(1, "search", args{"query": "x"})
	for _, test := range []struct {
		name, method, body string
		change             func(*http.Request)
		status             int
	}{
		{"in order", "POST", search, nil, 200},
		{"GET", "GET", "", nil, 405},
		{"DELETE", "DELETE", "", nil, 405},
		{"another Host", "POST", search, func(r *http.Request) { r.Host = "evil.example" }, 403},
		{"a form", "POST", search, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415},
		{"too long", "POST", toolCall(1, "search", args{"query": strings.Repeat("x", 5<<20)}), nil, 413},
		{"no JSON", "POST", "{", nil, 400},
		{"a false escape", "POST", search, func(r *http.Request) { r.URL.RawQuery = "project=website%" }, 400}, // would be of no project
		{"an old session", "POST", search, func(r *http.Request) { r.Header.Set("Mcp-Session-Id", "gone") }, 200},
	} {
		if status, text := post(t, test.method, url, test.body, test.change); status != test.status {
			t.Errorf("%s: status %d, want %d: %s", test.name, status, test.status, text)
		}
	}
	// A handler whose caller knows the names that it is reached by.
	status, text := post(t, "POST", httpServer(t, store, &mcpserver.Options{AnyHost: true}), search, func(r *http.Request) { r.Host = "store.example" })
	if status != 200 {
		t.Errorf("status %d: %s", status, text)
	}
	// Who has no name is known by the User-Agent, and the header names a project too.
	status, text = post(t, "POST", url, toolCall(1, "remember", args{"type": "knowledge", "content": "x"}), func(r *http.Request) {
		r.Header.Set("User-Agent", "curl/8.0 (some system)")
		r.Header.Set("Atocore-Project", "website")
	})
	if status != 200 {
		t.Errorf("status %d: %s", status, text)
	}
	for m, err := range store.Memories(t.Context(), atocore.MemoryFilter{}) {
		if err != nil || m.Provenance.Actor != "mcp:curl" || m.Project != "website" {
			t.Errorf("remembered %+v, %v", m, err)
		}
	}
	// Nobody waits for news that never come, and holds up the end of the server.
	status, text = post(t, "POST", url, message(1, "subscriptions/listen", args{"notifications": args{"toolsListChanged": true}, "_meta": args{
		"io.modelcontextprotocol/protocolVersion":    "2026-07-28",
		"io.modelcontextprotocol/clientCapabilities": args{},
	}}), func(r *http.Request) {
		r.Header.Set("Mcp-Protocol-Version", "2026-07-28")
		r.Header.Set("Mcp-Method", "subscriptions/listen")
	})
	if !strings.Contains(text, "-32601") {
		t.Errorf("status %d: %s", status, text)
	}
}

// TestHTTPCancelled has a client go away while its call runs.
func TestHTTPCancelled(t *testing.T) {
	e := newTricky()
	asked, cancelled := make(chan struct{}), make(chan struct{})
	e.trick["endless"] = func(ctx context.Context) error {
		close(asked)
		<-ctx.Done()
		close(cancelled)
		return ctx.Err()
	}
	store := atocoretest.NewStore(t, &atocore.Options{Embedder: e})
	c := dial(t, httpServer(t, store, &mcpserver.Options{Timeout: time.Hour}), "")
	ctx, cancel := context.WithCancel(t.Context())
	go c.CallTool(ctx, &mcp.CallToolParams{Name: "search", Arguments: args{"query": "endless"}})
	<-asked
	cancel()
	<-cancelled
}
