package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/atocore/atocore"
)

type reviewCmd struct {
	List   reviewListCmd   `cmd:"" default:"withargs" help:"Print what waits, newest first, or on a terminal ask about each."`
	Accept reviewAcceptCmd `cmd:"" help:"Make candidates active."`
	Edit   reviewEditCmd   `cmd:"" help:"Make a candidate active in other words."`
	Reject reviewRejectCmd `cmd:"" help:"Reject candidates, for good."`
}

type reviewListCmd struct {
	Project     string   `placeholder:"P" help:"Only of this project, by name or alias."`
	Type        []string `placeholder:"T" enum:"${types}" help:"Only of this type: ${oftype}. May be repeated."`
	Limit       int      `placeholder:"N" help:"At most so many. The default is all."`
	Interactive *bool    `negatable:"" help:"Ask about each. The default is to ask on a terminal."`
}

func (reviewListCmd) Help() string {
	return `Nothing that was proposed is retrieved before it is accepted. Where it comes from stands below each: get with the interaction's ID prints what was said.` + examples(
		`atocore review`,
		`atocore review --project website --json`,
		`atocore review --interactive`,
	)
}

func (c *reviewListCmd) Run(ctx context.Context, s *session) error {
	filter := atocore.MemoryFilter{
		Project: c.Project, Types: typesOf(c.Type), Limit: c.Limit, Statuses: []atocore.Status{atocore.Candidate},
	}
	ask := s.out.terminal && !s.out.json && isTerminal(s.stdin)
	if c.Interactive != nil {
		ask = *c.Interactive
	}
	doc := struct {
		Candidates []atocore.Memory `json:"candidates"`
	}{[]atocore.Memory{}}
	var outcome *reviewOutcome
	err := s.with(ctx, reads, func(store *atocore.Store) (err error) {
		for m, err := range store.Memories(ctx, filter) {
			if err != nil {
				return err
			}
			doc.Candidates = append(doc.Candidates, m)
		}
		if ask {
			outcome, err = s.askAbout(ctx, store, doc.Candidates)
		}
		return err
	})
	if err != nil {
		return err
	}
	if ask {
		return s.out.put(outcome, func() { outcome.print(s) })
	}
	return s.out.put(doc, func() {
		for _, m := range doc.Candidates {
			s.candidateLines(m)
		}
		if len(doc.Candidates) == 0 {
			s.note("nothing waits for review")
		}
	})
}

// candidateLines prints a candidate, and where it comes from.
func (s *session) candidateLines(m atocore.Memory) {
	s.memoryLine(m)
	s.out.line("    %s", originOf(m))
}

// originOf says in a line how a candidate came about.
func originOf(m atocore.Memory) string {
	parts := []string{
		"rule " + cmp.Or(m.Metadata["rule"], "none"), fmt.Sprintf("%.0f %% sure", 100*m.Confidence),
		"said by " + cmp.Or(m.Provenance.Speaker, "nobody known"), moment(m.CreatedAt),
	}
	if m.Provenance.Client != "" {
		parts = append(parts, "in "+m.Provenance.Client)
	}
	if m.Provenance.Source != "" {
		parts = append(parts, m.Provenance.Source)
	}
	return oneLine(strings.Join(parts, ", "), 2*maxCell)
}

// editFlags are what can be changed of a candidate while it is accepted.
type editFlags struct {
	Type    string  `placeholder:"T" enum:",${types}" default:"" help:"Another type: ${oftype}."`
	Content string  `placeholder:"TEXT" help:"Other words; - reads them from standard input."`
	Project *string `placeholder:"P" help:"Another project, by name or alias; an empty one makes it global."`
}

func (f *editFlags) edit(ctx context.Context, s *session) (*atocore.Edit, error) {
	content, err := s.text(ctx, f.Content)
	if err != nil {
		return nil, err
	}
	if f.Content == "-" && content == "" {
		return nil, &atocore.InvalidError{Field: "content", Reason: "is empty"}
	}
	return &atocore.Edit{Type: atocore.MemoryType(f.Type), Content: content, Project: f.Project}, nil
}

type reviewAcceptCmd struct {
	IDs       []string `arg:"" name:"id" help:"Candidates' IDs."`
	editFlags `embed:""`
}

func (reviewAcceptCmd) Help() string {
	return `Where a live memory says the same already, that one is reinforced and printed instead.` + examples(
		`atocore review accept 01jqv3k8w2x4n6p8r0t2v4y6z8`,
		`atocore review accept 01jqv3k8w2x4n6p8r0t2v4y6z8 --type project --project website`,
	)
}

func (c *reviewAcceptCmd) Run(ctx context.Context, s *session) error {
	if c.Content != "" && len(c.IDs) > 1 {
		return &usageError{command: "atocore review accept", reason: "--content with several IDs would make one statement of them"}
	}
	edit, err := c.edit(ctx, s)
	if err != nil {
		return err
	}
	return s.review(ctx, "accepted", c.IDs, func(store *atocore.Store, id string) (atocore.Memory, error) {
		return store.Accept(ctx, id, edit)
	})
}

type reviewEditCmd struct {
	ID        string `arg:"" help:"A candidate's ID."`
	editFlags `embed:""`
}

func (reviewEditCmd) Help() string {
	return `It is accept with at least one change.` + examples(
		`atocore review edit 01jqv3k8w2x4n6p8r0t2v4y6z8 --content "The API listens on port 8443."`,
	)
}

func (c *reviewEditCmd) Run(ctx context.Context, s *session) error {
	if c.Type == "" && c.Content == "" && c.Project == nil {
		return &usageError{command: "atocore review edit", reason: "nothing to change: give --content, --type or --project"}
	}
	edit, err := c.edit(ctx, s)
	if err != nil {
		return err
	}
	return s.changeMemory(ctx, func(store *atocore.Store) (atocore.Memory, error) {
		return store.Accept(ctx, c.ID, edit)
	})
}

type reviewRejectCmd struct {
	IDs    []string `arg:"" name:"id" help:"Candidates' IDs."`
	Reason string   `placeholder:"R" help:"Why. The default is that it was rejected in review."`
}

func (reviewRejectCmd) Help() string {
	return `The same statement is not proposed again.` + examples(
		`atocore review reject 01jqv3k8w2x4n6p8r0t2v4y6z8 --reason "It was said in jest."`,
	)
}

func (c *reviewRejectCmd) Run(ctx context.Context, s *session) error {
	return s.review(ctx, "rejected", c.IDs, func(store *atocore.Store, id string) (atocore.Memory, error) {
		return store.Reject(ctx, id, c.Reason)
	})
}

// review does one thing to each of several candidates and prints them. The first
// error ends it; what was done before it stays, and a note says so.
func (s *session) review(ctx context.Context, what string, ids []string, do func(*atocore.Store, string) (atocore.Memory, error)) error {
	doc := struct {
		Memories []atocore.Memory `json:"memories"`
	}{}
	err := s.with(ctx, reads, func(store *atocore.Store) error {
		for _, id := range ids {
			m, err := do(store, id)
			if err != nil {
				for _, m := range doc.Memories {
					s.note("%s before the error: %s", what, m.ID)
				}
				return err
			}
			doc.Memories = append(doc.Memories, m)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.out.put(doc, func() {
		for _, m := range doc.Memories {
			s.memoryLine(m)
		}
	})
}
