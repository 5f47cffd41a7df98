package cli

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"vimps-gpu/cuda"
	"vimps-gpu/nn/onnx"
	"vimps-gpu/quant"
)

func verifyCommand() *cli.Command {
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "file", Usage: "`FILE`.onnx that export wrote"},
		&cli.StringFlag{Name: "run", Usage: "run `DIR`ectory that it was exported from"},
		&cli.StringFlag{Name: "data", Usage: "the images, where they have moved", DefaultText: "those of --run"},
		&cli.IntFlag{Name: "images", Usage: "test images, 0: all"},
		jsonFlag(),
	}, childFlags()...)
	return &cli.Command{
		Name:  "verify",
		Usage: "run an exported file and compare it with the child in the run",
		Description: describe("Reads the file as a stranger would, runs its convolutions in integers and compares with the child's own integer arithmetic: every\n"+
			"layer on up to 100 images, where nothing but rounding may differ, and the classes of all test images, which rounding moves where a value lies on\n"+
			"a tie between two codes. Without a flag for the child it is the one whose bits the file names. Exits with 1 where the file is not\n"+
			"what it should be.",
			"vimps-gpu verify --file r20.onnx --run runs/r20"),
		Flags:  append(flags, deviceFlags()...),
		Action: verify,
	}
}

func verify(c *cli.Context) error {
	if !c.IsSet("run") || !c.IsSet("file") {
		return usagef("verify: say which file by --file FILE and which run it came from by --run DIR")
	}
	if c.Int("images") < 0 {
		return usagef("--images %d: want 0 or more", c.Int("images"))
	}
	m, err := onnx.Read(c.String("file"))
	if err != nil {
		return wrapFlag("file", err)
	}
	s, err := viewTrained(c)
	if err != nil {
		return err
	}
	defer s.close()
	child, err := s.childOfFile(c, m)
	if err != nil {
		return err
	}
	var result onnx.Comparison
	err = cuda.Guard(func() (err error) {
		result, err = s.compare(c, m, child)
		return err
	})
	if err != nil {
		return err
	}
	if c.Bool("json") {
		err = writeJSON(c.App.Writer, result)
	} else {
		printComparison(c.App.Writer, result, s.search.Graph.Output().H > 1)
	}
	if err != nil {
		return err
	}
	if err := result.Check(); err != nil {
		return fmt.Errorf("%s is not the run's child: %w", c.String("file"), err)
	}
	return nil
}

// childOfFile is the child that the flags name or, without one, the file.
func (s *session) childOfFile(c *cli.Context, m *onnx.Model) (quant.Assignment, error) {
	for _, f := range childFlags() {
		if c.IsSet(f.Names()[0]) {
			if err := oneChild(c); err != nil {
				return quant.Assignment{}, err
			}
			a, _, err := s.child(c)
			return a, err
		}
	}
	bits := m.Metadata["vimps-gpu.bits"]
	if bits == "" {
		return quant.Assignment{}, usagef("--file %s: it does not say its bits; name the child by --assignment or another flag", c.String("file"))
	}
	a, err := quant.ParseAssignment(s.search.Space, []byte(bits))
	if err != nil {
		return a, fmt.Errorf("--file %s: %w", c.String("file"), err)
	}
	return a, nil
}

func (s *session) compare(c *cli.Context, m *onnx.Model, child quant.Assignment) (result onnx.Comparison, err error) {
	r, err := onnx.NewRunner(s.dev, m)
	if err != nil {
		return result, fmt.Errorf("--file %s: %w", c.String("file"), err)
	}
	defer r.Free()
	net, err := s.deployed(c, child)
	if err != nil {
		return result, err
	}
	defer net.Free()
	result, err = onnx.Compare(r, net.Params, net.Gates, s.set, s.set.Test, c.Int("images"))
	if err != nil {
		return result, fmt.Errorf("--file %s: %w", c.String("file"), err)
	}
	return result, nil
}

func printComparison(w io.Writer, r onnx.Comparison, restores bool) {
	what := "image"
	if restores {
		what = "crop" // of the test images
	}
	fmt.Fprintf(w, "layer by layer: %d values on %s, %s\n", r.Layers, countOf(r.Forced, what), apart(r.Worst, "of the largest value, at "+r.WorstName))
	if restores {
		fmt.Fprintf(w, "whole net: %s, %s\n", countOf(r.Images, what), apart(r.Difference, "of the largest value"))
		return
	}
	fmt.Fprintf(w, "whole net: same class on %d of %d images; right: file %d, child %d; largest difference of logits %.2g of the largest\n",
		r.SameClass, r.Images, r.Right, r.ChildRight, r.Difference)
}

// apart tells how far values are apart, as a share of what stands behind it.
func apart(share float64, of string) string {
	if share == 0 {
		return "all equal"
	}
	return fmt.Sprintf("largest difference %.2g %s", share, of)
}
