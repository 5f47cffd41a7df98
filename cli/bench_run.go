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
			"state; the same command goes on, to the same results.\n\n"+
			"--shard I/N does one of N parts, I from 0 to N-1, into DIR/shard-I-of-N, where nothing else is written: every search, its\n"+
			"predictions, and the fine-tunings of the children of equal BOPs belong to one shard. Each trains the fp32 net for itself, to the\n"+
			"same bits. Fine-tunings of what all searches have found come after all shards, by --finetune, which reads the other shards'\n"+
			"directories. bench merge puts the shards together. A shard that was killed is repeated alone, by the same command.",
			"vimps-gpu bench run bench/experiments/digits.toml",
			"vimps-gpu bench run --out runs/try bench/experiments/digits.toml",
			"vimps-gpu bench run --shard 2/4 bench/experiments/digits.toml",
			"vimps-gpu bench run --shard 2/4 --finetune bench/experiments/digits.toml"),
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "out", Usage: "`DIR`ectory of the results", DefaultText: "as FILE.toml says"},
			&cli.StringFlag{Name: "shard", Usage: "do part `I/N` of the experiment, counted from 0: 0/4 to 3/4", DefaultText: "all of it"},
			&cli.BoolFlag{Name: "finetune", Usage: "of a shard: its part of the fine-tunings of what all shards have found"},
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
	var shard compare.Shard
	if c.IsSet("shard") {
		var err error
		if shard, err = compare.ParseShard(c.String("shard")); err != nil {
			return asUsage(wrapFlag("shard", err))
		}
	} else if c.Bool("finetune") {
		return usagef("--finetune: only a shard has fine-tunings apart; give --shard I/N as well")
	}
	e, err := loadExperiment(c)
	if err != nil {
		return err
	}
	dev, err := openDevice(c, c.App.ErrWriter)
	if err != nil {
		return err
	}
	defer dev.Close()
	defer interruptible(c)()
	began := time.Now()
	err = compare.Run(c.Context, e, compare.Options{Dev: dev, Version: Version, Machine: machineName(dev), Log: c.App.ErrWriter, SaveEvery: c.Int("save-every"),
		Shard: shard, Finetune: c.Bool("finetune")})
	if errors.Is(err, onesot.ErrInterrupted) {
		return fmt.Errorf("%w; the same command goes on", err)
	}
	if err != nil {
		return err
	}
	took := time.Since(began).Round(time.Second / 10)
	if c.IsSet("shard") {
		fmt.Fprintf(c.App.Writer, "%s; took %v\n", shardDone(e, shard, c.Bool("finetune")), took)
		return nil
	}
	fmt.Fprintf(c.App.Writer, "%s/results.md and what belongs to it written; took %v\n", e.Out, took)
	return nil
}

// loadExperiment reads the file that the command names, and has --out replace what it says.
func loadExperiment(c *cli.Context) (*compare.Experiment, error) {
	e, err := compare.Load(c.Args().First())
	if err != nil {
		return nil, asUsage(err)
	}
	if c.IsSet("out") {
		e.Out = c.String("out")
	}
	return e, nil
}

// shardDone says what is done, and what comes after all shards.
func shardDone(e *compare.Experiment, s compare.Shard, finetune bool) string {
	if e.Waits() && !finetune {
		return fmt.Sprintf("shard %v searched, in %s; when all have, fine-tune: %s", s, s.Dir(e.Out), e.Command(s, true))
	}
	return fmt.Sprintf("shard %v finished, in %s; when all are, merge: %s", s, s.Dir(e.Out), e.MergeCommand(s.Of))
}

// machineName says what computed.
func machineName(dev *cuda.Device) string {
	host := fmt.Sprintf("%s, %s, %s of %d CPUs", cpuModel(), dev.ISA(), countOf(dev.Threads(), "thread"), runtime.NumCPU())
	if dev.GPU() {
		return fmt.Sprintf("%s, %s; %s", dev.Name(), dev.Precision(), host)
	}
	return host
}
