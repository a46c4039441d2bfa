// Command atocore is a memory and context engine on the command line.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/atocore/atocore/adapters/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end; a second one, with the
	// handler gone, ends the process at once. The store survives both.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}
