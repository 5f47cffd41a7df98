package cli

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"vimps-gpu/bench/compare"
)

func benchMergeCommand() *cli.Command {
	return &cli.Command{
		Name:      "merge",
		Usage:     "put the shards of an experiment together",
		ArgsUsage: "FILE.toml",
		Description: describe("Reads DIR/shard-0-of-N to shard-N-1-of-N, which bench run --shard has left, and writes into DIR the results.json,\n"+
			"tables and pictures of the undivided run: the same bytes but for times and the machines' names. Shards that ran elsewhere are\n"+
			"copied into DIR first. All must be finished, of the same experiment, version, data, weights, arithmetic and fp32 net; the first\n"+
			"that is not is named with the command that repeats it. A unit that two shards have with different results is an error. No GPU\n"+
			"is needed.",
			"vimps-gpu bench merge bench/experiments/digits.toml",
			"vimps-gpu bench merge --out runs/try --shards 4 bench/experiments/digits.toml"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "out", Usage: "`DIR`ectory of the results, and of the shards' directories", DefaultText: "as FILE.toml says"},
			&cli.IntFlag{Name: "shards", Usage: "of how many shards", DefaultText: "as many as the directories' names say"},
		},
		Action: benchMerge,
	}
}

func benchMerge(c *cli.Context) error {
	if c.Args().Len() != 1 {
		return usagef("bench merge: want one FILE.toml after the flags")
	}
	shards := c.Int("shards")
	if c.IsSet("shards") {
		if _, err := compare.ParseShard(fmt.Sprintf("0/%d", shards)); err != nil {
			return usagef("--shards %d: want 1 or more, as bench run --shard I/N had it", shards)
		}
	}
	e, err := loadExperiment(c)
	if err != nil {
		return err
	}
	if !c.IsSet("shards") {
		if shards, err = compare.ShardsIn(e.Out); err != nil {
			return err
		}
	}
	dev, err := openDevice(c, io.Discard)
	if err != nil {
		return err
	}
	defer dev.Close()
	if err := compare.Merge(e, compare.Options{Dev: dev, Version: Version}, shards); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%s/results.md and what belongs to it written, from %s\n", e.Out, countOf(shards, "shard"))
	return nil
}
