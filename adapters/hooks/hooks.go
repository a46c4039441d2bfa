// Package hooks answers the hooks of coding agents: Stop keeps the last turn of a
// session as an interaction, Prompt gives a prompt its context, and Plan puts both
// into an agent's settings file or takes them out. The package translates: what is
// worth keeping, what must not be kept, which project a directory belongs to and
// what is relevant to a prompt are the store's to say.
//
// Stop and Prompt never fail the agent. Whatever happens, they return within their
// deadline, and what they have to say of it goes to a log in the data directory
// rather than to anybody who waits. Their errors are for tests and for those who
// debug; a program that runs as a hook exits with 0 in any case and prints nothing
// but Prompt's answer.
//
// What an agent's files and messages look like is in a table, a row an agent. They
// are read as what they are, somebody else's files: bounded, and with whatever makes
// no sense left out.
package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/atocore/atocore"
)

// Defaults of Config.
const (
	DefaultBudget       = 1000 // tokens
	DefaultMinRelevance = 0.35

	stopDeadline   = 10 * time.Second
	drainDeadline  = 5 * time.Second // of which
	promptDeadline = 5 * time.Second
)

// maxPayload bounds what an agent writes to a hook; the last answer is in it.
const maxPayload = 16 << 20

// A Config says for whom, and with which store, a hook works.
type Config struct {
	// Agent is whose hook it is, a name of Agents. Empty is the first.
	Agent string

	// Dir is the data directory. It need not be there.
	Dir string

	// Project is the project of whatever is said; empty is the one that the working
	// directory belongs to.
	Project string

	// Open opens the store, to take in what was spooled with create, without it to
	// read. Logger is where the store may write.
	Open func(ctx context.Context, create bool, logger *slog.Logger) (*atocore.Store, error)

	Budget       int     // of a context, in tokens; 0 is DefaultBudget
	MinRelevance float64 // see atocore.ContextRequest; 0 is DefaultMinRelevance

	// Deadline bounds the hook as a whole; 0 is ten seconds for Stop, five for Prompt.
	Deadline time.Duration
}

// A payload is what an agent says when it runs a hook, as far as it is used.
type payload struct {
	Event      string
	Session    string
	Transcript string
	Dir        string
	Subagent   string
	Prompt     string
	Answer     string
}

// readPayload reads one JSON object. Unknown fields, and known ones with values that
// they do not have, are no concern of a hook's.
func (a *Agent) readPayload(ctx context.Context, in io.Reader) (payload, error) {
	type result struct {
		src []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		src, err := io.ReadAll(io.LimitReader(in, maxPayload+1))
		done <- result{src, err}
	}()
	var r result
	select {
	case <-ctx.Done(): // an agent that does not close its end
		return payload{}, fmt.Errorf("read the payload: %w", ctx.Err())
	case r = <-done:
	}
	if r.err != nil {
		return payload{}, fmt.Errorf("read the payload: %w", r.err)
	}
	if len(r.src) > maxPayload {
		return payload{}, fmt.Errorf("the payload is longer than %d bytes", maxPayload)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(bytes.TrimPrefix(r.src, byteOrderMark), &fields); err != nil {
		return payload{}, fmt.Errorf("the payload is no JSON object: %w", quiet(err))
	}
	text := func(name string) string {
		var s string
		if name == "" || json.Unmarshal(fields[name], &s) != nil {
			return ""
		}
		return s
	}
	f := &a.fields
	return payload{
		Event: text(f.event), Session: text(f.session), Transcript: text(f.transcript), Dir: text(f.dir),
		Subagent: text(f.subagent), Prompt: text(f.prompt), Answer: text(f.answer),
	}, nil
}

// quiet is err without what it quotes of the input.
func quiet(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("at byte %d", syntax.Offset)
	}
	if typed, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("it is a %s", typed.Value)
	}
	return err
}

// A hook is one run of one.
type hook struct {
	Config
	agent *Agent
	log   *slog.Logger
	file  *logFile
}

// guard runs fn as a hook: within the deadline, with a log, and without a panic.
func (c Config) guard(ctx context.Context, event string, deadline time.Duration, fn func(context.Context, *hook) error) (err error) {
	if c.Deadline > 0 {
		deadline = c.Deadline
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	file := &logFile{dir: c.Dir}
	defer file.close()
	h := &hook{Config: c, file: file, log: slog.New(slog.NewTextHandler(file, nil)).With("event", event)}
	if h.Budget == 0 {
		h.Budget = DefaultBudget
	}
	if h.MinRelevance == 0 {
		h.MinRelevance = DefaultMinRelevance
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in a hook")
			h.log.Error("panic", "value", fmt.Sprintf("%T", r), "stack", string(debug.Stack()))
			return
		}
		if err != nil {
			h.log.Error("failed", "error", err)
		}
	}()
	if h.agent, err = findAgent(c.Agent); err != nil {
		return err
	}
	return fn(ctx, h)
}

// workspace is what is known of the directory that the agent works in.
func (h *hook) workspace(dir string) *atocore.Workspace {
	if !filepath.IsAbs(dir) {
		return nil
	}
	w, err := atocore.FindWorkspace(dir)
	if err != nil {
		h.log.Warn("the working directory says nothing", "error", err)
		return nil
	}
	return &w
}

// expand puts the home directory for a leading tilde.
func expand(name string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return name
}
