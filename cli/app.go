// Package cli is the program vimps-gpu: one file a command, flags to configurations, results to text or JSON.
//
// Read app.go (the commands), exit.go (exit codes), settings.go (flags of a search), session.go (what a command
// opens), then search.go and outputs.go.
package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
)

// Version is the program's; run.json records it.
const Version = "0.1.0"

// Main runs the program on args (args[0] is its name) and returns its exit code. Results go to stdout; progress,
// notes and the one line of an error to stderr. A cancelled ctx is an interrupt, as SIGINT is: the work saves its state
// and stops.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	w, err := job.Join(job.Options{Log: stderr})
	if err != nil && !job.First() {
		time.Sleep(time.Second) // for the first process to say it, before the launcher ends all
		return ExitFailed
	}
	if err == nil && w.Size() > 1 {
		return inJob(ctx, w, args, stdout, stderr)
	}
	if err == nil {
		err = App(stdout, stderr).RunContext(ctx, args)
	}
	if err != nil {
		fmt.Fprintf(stderr, "vimps-gpu: %s\n", oneLine(err))
	}
	return exitCode(err)
}

// App is the commands of the program, writing to the given streams.
func App(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:            "vimps-gpu",
		Usage:           "find how many bits each layer of a convolutional net should have",
		Description:     "One training run yields the whole accuracy / cost front of mixed-precision nets.\nStart with: vimps-gpu search\n\n" + exitCodes,
		Version:         Version,
		HideVersion:     true, // the command says more
		Writer:          stdout,
		ErrWriter:       stderr,
		OnUsageError:    usageFromFlags,
		ExitErrHandler:  func(*cli.Context, error) {}, // Main maps errors to codes
		HideHelpCommand: true,
		Commands: []*cli.Command{
			searchCommand(), sweepCommand(), pickCommand(), finetuneCommand(), exportCommand(), verifyCommand(), evalCommand(), showCommand(), profileCommand(),
			modelsCommand(), dataCommand(), benchCommand(), devicesCommand(), versionCommand(),
		},
		Action: noCommand,
	}
	prepare(app.Commands)
	return app
}

// prepare gives every command what all have in common: the exit codes in the help, errors of ours, no arguments
// beside flags, and a device's failure, wherever it happens, as an error.
func prepare(commands []*cli.Command) {
	for _, c := range commands {
		c.OnUsageError = usageFromFlags
		c.HideHelpCommand = true
		if c.Subcommands != nil {
			prepare(c.Subcommands)
			if c.Action == nil {
				c.Action = noCommand
				continue
			}
		}
		c.Description += "\n\n" + exitCodes
		action := c.Action
		c.Action = func(ctx *cli.Context) error {
			if ctx.Args().Present() && ctx.Command.ArgsUsage == "" {
				return usagef("unexpected argument %q; every option of %s is a flag (see --help)", ctx.Args().First(), ctx.Command.FullName())
			}
			if err := oneProcess(ctx); err != nil {
				return err
			}
			return cuda.Guard(func() error { return action(ctx) })
		}
	}
}

// noCommand answers a line that names no command, or one that does not exist.
func noCommand(c *cli.Context) error {
	if !c.Args().Present() {
		if len(c.Command.Subcommands) > 0 && c.Command.Name != c.App.Name {
			return cli.ShowSubcommandHelp(c)
		}
		return cli.ShowAppHelp(c)
	}
	known := c.App.Commands
	if c.Command.Name != c.App.Name {
		known = c.Command.Subcommands
	}
	var names []string
	for _, k := range known {
		names = append(names, k.Name)
	}
	return usagef("unknown command %q; the commands are %s", c.Args().First(), strings.Join(names, ", "))
}

// describe is the text of a command's help: what it does, then examples.
func describe(text string, examples ...string) string {
	if len(examples) == 0 {
		return text
	}
	return text + "\n\nExamples:\n  " + strings.Join(examples, "\n  ")
}
