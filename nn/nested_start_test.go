package nn_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/quant"
)

// Ranges and steps start from the step that LSQ would have at the widest width.
func TestNestedStart(t *testing.T) {
	dev := openHost(t)
	set, err := data.Open("digits")
	if err != nil {
		t.Fatal(err)
	}
	g := nn.NewGraph("start", set.Train.H(), set.Train.W(), set.Train.C())
	x := g.ReLU(g.Norm("n1", g.Conv("c1", 0, nn.Conv{K: 16, R: 3, S: 3, Stride: 1, Pad: 1})))
	g.Linear("fc", g.AvgPool(g.ReLU(g.Norm("n2", g.Conv("c2", x, nn.Conv{K: 16, R: 3, S: 3, Stride: 1, Pad: 1})))), 10)
	fp32 := nn.NewParams(dev, g, nn.Config{})
	fp32.Init(2)
	space := searchAll(t, g, []int{2, 4, 8}, []int{2, 4, 8})
	started := func(q nn.Quantizer) *nn.Params {
		params, _ := nestedNet(dev, g, space, q)
		params.Start(fp32, set, set.Train)
		return params
	}
	lsq, residual, truncate := started(nn.LSQ), started(nn.Residual), started(nn.Truncate)
	for i := range lsq.Layers {
		l, r, c := &lsq.Layers[i], &residual.Layers[i], &truncate.Layers[i]
		steps, input := l.WStep.Get(nil), l.XStep.Get(nil)[2]
		steps = steps[len(steps)*2/3:]
		if !slices.Equal(c.WStep.Get(nil), steps) || c.XStep.At(0) != input {
			t.Errorf("%s: truncate starts at %v and %g, LSQ's are %v and %g", l.Name, c.WStep.Get(nil), c.XStep.At(0), steps, input)
		}
		codes := float32(255)
		if l.Signed {
			codes = 127.5
		}
		if got := r.XStep.At(0); math.Abs(float64(got/(codes*input)-1)) > 0.02 {
			t.Errorf("%s: the input's range ends at %g, %g steps of %g", l.Name, got, codes, input)
		}
		for k, got := range r.WStep.Get(nil) {
			if math.Abs(float64(got/(127.5*steps[k])-1)) > 0.05 { // the symmetric grid's step is not quite that of two's complement
				t.Errorf("%s: the range of channel %d ends at %g, the step is %g", l.Name, k, got, steps[k])
			}
		}
	}
}

// State files name the parameters for what they are, and residual gates are thermometers.
func TestNestedNamesAndGates(t *testing.T) {
	dev := openHost(t)
	space := searchAll(t, oneConv(), []int{2, 4, 8}, []int{2, 4, 8})
	for q, want := range map[nn.Quantizer]string{nn.LSQ: "step", nn.Residual: "range", nn.Truncate: "step"} {
		params, gates := nestedNet(dev, oneConv(), space, q)
		var names []string
		for _, s := range params.State() {
			names = append(names, s.Name)
		}
		for _, n := range []string{"conv.weight_" + want, "conv.input_" + want + ".moment2"} {
			if !slices.Contains(names, n) {
				t.Errorf("%v: no %s among %v", q, n, names)
			}
		}
		child, err := quant.NewAssignment(space, []int{4}, []int{8})
		if err != nil {
			t.Fatal(err)
		}
		gates.SetChild(space, child)
		rows := [2][]float32{{0, 1, 0}, {0, 0, 1}}
		if q == nn.Residual {
			rows = [2][]float32{{1, 1, 0}, {1, 1, 1}}
		}
		z := gates.Z.Get(nil)
		for i, row := range rows {
			if got := z[i*cuda.MaxBits : i*cuda.MaxBits+3]; !slices.Equal(got, row) {
				t.Errorf("%v: gate %d is %v, want %v", q, i, got, row)
			}
		}
	}
}

func TestNestedNetsRefuse(t *testing.T) {
	dev := openHost(t)
	g := oneConv()
	space := searchAll(t, g, []int{2, 4, 8}, []int{2, 4, 8})
	config := func(change func(*nn.Config)) func() {
		c := nn.Config{Space: space, Norm: nn.NormPlain, SharedWeights: true, Quantizer: nn.Residual}
		change(&c)
		return func() { nn.NewParams(dev, g, c) }
	}
	params, _ := nestedNet(dev, g, space, nn.Residual)
	plan := func(q nn.Quantizer, o nn.PlanOptions) func() {
		gates := nn.NewGates(dev, space)
		gates.Quantizer = q
		return func() { nn.NewPlan(params, gates, nn.NewScalars(dev), o) }
	}
	for want, f := range map[string]func(){
		"SharedWeights":        config(func(c *nn.Config) { c.SharedWeights = false }),
		"thermometers":         config(func(c *nn.Config) { c.Norm = nn.NormPair }),
		"those of a residual":  config(func(c *nn.Config) { c.Space = searchAll(t, g, []int{2, 3}, []int{8}) }),
		"gates for a lsq one":  plan(nn.LSQ, nn.PlanOptions{Batch: 1}),
		"no integer arithmeti": plan(nn.Residual, nn.PlanOptions{Batch: 1, Integer: true}),
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("panic %q, want one that says %q", got, want)
				}
			}()
			f()
		}()
	}
}
