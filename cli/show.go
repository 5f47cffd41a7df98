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
		&cli.StringFlag{Name: "model", Usage: "the net, see vimps-gpu models, or `FILE`.onnx", Value: defaultModel},
		&cli.StringFlag{Name: "data", Usage: "images that the net is built for", DefaultText: "the size that the model is made for"},
		jsonFlag(),
	}
	return &cli.Command{
		Name:        "show",
		Usage:       "show a net before any training: layers, gates, costs",
		Description: describe("Lists every quantized layer with its output, multiply-accumulates, weights and candidate bits, and what uniform\nbits would cost.", "vimps-gpu show --model resnet20 --weight-bits 2,3,4,8"),
		Flags:       append(append(flags, constraintsFlag()), settingFlags(spaceSettings())...),
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
	Notes   []string     `json:"notes,omitempty"` // of the import of an ONNX file
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
	Pinned     string `json:"pinned,omitempty"`            // why its bits are not searched
	Shared     string `json:"shares_input_with,omitempty"` // first layer that reads the same value
}

type shownCost struct {
	Child     string  `json:"child"`
	BOPs      float64 `json:"bops"`
	Relative  float64 `json:"relative_bops"`
	SizeBytes float64 `json:"size_bytes"`
	Memory    float64 `json:"memory_bytes"` // peak of activations, see quant.Memory
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
	g, err := m.Graph(model.Input(shape))
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
	if out.Notes, err = m.Notes(model.Input{H: shape.H, W: shape.W, C: shape.C}); err != nil {
		return err
	}
	sayWhy(out.Layers, g, space, config)
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
	bops, size, memory := quant.BOPs(space), quant.SizeBytes(space), g.Memory()
	for b := quant.MaxBits; b >= quant.MinWeightBits; b-- {
		if a, err := quant.Uniform(space, b, b); err == nil { // not all layers have every width as a candidate
			out.Costs = append(out.Costs, shownCost{fmt.Sprintf("W%dA%d", b, b), bops.Cost(a), bops.Relative(a), size.Cost(a), memory.Peak(a)})
		}
	}
	return out
}

func printNet(w io.Writer, s shown) error {
	what := fmt.Sprintf("in %d classes", s.Image.Classes)
	if s.Image.Scale > 0 {
		what = fmt.Sprintf("to make %d times larger", s.Image.Scale)
	}
	fmt.Fprintf(w, "%s for images of %dx%dx%d %s: %s MACs, %s weights, %d searched gates\n", s.Model, s.Image.H, s.Image.W, s.Image.C,
		what, onesot.HumanCount(float64(s.MACs)), onesot.HumanCount(float64(s.Weights)), s.Gates)
	rows := [][]string{{"layer", "filter/stride", "output", "MACs", "weights", "weight bits", "input bits", "searched"}}
	for _, l := range s.Layers {
		input := bitList(l.InputBits)
		if l.Signed {
			input += " signed"
		}
		rows = append(rows, []string{l.Name, l.Filter, l.Output, onesot.HumanCount(float64(l.MACs)), onesot.HumanCount(float64(l.Weights)), bitList(l.WeightBits), input, searched(l)})
	}
	if err := table(w, rows); err != nil {
		return err
	}
	for _, n := range s.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	fmt.Fprintln(w)
	costs := [][]string{{"uniform", "BOPs", "relative", "size", "activations"}}
	for _, k := range s.Costs {
		costs = append(costs, []string{k.Child, onesot.HumanCount(k.BOPs), fmt.Sprintf("%.4f", k.Relative), humanBytes(k.SizeBytes), humanBytes(k.Memory)})
	}
	return table(w, costs)
}
