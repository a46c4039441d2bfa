package mcpserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/atocoretest"
	"github.com/atocore/atocore/adapters/mcpserver"
)

// A tricky embedder is the built-in one, except for questions that it is told to
// answer otherwise.
type tricky struct {
	atocore.Embedder
	trick map[string]func(context.Context) error
}

func newTricky() *tricky {
	return &tricky{Embedder: atocore.DefaultEmbedder(), trick: map[string]func(context.Context) error{}}
}

func (e *tricky) Embed(ctx context.Context, texts []string, p atocore.Purpose) ([][]float32, error) {
	if trick := e.trick[texts[0]]; trick != nil {
		if err := trick(ctx); err != nil {
			return nil, err
		}
	}
	return e.Embedder.Embed(ctx, texts, p)
}

// serve runs Serve on pipes, and returns a client of it, what ends its input, and
// its result.
func serve(t *testing.T, ctx context.Context, store *atocore.Store, o *mcpserver.Options) (*mcp.ClientSession, func(), <-chan error) {
	t.Helper()
	in, toServer := io.Pipe()
	fromServer, out := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- mcpserver.Serve(ctx, store, o, in, out) }()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.IOTransport{Reader: fromServer, Writer: toServer}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		toServer.Close()
		fromServer.Close()
		session.Close()
	})
	return session, func() { toServer.Close() }, done
}

func TestServe(t *testing.T) {
	store := atocoretest.NewStore(t, nil)
	c, end, done := serve(t, t.Context(), store, nil)
	_, m := call[memory](t, c, "remember", args{"type": "knowledge", "content": "The boiler failed on 3 January."})
	if _, f := call[found](t, c, "search", args{"query": "boiler"}); len(f.Hits) != 1 || f.Hits[0].ID != m.ID {
		t.Errorf("found %+v", f)
	}
	end()
	if err := <-done; err != nil {
		t.Errorf("at the end of its input: %v", err)
	}
}

// message is a line of the protocol, by hand.
func message(id int, method string, params any) string {
	m := map[string]any{"jsonrpc": "2.0", "method": method}
	if id > 0 {
		m["id"] = id
	}
	if params != nil {
		m["params"] = params
	}
	src, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(src) + "\n"
}

// hello is how a conversation begins.
func hello() string {
	return message(1, "initialize", args{"protocolVersion": "2025-06-18", "capabilities": args{}, "clientInfo": args{"name": "by hand", "version": "1"}}) +
		message(0, "notifications/initialized", nil)
}

func toolCall(id int, tool string, in args) string {
	return message(id, "tools/call", args{"name": tool, "arguments": in})
}

// answers decodes what a server wrote: messages, a line each, and nothing else.
func answers(t *testing.T, out []byte) map[int]map[string]any {
	t.Helper()
	all := map[int]map[string]any{}
	for l := range bytes.Lines(out) {
		var m struct {
			ID     int
			Result map[string]any
			Error  map[string]any
		}
		if err := json.Unmarshal(l, &m); err != nil {
			t.Fatalf("not a message: %s: %v", l, err)
		}
		if m.Error != nil {
			m.Result = map[string]any{"error": m.Error}
		}
		all[m.ID] = m.Result
	}
	return all
}

