package hooks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/atocore/atocore"
)

// Stop keeps the last turn of the session whose Stop hook says in, and returns once
// it is on the disk, or is not to be kept. It then takes in what waits, if the store
// is there for it within a short time; what is left waits for the next that does so.
//
// The same turn is kept once, however often the hook is run. Stop is nothing but
// careful: see the package's comment.
func Stop(ctx context.Context, c Config, in io.Reader) error {
	return c.guard(ctx, "stop", stopDeadline, func(ctx context.Context, h *hook) error {
		p, err := h.agent.readPayload(ctx, in)
		if err != nil {
			return err
		}
		if p.Subagent != "" || h.agent.ignores(p.Event) {
			return nil
		}
		kept, err := h.keep(ctx, &p)
		if err != nil || !kept {
			return err
		}
		return h.takeIn(ctx)
	})
}

func (a *Agent) ignores(event string) bool {
	for _, e := range a.events.ignored {
		if e == event {
			return true
		}
	}
	return false
}

// keep spools the last turn, and reports whether there was one worth it.
func (h *hook) keep(ctx context.Context, p *payload) (bool, error) {
	t, ok, err := h.turn(ctx, p)
	if err != nil || !ok {
		return false, err
	}
	i := atocore.Interaction{
		Session: oneLine(p.Session), Turn: oneLine(t.ID), Client: h.agent.Name, Actor: "hook:" + h.agent.Name,
		Prompt: limit(t.Prompt), Response: limit(t.Answer), Project: h.Project, CreatedAt: t.Time,
	}.Clean()
	if i.Response = h.withoutEcho(p.Session, i.Response); i.Trivial() {
		h.log.Info("not kept: trivial", "session", i.Session, "turn", i.Turn)
		return false, nil
	}
	sp := atocore.Spooled{Interaction: i}
	if h.Project == "" {
		sp.Workspace = h.workspace(p.Dir)
	}
	if err := atocore.Spool(ctx, h.Dir, sp); err != nil {
		return false, err
	}
	h.log.Info("kept", "session", i.Session, "turn", i.Turn)
	return true, nil
}

// turn reads the transcript. Where that cannot be read, an answer that the agent has
// told is kept all the same.
func (h *hook) turn(ctx context.Context, p *payload) (Turn, bool, error) {
	t, ok, err := h.readTranscript(ctx, p)
	if err == nil || ctx.Err() != nil {
		return t, ok, err
	}
	h.log.Warn("the transcript cannot be read", "error", err)
	if answer := strings.TrimSpace(p.Answer); answer != "" {
		return Turn{ID: hashID("", answer), Answer: answer}, true, nil
	}
	return Turn{}, false, nil
}

func (h *hook) readTranscript(ctx context.Context, p *payload) (Turn, bool, error) {
	if p.Transcript == "" {
		return Turn{}, false, errors.New("the payload names none")
	}
	name := expand(p.Transcript)
	info, err := os.Stat(name) // before it is opened: a pipe would keep us waiting
	if err != nil {
		return Turn{}, false, err
	}
	if !info.Mode().IsRegular() {
		return Turn{}, false, fmt.Errorf("%s is not a file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return Turn{}, false, err
	}
	defer f.Close()
	return h.agent.lastTurn(ctx, f, info.Size(), p.Answer)
}

// takeIn has the store take in what waits.
func (h *hook) takeIn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainDeadline)
	defer cancel()
	store, err := h.Open(ctx, true, h.log)
	if err != nil {
		h.log.Info("the store is not to be had; the turn waits", "error", err)
		return nil
	}
	h.drain(ctx, store)
	if err := store.Close(); err != nil {
		h.log.Warn("close the store", "error", err)
	}
	return nil
}

func (h *hook) drain(ctx context.Context, store *atocore.Store) {
	report, err := store.Drain(ctx)
	if err != nil {
		h.log.Info("not all was taken in; it waits", "error", err, "left", report.Left)
	}
	if report != (atocore.DrainReport{}) {
		h.log.Info("taken in", "turns", report.Drained, "known", report.Known, "skipped", report.Skipped, "bad", report.Bad, "left", report.Left)
	}
}

// oneLine makes of an identifier what the store takes for one.
func oneLine(s string) string {
	const most = 200
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > most {
		return hashID(s)
	}
	return s
}

// limit keeps the beginning of a text, as much as is kept of a transcript's.
func limit(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if len(s) <= maxText {
		return s
	}
	return wholeWords(strings.ToValidUTF8(s[:maxText-len(cutMark)], "")) + cutMark
}
