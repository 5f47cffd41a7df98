package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"vimps-gpu/bench"
	"vimps-gpu/cuda"
	"vimps-gpu/nn/atomicfile"
)

func benchGPUCommand() *cli.Command {
	return &cli.Command{
		Name:  "gpu",
		Usage: "measure a GPU: bandwidth, fused kernels, convolutions, steps, equal bits",
		Description: describe("Measures a GPU in both precisions and writes what it found as JSON, each time beside its floor. bench/gpu.sh calls it, and\n"+
			"compares with cuDNN and PyTorch where they are. What a simulated GPU gives is marked so and says nothing about speed.",
			"vimps-gpu bench gpu --out gpu.json"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "device", Value: "gpu:0", Usage: "gpu:N"},
			&cli.StringFlag{Name: "out", Usage: "`FILE`.json to write", Required: true},
			&cli.StringFlag{Name: "layers", Usage: "`FILE`.json to write the list of convolutions to"},
			&cli.StringFlag{Name: "commit", Usage: "what the program was built from, for the record"},
			&cli.IntFlag{Name: "budget", Value: 240, Usage: "seconds after which nothing new is begun"},
			&cli.BoolFlag{Name: "quick", Usage: "tiny shapes, to try the measuring itself"},
		},
		Action: benchGPU,
	}
}

func benchGPU(c *cli.Context) error {
	if c.Int("budget") < 1 {
		return usagef("--budget %d: want 1 second or more", c.Int("budget"))
	}
	if device := c.String("device"); !strings.HasPrefix(device, "gpu:") {
		return usagef("--device %s: want gpu:N", device)
	}
	o := bench.GPUOptions{Device: c.String("device"), Commit: c.String("commit"), Quick: c.Bool("quick"), Budget: time.Duration(c.Int("budget")) * time.Second}
	if path := c.String("layers"); path != "" {
		if err := writeJSONFile(path, o.Layers()); err != nil {
			return err
		}
	}
	start := time.Now()
	r, err := bench.GPU(o, func(part string) { fmt.Fprintf(c.App.ErrWriter, "%4.0f s  %s\n", time.Since(start).Seconds(), part) })
	var unavailable cuda.Unavailable
	if errors.As(err, &unavailable) {
		return err
	}
	if err != nil {
		return asUsage(err)
	}
	if err := writeJSONFile(c.String("out"), r); err != nil {
		return err
	}
	if n := len(r.Errors); n > 0 {
		return fmt.Errorf("%s, the first: %s", countOf(n, "error"), r.Errors[0])
	}
	return nil
}

func writeJSONFile(path string, v any) error {
	return atomicfile.Write(path, func(w io.Writer) error { return writeJSON(w, v) })
}

func benchGPUReportCommand() *cli.Command {
	return &cli.Command{
		Name:        "gpu-report",
		Usage:       "put together what bench/gpu.sh measured",
		Description: describe("Reads the folder in which bench/gpu.sh works and writes GPU.json and GPU.md, with a verdict beside every bar. It fails when parity does.", "vimps-gpu bench gpu-report --work build/gpu-run --out bench/results"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "work", Usage: "`DIR`ectory with parts.tsv, machine.tsv, measured.json, torch.json, ranks and runs", Required: true},
			&cli.StringFlag{Name: "out", Usage: "`DIR`ectory to write to", Required: true},
		},
		Action: benchGPUReport,
	}
}

func benchGPUReport(c *cli.Context) error {
	r, err := bench.ReadGPUResult(c.String("work"))
	if err != nil {
		return err
	}
	base := filepath.Join(c.String("out"), r.FileName())
	if err := writeJSONFile(base+".json", r); err != nil {
		return err
	}
	if err := atomicfile.Write(base+".md", r.WriteMarkdown); err != nil {
		return err
	}
	for _, v := range r.Verdicts {
		fmt.Fprintln(c.App.Writer, v)
	}
	fmt.Fprintf(c.App.Writer, "wrote %s.json and .md\n", base)
	return r.ParityError()
}
