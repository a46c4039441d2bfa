package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/atocore/atocore"
)

// Prompt answers the hook that an agent runs when a prompt has been typed: with what
// the agent is to print, a context for the prompt, or with nothing, where nothing is
// relevant enough, where the prompt is a command or trivial, and where anything is
// amiss. What it gives it notes for Stop, as hashes, so that it is not kept as if
// the agent had said it.
//
// Where no project is told and none recognised, the context is of what belongs to no
// project: other projects' matters are not this directory's.
func Prompt(ctx context.Context, c Config, in io.Reader) (answer []byte, err error) {
	err = c.guard(ctx, "prompt", promptDeadline, func(ctx context.Context, h *hook) error {
		p, err := h.agent.readPayload(ctx, in)
		if err != nil {
			return err
		}
		if p.Subagent != "" || h.agent.ignores(p.Event) || !worthAnswering(p.Prompt) {
			return nil
		}
		answer, err = h.answer(ctx, &p)
		return err
	})
	if err != nil || ctx.Err() != nil {
		return nil, err
	}
	return answer, nil
}

// command is a prompt that is for the program, as /compact is; /etc/hosts is none.
var command = regexp.MustCompile(`^[/!#]\s*[\w:.-]*(\s|$)`)

func worthAnswering(prompt string) bool {
	prompt = strings.TrimSpace(prompt)
	// As if it had been answered at length: what counts is whether the prompt says
	// anything by itself.
	i := atocore.Interaction{Prompt: prompt, Response: "something that has been said of it"}
	return prompt != "" && !command.MatchString(prompt) && !fromMachine(prompt) && !i.Trivial()
}

func (h *hook) answer(ctx context.Context, p *payload) ([]byte, error) {
	store, err := h.Open(ctx, false, h.log)
	if errors.Is(err, atocore.ErrNotFound) {
		return nil, nil // nothing has been remembered yet
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := store.Close(); err != nil {
			h.log.Warn("close the store", "error", err)
		}
	}()
	pack, err := h.pack(ctx, store, p)
	if err != nil {
		return nil, err
	}
	var answer []byte
	if pack.Text != "" {
		if err := h.noteEcho(p.Session, pack.Text); err != nil {
			return nil, err // what could come back as if it were new is better not given
		}
		if answer, err = h.agent.contextAnswer(pack.Marked()); err != nil {
			return nil, err
		}
	}
	h.log.Info("answered", "session", oneLine(p.Session), "items", len(pack.Items), "tokens", pack.Tokens)
	h.drainBriefly(ctx, store)
	return answer, nil
}

// drainBriefly takes in what an earlier hook had to leave, in a time that nobody
// notices.
func (h *hook) drainBriefly(ctx context.Context, store *atocore.Store) {
	ctx, cancel := context.WithTimeout(ctx, 250*time.Millisecond)
	defer cancel()
	h.drain(ctx, store)
}

func (h *hook) pack(ctx context.Context, store *atocore.Store, p *payload) (atocore.Pack, error) {
	project := h.Project
	if project == "" {
		if w := h.workspace(p.Dir); w != nil {
			found, err := store.WorkspaceProject(ctx, *w)
			if err != nil && !errors.Is(err, atocore.ErrNotFound) {
				return atocore.Pack{}, err
			}
			project = found.Name
		}
	}
	req := atocore.ContextRequest{
		Prompt: searchText(p.Prompt), Project: project, Global: project == "", Budget: h.Budget, MinRelevance: h.MinRelevance,
	}
	pack, err := store.Retriever(nil).Context(ctx, req)
	if errors.Is(err, atocore.ErrNotFound) {
		// The project that was told is made by the first turn that is kept.
		req.Project, req.Global = "", true
		pack, err = store.Retriever(nil).Context(ctx, req)
	}
	return pack, err
}

// searchText is as much of a prompt as a search takes.
func searchText(prompt string) string {
	prompt = strings.ToValidUTF8(prompt, " ")
	if len(prompt) > atocore.MaxQueryBytes {
		prompt = strings.ToValidUTF8(prompt[:atocore.MaxQueryBytes], "")
	}
	return prompt
}

// contextAnswer is what the agent takes a context from.
func (a *Agent) contextAnswer(text string) ([]byte, error) {
	type output struct {
		Event   string `json:"hookEventName"`
		Context string `json:"additionalContext"`
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(map[string]output{"hookSpecificOutput": {Event: a.events.prompt, Context: text}})
	return b.Bytes(), err
}
