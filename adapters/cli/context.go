package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type contextCmd struct {
	Prompt string `arg:"" help:"What the context is for; - reads it from standard input."`

	Project string `placeholder:"P" help:"The project that the prompt is about, by name or alias."`
	Budget  int    `placeholder:"N" help:"What the pack may take, never exceeded. The default is 2000."`
	Unit    string `enum:"tokens,characters" default:"tokens" placeholder:"U" help:"What the budget counts: tokens or characters. The default is ${default}."`
	Format  string `enum:"markdown,text,json" default:"markdown" placeholder:"F" help:"The pack's form: markdown, text or json. The default is ${default}."`
	AsOf    when   `placeholder:"TIME" help:"As the store stood at that time."`
}

func (contextCmd) Help() string {
	return `Prints the pack's text alone, to the byte, so that it can be piped into a prompt. With --json the document says what is in it, what was left out and why.` + examples(
		`atocore context "Plan the next release" --project website`,
		`atocore context "Plan the next release" --budget 800 --json`,
		`git diff | atocore context - --unit characters --budget 4000`,
	)
}

func (c *contextCmd) Run(ctx context.Context, s *session) error {
	if c.Budget < 0 {
		return &atocore.InvalidError{Field: "budget", Reason: "is negative"}
	}
	prompt, err := s.text(ctx, c.Prompt)
	if err != nil {
		return err
	}
	var pack atocore.Pack
	err = s.with(ctx, reads, func(store *atocore.Store) (err error) {
		pack, err = store.Retriever(nil).Context(ctx, atocore.ContextRequest{
			Prompt: prompt, Project: c.Project, Budget: c.Budget,
			Unit: atocore.Unit(c.Unit), Format: atocore.Format(c.Format), AsOf: c.AsOf.t,
		})
		return err
	})
	if err != nil {
		return err
	}
	for _, n := range pack.Notes {
		s.note("%s", n)
	}
	if !s.out.json {
		s.note("%d of %d %s, %d items, %d left out", pack.Tokens, pack.Budget, pack.Unit, len(pack.Items), len(pack.Omitted))
	}
	return s.out.put(pack, func() {
		if pack.Text != "" {
			s.out.block(pack.Text)
		}
	})
}
