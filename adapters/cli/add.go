package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type addCmd struct {
	Type string `arg:"" enum:"${types}" help:"One of ${oftype}."`
	Text string `arg:"" help:"The statement; - reads it from standard input."`

	Project    string            `placeholder:"P" help:"Project, by name or alias; none is global."`
	Tag        []string          `placeholder:"T" sep:"none" help:"Tag; may be repeated."`
	Confidence *float64          `placeholder:"F" help:"How sure it is, above 0 and up to 1. The default is 1."`
	Candidate  bool              `help:"Not to be retrieved before it is promoted."`
	Speaker    string            `placeholder:"NAME" help:"Who said it; searched with the text."`
	Session    string            `placeholder:"ID" help:"The conversation it was said in."`
	Client     string            `placeholder:"NAME" help:"The program it was said in."`
	Source     string            `placeholder:"REF" help:"What to cite for it: a URL, a path, a record's ID."`
	Meta       map[string]string `placeholder:"KEY=VALUE" mapsep:"none" help:"Metadata; may be repeated."`
	ValidFrom  when              `placeholder:"TIME" help:"When it begins to be true."`
	ValidUntil when              `placeholder:"TIME" help:"When it stops being true."`
}

func (addCmd) Help() string {
	return `Saying again what is remembered already reinforces that memory instead of adding a second one.` + examples(
		`atocore add preference "Answers in British English."`,
		`atocore add project "Deploys go out on Tuesdays." --project website --tag release`,
		`atocore add episodic "Moved to Lyon." --valid-from 2026-03-01 --speaker Ada`,
		`git log -1 --format=%B | atocore add knowledge - --candidate`,
		`atocore add knowledge -- "-x makes the shell print each command."`,
	)
}

func (c *addCmd) Run(ctx context.Context, s *session) error {
	content, err := s.text(ctx, c.Text)
	if err != nil {
		return err
	}
	m := atocore.Memory{
		Type:       atocore.MemoryType(c.Type),
		Content:    content,
		Project:    c.Project,
		Tags:       c.Tag,
		Metadata:   c.Meta,
		ValidFrom:  c.ValidFrom.t,
		ValidUntil: c.ValidUntil.t,
		Provenance: atocore.Provenance{Client: c.Client, Session: c.Session, Speaker: c.Speaker, Source: c.Source},
	}
	if c.Candidate {
		m.Status = atocore.Candidate
	}
	if m.Confidence, err = confidence(c.Confidence); err != nil {
		return err
	}
	var done atocore.Memory
	err = s.withNew(ctx, c.Project, func(store *atocore.Store) (err error) {
		done, err = store.Remember(ctx, m)
		return err
	})
	if err != nil {
		return err
	}
	return s.putMemory(done)
}

// confidence refuses a 0 that was given, which the library would take for not
// given.
func confidence(flag *float64) (float64, error) {
	switch {
	case flag == nil:
		return 0, nil
	case *flag == 0:
		return 0, &atocore.InvalidError{Field: "confidence", Reason: "is 0", Hint: "a statement that nobody believes is not remembered"}
	default:
		return *flag, nil
	}
}

// putMemory prints a memory that a command has changed.
func (s *session) putMemory(m atocore.Memory) error {
	return s.out.put(m, func() { s.memoryLine(m) })
}

func (s *session) memoryLine(m atocore.Memory) {
	s.out.line("%-26s  %-10s  %-10s  %-12s  %s", m.ID, m.Type, m.Status, orDash(m.Project), oneLine(m.Content, maxCell))
}

// examples is a help text's block of commands to copy.
func examples(commands ...string) string {
	text := "\n\nExamples:\n"
	for _, c := range commands {
		text += "\n    " + c
	}
	return text
}
