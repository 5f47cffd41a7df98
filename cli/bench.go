package cli

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"vimps-gpu/bench"
	"vimps-gpu/cuda"
	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method/oneshot"
)

func benchCommand() *cli.Command {
	return &cli.Command{Name: "bench", Usage: "compare search systems; measure speed", Subcommands: []*cli.Command{benchRunCommand(), benchMergeCommand(), benchStepCommand(), benchLoaderCommand(), benchScalingCommand(), benchRanksCommand(), benchGPUCommand(), benchGPUReportCommand()}}
}

func benchStepCommand() *cli.Command {
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "model", Usage: "the net, see vimps-gpu models", Value: "resnet20"},
		&cli.StringFlag{Name: "data", Usage: "data set whose image size to take", DefaultText: "the size that the model is made for"},
		&cli.IntFlag{Name: "batch", Usage: "images a step", Value: 128},
		&cli.IntFlag{Name: "steps", Usage: "timed steps of each kind", Value: 10},
		&cli.BoolFlag{Name: "ops", Usage: "list the time of every op of every kind, not of the supernet's longest ten only"},
		jsonFlag(),
	}, hostFlags()...)
	return &cli.Command{
		Name:  "step",
		Usage: "time training steps: supernet, fixed bits, fp32",
		Description: describe("Times whole training steps on made-up images on the host and says where the time goes, beside what the machine\n"+
			"reaches with multiply-adds on registers alone. A GPU is measured by bench gpu.",
			"vimps-gpu bench step --model resnet20 --batch 128"),
		Flags:  append(flags, settingFlags(spaceSettings())...),
		Action: benchStep,
	}
}

func benchStep(c *cli.Context) error {
	if steps := c.Int("steps"); steps < 1 || steps > 100000 {
		return usagef("--steps %d: want 1 to 100000", steps)
	}
	config := defaultConfig(oneshot.New(), c.String("model"))
	if err := applyFlags(c, &config); err != nil {
		return err
	}
	config.Settings.Batch = c.Int("batch")
	o, err := stepOptions(c, config)
	if err != nil {
		return err
	}
	dev, err := openDevice(c, c.App.ErrWriter)
	if err != nil {
		return err
	}
	defer dev.Close()
	r, err := timeSteps(c, dev, o)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, r)
	}
	return printSteps(c.App.Writer, r, c.Bool("ops"))
}

// stepOptions are those of timing a net's training step.
func stepOptions(c *cli.Context, config onesot.Config) (o bench.StepOptions, err error) {
	if err := config.Settings.Check(); err != nil {
		return o, asUsage(err)
	}
	policy, err := config.Policy()
	if err != nil {
		return o, asUsage(err)
	}
	shape, err := shapeFor(c, config.Model)
	if err != nil {
		return o, err
	}
	if shape.Scale > 0 {
		return o, usagef("--model %s: bench %s times nets that classify images, not super-resolution", config.Model, c.Command.Name)
	}
	return bench.StepOptions{Model: config.Model, H: shape.H, W: shape.W, C: shape.C, Classes: shape.Classes,
		Policy: policy, Settings: config.Settings, Steps: c.Int("steps")}, nil
}

func timeSteps(c *cli.Context, dev *cuda.Device, o bench.StepOptions) (*bench.StepReport, error) {
	var r *bench.StepReport
	err := cuda.Guard(func() (err error) {
		r, err = bench.Steps(dev, o, func(t bench.StepTime) {
			fmt.Fprintf(c.App.ErrWriter, "%s: median %.1f ms\n", t.Kind, 1e3*t.Median)
		})
		return err
	})
	return r, asFlagError(err)
}

func printSteps(w io.Writer, r *bench.StepReport, all bool) error {
	fmt.Fprintf(w, "%s, batch %d, %s, %s, %d steps of each kind\n", r.Model, r.Batch, r.ISA, countOf(r.Threads, "thread"), r.Steps)
	fp32 := r.Kinds[len(r.Kinds)-1].Median
	rows := [][]string{{"step", "min ms", "median ms", "images/s", "x fp32", "conv GFLOP/s", "of peak"}}
	for _, k := range r.Kinds {
		rows = append(rows, []string{k.Kind, fmt.Sprintf("%.1f", 1e3*k.Min), fmt.Sprintf("%.1f", 1e3*k.Median), fmt.Sprintf("%.0f", k.ImagesPerSecond),
			fmt.Sprintf("%.2f", k.Median/fp32), fmt.Sprintf("%.0f", k.ConvGFLOPS), fmt.Sprintf("%.0f %%", 100*k.ConvGFLOPS/r.PeakGFLOPS)})
	}
	if err := table(w, rows); err != nil {
		return err
	}
	fmt.Fprintf(w, "convolutions of a step: %.1f GFLOP as direct ones (kernels that save multiplications may exceed the peak); peak of multiply-adds on registers: %.0f GFLOP/s; tensors: at most %s\n",
		r.ConvGFLOP, r.PeakGFLOPS, mebibytes(r.TensorBytes))
	for i, k := range r.Kinds {
		if i > 0 && !all {
			break
		}
		fmt.Fprintf(w, "\n%s step by op, CPU time of all workers:\n", k.Kind)
		if err := table(w, opRows(k, all)); err != nil {
			return err
		}
	}
	return nil
}

func opRows(k bench.StepTime, all bool) [][]string {
	total := 0.0
	for _, op := range k.Ops {
		total += op.Milliseconds
	}
	rows := [][]string{{"op", "CPU ms", "share"}}
	for i, op := range k.Ops {
		if i < 10 || all {
			rows = append(rows, []string{op.Op, fmt.Sprintf("%.2f", op.Milliseconds), fmt.Sprintf("%.1f %%", 100*op.Milliseconds/total)})
		}
	}
	return append(rows, []string{"sum", fmt.Sprintf("%.2f", total), ""})
}
