package cli

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"vimps-gpu/onesot"
)

// interruptible makes SIGINT and SIGTERM cancel the command's context, so that the work can save its state; a second
// one ends the process at once, as the first does in commands that have nothing to save.
func interruptible(c *cli.Context) (stop func()) {
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	c.Context = ctx
	return stop
}

// howToGoOn adds to an interruption the command that continues the run.
func (s *session) howToGoOn(err error) error {
	if !errors.Is(err, onesot.ErrInterrupted) && !errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w; go on with: %s", onesot.ErrInterrupted, goOn(s.system, s.run.Dir))
}

// errNothingWritten ends an interrupted sweep.
var errNothingWritten = errors.New("interrupted; nothing was written")

// nothingWritten says what an interrupted sweep leaves.
func nothingWritten(err error) error {
	if errors.Is(err, context.Canceled) {
		return errNothingWritten
	}
	return err
}
