// Program vimps-gpu finds how many bits each layer of a convolutional net should have.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"vimps-gpu/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(cli.Main(ctx, os.Args, os.Stdout, os.Stderr))
}
