package cli

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"vimps-gpu/bench"
	"vimps-gpu/cuda"
	"vimps-gpu/nn/atomicfile"
	"vimps-gpu/nn/model"
	"vimps-gpu/onesot/method/oneshot"
)

func profileCommand() *cli.Command {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "model", Usage: "the net, see vimps-gpu models", Value: defaultModel},
		&cli.StringFlag{Name: "data", Usage: "images that the net is built for", DefaultText: "the size that the model is made for"},
		&cli.IntFlag{Name: "batch", Usage: "images at once", Value: 1},
		&cli.IntFlag{Name: "rounds", Usage: "timed repetitions of a layer at a pair of bits; the median counts", Value: 9},
		&cli.StringFlag{Name: "out", Usage: "`FILE`.csv to write", Value: "latency.csv"},
		constraintsFlag(),
	}
	flags = append(flags, deviceFlags()...)
	return &cli.Command{
		Name:  "profile",
		Usage: "measure every layer at every pair of bits, for search --cost",
		Description: describe("Times each layer of a net at each pair of its candidate bits on the device and writes a table that\n"+
			"--cost latency:FILE.csv reads. Times are of exact integer kernels whose codes are bytes: on this device fewer\n"+
			"bits are hardly faster. A table measured on another device, in the same four columns, works alike.",
			"vimps-gpu profile --model resnet20 --device gpu:0 --out latency.csv",
			"vimps-gpu search --model resnet20 --data cifar10:DIR --cost latency:latency.csv"),
		Flags:  append(flags, settingFlags(spaceSettings())...),
		Action: profile,
	}
}

func profile(c *cli.Context) error {
	for name, most := range map[string]int{"batch": 4096, "rounds": 1000} {
		if n := c.Int(name); n < 1 || n > most {
			return usagef("--%s %d: want 1 to %d", name, n, most)
		}
	}
	m, err := model.Find(c.String("model"))
	if err != nil {
		return asUsage(err)
	}
	shape, err := shapeFor(c, m.Name)
	if err != nil {
		return err
	}
	o := bench.ProfileOptions{Batch: c.Int("batch"), Rounds: c.Int("rounds")}
	if o.Graph, err = m.Graph(model.Input(shape)); err != nil {
		return asUsage(err)
	}
	config := defaultConfig(oneshot.New(), m.Name)
	for _, s := range spaceSettings() {
		if c.IsSet(s.name) {
			if err := s.apply(c, &config); err != nil {
				return err
			}
		}
	}
	if path := c.String("constraints"); path != "" {
		if err := readConstraints(path, &config); err != nil {
			return err
		}
	}
	if o.Space, err = config.Space(o.Graph.Layers()); err != nil {
		return asUsage(err)
	}
	dev, err := openDevice(c, c.App.ErrWriter)
	if err != nil {
		return err
	}
	defer dev.Close()
	var rows []bench.ProfileRow
	if err := cuda.Guard(func() (err error) {
		rows, err = bench.Profile(dev, o, func(r bench.ProfileRow) {
			fmt.Fprintf(c.App.ErrWriter, "%s at %d/%d bits: %.4g ms\n", r.Layer, r.Weight, r.Input, r.Milliseconds)
		})
		return err
	}); err != nil {
		return err
	}
	out := c.String("out")
	err = atomicfile.Write(out, func(w io.Writer) error { return bench.WriteProfile(w, dev, m.Name, o, rows) })
	if err != nil {
		return wrapFlag("out", err)
	}
	fmt.Fprintf(c.App.Writer, "wrote %s: %d layers, %d lines; next: vimps-gpu search --model %s --cost latency:%s\n",
		filepath.Clean(out), len(o.Space.Layers), len(rows), m.Name, out)
	return nil
}
