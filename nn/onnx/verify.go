package onnx

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
)

// Comparison is how a file does beside the child that it was made of.
type Comparison struct {
	Images     int `json:"images"`
	SameClass  int `json:"same_class"` // images that both put into the same class
	Right      int `json:"file_right"`
	ChildRight int `json:"child_right"`
	// Difference is the largest of two outputs, over the largest output. A rounding may move a value across a tie between two codes, so
	// that it can be that of a code.
	Difference float64 `json:"largest_difference"`
	// Layers are the values that were compared while the file's every node read the child's values, on Forced images: there nothing but
	// rounding differs. Worst is the largest difference over the largest value, and where it was.
	Layers    int     `json:"values_compared"`
	Forced    int     `json:"images_compared_by_layer"`
	Worst     float64 `json:"largest_rounding"`
	WorstName string  `json:"largest_rounding_at"`
}

// Bounds of what a format promises.
const (
	MaxRounding = 1e-5 // Comparison.Worst
	MinSame     = 0.99 // SameClass / Images
)

// Check tells what a Comparison breaks of the promise, if anything.
func (c Comparison) Check() error {
	switch {
	case c.Layers == 0:
		return fmt.Errorf("the file has none of the child's values by name")
	case !(c.Worst <= MaxRounding):
		return fmt.Errorf("the value %s differs by %.2g of its largest, which rounding does not explain (%.0g)", c.WorstName, c.Worst, MaxRounding)
	case float64(c.SameClass) < MinSame*float64(c.Images):
		return fmt.Errorf("%d of %d images get another class, more than rounding at ties explains", c.Images-c.SameClass, c.Images)
	}
	return nil
}

// SameCodes tells where the weight codes of a file that Export wrote are not the child's, whether or not they change what it computes.
func (c *Child) SameCodes(m *Model) error {
	fresh, err := Export(c, Format(m.Metadata["vimps-gpu.format"]))
	if err != nil {
		return err
	}
	codes := map[string]Tensor{}
	for _, t := range m.Graph.Initializers {
		codes[t.Name] = t
	}
	for _, want := range fresh.Graph.Initializers {
		if got := codes[want.Name]; len(want.Dims) == 4 && (got.Type != want.Type || !slices.Equal(got.Dims, want.Dims) || !bytes.Equal(got.Raw, want.Raw)) {
			return fmt.Errorf("the weight codes %s are not the child's", want.Name)
		}
	}
	return nil
}

// verifyBatch is how many images are compared at a time: fewer where they are large, since all values of the child are kept.
func verifyBatch(split data.Split) int { return min(100, max(1, 1<<20/(split.H()*split.W()))) }

// Compare runs a file and the integer arithmetic of the child, whose net is params under gates, over the first images of a split (0: all).
// Of images to restore it takes patches drawn from them, and compares no classes.
func Compare(r *Runner, params *nn.Params, gates *nn.Gates, set *data.Set, split data.Split, images int) (c Comparison, err error) {
	augment := nn.Augment{}
	if split.Scale() > 0 {
		split, augment = split.Patches(), nn.Augment{Flip: true}
	}
	if images == 0 || images > split.Len() {
		images = split.Len()
	}
	scalars := nn.NewScalars(params.Dev)
	defer scalars.Free()
	plan := nn.NewPlan(params, gates, scalars, nn.PlanOptions{Batch: min(verifyBatch(split), images), Integer: true, KeepValues: true})
	defer plan.Free()
	feed := nn.NewFeed(plan, set.Mean, set.Std, augment)
	defer feed.Free()
	work := params.Dev.Record(func() { feed.Emit(); plan.PackFilters(); plan.Forward() })
	defer work.Free()
	child, err := TakeChild(params)
	if err != nil {
		return c, err
	}
	if err := child.SameCodes(r.model); err != nil {
		return c, err
	}
	values := map[string]int{}
	for i, name := range child.Names() {
		values[name] = i
	}
	b := plan.Options.Batch
	for from := 0; from < images; from += b {
		var positions []int
		for i := from; i < min(from+b, images); i++ {
			positions = append(positions, i)
		}
		feed.Fill(split, positions, nn.Draw{})
		work.Launch()
		x, shape := plan.Input.Get(nil), plan.Input.Shape()
		if from == 0 {
			c.Forced = b
			r.Seen = func(name string, _ []int, v []float32) []float32 { return c.layer(plan, values, name, v) }
			_, err = r.Run(x, b, shape[1], shape[2], shape[3])
			r.Seen = nil
			if err != nil {
				return c, err
			}
		}
		out, err := r.Run(x, b, shape[1], shape[2], shape[3])
		if err != nil {
			return c, err
		}
		c.outputs(plan, split, positions, out, child.Classifies())
	}
	return c, nil
}

// layer compares a value with the child's, which it returns.
func (c *Comparison) layer(plan *nn.Plan, values map[string]int, name string, v []float32) []float32 {
	node, ok := values[name]
	if !ok || plan.Value(node) == nil {
		return nil
	}
	want := plan.Value(node).Get(nil)
	worst := difference(v, want)
	if c.Layers++; !(worst <= c.Worst) {
		c.Worst, c.WorstName = worst, name
	}
	return want
}

// difference is the largest difference over the largest value; NaN or of another length is infinite.
func difference(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var most, size float64
	for i, w := range want {
		d := math.Abs(float64(got[i]) - float64(w))
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		most, size = max(most, d), max(size, math.Abs(float64(w)))
	}
	if most == 0 {
		return 0
	}
	return most / size
}

func (c *Comparison) outputs(plan *nn.Plan, split data.Split, positions []int, out []float32, classify bool) {
	want := plan.Logits.Get(nil)
	c.Difference = max(c.Difference, difference(out, want))
	c.Images += len(positions)
	if !classify {
		c.SameClass += len(positions)
		return
	}
	classes := len(want) / plan.Options.Batch
	for i, at := range positions {
		file, child, label := Argmax(out[i*classes:][:classes]), Argmax(want[i*classes:][:classes]), int(split.Label(at))
		if file == child {
			c.SameClass++
		}
		if file == label {
			c.Right++
		}
		if child == label {
			c.ChildRight++
		}
	}
}

// Argmax is the place of the largest value, the first of equals.
func Argmax(v []float32) int { return slices.Index(v, slices.Max(v)) }
