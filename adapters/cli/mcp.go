package cli

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/mcpserver"
)

// drainTime bounds how long what waits is taken in for.
const drainTime = 10 * time.Second

type mcpCmd struct {
	Project string `placeholder:"P" help:"The project that a call is about where it does not say, by name or alias. The default is the one of the working directory."`
}

func (mcpCmd) Help() string {
	return `For programs that speak the Model Context Protocol, and start it themselves: standard input and output carry the protocol. It ends with its input.` + examples(
		`atocore mcp --project website`,
	)
}

func (c *mcpCmd) Run(ctx context.Context, s *session) error {
	return s.with(ctx, creates, func(store *atocore.Store) error {
		log := s.options().Logger
		o := &mcpserver.Options{Project: c.Project, Version: buildVersion().Version, Logger: log}
		if c.Project != "" {
			if _, err := store.Project(ctx, c.Project); err != nil {
				return err
			}
		} else if dir, err := os.Getwd(); err == nil {
			if o.Workspace, err = atocore.FindWorkspace(dir); err != nil {
				o.Workspace = atocore.Workspace{} // a directory that belongs to no project
			}
		}

		// What waits is taken in beside, so that the client has its answers at once. A
		// conversation that is over sooner waits for it, so that somebody gets it done.
		var draining sync.WaitGroup
		defer draining.Wait()
		draining.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, drainTime)
			defer cancel()
			if _, err := store.Drain(ctx); err != nil && !errors.Is(err, context.Canceled) {
				log.Warn("what was captured while the store was busy waits on", "error", err)
			}
		})
		return mcpserver.Serve(ctx, store, o, s.stdin, s.out.w)
	})
}
