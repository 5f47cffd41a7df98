package cli

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"vimps-gpu/cuda"
)

// deviceFlags choose where to compute. None of them changes a result, except --isa portable in the last bits.
func deviceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "device", Value: "auto", Usage: "host or auto"},
		&cli.StringFlag{Name: "isa", Value: "auto", Usage: "instruction set of the host: auto, avx512, avx2 or portable"},
		&cli.IntFlag{Name: "threads", Usage: "workers of the host", DefaultText: "one a CPU"},
	}
}

// openDevice opens the device that the flags name and says which it is and why.
func openDevice(c *cli.Context, notes io.Writer) (*cuda.Device, error) {
	o := cuda.Options{Device: c.String("device"), ISA: c.String("isa"), Threads: c.Int("threads")}
	if c.IsSet("threads") && o.Threads < 1 {
		return nil, usagef("--threads %d: want 1 to 1024", o.Threads)
	}
	dev, err := cuda.Open(o)
	if err != nil {
		return nil, asUsage(err)
	}
	fmt.Fprintf(notes, "device: %s%s, %s%s, %s\n", dev.Name(), because(o.Device, "this build has no GPU support"),
		dev.ISA(), because(o.ISA, "the best that this CPU has"), countOf(dev.Threads(), "thread"))
	return dev, nil
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
