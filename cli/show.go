package cli

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"vimps-gpu/nn"
	"vimps-gpu/nn/model"
	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method/oneshot"
	"vimps-gpu/quant"
)

func showCommand() *cli.Command {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "model", Usage: "the net, see vimps-gpu models", Value: defaultModel},
		&cli.StringFlag{Name: "data", Usage: "images that the net is built for", DefaultText: "the size that the model is made for"},
		jsonFlag(),
	}
	return &cli.Command{
		Name:        "show",
		Usage:       "show a net before any training: layers, gates, costs",
		Description: describe("Lists every quantized layer with its output, multiply-accumulates, weights and candidate bits, and what uniform\nbits would cost.", "vimps-gpu show --model resnet20 --weight-bits 2,3,4,8"),
		Flags:       append(flags, settingFlags(spaceSettings())...),
		Action:      show,
	}
}

// shown is a net as JSON.
type shown struct {
	Model   string       `json:"model"`
	Image   imageShape   `json:"image"`
	MACs    int64        `json:"macs"`
	Weights int64        `json:"weights"`
	Gates   int          `json:"searched_gates"`
	Layers  []shownLayer `json:"layers"`
	Costs   []shownCost  `json:"costs"`
}

type shownLayer struct {
	Name       string `json:"name"`
	Filter     string `json:"filter"`
	Output     string `json:"output"`
	MACs       int64  `json:"macs"`
	Weights    int64  `json:"weights"`
	WeightBits []int  `json:"weight_bits"`
	InputBits  []int  `json:"input_bits"`
	Signed     bool   `json:"signed_input"`
}

type shownCost struct {
	Child     string  `json:"child"`
	BOPs      float64 `json:"bops"`
	Relative  float64 `json:"relative_bops"`
	SizeBytes float64 `json:"size_bytes"`
}

func show(c *cli.Context) error {
	m, err := model.Find(c.String("model"))
	if err != nil {
		return asUsage(err)
	}
	shape, err := shapeFor(c, m.Name)
	if err != nil {
		return err
	}
	g, err := m.Graph(shape.H, shape.W, shape.C, shape.Classes)
	if err != nil {
		return asUsage(err)
	}
	config := defaultConfig(oneshot.New(), m.Name)
	if err := applyFlags(c, &config); err != nil {
		return err
	}
	space, err := config.Space(g.Layers())
	if err != nil {
		return asUsage(err)
	}
	out := describeNet(m.Name, shape, g, space)
	if c.Bool("json") {
		return writeJSON(c.App.Writer, out)
	}
	return printNet(c.App.Writer, out)
}

func describeNet(name string, shape imageShape, g *nn.Graph, space *quant.Space) shown {
	out := shown{Model: name, Image: shape, Gates: len(space.Gates())}
	for k, node := range g.Convs() {
		n, l := g.Nodes[node], space.Layers[k]
		out.Layers = append(out.Layers, shownLayer{Name: l.Name, MACs: l.MACs, Weights: l.Weights,
			Filter:     fmt.Sprintf("%dx%d/%d", n.Conv.R, n.Conv.S, n.Conv.Stride),
			Output:     fmt.Sprintf("%dx%dx%d", n.H, n.W, n.C),
			WeightBits: space.Weight[k], InputBits: space.Input[k], Signed: l.SignedInput})
		out.MACs += l.MACs
		out.Weights += l.Weights
	}
	bops, size := quant.BOPs(space), quant.SizeBytes(space)
	for b := quant.MaxBits; b >= quant.MinWeightBits; b-- {
		if a, err := quant.Uniform(space, b, b); err == nil { // not all layers have every width as a candidate
			out.Costs = append(out.Costs, shownCost{fmt.Sprintf("W%dA%d", b, b), bops.Cost(a), bops.Relative(a), size.Cost(a)})
		}
	}
	return out
}

func printNet(w io.Writer, s shown) error {
	fmt.Fprintf(w, "%s for images of %dx%dx%d in %d classes: %s MACs, %s weights, %d searched gates\n", s.Model, s.Image.H, s.Image.W, s.Image.C,
		s.Image.Classes, onesot.HumanCount(float64(s.MACs)), onesot.HumanCount(float64(s.Weights)), s.Gates)
	rows := [][]string{{"layer", "filter/stride", "output", "MACs", "weights", "weight bits", "input bits"}}
	for _, l := range s.Layers {
		input := bitList(l.InputBits)
		if l.Signed {
			input += " signed"
		}
		rows = append(rows, []string{l.Name, l.Filter, l.Output, onesot.HumanCount(float64(l.MACs)), onesot.HumanCount(float64(l.Weights)), bitList(l.WeightBits), input})
	}
	if err := table(w, rows); err != nil {
		return err
	}
	fmt.Fprintln(w)
	costs := [][]string{{"uniform", "BOPs", "relative", "size"}}
	for _, k := range s.Costs {
		costs = append(costs, []string{k.Child, onesot.HumanCount(k.BOPs), fmt.Sprintf("%.4f", k.Relative), humanBytes(k.SizeBytes)})
	}
	return table(w, costs)
}
