package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"vimps-gpu/cuda"
)

// deviceFlags choose where to compute. On the host none of them changes a result, except --isa portable in the last
// bits; a GPU's convolutions round their operands.
func deviceFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "device", Value: "auto", Usage: "auto, host or gpu:N (see vimps-gpu devices)"},
		&cli.StringFlag{Name: "precision", Value: "tf32", Usage: "of a GPU's convolutions: tf32, or bf16, in which activations are then stored"},
		&cli.BoolFlag{Name: "sync", Usage: "let a GPU do op by op, slowly, so that a failure names its op"},
	}, hostFlags()...)
}

func hostFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "isa", Value: "auto", Usage: "instruction set of the host: auto, avx512, avx2 or portable"},
		&cli.IntFlag{Name: "threads", Usage: "workers of the host", DefaultText: "one a CPU"},
	}
}

// openDevice opens the device that the flags name and says which it is and why.
func openDevice(c *cli.Context, notes io.Writer) (*cuda.Device, error) {
	o := cuda.Options{Device: "host", ISA: c.String("isa"), Threads: c.Int("threads"),
		Precision: c.String("precision"), Sync: c.Bool("sync")}
	if name := c.String("device"); name != "" { // a command that has the flag
		o.Device = name
	}
	if c.IsSet("threads") && o.Threads < 1 {
		return nil, usagef("--threads %d: want 1 to 1024", o.Threads)
	}
	w := worldOf(c)
	if w.Size() > 1 {
		if err := localDevice(w, &o); err != nil {
			return nil, err
		}
		fmt.Fprintf(notes, "job: %s\n", describeJob(w))
	}
	dev, err := cuda.Open(o)
	var unavailable cuda.Unavailable
	if errors.As(err, &unavailable) {
		return nil, err
	}
	if err != nil {
		return nil, asUsage(err)
	}
	if w.Size() > 1 && dev.GPU() {
		if _, err := cuda.NCCLID(); err != nil { // before anything is trained
			dev.Close()
			return nil, err
		}
	}
	fmt.Fprintf(notes, "device: %s\n", describeDevice(dev, o))
	return dev, nil
}

func describeDevice(dev *cuda.Device, o cuda.Options) string {
	name := dev.Name() + because(o.Device, dev.Why())
	if dev.GPU() {
		return name + ", " + dev.Precision()
	}
	return fmt.Sprintf("%s, %s%s, %s", name, dev.ISA(), because(o.ISA, "the best that this CPU has"), countOf(dev.Threads(), "thread"))
}

func because(asked, why string) string {
	if asked != "auto" && asked != "" {
		return ""
	}
	return " (auto: " + why + ")"
}

func countOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
