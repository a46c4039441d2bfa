package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type supersedeCmd struct {
	Old     string `arg:"" help:"The ID of the memory to replace."`
	NewText string `arg:"" help:"The corrected statement; - reads it from standard input."`

	Tag        []string `placeholder:"T" sep:"none" help:"Tag; may be repeated. The default is the old one's."`
	Confidence *float64 `placeholder:"F" help:"How sure it is, above 0 and up to 1. The default is the old one's."`
	Source     string   `placeholder:"REF" help:"What to cite for it."`
	ValidFrom  when     `placeholder:"TIME" help:"When it begins to be true."`
}

func (supersedeCmd) Help() string {
	return `Prints the new memory, of the old one's type and project. The old one stays, for history and --as-of, and is not retrieved any more.` + examples(
		`atocore supersede 01jqv3k8w2x4n6p8r0t2v4y6z8 "Deploys go out on Thursdays."`,
	)
}

func (c *supersedeCmd) Run(ctx context.Context, s *session) error {
	content, err := s.text(ctx, c.NewText)
	if err != nil {
		return err
	}
	sure, err := confidence(c.Confidence)
	if err != nil {
		return err
	}
	return s.changeMemory(ctx, func(store *atocore.Store) (atocore.Memory, error) {
		return store.Supersede(ctx, c.Old, atocore.Memory{
			Content:    content,
			Tags:       c.Tag,
			Confidence: sure,
			ValidFrom:  c.ValidFrom.t,
			Provenance: atocore.Provenance{Source: c.Source},
		})
	})
}
