package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type forgetCmd struct {
	ID     []string `arg:"" help:"Records' IDs: of memories, state, documents and interactions."`
	Reason string   `required:"" placeholder:"R" help:"Why. It stays, so it should not repeat the content."`
	Yes    bool     `help:"Confirm. There is no way back."`
}

func (forgetCmd) Help() string {
	return `Removes the records' content from rows, indexes, journal and free pages of the file. To correct a memory, use supersede or invalidate, which keep its history. It does not reach copies such as snapshots. All of the records are forgotten, or on an error none; several at once cost hardly more than one.` + examples(
		`atocore forget 01jqv3k8w2x4n6p8r0t2v4y6z8 --reason "Asked to by the customer." --yes`,
	)
}

func (c *forgetCmd) Run(ctx context.Context, s *session) error {
	if !c.Yes {
		return &usageError{command: "atocore forget", reason: "forget removes the record for good: confirm with --yes"}
	}
	var doc struct {
		Forgotten []atocore.Forgotten `json:"forgotten"`
	}
	err := s.with(ctx, reads, func(store *atocore.Store) (err error) {
		doc.Forgotten, err = store.Forget(ctx, c.Reason, c.ID...)
		return err
	})
	if err != nil {
		return err
	}
	return s.out.put(doc, func() {
		for _, f := range doc.Forgotten {
			s.out.line("%-26s  %s forgotten", f.ID, f.Entity)
			if !f.Purged {
				s.note("a reader still sees %s; the next checkpoint without one removes it from the write-ahead log", f.ID)
			}
		}
	})
}
