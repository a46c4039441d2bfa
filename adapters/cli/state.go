package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type stateCmd struct {
	Set   stateSetCmd   `cmd:"" help:"Set a fact."`
	List  stateListCmd  `cmd:"" help:"List facts."`
	Unset stateUnsetCmd `cmd:"" help:"Remove a fact."`
}

func (stateCmd) Help() string {
	return `State is what a person has settled about a project. Context packs put it first.`
}

type stateSetCmd struct {
	Key   string `arg:"" help:"What the fact is about."`
	Value string `arg:"" help:"The fact; - reads it from standard input."`

	Project  string `required:"" placeholder:"P" help:"Project, by name or alias."`
	Category string `default:"general" placeholder:"C" help:"Category. The default is ${default}."`
	Source   string `placeholder:"REF" help:"What to cite for it."`
}

func (stateSetCmd) Help() string {
	return examples(
		`atocore state set deadline "31 March" --project website`,
		`atocore state set database "PostgreSQL 17" --project website --category decisions`,
	)
}

func (c *stateSetCmd) Run(ctx context.Context, s *session) error {
	value, err := s.text(ctx, c.Value)
	if err != nil {
		return err
	}
	e := atocore.StateEntry{Project: c.Project, Category: c.Category, Key: c.Key, Value: value, Source: c.Source}
	err = s.with(ctx, reads, func(store *atocore.Store) (err error) {
		e, err = store.SetState(ctx, e)
		return err
	})
	if err != nil {
		return err
	}
	return s.out.put(e, func() { s.stateLine(e) })
}

func (s *session) stateLine(e atocore.StateEntry) {
	s.out.line("%-12s  %-10s  %-16s  %s", e.Project, e.Category, e.Key, oneLine(e.Value, maxCell))
}

type stateListCmd struct {
	Project  string `placeholder:"P" help:"Only of this project, by name or alias."`
	Category string `placeholder:"C" help:"Only of this category."`
	AsOf     when   `placeholder:"TIME" help:"As the store stood at that time."`
}

func (stateListCmd) Help() string {
	return examples(`atocore state list --project website`)
}

func (c *stateListCmd) Run(ctx context.Context, s *session) error {
	doc := struct {
		State []atocore.StateEntry `json:"state"`
	}{}
	err := s.with(ctx, reads, func(store *atocore.Store) (err error) {
		doc.State, err = store.State(ctx, atocore.StateFilter{Project: c.Project, Category: c.Category, AsOf: c.AsOf.t})
		return err
	})
	if err != nil {
		return err
	}
	if doc.State == nil {
		doc.State = []atocore.StateEntry{}
	}
	return s.out.put(doc, func() {
		for _, e := range doc.State {
			s.stateLine(e)
		}
	})
}

type stateUnsetCmd struct {
	Key string `arg:"" help:"What the fact is about."`

	Project  string `required:"" placeholder:"P" help:"Project, by name or alias."`
	Category string `default:"general" placeholder:"C" help:"Category. The default is ${default}."`
}

func (stateUnsetCmd) Help() string {
	return `Prints what the fact was.` + examples(`atocore state unset deadline --project website`)
}

func (c *stateUnsetCmd) Run(ctx context.Context, s *session) error {
	var e atocore.StateEntry
	err := s.with(ctx, reads, func(store *atocore.Store) (err error) {
		e, err = store.UnsetState(ctx, c.Project, c.Category, c.Key)
		return err
	})
	if err != nil {
		return err
	}
	return s.out.put(e, func() { s.stateLine(e) })
}
