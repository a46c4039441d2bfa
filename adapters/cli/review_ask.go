package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/atocore/atocore"
)

// A reviewOutcome is what somebody decided, candidate by candidate.
type reviewOutcome struct {
	Accepted []atocore.Memory `json:"accepted"`
	Rejected []atocore.Memory `json:"rejected"`
	Left     int              `json:"left"` // skipped, or not reached
}

func (o *reviewOutcome) print(s *session) {
	for _, m := range append(o.Accepted, o.Rejected...) {
		s.memoryLine(m)
	}
	s.note("%d accepted, %d rejected, %d left", len(o.Accepted), len(o.Rejected), o.Left)
}

// askAbout asks about each candidate and does at once what is answered. Questions go
// to standard error; the end of the input ends it like q.
func (s *session) askAbout(ctx context.Context, store *atocore.Store, candidates []atocore.Memory) (*reviewOutcome, error) {
	out := &reviewOutcome{Accepted: []atocore.Memory{}, Rejected: []atocore.Memory{}, Left: len(candidates)}
	in := newLines(s.stdin)
	defer in.stop()
	if len(candidates) == 0 {
		s.note("nothing waits for review")
	}
	for n := 0; n < len(candidates); n++ {
		m := candidates[n]
		s.say("\n[%d/%d] %s, project %s\n    %s\n    %s\n", n+1, len(candidates), m.Type, orDash(m.Project), safe(oneLine(m.Content, 4*maxCell)), safe(originOf(m)))
		done, err := s.askOne(ctx, store, in, m, out)
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			s.note("%d accepted, %d rejected before the error", len(out.Accepted), len(out.Rejected))
			return nil, err
		case done:
			out.Left--
		}
	}
	return out, nil
}

// askOne asks until there is a decision. done is whether it was accepted or rejected.
func (s *session) askOne(ctx context.Context, store *atocore.Store, in *lines, m atocore.Memory, out *reviewOutcome) (done bool, err error) {
	for {
		s.say("accept, edit, reject, skip, view, quit [a/e/r/s/v/q]? ")
		line, err := in.next(ctx)
		if err != nil {
			return false, err
		}
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		var next atocore.Memory
		switch strings.ToLower(verb) {
		case "a", "accept":
			if next, err = store.Accept(ctx, m.ID, nil); err == nil {
				out.Accepted = append(out.Accepted, next)
				return true, nil
			}
		case "e", "edit":
			var edit *atocore.Edit
			if edit, err = s.askEdit(ctx, in, m); err != nil {
				return false, err
			}
			if next, err = store.Accept(ctx, m.ID, edit); err == nil {
				out.Accepted = append(out.Accepted, next)
				return true, nil
			}
		case "r", "reject":
			if next, err = store.Reject(ctx, m.ID, strings.TrimSpace(rest)); err == nil {
				out.Rejected = append(out.Rejected, next)
				return true, nil
			}
		case "s", "skip":
			return false, nil
		case "q", "quit":
			return false, io.EOF
		case "v", "view":
			err = s.viewSource(ctx, store, m)
		default:
			s.say("a accepts it as it is, e in other words; r rejects it for good (r REASON); s leaves it for later; v shows what was said; q ends.\n")
			continue
		}
		missing, ok := errors.AsType[*atocore.NotFoundError](err)
		switch {
		case err == nil:
		case errors.Is(err, atocore.ErrConflict), ok && missing.Kind != "project":
			s.say("%s\n", safe(err.Error())) // somebody else was faster
			return false, nil
		case errors.Is(err, atocore.ErrInvalid), ok:
			s.say("%s\n", safe(err.Error()))
		default:
			return false, err
		}
	}
}

// askEdit asks for what is to be changed. An empty line leaves it as it is.
func (s *session) askEdit(ctx context.Context, in *lines, m atocore.Memory) (*atocore.Edit, error) {
	var e atocore.Edit
	for _, q := range []struct {
		question string
		set      func(string)
	}{
		{"words (empty: as they are): ", func(a string) { e.Content = a }},
		{fmt.Sprintf("type [%s]: ", m.Type), func(a string) { e.Type = atocore.MemoryType(a) }},
		{fmt.Sprintf("project [%s], - for none: ", orDash(m.Project)), func(a string) {
			if a == "-" {
				a = ""
			}
			e.Project = &a
		}},
	} {
		s.say("%s", safe(q.question))
		line, err := in.next(ctx)
		if err != nil {
			return nil, err
		}
		if a := strings.TrimSpace(line); a != "" {
			q.set(a)
		}
	}
	return &e, nil
}

// viewSource shows the interaction that a candidate was proposed from.
func (s *session) viewSource(ctx context.Context, store *atocore.Store, m atocore.Memory) error {
	id, ok := strings.CutPrefix(m.Provenance.Source, "interaction:")
	if !ok {
		s.say("it was not proposed from an interaction\n")
		return nil
	}
	record, err := store.Record(ctx, id)
	if errors.Is(err, atocore.ErrNotFound) {
		s.say("%s\n", safe(err.Error()))
		return nil
	}
	if err != nil {
		return err
	}
	if i, ok := record.(atocore.Interaction); ok {
		for _, text := range []string{i.Prompt, i.Response} {
			for line := range strings.Lines(text) {
				s.say("    %s\n", safe(strings.TrimRight(line, "\r\n")))
			}
			s.say("\n")
		}
	}
	return nil
}

// say writes to the person who answers, at once. Arguments are safe already.
func (s *session) say(format string, args ...any) { fmt.Fprintf(s.stderr, format, args...) }

// lines reads lines until somebody stops it. A read from a terminal cannot be
// interrupted, so one is left behind.
type lines struct {
	from chan string
	end  chan error
	quit chan struct{}
}

func newLines(r io.Reader) *lines {
	l := &lines{from: make(chan string), end: make(chan error, 1), quit: make(chan struct{})}
	if r == nil {
		r = strings.NewReader("")
	}
	go func() {
		sc := bufio.NewScanner(r)
		sc.Buffer(nil, 1<<20)
		for sc.Scan() {
			select {
			case l.from <- sc.Text():
			case <-l.quit:
				return
			}
		}
		err := sc.Err()
		if err == nil {
			err = io.EOF
		}
		l.end <- err
		close(l.end)
		close(l.from)
	}()
	return l
}

func (l *lines) next(ctx context.Context) (string, error) {
	select {
	case line, ok := <-l.from:
		if ok {
			return line, nil
		}
		if err, ok := <-l.end; ok {
			return "", err
		}
		return "", io.EOF
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (l *lines) stop() { close(l.quit) }