// TestServeAnswersAll has a client say everything at once and hang up.
func TestServeAnswersAll(t *testing.T) {
	e := newTricky()
	hungUp, asked := make(chan struct{}), make(chan struct{})
	e.trick["late"] = func(ctx context.Context) error {
		close(asked)
		select {
		case <-hungUp:
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	store := atocoretest.NewStore(t, &atocore.Options{Embedder: e})
	in, toServer := io.Pipe()
	go func() {
		io.WriteString(toServer, hello()+toolCall(2, "search", args{"query": "late"})+message(3, "no/such/method", nil)+
			message(0, "notifications/nothing", nil)+message(4, "ping", nil)+toolCall(5, "nothing", nil))
		for i := range 20 {
			io.WriteString(toServer, toolCall(10+i, "remember", args{"type": "knowledge", "content": fmt.Sprintf("Statement %d.", i)}))
		}
		<-asked
		toServer.Close()
		close(hungUp)
	}()
	var out bytes.Buffer
	if err := mcpserver.Serve(t.Context(), store, nil, in, &out); err != nil {
		t.Fatal(err)
	}
	all := answers(t, out.Bytes())
	for _, id := range []int{1, 2, 4} {
		if all[id] == nil || all[id]["error"] != nil || all[id]["isError"] != nil {
			t.Errorf("answer %d: %v", id, all[id])
		}
	}
	for id, code := range map[int]float64{3: -32601, 5: -32602} {
		if e, _ := all[id]["error"].(map[string]any); e["code"] != code {
			t.Errorf("answer %d: %v, want code %v", id, all[id], code)
		}
	}
	for i := range 20 {
		r, _ := all[10+i]["structuredContent"].(map[string]any)
		id, _ := r["id"].(string)
		if m, err := store.Memory(t.Context(), id); err != nil || m.Content != fmt.Sprintf("Statement %d.", i) {
			t.Errorf("statement %d, acknowledged as %q: %+v, %v", i, id, m, err)
		}
	}
}

// TestServeStopped has a server told to end while a call runs.
func TestServeStopped(t *testing.T) {
	e := newTricky()
	asked, cancelled := make(chan struct{}), make(chan struct{})
	e.trick["endless"] = func(ctx context.Context) error {
		close(asked)
		<-ctx.Done()
		close(cancelled)
		return ctx.Err()
	}
	store := atocoretest.NewStore(t, &atocore.Options{Embedder: e})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	c, _, done := serve(t, ctx, store, &mcpserver.Options{Timeout: time.Hour})
	go c.CallTool(t.Context(), &mcp.CallToolParams{Name: "search", Arguments: args{"query": "endless"}})
	<-asked
	stop()
	<-cancelled
	if err := <-done; err != nil {
		t.Errorf("stopped: %v", err)
	}
}

// TestServeNonsense has a client that does not speak the protocol.
func TestServeNonsense(t *testing.T) {
	store := atocoretest.NewStore(t, nil)
	for name, in := range map[string]string{
		"no JSON":    hello() + "GET / HTTP/1.1\r\n\r\n",
		"half":       hello() + `{"jsonrpc":"2.0","id":2,`,
		"no message": hello() + "{}\n",
		"too long":   hello() + toolCall(2, "search", args{"query": strings.Repeat("x", 9<<20)}),
	} {
		var out bytes.Buffer
		err := mcpserver.Serve(t.Context(), store, nil, strings.NewReader(in), &out)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if all := answers(t, out.Bytes()); all[1] == nil {
			t.Errorf("%s: what came before was not answered: %s", name, out.Bytes())
		}
	}
	if err := mcpserver.Serve(t.Context(), store, nil, strings.NewReader(""), io.Discard); err != nil {
		t.Errorf("nothing said: %v", err)
	}
}

// TestCancelled has a client give up on a call.
func TestCancelled(t *testing.T) {
	e := newTricky()
	asked, cancelled := make(chan struct{}), make(chan struct{})
	e.trick["endless"] = func(ctx context.Context) error {
		close(asked)
		<-ctx.Done()
		close(cancelled)
		return ctx.Err()
	}
	store := atocoretest.NewStore(t, &atocore.Options{Embedder: e})
	c := connect(t, store, &mcpserver.Options{Timeout: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := c.CallTool(ctx, &mcp.CallToolParams{Name: "search", Arguments: args{"query": "endless"}})
		result <- err
	}()
	<-asked
	cancel()
	<-cancelled // the call at the server has ended, and not only the wait for it
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	call[status](t, c, "status", nil)
}

func TestTimeout(t *testing.T) {
	e := newTricky()
	e.trick["endless"] = func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	store := atocoretest.NewStore(t, &atocore.Options{Embedder: e})
	// The library gives an embedder half of the time, and then looks for words.
	c := connect(t, store, &mcpserver.Options{Timeout: 2 * time.Second})
	if text, f := call[found](t, c, "search", args{"query": "endless"}); !strings.Contains(text, "Note: searched by words alone") || len(f.Notes) != 1 {
		t.Errorf("got %q", text)
	}
	c = connect(t, store, &mcpserver.Options{Timeout: time.Nanosecond})
	if got := fails(t, c, "status", nil); !strings.HasPrefix(got, "timeout: ") && !strings.HasPrefix(got, "busy: ") {
		t.Errorf("got %q", got)
	}
}

// TestBusy has the store written to for as long as it takes: Replay holds the write
// lock while it waits for its next entry.
func TestBusy(t *testing.T) {
	store := atocoretest.NewStore(t, nil)
	other, err := atocore.Open(t.Context(), store.Dir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	holds, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- other.Replay(t.Context(), func(func(atocore.JournalEntry, error) bool) {
			close(holds)
			<-release
		})
	}()
	select {
	case <-holds:
	case err := <-done:
		t.Fatalf("replay ended: %v", err)
	}
	c := connect(t, store, &mcpserver.Options{Timeout: 300 * time.Millisecond})
	in := args{"type": "knowledge", "content": "Too late."}
	if got := fails(t, c, "remember", in); !strings.HasPrefix(got, "busy: ") || !strings.HasSuffix(got, "try again)") {
		t.Errorf("got %q", got)
	}
	call[found](t, c, "search", args{"query": "late"}) // readers do not wait
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	call[memory](t, connect(t, store, nil), "remember", in)
}

// TestPanic has an embedder with a fault, which must not end the process.
func TestPanic(t *testing.T) {
	e := newTricky()
	e.trick["fault"] = func(context.Context) error { panic("a secret of the embedder") }
	store := atocoretest.NewStore(t, &atocore.Options{Embedder: e})
	c := connect(t, store, nil)
	if got := fails(t, c, "search", args{"query": "fault"}); !strings.HasPrefix(got, "failed: ") || strings.Contains(got, "secret") {
		t.Errorf("got %q", got)
	}
	call[memory](t, c, "remember", args{"type": "knowledge", "content": "Still here."})
}

func TestClosed(t *testing.T) {
	store := atocoretest.NewStore(t, nil)
	c := connect(t, store, nil)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"status", "search"} {
		if got := fails(t, c, tool, map[string]args{"search": {"query": "x"}}[tool]); !strings.HasPrefix(got, "closed: ") {
			t.Errorf("%s: %q", tool, got)
		}
	}
}

// TestMany has many clients at once, on standard streams and over HTTP, each with
// its own server on the one store or all of them sharing one.
func TestMany(t *testing.T) {
	store := atocoretest.NewStore(t, nil)
	url := httpServer(t, store, nil)
	var clients []*mcp.ClientSession
	for range 4 {
		c, _, _ := serve(t, t.Context(), store, nil)
		clients = append(clients, c, dial(t, url, ""), dial(t, url, "2025-06-18"))
	}
	const each = 8
	ids := make([][]string, len(clients))
	var wg sync.WaitGroup
	for n, c := range clients {
		wg.Go(func() {
			for i := range each {
				_, m := call[memory](t, c, "remember", args{"type": "episodic", "content": fmt.Sprintf("Client %d said number %d.", n, i)})
				ids[n] = append(ids[n], m.ID)
				call[found](t, c, "search", args{"query": fmt.Sprintf("what did client %d say?", n)})
				if i%4 == 0 {
					call[pack](t, c, "context", args{"prompt": "client"})
					call[status](t, c, "status", nil)
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for n := range ids {
		for i, id := range ids[n] {
			m, err := store.Memory(t.Context(), id)
			if err != nil || m.Content != fmt.Sprintf("Client %d said number %d.", n, i) {
				t.Errorf("acknowledged as %s: %+v, %v", id, m, err)
			}
			seen[id] = true
		}
	}
	if len(seen) != each*len(clients) {
		t.Errorf("%d memories, want %d", len(seen), each*len(clients))
	}
	var actors []string
	for e, err := range store.Journal(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(actors, e.Actor) {
			actors = append(actors, e.Actor)
		}
	}
	slices.Sort(actors)
	if want := []string{"mcp:Go-http-client", "mcp:Test-over-HTTP", "mcp:test"}; !slices.Equal(actors, want) {
		t.Errorf("actors %q, want %q", actors, want)
	}
}
