package hooks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/hooks"
)

// A desk is a store and an agent's session, for one test.
type desk struct {
	testing.TB
	dir        string // data directory
	work       string // where the agent works
	transcript string
	config     hooks.Config
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{TB: t, dir: filepath.Join(t.TempDir(), "store"), work: t.TempDir(), transcript: filepath.Join(t.TempDir(), "session.jsonl")}
	d.config = hooks.Config{Dir: d.dir, Open: func(ctx context.Context, create bool, logger *slog.Logger) (*atocore.Store, error) {
		return atocore.Open(ctx, d.dir, d.options(!create))
	}}
	t.Cleanup(d.check)
	return d
}

func (d *desk) options(noCreate bool) *atocore.Options {
	return &atocore.Options{NoCreate: noCreate, CompileCache: filepath.Join(os.TempDir(), "atocore-test-wasm")}
}

// with opens the store for fn.
func (d *desk) with(fn func(*atocore.Store)) {
	d.Helper()
	s, err := atocore.Open(context.Background(), d.dir, d.options(false))
	if err != nil {
		d.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			d.Error(err)
		}
	}()
	fn(s)
}

// check holds the store, where there is one, to its own check.
func (d *desk) check() {
	if _, err := os.Stat(filepath.Join(d.dir, "atocore.db")); err != nil {
		return
	}
	d.with(func(s *atocore.Store) {
		report, err := s.Check(context.Background())
		if err != nil || !report.OK {
			d.Errorf("check of the store: %+v, %v", report, err)
		}
	})
}

func (d *desk) say(steps ...string) {
	d.Helper()
	if err := os.WriteFile(d.transcript, transcript(steps...), 0o600); err != nil {
		d.Fatal(err)
	}
}

// payload is what the agent writes to a hook, more over it.
func (d *desk) payload(event string, more map[string]any) io.Reader {
	p := map[string]any{
		"session_id": "session", "transcript_path": d.transcript, "cwd": d.work, "hook_event_name": event,
		"stop_hook_active": false, "permission_mode": "default", "something_new": map[string]any{"x": []int{1}},
	}
	for k, v := range more {
		p[k] = v
	}
	b, err := json.Marshal(p)
	if err != nil {
		d.Fatal(err)
	}
	return bytes.NewReader(b)
}

func (d *desk) stop(more map[string]any) {
	d.Helper()
	if err := hooks.Stop(context.Background(), d.config, d.payload("Stop", more)); err != nil {
		d.Fatal(err)
	}
}

// prompt is the context that the agent gets, empty for none.
func (d *desk) prompt(text string) string {
	d.Helper()
	out, err := hooks.Prompt(context.Background(), d.config, d.payload("UserPromptSubmit", map[string]any{"prompt": text}))
	if err != nil {
		d.Fatal(err)
	}
	if len(out) == 0 {
		return ""
	}
	var doc struct {
		Specific struct {
			Event   string `json:"hookEventName"`
			Context string `json:"additionalContext"`
		} `json:"hookSpecificOutput"`
	}
	if err := json.Unmarshal(out, &doc); err != nil || doc.Specific.Event != "UserPromptSubmit" || doc.Specific.Context == "" {
		d.Fatalf("the answer is %s, %v", out, err)
	}
	return doc.Specific.Context
}

func (d *desk) interactions() (all []atocore.Interaction) {
	d.Helper()
	d.with(func(s *atocore.Store) {
		for i, err := range s.Interactions(context.Background(), atocore.InteractionFilter{}) {
			if err != nil {
				d.Fatal(err)
			}
			all = append(all, i)
		}
	})
	slices.Reverse(all)
	return all
}

func (d *desk) remember(project string, contents ...string) {
	d.Helper()
	d.with(func(s *atocore.Store) {
		if project != "" {
			if _, err := s.AddProject(context.Background(), atocore.Project{Name: project}); err != nil {
				d.Fatal(err)
			}
		}
		for _, c := range contents {
			m := atocore.Memory{Type: atocore.Knowledge, Content: c, Project: project}
			if _, err := s.Remember(context.Background(), m); err != nil {
				d.Fatal(err)
			}
		}
	})
}

