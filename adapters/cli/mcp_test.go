package cli_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/cli"
)

// child is a command line as a process of its own, on the store in data.
func child(t *testing.T, data string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("atocore", args...)
	cmd.Env = os.Environ()
	for key, value := range homes() {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	cmd.Env = append(cmd.Env, "ATOCORE_DATA="+data, "ATOCORE_BACKUPS=", "ATOCORE_CONFIG=", "ATOCORE_TOKEN=")
	cmd.Stderr = t.Output()
	return cmd
}

// dialMCP connects a client of the SDK.
func dialMCP(t *testing.T, name string, transport mcp.Transport) *mcp.ClientSession {
	t.Helper()
	c, err := mcp.NewClient(&mcp.Implementation{Name: name, Version: "1"}, nil).Connect(t.Context(), transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// callMCP calls a tool and returns its text.
func callMCP(t *testing.T, c *mcp.ClientSession, tool string, args map[string]any) string {
	t.Helper()
	r, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	text := r.Content[0].(*mcp.TextContent).Text
	if r.IsError {
		t.Fatalf("%s: %s", tool, text)
	}
	return text
}

// storeOf opens a store that commands have written to, to look at it. It is checked
// at the end of the test.
func storeOf(t *testing.T, data string) *atocore.Store {
	t.Helper()
	_, _, cache := cli.Directories(runtime.GOOS, func(key string) string { return homes()[key] })
	store, err := atocore.Open(t.Context(), data, &atocore.Options{NoCreate: true, CompileCache: cache})
	if err != nil {
		t.Fatal(err)
	}
	report, err := store.Check(t.Context())
	if err != nil {
		t.Error(err)
	}
	for _, f := range report.Findings {
		t.Errorf("check of the store: %+v", f)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// TestMCP has the SDK's client start the program as clients do, in a repository, and
// ends it in the ways that clients have.
func TestMCP(t *testing.T) {
	data := filepath.Join(t.TempDir(), "store")
	repository := filepath.Join(t.TempDir(), "website")
	for name, text := range map[string]string{"HEAD": "ref: refs/heads/main\n", "config": "", "objects/x": "", "refs/x": ""} {
		file := filepath.Join(repository, ".git", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	waits := atocore.Interaction{Session: "s", Turn: "1", Client: "claude-code", Prompt: "Where does the ferry leave from?", Response: "From the old harbour, at noon."}
	if err := atocore.Spool(t.Context(), data, atocore.Spooled{Interaction: waits}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"first", "second"} {
		cmd := child(t, data, "mcp")
		cmd.Dir = repository
		c := dialMCP(t, name, &mcp.CommandTransport{Command: cmd})
		text := callMCP(t, c, "remember", map[string]any{"type": "project", "content": "The " + name + " client was here."})
		if !strings.HasSuffix(text, `of project "website"`) {
			t.Errorf("got %q", text)
		}
		if text := callMCP(t, c, "search", map[string]any{"query": "who was here?"}); !strings.Contains(text, "> The "+name+" client was here.\n") {
			t.Errorf("got %q", text)
		}
		if err := c.Close(); err != nil { // closes its input, and waits for it
			t.Errorf("the server's end: %v", err)
		}
	}

	store := storeOf(t, data)
	var actors []string
	for m, err := range store.Memories(t.Context(), atocore.MemoryFilter{Project: "website"}) {
		if err != nil {
			t.Fatal(err)
		}
		actors = append(actors, m.Provenance.Actor)
	}
	if got := strings.Join(actors, " "); got != "mcp:second mcp:first" {
		t.Errorf("remembered by %q", got)
	}
	n := 0
	for i, err := range store.Interactions(t.Context(), atocore.InteractionFilter{}) {
		if n++; err != nil || i.Response != waits.Response {
			t.Errorf("taken in: %+v, %v", i, err)
		}
	}
	if n != 1 {
		t.Errorf("%d interactions were taken in, want 1", n)
	}
}

// TestMCPSignal has the process told to end while its client still listens.
func TestMCPSignal(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals to send")
	}
	cmd := child(t, filepath.Join(t.TempDir(), "store"), "mcp")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := dialMCP(t, "test", &mcp.IOTransport{Reader: io.NopCloser(out), Writer: in})
	callMCP(t, c, "status", nil)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted: %v", err)
	}
	c.Close()
}

// serveChild starts the server on a free port, and returns its URL and what stops it.
func serveChild(t *testing.T, data, token string, args ...string) (url string, stop func()) {
	t.Helper()
	cmd := child(t, data, append([]string{"--json", "serve", "--addr", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(cmd.Env, "ATOCORE_TOKEN="+token)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		t.Helper()
		if stopped {
			return
		}
		stopped = true
		if runtime.GOOS == "windows" {
			cmd.Process.Kill()
			cmd.Wait()
			return
		}
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("atocore serve: %v", err)
		}
	}
	t.Cleanup(stop)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ URL string }
	if err := json.Unmarshal(line, &doc); err != nil || doc.URL == "" {
		t.Fatalf("atocore serve says %s, %v", line, err)
	}
	return doc.URL, stop
}

// bearer sends a token with each request, and whatever else is set.
type bearer struct{ header map[string]string }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for key, value := range b.header {
		if r.Header.Set(key, value); key == "Host" {
			r.Host = value
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestServeMCP has the tools under serve, behind its guard.
func TestServeMCP(t *testing.T) {
	const token = "0123456789abcdef0123456789abcdef"
	data := filepath.Join(t.TempDir(), "store")
	url, stop := serveChild(t, data, token)
	url += "/mcp"
	client := func(header map[string]string) (*mcp.ClientSession, error) {
		return mcp.NewClient(&mcp.Implementation{Name: "web", Version: "1"}, nil).Connect(t.Context(),
			&mcp.StreamableClientTransport{Endpoint: url, HTTPClient: &http.Client{Transport: bearer{header}}, MaxRetries: -1}, nil)
	}
	auth := "Bearer " + token
	c, err := client(map[string]string{"Authorization": auth})
	if err != nil {
		t.Fatal(err)
	}
	callMCP(t, c, "remember", map[string]any{"type": "knowledge", "content": "The landlord is Mr Okafor."})
	if text := callMCP(t, c, "search", map[string]any{"query": "landlord"}); !strings.Contains(text, "> The landlord is Mr Okafor.\n") {
		t.Errorf("got %q", text)
	}
	for name, header := range map[string]map[string]string{
		"no token":       {},
		"a wrong token":  {"Authorization": auth + "0"},
		"another host":   {"Authorization": auth, "Host": "rebound.example"},
		"another origin": {"Authorization": auth, "Origin": "https://evil.example"},
		"a cross site":   {"Authorization": auth, "Sec-Fetch-Site": "cross-site"},
	} {
		if c, err := client(header); err == nil {
			t.Errorf("%s: connected", name)
			c.Close()
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	stop()

	n := 0
	for m, err := range storeOf(t, data).Memories(t.Context(), atocore.MemoryFilter{}) {
		if n++; err != nil || m.Provenance.Actor != "mcp:web" {
			t.Errorf("%+v, %v", m, err)
		}
	}
	if n != 1 {
		t.Error(fmt.Sprint(n), "memories, want 1")
	}
}
