// Program vimps-gpu finds how many bits each layer of a convolutional net should have.
package main

import (
	"context"
	"os"

	"vimps-gpu/cli"
)

func main() { os.Exit(cli.Main(context.Background(), os.Args, os.Stdout, os.Stderr)) }