// spooled are the files that wait.
func (d *desk) spooled() []string {
	d.Helper()
	all, err := filepath.Glob(filepath.Join(d.dir, "spool", "*.json"))
	if err != nil {
		d.Fatal(err)
	}
	return all
}

func (d *desk) log() string {
	d.Helper()
	b, err := os.ReadFile(filepath.Join(d.dir, "hooks", "hook.log"))
	if err != nil { // there need not be any
		return ""
	}
	return string(b)
}

const (
	question = "u Which port does the gateway of the staging cluster listen on?"
	reply    = "a It listens on port 8443, as the values of the deployment say."
)

// TestStop keeps a turn once, however often the hook is run.
func TestStop(t *testing.T) {
	d := newDesk(t)
	d.say(question, "a+ Looking.", "r text", reply)
	for _, active := range []bool{false, true, false} {
		d.stop(map[string]any{"stop_hook_active": active})
	}
	all := d.interactions()
	if len(all) != 1 {
		t.Fatalf("there are %d interactions, want 1: %+v", len(all), all)
	}
	i := all[0]
	if i.Client != "claude-code" || i.Session != "session" || i.Turn != "id-0" || i.Actor != "hook:claude-code" || i.Project != "" ||
		i.Prompt != question[2:] || i.Response != reply[2:] || !i.CreatedAt.Equal(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)) {
		t.Errorf("the interaction is %+v", i)
	}
	d.say(question, "a+ Looking.", "r text", reply, "u And what listens on port 443 there?", "a The proxy does, for all names of the cluster.")
	d.stop(nil)
	if all := d.interactions(); len(all) != 2 || all[1].Turn != "id-4" {
		t.Errorf("after another turn there are %+v", all)
	}
	if left := d.spooled(); len(left) != 0 {
		t.Errorf("the spool has %q", left)
	}
}

// TestStopFurther keeps a further answer, to a notice, as a turn of its own.
func TestStopFurther(t *testing.T) {
	d := newDesk(t)
	steps := []string{question, reply}
	d.say(steps...)
	d.stop(nil)
	d.say(append(steps, "n the load test has ended", "a The load test reached 4,100 requests a second, so port 8443 it stays.")...)
	d.stop(nil)
	d.stop(nil)
	all := d.interactions()
	if len(all) != 2 || all[1].Prompt != "" || !strings.Contains(all[1].Response, "4,100") {
		t.Errorf("the interactions are %+v", all)
	}
}

// TestStopLeavesOut keeps nothing of subagents, of trifles and of what is private.
func TestStopLeavesOut(t *testing.T) {
	d := newDesk(t)
	d.say(question, reply)
	for _, more := range []map[string]any{
		{"hook_event_name": "SubagentStop", "agent_id": "a1"},
		{"hook_event_name": "SubagentStop"},
		{"agent_id": "a1"},
	} {
		d.stop(more)
	}
	d.say("u thanks", "a You are welcome!")
	d.stop(nil)
	d.say("u <private>all of it</private>", "a ")
	d.stop(nil)
	if left := d.spooled(); len(left) != 0 {
		t.Errorf("the spool has %q", left)
	}
	if _, err := os.Stat(filepath.Join(d.dir, "atocore.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a store was made for nothing: %v", err)
	}
}

