package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"vimps-gpu/onesot"
)

// Exit codes of the program.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitNothingFits = 3
	ExitDiverged    = 4
	ExitInterrupted = 130 // 128 + SIGINT, as shells count
)

const exitCodes = `Exit codes: 0 done; 1 the work failed (a file, the machine); 2 wrong use (a flag);
3 nothing fits the budget (pick); 4 training diverged; 130 interrupted.`

// usageError is a mistake in how the program was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// asUsage marks an error that a flag's value caused.
func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// exitCode maps an error to the program's exit code.
func exitCode(err error) int {
	var usage usageError
	var infeasible *onesot.InfeasibleError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &usage):
		return ExitUsage
	case errors.As(err, &infeasible):
		return ExitNothingFits
	case errors.Is(err, onesot.ErrDiverged):
		return ExitDiverged
	case errors.Is(err, onesot.ErrInterrupted), errors.Is(err, errNothingWritten):
		return ExitInterrupted
	}
	return ExitFailed
}

// usageFromFlags rewrites the flag parser's errors with the two dashes that users write.
func usageFromFlags(_ *cli.Context, err error, _ bool) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return usagef("unknown flag --%s (see --help)", strings.TrimPrefix(name, "-"))
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return usagef("--%s needs a value (see --help)", strings.TrimPrefix(name, "-"))
	}
	return usagef("%s", strings.NewReplacer("for flag -", "for --", "value -", "value --").Replace(text))
}

// oneLine joins the lines of an error, since an error of this program is one line.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// wrapFlag names the flag whose value led to an error.
func wrapFlag(name string, err error) error { return fmt.Errorf("--%s: %w", name, err) }
