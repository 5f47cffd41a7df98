package cli

import (
	"math"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"vimps-gpu/bench"
	"vimps-gpu/cuda"
)

func benchScalingCommand() *cli.Command {
	return &cli.Command{
		Name:  "scaling",
		Usage: "compute what data-parallel search moves and where it stops scaling",
		Description: describe("Allocates the supernets, reads off the bytes of gradients that ranks add up in a step, and computes from published speeds of GPUs\n"+
			"and links how much of that the backward pass hides, in servers of 8 GPUs and on 2 to 64 of them. Writes Markdown; nothing is\n"+
			"measured. bench/gpu.sh measures a server that has several GPUs.",
			"vimps-gpu bench scaling", "vimps-gpu bench scaling --models resnet18 --of-floor 1"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "models", Value: "resnet18,mobilenetv2,resnet20,espcn", Usage: "the nets, see vimps-gpu models"},
			&cli.Float64Flag{Name: "of-floor", Value: 0.3, Usage: "share of the speed of their floor that the passes are taken to reach; 1 is hardest to hide behind"},
			&cli.Float64Flag{Name: "bucket", Usage: "`MB` of filter gradients that are summed at once", DefaultText: "what the search takes"},
			&cli.Float64Flag{Name: "picture", Value: 110, Usage: "`KB` of an image file"},
			&cli.Float64Flag{Name: "packed", Value: 262, Usage: "`KB` of an image in a pack: 256 x 341 x 3 bytes"},
			&cli.Float64Flag{Name: "decode", Value: decodeMeasured, Usage: "images/s that a core reads from files, as bench loader measures them"},
			&cli.Float64Flag{Name: "unpack", Value: unpackMeasured, Usage: "images/s that a core reads from a pack"},
		},
		Action: benchScaling,
	}
}

// Images that a core reads in a second of its time, of bench/results/scaling.md.
const (
	decodeMeasured = 104
	unpackMeasured = 843
)

func benchScaling(c *cli.Context) error {
	if c.IsSet("bucket") && !(c.Float64("bucket") >= 1e-6 && c.Float64("bucket") <= 1e6) {
		return usagef("--bucket %g: want 1e-6, a byte, to 1e6", c.Float64("bucket"))
	}
	for _, name := range []string{"picture", "packed", "decode", "unpack"} {
		if v := c.Float64(name); !(v > 0 && v <= 1e6) {
			return usagef("--%s %g: want more than 0, at most 1e6", name, v)
		}
	}
	if share := c.Float64("of-floor"); !(share >= 0.001 && share <= 1) {
		return usagef("--of-floor %g: want 0.001 to 1", share)
	}
	o := bench.ScalingOptions{OfFloor: c.Float64("of-floor"), Bucket: int64(math.Round(1e6 * c.Float64("bucket"))),
		Picture: 1e3 * c.Float64("picture"), Packed: 1e3 * c.Float64("packed"), Decode: c.Float64("decode"), Unpacked: c.Float64("unpack")}
	for name := range strings.SplitSeq(c.String("models"), ",") {
		if name = strings.TrimSpace(name); !slices.Contains(o.Models, name) {
			o.Models = append(o.Models, name)
		}
	}
	dev, err := cuda.Open(cuda.Options{Device: "host"})
	if err != nil {
		return err
	}
	defer dev.Close()
	r, err := bench.Scaling(dev, o)
	if err != nil {
		return asUsage(err)
	}
	return r.WriteMarkdown(c.App.Writer)
}
