package cli

import (
	"context"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/wire"
)

type captureCmd struct {
	Prompt   string `placeholder:"TEXT" help:"What was asked."`
	Response string `placeholder:"TEXT" help:"What was answered."`
	Project  string `placeholder:"P" help:"Project, by name or alias; none is global."`
	Session  string `placeholder:"ID" help:"The conversation."`
	Turn     string `placeholder:"ID" help:"The turn in it. The same one captured again changes nothing."`
	Client   string `placeholder:"NAME" help:"The program it happened in."`
	Time     when   `placeholder:"TIME" help:"When it happened. The default is now."`
	Learn    bool   `help:"Also propose memories from it, for review, and reinforce what is said again. What is trivial is not kept."`
}

func (captureCmd) Help() string {
	return `Context packs that atocore put in, what stands between <private> tags, and secrets are taken out before anything is stored. Without --prompt and --response it reads one JSON object from standard input, with the keys that interactions --json prints: prompt, response, project, session, turn, client, metadata, created_at; id and actor, which the store gives, are ignored. The other flags then give what the object does not.` + examples(
		`atocore capture --prompt "Which port?" --response "8443." --session s1 --client chat`,
		`atocore capture --learn --prompt "We decided to use port 8443." --response "Noted." --project website`,
		`echo '{"prompt":"Which port?","response":"8443."}' | atocore capture --project website`,
	)
}

func (c *captureCmd) Run(ctx context.Context, s *session) error {
	i := atocore.Interaction{
		Prompt: c.Prompt, Response: c.Response, Project: c.Project,
		Session: c.Session, Turn: c.Turn, Client: c.Client, CreatedAt: c.Time.t,
	}
	if c.Prompt == "" && c.Response == "" {
		src, err := s.readInput(ctx)
		if err != nil {
			return err
		}
		// Decoding over the flags lets the object win where it speaks.
		if err := wire.Decode(src, &i); err != nil {
			return &atocore.InvalidError{Field: "interaction on standard input", Reason: err.Error(), Hint: "one JSON object, or --prompt and --response"}
		}
		i.ID, i.Actor = "", ""
	}
	if c.Learn {
		return c.learn(ctx, s, i)
	}
	var done atocore.Interaction
	err := s.withNew(ctx, i.Project, func(store *atocore.Store) (err error) {
		done, err = store.Capture(ctx, i)
		return err
	})
	if err != nil {
		return err
	}
	return s.out.put(done, func() { s.interactionLine(done) })
}

func (c *captureCmd) learn(ctx context.Context, s *session, i atocore.Interaction) error {
	var done atocore.Learnt
	err := s.withNew(ctx, i.Project, func(store *atocore.Store) (err error) {
		done, err = store.Learn(ctx, i)
		return err
	})
	if err != nil {
		return err
	}
	return s.out.put(done, func() {
		if done.Skipped != "" {
			s.note("nothing kept: the interaction is %s", done.Skipped)
			return
		}
		s.interactionLine(done.Interaction)
		for _, m := range done.Candidates {
			s.memoryLine(m)
		}
		for _, m := range done.Reinforced {
			s.memoryLine(m)
		}
		if len(done.Candidates) > 0 {
			s.note("%d proposed: atocore review", len(done.Candidates))
		}
	})
}

func (s *session) interactionLine(i atocore.Interaction) {
	s.out.line("%-26s  %s  %-12s  %-12s  %s", i.ID, moment(i.CreatedAt), orDash(i.Client), orDash(i.Session), oneLine(i.Prompt, maxCell))
}
