package cli_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A session is an agent at work: a transcript that grows, and hooks that run as the
// program does.
type agentSession struct {
	*testing.T
	id, data, work string
	transcript     string
	lines          int
}

func (a *agentSession) cli(stdin string, args ...string) string {
	a.Helper()
	var out, stderr strings.Builder
	if exit := run(a.Context(), a.data, strings.NewReader(stdin), &out, &stderr, args...); exit != 0 {
		a.Fatalf("atocore %s exits with %d: %s", strings.Join(args, " "), exit, stderr.String())
	}
	if args[0] == "hook" && stderr.Len() > 0 {
		a.Fatalf("atocore %s says %s", strings.Join(args, " "), stderr.String())
	}
	return out.String()
}

// write puts a record into the transcript.
func (a *agentSession) write(kind string, message map[string]any) {
	a.Helper()
	a.lines++
	line, err := json.Marshal(map[string]any{
		"type": kind, "uuid": a.id + "-" + time.Duration(a.lines).String(), "isSidechain": false, "sessionId": a.id,
		"timestamp": time.Date(2026, 3, 1, 10, 0, a.lines, 0, time.UTC), "message": message,
	})
	if err != nil {
		a.Fatal(err)
	}
	f, err := os.OpenFile(a.transcript, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		a.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(append(line, '\n')); err != nil {
		a.Fatal(err)
	}
}

func (a *agentSession) payload(event string, more map[string]any) string {
	a.Helper()
	p := map[string]any{"session_id": a.id, "transcript_path": a.transcript, "cwd": a.work, "hook_event_name": event}
	for k, v := range more {
		p[k] = v
	}
	b, err := json.Marshal(p)
	if err != nil {
		a.Fatal(err)
	}
	return string(b)
}

// prompt types a prompt and returns the context that the agent gets for it.
func (a *agentSession) prompt(text string) string {
	a.Helper()
	out := a.cli(a.payload("UserPromptSubmit", map[string]any{"prompt": text}), "hook", "prompt")
	a.write("user", map[string]any{"role": "user", "content": text})
	if out == "" {
		return ""
	}
	var doc struct {
		Specific struct {
			Context string `json:"additionalContext"`
		} `json:"hookSpecificOutput"`
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		a.Fatalf("%s: %v", out, err)
	}
	return doc.Specific.Context
}

// answer has the agent call a tool, answer, and stop.
func (a *agentSession) answer(text string, more map[string]any) {
	a.Helper()
	a.write("assistant", map[string]any{"id": "m1", "content": []any{map[string]any{"type": "text", "text": "Let me look."}, map[string]any{"type": "tool_use", "name": "Read"}}})
	a.write("user", map[string]any{"role": "user", "content": []any{map[string]any{"type": "tool_result", "content": "what the tool says"}}})
	a.write("assistant", map[string]any{"id": "m2", "content": []any{map[string]any{"type": "text", "text": text}}})
	if out := a.cli(a.payload("Stop", more), "hook", "stop"); out != "" {
		a.Fatalf("hook stop prints %s", out)
	}
}

// TestSession plays sessions from end to end: what one decides, and somebody accepts,
// the next is told; the key that was said with it, what was private, and the echo of
// what the hook itself had put in are nowhere.
func TestSession(t *testing.T) {
	t.Parallel()
	data, work := filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "tool")
	for name, text := range map[string]string{"HEAD": "ref: refs/heads/main\n", "config": "[remote \"origin\"]\n\turl = https://example.org/acme/tool.git\n"} {
		if err := os.MkdirAll(filepath.Join(work, ".git"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(work, ".git", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	begin := func(id string) *agentSession {
		return &agentSession{T: t, id: id, data: data, work: work, transcript: filepath.Join(t.TempDir(), id+".jsonl")}
	}
	// Not the key of anything.
	key := "ghp_" + "q7Zk2Xw9Lr4Vt6Nb8Mc1Pd3Sf5Gh0JyAeUiO"
	const (
		known    = "The gateway of the staging cluster listens on port 8443."
		private  = "The customer's name is Halvorsen Shipping."
		decision = "We decided to move the gateway of the staging cluster to port 9443"
	)
	first := begin("first")
	first.cli("", "project", "add", "tool", "--alias", "example.org/acme/tool")
	first.cli("", "add", "knowledge", known, "--project", "tool")

	given := first.prompt("Which port does the gateway of the staging cluster listen on, and can we move it? <private>" + private + "</private>")
	if !strings.Contains(given, known) {
		t.Fatalf("the first prompt is given\n%s", given)
	}
	first.answer(given+"\nAs I was told:\n\n> "+known+"\n- "+known+" [1]\n\n"+decision+" because 8443 is taken.\n"+
		"The token for the deployment is "+key+" and it works.\n", nil)
	first.answer("", map[string]any{"stop_hook_active": true}) // the same turn, once more

	var list struct {
		Interactions []struct{ Prompt, Response, Project, Session string }
	}
	if err := json.Unmarshal([]byte(first.cli("", "interactions", "--json")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Interactions) != 1 || list.Interactions[0].Project != "tool" || !strings.Contains(list.Interactions[0].Response, decision) {
		t.Fatalf("kept is %+v", list.Interactions)
	}
	for _, echo := range []string{known, "atocore-context", "Stored records"} {
		if strings.Contains(list.Interactions[0].Response, echo) {
			t.Errorf("the echo %q is kept in\n%s", echo, list.Interactions[0].Response)
		}
	}

	// Nothing is told before somebody has accepted it.
	second := begin("second")
	const question = "To which port do we move the gateway of the staging cluster?"
	if text := second.prompt(question); strings.Contains(text, "9443") {
		t.Errorf("before the review the second session is given\n%s", text)
	}
	var review struct {
		Candidates []struct{ ID, Content, Project string }
	}
	if err := json.Unmarshal([]byte(second.cli("", "review", "--json")), &review); err != nil {
		t.Fatal(err)
	}
	accepted := 0
	for _, c := range review.Candidates {
		if strings.Contains(c.Content, known) || strings.Contains(c.Content, "ghp_") {
			t.Errorf("proposed is %q", c.Content)
		}
		if strings.Contains(c.Content, decision) && c.Project == "tool" {
			second.cli("", "review", "accept", c.ID)
			accepted++
		}
	}
	if accepted != 1 {
		t.Fatalf("of %+v, %d are the decision", review.Candidates, accepted)
	}

	third := begin("third")
	text := third.prompt(question)
	if !strings.Contains(text, decision) {
		t.Errorf("the third session is given\n%s", text)
	}
	if n := strings.Count(text, known); n > 1 {
		t.Errorf("what was known before is in it %d times:\n%s", n, text)
	}
	if strings.Contains(text, key) || strings.Contains(text, "Halvorsen") {
		t.Errorf("the third session is given what is secret:\n%s", text)
	}
	// The decision, repeated, is not proposed again.
	third.answer("To port 9443:\n"+decision+" because 8443 is taken.\n", nil)
	if err := json.Unmarshal([]byte(third.cli("", "review", "--json")), &review); err != nil {
		t.Fatal(err)
	}
	for _, c := range review.Candidates {
		if strings.Contains(c.Content, decision) {
			t.Errorf("the decision is proposed again: %q", c.Content)
		}
	}

	files := 0
	if err := filepath.WalkDir(data, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(name)
		files++
		for _, secret := range []string{key, key[4:], key[:20], "Halvorsen"} {
			if bytes.Contains(b, []byte(secret)) {
				t.Errorf("%s has %q in it", name, secret)
			}
		}
		return err
	}); err != nil || files < 4 {
		t.Errorf("looked into %d files: %v", files, err)
	}
	third.cli("", "doctor")
}
