package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type interactionsCmd struct {
	Project string `placeholder:"P" help:"Only of this project, by name or alias."`
	Session string `placeholder:"ID" help:"Only of this conversation."`
	Client  string `placeholder:"NAME" help:"Only of this program."`
	Limit   int    `placeholder:"N" help:"At most so many. The default is all."`
}

func (interactionsCmd) Help() string {
	return examples(`atocore interactions --client chat --limit 20`)
}

func (c *interactionsCmd) Run(ctx context.Context, s *session) error {
	doc := struct {
		Interactions []atocore.Interaction `json:"interactions"`
	}{[]atocore.Interaction{}}
	err := s.with(ctx, reads, func(store *atocore.Store) error {
		filter := atocore.InteractionFilter{Project: c.Project, Session: c.Session, Client: c.Client, Limit: c.Limit}
		for i, err := range store.Interactions(ctx, filter) {
			if err != nil {
				return err
			}
			doc.Interactions = append(doc.Interactions, i)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.out.put(doc, func() {
		for _, i := range doc.Interactions {
			s.interactionLine(i)
		}
	})
}
