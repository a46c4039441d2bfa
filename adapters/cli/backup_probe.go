package cli

import (
	"context"

	"github.com/atocore/atocore"
)

type backupProbeCmd struct {
	Add    probeAddCmd    `cmd:"" help:"Have every drill ask a question."`
	List   probeListCmd   `cmd:"" help:"List the questions."`
	Remove probeRemoveCmd `cmd:"" help:"Have drills no longer ask a question."`
}

type probeFlags struct {
	Query   string `arg:"" help:"The question."`
	Project string `placeholder:"P" help:"Asked within this project, by name or alias."`
}

type probeAddCmd struct{ probeFlags }

func (probeAddCmd) Help() string {
	return examples(`atocore backup probe add "How do I answer letters?"`)
}

func (c *probeAddCmd) Run(ctx context.Context, s *session) error {
	var p atocore.Probe
	err := s.with(ctx, reads, func(store *atocore.Store) (err error) {
		p, err = store.AddProbe(ctx, atocore.Probe{Query: c.Query, Project: c.Project})
		return err
	})
	if err != nil {
		return err
	}
	return s.out.put(p, func() { s.probeLine(p) })
}

type probeListCmd struct{}

func (probeListCmd) Help() string { return examples(`atocore backup probe list`) }

func (probeListCmd) Run(ctx context.Context, s *session) error {
	var doc struct {
		Probes []atocore.Probe `json:"probes"`
	}
	err := s.with(ctx, reads, func(store *atocore.Store) (err error) {
		doc.Probes, err = store.Probes(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return s.out.put(doc, func() {
		for _, p := range doc.Probes {
			s.probeLine(p)
		}
	})
}

type probeRemoveCmd struct{ probeFlags }

func (probeRemoveCmd) Help() string {
	return examples(`atocore backup probe remove "How do I answer letters?"`)
}

func (c *probeRemoveCmd) Run(ctx context.Context, s *session) error {
	p := atocore.Probe{Query: c.Query, Project: c.Project}
	err := s.with(ctx, reads, func(store *atocore.Store) error { return store.RemoveProbe(ctx, p) })
	if err != nil {
		return err
	}
	return s.out.put(struct {
		Removed string `json:"removed"`
		Project string `json:"project"`
	}{p.Query, p.Project}, func() { s.out.line("removed: %s", oneLine(p.Query, maxCell)) })
}

func (s *session) probeLine(p atocore.Probe) {
	s.out.line("%-12s  %s", orDash(p.Project), oneLine(p.Query, maxCell))
}
