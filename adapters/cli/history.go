package cli

import (
	"cmp"
	"context"
	"encoding/json"

	"github.com/atocore/atocore"
)

type historyCmd struct {
	ID string `arg:"" help:"A record's ID, or a project's name."`
}

func (historyCmd) Help() string {
	return `Prints the journal's entries for the record, oldest first. With --json each has the whole record before and after.` + examples(
		`atocore history 01jqv3k8w2x4n6p8r0t2v4y6z8`,
	)
}

func (c *historyCmd) Run(ctx context.Context, s *session) error {
	doc := struct {
		ID      string                 `json:"id"`
		History []atocore.JournalEntry `json:"history"`
	}{ID: c.ID}
	err := s.with(ctx, reads, func(store *atocore.Store) (err error) {
		doc.History, err = store.History(ctx, c.ID)
		return err
	})
	if err != nil {
		return err
	}
	return s.out.put(doc, func() {
		for _, e := range doc.History {
			s.out.line("%6d  %s  %-10s  %-10s  %s", e.Seq, moment(e.Time), e.Op, e.Actor, oneLine(gist(e.After), maxCell))
		}
	})
}

// gist is what a journaled record says, whatever kind it is of.
func gist(record json.RawMessage) string {
	var r struct{ Content, Value, Prompt, Title, Description, Status, Reason string }
	if json.Unmarshal(record, &r) != nil {
		return "" // a record that is gone, or a payload that was forgotten
	}
	text := cmp.Or(r.Content, r.Value, r.Prompt, r.Title, r.Description)
	if r.Status != "" {
		text = r.Status + ": " + text
	}
	if r.Reason != "" {
		text += " (" + r.Reason + ")"
	}
	return text
}
