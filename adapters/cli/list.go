package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type listCmd struct {
	Project string   `placeholder:"P" help:"Only of this project, by name or alias."`
	Type    []string `placeholder:"T" enum:"${types}" help:"Only of this type: ${oftype}. May be repeated."`
	Status  []string `placeholder:"S" enum:"${statuses},all" help:"Of this status: ${ofstatus} or all. May be repeated. The default is active."`
	Tag     []string `placeholder:"T" sep:"none" help:"Only with this tag; repeated, with all of them."`
	AsOf    when     `placeholder:"TIME" help:"As the store stood at that time."`
	Limit   int      `placeholder:"N" help:"At most so many. The default is all."`
}

func (listCmd) Help() string {
	return examples(
		`atocore list`,
		`atocore list --project website --type project,knowledge`,
		`atocore list --status candidate --json`,
		`atocore list --status all --as-of 2026-01-01`,
	)
}

func (c *listCmd) Run(ctx context.Context, s *session) error {
	doc := struct {
		Memories []atocore.Memory `json:"memories"`
	}{[]atocore.Memory{}}
	err := s.with(ctx, reads, func(store *atocore.Store) error {
		filter := atocore.MemoryFilter{
			Project: c.Project, Types: typesOf(c.Type), Statuses: statusesOf(c.Status),
			Tags: c.Tag, Limit: c.Limit, AsOf: c.AsOf.t,
		}
		for m, err := range store.Memories(ctx, filter) {
			if err != nil {
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

func typesOf(flags []string) []atocore.MemoryType {
	var out []atocore.MemoryType
	for _, f := range flags {
		out = append(out, atocore.MemoryType(f))
	}
	return out
}
