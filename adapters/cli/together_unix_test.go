//go:build unix

package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atocore/atocore"
)

var together = flag.Int("together.turns", 3, "how many turns each agent of TestTogether takes")

// TestTogether has everything at once on one store, each a process of its own: the
// hooks of two agents, an MCP server, a service and commands. Nothing may fail, and
// whatever was acknowledged has to be there afterwards.
func TestTogether(t *testing.T) {
	const token = "0123456789abcdef0123456789abcdef"
	data := filepath.Join(t.TempDir(), "store")
	url, stopServe := serveChild(t, data, token)
	c := dialMCP(t, "together", &mcp.CommandTransport{Command: child(t, data, "mcp")})

	ledger := &ledger{memories: map[string]string{}, turns: map[string]string{}}
	var agents, others sync.WaitGroup
	ctx, done := context.WithCancel(t.Context())
	defer done()
	fail := func(what string, err error) {
		if err != nil {
			t.Errorf("%s: %v", what, err)
			done()
		}
	}
	for n := range 2 {
		a := newAgent(t, data, fmt.Sprintf("session-%d", n))
		agents.Go(func() {
			for i := range *together {
				if ctx.Err() != nil {
					return
				}
				fail("agent", a.turn(ledger, i))
			}
		})
	}
	// The others go on as long as the agents do, and once at least.
	forever := func(what string, step func(i int) error) {
		others.Go(func() {
			for i := 0; i == 0 || ctx.Err() == nil; i++ {
				fail(what, step(i))
			}
		})
	}
	for n := range 2 {
		forever("mcp", func(i int) error {
			return ledger.overMCP(t.Context(), c, fmt.Sprintf("Boat %d-%d was seen from the tower.", n, i))
		})
		forever("http", func(i int) error {
			return ledger.overHTTP(t.Context(), url, token, fmt.Sprintf("Train %d-%d was seen from the bridge.", n, i))
		})
	}
	forever("add", func(i int) error {
		return ledger.byCommand(child(t, data, "--json", "add", "knowledge", fmt.Sprintf("Plane %d was seen from the hill.", i)))
	})
	agents.Wait()
	done()
	others.Wait()
	if err := c.Close(); err != nil {
		t.Errorf("the MCP server's end: %v", err)
	}
	stopServe()

	store := storeOf(t, data)
	report, err := store.Drain(t.Context()) // what a hook found no room for waits
	if err != nil || report.Bad > 0 || report.Left > 0 {
		t.Errorf("drained %+v, %v", report, err)
	}
	ledger.check(t, store)
	log, err := os.ReadFile(filepath.Join(data, "hooks", "hook.log"))
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(log)) {
		if strings.Contains(l, "level=ERROR") || strings.Contains(l, "level=WARN") {
			t.Errorf("a hook says: %s", l)
		}
	}
}

// A ledger is what was acknowledged.
type ledger struct {
	mu       sync.Mutex
	memories map[string]string // content by ID
	turns    map[string]string // answer by prompt
}