// TestStopProject takes the project of the working directory, or the one it is told.
func TestStopProject(t *testing.T) {
	d := newDesk(t)
	git := filepath.Join(d.work, "tool", ".git")
	if err := os.MkdirAll(git, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"HEAD": "ref: refs/heads/main\n", "config": "[remote \"origin\"]\n\turl = git@example.org:acme/tool.git\n"} {
		if err := os.WriteFile(filepath.Join(git, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.say(question, reply)
	d.stop(map[string]any{"cwd": filepath.Dir(git), "session_id": "1"})
	d.stop(map[string]any{"cwd": "/nowhere/at/all", "session_id": "2"})
	d.stop(map[string]any{"cwd": "relative", "session_id": "3"})
	d.stop(map[string]any{"cwd": 7, "session_id": "4"})
	d.config.Project = "told"
	d.stop(map[string]any{"cwd": filepath.Dir(git), "session_id": "5"})
	got := map[string]string{}
	for _, i := range d.interactions() {
		got[i.Session] = i.Project
	}
	for session, want := range map[string]string{"1": "tool", "2": "", "3": "", "4": "", "5": "told"} {
		if p, ok := got[session]; !ok || p != want {
			t.Errorf("session %s is of project %q, %v, want %q", session, p, ok, want)
		}
	}
	// The next prompt in the same place has the project's memories.
	d.config.Project = ""
	d.remember("other", "The gateway of the staging cluster listens on port 9999.")
	d.with(func(s *atocore.Store) {
		m := atocore.Memory{Type: atocore.Knowledge, Project: "tool", Content: "The gateway of the staging cluster is restarted on Mondays."}
		if _, err := s.Remember(context.Background(), m); err != nil {
			t.Fatal(err)
		}
	})
	d.work = filepath.Dir(git)
	if text := d.prompt("When is the gateway of the staging cluster restarted?"); !strings.Contains(text, "on Mondays") || strings.Contains(text, "9999") {
		t.Errorf("the context is\n%s", text)
	}
	d.work = t.TempDir() // of no project: the others' memories are not for here
	if text := d.prompt("When is the gateway of the staging cluster restarted?"); text != "" {
		t.Errorf("the context of no project is\n%s", text)
	}
}

// TestStopSpoolsFirst has the turn on the disk before the store is opened, and
// leaves it there where the store is not to be had.
func TestStopSpoolsFirst(t *testing.T) {
	d := newDesk(t)
	d.say(question, reply)
	opened := 0
	open := d.config.Open
	for name, fail := range map[string]func(ctx context.Context) error{
		"in use": func(context.Context) error { return atocore.ErrInUse },
		"too slow": func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		},
	} {
		d.config.Deadline = 200 * time.Millisecond
		d.config.Open = func(ctx context.Context, _ bool, _ *slog.Logger) (*atocore.Store, error) {
			opened++
			if left := d.spooled(); len(left) != opened {
				t.Errorf("%s: when the store is opened the spool has %q", name, left)
			}
			return nil, fail(ctx)
		}
		d.stop(map[string]any{"session_id": name})
	}
	if opened != 2 || len(d.spooled()) != 2 {
		t.Fatalf("the store was opened %d times, and %q wait", opened, d.spooled())
	}
	d.config.Open, d.config.Deadline = open, 0
	d.prompt("anything that a store is opened for, as long as there is one")
	d.with(func(s *atocore.Store) {
		if r, err := s.Drain(context.Background()); err != nil || r.Drained != 2 {
			t.Errorf("drained: %+v, %v", r, err)
		}
	})
}

// TestWhatever holds both hooks to their contract: no panic, no answer, and in the
// log nothing of what was said.
func TestWhatever(t *testing.T) {
	const secret = "the quick brown fox of the gateway"
	for name, arrange := range map[string]func(d *desk) io.Reader{
		"no input":   func(*desk) io.Reader { return strings.NewReader("") },
		"no JSON":    func(*desk) io.Reader { return strings.NewReader(secret) },
		"half of it": func(*desk) io.Reader { return strings.NewReader(`{"session_id": "` + secret) },
		"an array":   func(*desk) io.Reader { return strings.NewReader(`["` + secret + `"]`) },
		"null":       func(*desk) io.Reader { return strings.NewReader("null") },
		"numbers": func(*desk) io.Reader {
			return strings.NewReader(`{"session_id":1,"transcript_path":2,"cwd":3,"prompt":4}`)
		},
		"without end":   func(*desk) io.Reader { return endless{} },
		"an open pipe":  func(d *desk) io.Reader { r, _ := io.Pipe(); return r },
		"a broken pipe": func(*desk) io.Reader { return failingReader{} },
		"no transcript": func(d *desk) io.Reader { d.transcript = filepath.Join(d.work, "missing"); return nil },
		"a directory":   func(d *desk) io.Reader { d.transcript = d.work; return nil },
		"no data directory": func(d *desk) io.Reader {
			d.dir = filepath.Join(d.transcript, "below", "a", "file")
			d.config.Dir = d.dir
			return nil
		},
		"somebody's directory": func(d *desk) io.Reader {
			if err := os.MkdirAll(filepath.Join(d.dir, "photographs"), 0o700); err != nil {
				d.Fatal(err)
			}
			return nil
		},
		"an unknown agent": func(d *desk) io.Reader { d.config.Agent = "nobody"; return nil },
		"a panic": func(d *desk) io.Reader {
			d.config.Open = func(context.Context, bool, *slog.Logger) (*atocore.Store, error) { panic(secret) }
			return nil
		},
		"an error": func(d *desk) io.Reader {
			d.config.Open = func(context.Context, bool, *slog.Logger) (*atocore.Store, error) { return nil, atocore.ErrCorrupt }
			return nil
		},
	} {
		for _, event := range []string{"Stop", "UserPromptSubmit"} {
			t.Run(name+" "+event, func(t *testing.T) {
				d := newDesk(t)
				d.say("u "+secret, reply)
				d.config.Deadline = time.Second
				in := arrange(d)
				if in == nil {
					in = d.payload(event, map[string]any{"prompt": secret})
				}
				var out []byte
				if event == "Stop" {
					_ = hooks.Stop(t.Context(), d.config, in) // that it returns is what counts
				} else {
					out, _ = hooks.Prompt(t.Context(), d.config, in)
				}
				if len(out) != 0 {
					t.Errorf("the answer is %s", out)
				}
				if log := d.log(); strings.Contains(log, "quick brown") {
					t.Errorf("what was said is in the log:\n%s", log)
				}
				if name == "somebody's directory" {
					if entries, err := os.ReadDir(d.dir); err != nil || len(entries) != 1 {
						t.Errorf("the directory has %v, %v", entries, err)
					}
				}
			})
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestToldAnswer keeps the answer that the hook is told where there is no transcript.
func TestToldAnswer(t *testing.T) {
	d := newDesk(t)
	d.transcript = filepath.Join(d.work, "missing")
	for range 2 {
		d.stop(map[string]any{"last_assistant_message": reply[2:]})
	}
	if all := d.interactions(); len(all) != 1 || all[0].Response != reply[2:] || all[0].Prompt != "" {
		t.Errorf("the interactions are %+v", all)
	}
}

// TestPrompt speaks where something is relevant and is silent otherwise.
func TestPrompt(t *testing.T) {
	d := newDesk(t)
	const fact = "The gateway of the staging cluster listens on port 8443."
	if text := d.prompt(question[2:]); text != "" {
		t.Errorf("without a store the context is\n%s", text)
	}
	if _, err := os.Stat(filepath.Join(d.dir, "atocore.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a prompt has made a store: %v", err)
	}
	d.remember("", fact, "The landlord is Mr Okafor.", "Invoices are sent on the first of the month.")
	text := d.prompt(question[2:])
	if !strings.Contains(text, fact) || strings.Contains(text, "Okafor") || !strings.HasPrefix(text, "<atocore-context hash=") {
		t.Errorf("the context is\n%s", text)
	}
	for _, silent := range []string{
		"write a haiku about autumn", "", "  ", "ok, go on", "/compact and keep the gateway of the staging cluster", "/gateway", "!ls gateway port",
		"<task-notification>the gateway of the staging cluster listens</task-notification>", "\x00\xff",
	} {
		if text := d.prompt(silent); text != "" {
			t.Errorf("%q gets\n%s", silent, text)
		}
	}
	if text := d.prompt("/etc/gateway.conf has which port for the staging cluster's gateway?"); text == "" {
		t.Error("a path is taken for a command")
	}
	if text := d.prompt("Where does the gateway listen?"); text == "" {
		t.Error("at the default threshold there is nothing")
	}
	d.config.MinRelevance = 1
	if text := d.prompt("Where does the gateway listen?"); text != "" {
		t.Errorf("below the threshold there is\n%s", text)
	}
	d.config.MinRelevance, d.config.Budget = 0, 5
	if text := d.prompt(question[2:]); text != "" {
		t.Errorf("a budget of five tokens gets\n%s", text)
	}
}

// TestLogBounded begins anew when the log is long.
// TestNoSecrets looks at every byte of the data directory, the log and the spool
// included, for secrets that the agent's names and texts have.
func TestNoSecrets(t *testing.T) {
	secret := "gh" + "p_" + strings.Repeat("x4Yz9Q", 6)
	d := newDesk(t)
	d.remember("", "The gateway of the staging cluster listens on port 8443.")
	work := filepath.Join(t.TempDir(), secret)
	if err := os.MkdirAll(filepath.Join(work, ".git"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(work, ".git", "HEAD"), []byte("ref: refs/heads/main\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := d.config.Open
	d.config.Open = func(context.Context, bool, *slog.Logger) (*atocore.Store, error) { return nil, atocore.ErrBusy }
	long := strings.Repeat("one and two ", (hooks.MaxText-20)/12) + secret
	d.say(question+" "+secret, "a I have taken "+secret+" for it, and restarted the gateway.")
	d.stop(map[string]any{"session_id": "of " + secret, "cwd": work})
	d.stop(map[string]any{"session_id": "long", "last_assistant_message": long})
	d.stop(map[string]any{"transcript_path": filepath.Join(work, "missing.jsonl")})
	d.stop(map[string]any{"cwd": filepath.Join(work, "missing")})
	look := func() {
		if err := filepath.WalkDir(d.dir, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			b, err := os.ReadFile(name)
			if i := bytes.Index(b, []byte(secret[:12])); i >= 0 {
				t.Errorf("%s has the secret: …%q", name, b[max(0, i-80):min(len(b), i+40)])
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	look()
	d.config.Open = open
	if out, err := hooks.Prompt(context.Background(), d.config, d.payload("UserPromptSubmit", map[string]any{"session_id": secret, "cwd": work, "prompt": question[2:] + secret})); err != nil || len(out) == 0 {
		t.Errorf("the context is %q, %v", out, err)
	}
	d.stop(map[string]any{"session_id": "of " + secret})
	if len(d.interactions()) < 3 {
		t.Errorf("the interactions are %+v", d.interactions())
	}
	look()
}

func TestLogBounded(t *testing.T) {
	d := newDesk(t)
	d.say(question, reply)
	d.stop(nil)
	name := filepath.Join(d.dir, "hooks", "hook.log")
	for range 2 {
		if err := os.WriteFile(name, bytes.Repeat([]byte("x"), 1<<20+1), 0o600); err != nil {
			t.Fatal(err)
		}
		d.stop(nil)
	}
	entries, err := os.ReadDir(filepath.Dir(name))
	if err != nil || len(entries) != 2 {
		t.Errorf("there are %v, %v, want the log and the one before", entries, err)
	}
	if info, err := os.Stat(name); err != nil || info.Size() > 10_000 || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the log is %v, %v", info, err)
	}
}

// BenchmarkStop is hook stop from the payload to the disk, on a transcript of 50 MB.
func BenchmarkStop(b *testing.B) {
	d := newDesk(b)
	var src bytes.Buffer
	filler := transcript("r "+strings.Repeat("much ado ", 2000), "p "+strings.Repeat("about nothing ", 1000))
	for src.Len() < 50<<20 {
		src.Write(filler)
	}
	src.Write(transcript(question, "a+ Looking.", "r "+strings.Repeat("much ado ", 2000), reply))
	if err := os.WriteFile(d.transcript, src.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	d.config.Open = func(context.Context, bool, *slog.Logger) (*atocore.Store, error) { return nil, atocore.ErrBusy }
	b.ReportAllocs()
	for b.Loop() {
		d.stop(nil)
		for _, name := range d.spooled() {
			if err := os.Remove(name); err != nil {
				b.Fatal(err)
			}
		}
	}
}
