package cli

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"vimps-gpu/bench"
	"vimps-gpu/cuda"
	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method/oneshot"
)

func benchRanksCommand() *cli.Command {
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "model", Usage: "the net, see vimps-gpu models", Value: "resnet20"},
		&cli.IntFlag{Name: "batch", Usage: "images a step, of all processes together", Value: 128},
		&cli.IntFlag{Name: "micro-batches", Usage: "parts of a batch, which the processes share", Value: 2},
		&cli.IntFlag{Name: "steps", Usage: "steps of a window", Value: 16},
		&cli.IntFlag{Name: "windows", Usage: "timed windows, of which the median counts", Value: 9},
		&cli.StringFlag{Name: "out", Usage: "`FILE`.json to write"},
		jsonFlag(),
	}, deviceFlags()...)
	return &cli.Command{
		Name:  "ranks",
		Usage: "time the training step that several processes share",
		Description: describe("Times whole supernet steps on made-up images, shared by the processes that mpirun or srun started, one a GPU or a share of the\n"+
			"cores. Weak scaling: --batch and --micro-batches grow with the processes; strong scaling: they stay.",
			"vimps-gpu bench ranks --model resnet18 --batch 64 --micro-batches 1", "mpirun -np 8 vimps-gpu bench ranks --model resnet18 --batch 512 --micro-batches 8"),
		Flags:  flags,
		Action: benchRanks,
	}
}

func benchRanks(c *cli.Context) error {
	for _, name := range []string{"steps", "windows"} {
		if n := c.Int(name); n < 1 || n > 10000 {
			return usagef("--%s %d: want 1 to 10000", name, n)
		}
	}
	config := defaultConfig(oneshot.New(), c.String("model"))
	config.Settings.Batch, config.Settings.MicroBatches = c.Int("batch"), c.Int("micro-batches")
	o, err := stepOptions(c, config)
	if err != nil {
		return err
	}
	w := worldOf(c)
	if err := onesot.CheckShare("--micro-batches", config.Settings.MicroBatches, w.Size()); err != nil {
		return asUsage(err)
	}
	dev, err := openDevice(c, c.App.ErrWriter)
	if err != nil {
		return err
	}
	defer dev.Close()
	var r *bench.RanksReport
	err = cuda.Guard(func() (err error) {
		r, err = bench.Ranks(w, dev, o, c.Int("windows"))
		return err
	})
	var unavailable cuda.Unavailable
	if errors.As(err, &unavailable) {
		return err // no NCCL
	}
	if err != nil {
		return asFlagError(err)
	}
	if path := c.String("out"); path != "" && w.Rank() == 0 {
		if err := writeJSONFile(path, r); err != nil {
			return err
		}
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, r)
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s, %d images in micro-batches of %d, %s: min %.2f ms, median %.2f ms a step, %.0f images/s\n",
		r.Model, r.Batch, r.Batch/r.Micros, countOf(r.Ranks, "rank"), 1e3*r.Min, 1e3*r.Median, r.ImagesPerSecond)
	return err
}