func (l *ledger) memory(id, content string) error {
	if id == "" {
		return errors.New("acknowledged without an ID")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.memories[id] = content
	return nil
}

func (l *ledger) check(t *testing.T, store *atocore.Store) {
	t.Helper()
	for id, content := range l.memories {
		if m, err := store.Memory(t.Context(), id); err != nil || m.Content != content {
			t.Errorf("acknowledged as %s: %q; there is %q, %v", id, content, m.Content, err)
		}
	}
	found := map[string]int{}
	for i, err := range store.Interactions(t.Context(), atocore.InteractionFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if answer, ok := l.turns[i.Prompt]; !ok || i.Response != answer {
			t.Errorf("kept: %q, %q; want %q", i.Prompt, i.Response, answer)
		}
		found[i.Prompt]++
	}
	for prompt := range l.turns {
		if found[prompt] != 1 {
			t.Errorf("%q was kept %d times, want once", prompt, found[prompt])
		}
	}
	t.Logf("%d memories, %d turns", len(l.memories), len(l.turns))
	if len(l.turns) != 2**together || len(l.memories) < 5 {
		t.Errorf("%d turns and %d memories were acknowledged", len(l.turns), len(l.memories))
	}
}

func (l *ledger) overMCP(ctx context.Context, c *mcp.ClientSession, content string) error {
	var doc struct{ ID string }
	for _, call := range []mcp.CallToolParams{
		{Name: "search", Arguments: map[string]any{"query": "what was seen from the tower?"}},
		{Name: "context", Arguments: map[string]any{"prompt": "what was seen?"}},
		{Name: "remember", Arguments: map[string]any{"type": "episodic", "content": content, "project": ""}},
	} {
		r, err := c.CallTool(ctx, &call)
		if err != nil {
			return err
		}
		if r.IsError {
			return fmt.Errorf("%s: %s", call.Name, r.Content[0].(*mcp.TextContent).Text)
		}
		src, err := json.Marshal(r.StructuredContent)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(src, &doc); err != nil {
			return err
		}
	}
	return l.memory(doc.ID, content)
}

func (l *ledger) overHTTP(ctx context.Context, url, token, content string) error {
	var doc struct{ ID string }
	for _, call := range []struct {
		path string
		body map[string]any
	}{
		{"/search", map[string]any{"query": "what was seen from the bridge?"}},
		{"/memories", map[string]any{"type": "episodic", "content": content}},
	} {
		body, err := json.Marshal(call.body)
		if err != nil {
			return err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+call.path, bytes.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		if resp.StatusCode/100 != 2 {
			return fmt.Errorf("%s: status %d: %s", call.path, resp.StatusCode, answer)
		}
		if err := json.Unmarshal(answer, &doc); err != nil {
			return err
		}
	}
	return l.memory(doc.ID, content)
}

func (l *ledger) byCommand(cmd *exec.Cmd) error {
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	var doc struct{ ID, Content string }
	if err := json.Unmarshal(out, &doc); err != nil {
		return err
	}
	return l.memory(doc.ID, doc.Content)
}

// An agent is a session of a coding agent, as far as its hooks know.
type agent struct {
	t          *testing.T
	data       string
	session    string
	dir        string // where it works: a repository
	transcript string
}

func newAgent(t *testing.T, data, session string) *agent {
	t.Helper()
	a := &agent{t: t, data: data, session: session, dir: filepath.Join(t.TempDir(), "of-"+session), transcript: filepath.Join(t.TempDir(), session+".jsonl")}
	for name, text := range map[string]string{"HEAD": "ref: refs/heads/main\n", "config": "", "objects/x": "", "refs/x": ""} {
		file := filepath.Join(a.dir, ".git", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// turn is a prompt and its answer, with the hooks around it.
func (a *agent) turn(l *ledger, i int) error {
	prompt := fmt.Sprintf("In %s, turn %d: which database does the billing service use from now on?", a.session, i)
	answer := fmt.Sprintf("We decided in %s, turn %d, that the billing service uses PostgreSQL, because the reports need window functions.", a.session, i)
	payload := map[string]any{"session_id": a.session, "transcript_path": a.transcript, "cwd": a.dir, "hook_event_name": "UserPromptSubmit", "prompt": prompt}
	said, err := a.hook("prompt", payload)
	if err != nil {
		return err
	}
	if len(said) > 0 && !json.Valid(said) {
		return fmt.Errorf("hook prompt says %s", said)
	}

	f, err := os.OpenFile(a.transcript, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Format(time.RFC3339Nano)
	enc := json.NewEncoder(f)
	err = errors.Join(
		enc.Encode(map[string]any{"type": "user", "uuid": fmt.Sprintf("%s-u%d", a.session, i), "sessionId": a.session, "cwd": a.dir, "timestamp": now,
			"message": map[string]any{"role": "user", "content": prompt}}),
		enc.Encode(map[string]any{"type": "assistant", "uuid": fmt.Sprintf("%s-a%d", a.session, i), "parentUuid": fmt.Sprintf("%s-u%d", a.session, i),
			"sessionId": a.session, "cwd": a.dir, "timestamp": now,
			"message": map[string]any{"id": fmt.Sprintf("msg_%d", i), "role": "assistant", "content": []any{map[string]any{"type": "text", "text": answer}}}}),
		f.Close(),
	)
	if err != nil {
		return err
	}
	stop := map[string]any{"session_id": a.session, "transcript_path": a.transcript, "cwd": a.dir, "hook_event_name": "Stop", "stop_hook_active": false}
	for range 2 { // as where an agent runs a hook again
		if said, err := a.hook("stop", stop); err != nil || len(said) > 0 {
			return fmt.Errorf("hook stop says %q, %w", said, err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turns[prompt] = answer
	return nil
}

// hook runs a hook as an agent does, and returns what it says.
func (a *agent) hook(name string, payload any) ([]byte, error) {
	in, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	cmd := child(a.t, a.data, "hook", name)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = a.dir, bytes.NewReader(in), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("hook %s: %w: %s", name, err, stderr.String())
	}
	if stderr.Len() > 0 {
		return nil, fmt.Errorf("hook %s complains: %s", name, stderr.String())
	}
	return stdout.Bytes(), nil
}
