package cli

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/urfave/cli/v2"

	"vimps-gpu/bench/compare"
	"vimps-gpu/cuda"
	"vimps-gpu/onesot"
)

func benchRunCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "run an experiment that compares search systems",
		ArgsUsage: "FILE.toml",
		Description: describe("Does everything that FILE.toml declares: searches by each method under each seed, predictions, fine-tunings, ablations;\n"+
			"and writes results.json, tables (results.md and CSV) and pictures into the directory that it names. Ctrl-C saves the\n"+
			"state; the same command goes on, to the same results.",
			"vimps-gpu bench run bench/experiments/digits.toml",
			"vimps-gpu bench run --out runs/try bench/experiments/digits.toml"),
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "out", Usage: "`DIR`ectory of the results", DefaultText: "as FILE.toml says"},
			&cli.IntFlag{Name: "save-every", Value: 200, Usage: "steps between states on disk: what a kill costs at most"},
		}, deviceFlags()...),
		Action: benchRun,
	}
}

func benchRun(c *cli.Context) error {
	if c.Args().Len() != 1 {
		return usagef("bench run: want one FILE.toml after the flags")
	}
	if c.Int("save-every") < 1 {
		return usagef("--save-every %d: want 1 or more", c.Int("save-every"))
	}
	e, err := compare.Load(c.Args().First())
	if err != nil {
		return asUsage(err)
	}
	if c.IsSet("out") {
		e.Out = c.String("out")
	}
	dev, err := openDevice(c, c.App.ErrWriter)
	if err != nil {
		return err
	}
	defer dev.Close()
	defer interruptible(c)()
	began := time.Now()
	err = compare.Run(c.Context, e, compare.Options{Dev: dev, Version: Version, Machine: machineName(dev), Log: c.App.ErrWriter, SaveEvery: c.Int("save-every")})
	if errors.Is(err, onesot.ErrInterrupted) {
		return fmt.Errorf("%w; the same command goes on", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%s/results.md and what belongs to it written; took %v\n", e.Out, time.Since(began).Round(time.Second/10))
	return nil
}

// machineName says what computed.
func machineName(dev *cuda.Device) string {
	host := fmt.Sprintf("%s, %s, %s of %d CPUs", cpuModel(), dev.ISA(), countOf(dev.Threads(), "thread"), runtime.NumCPU())
	if dev.GPU() {
		return fmt.Sprintf("%s, %s; %s", dev.Name(), dev.Precision(), host)
	}
	return host
}
