package nn_test

import (
	"slices"
	"testing"

	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// transitionNet has each sort of path between a norm and the convolution behind it: direct, through an addition, as a shortcut,
// and through the pool. The first and last convolution are pinned.
func transitionNet(t *testing.T) (*nn.Graph, *quant.Space) {
	g := nn.NewGraph("transition", 6, 6, 3)
	x := g.ReLU(g.Norm("n0", g.Conv("c0", 0, nn.Conv{K: 8, R: 3, S: 3, Stride: 1, Pad: 1})))
	y := g.ReLU(g.Norm("n1", g.Conv("c1", x, nn.Conv{K: 8, R: 3, S: 3, Stride: 2, Pad: 1})))
	s := g.Norm("ns", g.Conv("cs", x, nn.Conv{K: 8, R: 1, S: 1, Stride: 2}))
	x = g.ReLU(g.Add(g.Norm("n2", g.Conv("c2", y, nn.Conv{K: 8, R: 3, S: 3, Stride: 1, Pad: 1})), s))
	x = g.ReLU(g.Add(g.Norm("n3", g.Conv("c3", x, nn.Conv{K: 8, R: 3, S: 3, Stride: 1, Pad: 1})), x))
	g.Linear("fc", g.AvgPool(x), 4)
	space, err := quant.NewSpace(g.Layers(), quant.Policy{WeightBits: []int{2, 4, 8}, InputBits: []int{2, 8},
		First: quant.Pin{Weight: 8, Input: 8}, Last: quant.Pin{Weight: 8, Input: 8}})
	if err != nil {
		t.Fatal(err)
	}
	return g, space
}

// Each norm has a set for every pair of a weight option in front of it and an input option behind it; a pinned gate has one.
func TestTransitionTableIsComplete(t *testing.T) {
	dev := openHost(t)
	g, space := transitionNet(t)
	params := nn.NewParams(dev, g, nn.Config{Space: space, Norm: nn.NormTransition})
	layer := map[string]int{}
	for i, l := range params.Layers {
		layer[l.Name] = i
	}
	want := map[string]struct {
		behind        string
		weight, input int
	}{
		"n0": {"c1", 1, 2}, "n1": {"c2", 3, 2}, "ns": {"c3", 3, 2}, "n2": {"c3", 3, 2}, "n3": {"fc", 3, 1},
	}
	for _, n := range params.Norms {
		w := want[n.Name]
		if n.InputLayer != layer[w.behind] || n.WeightOptions != w.weight || n.InputOptions != w.input {
			t.Errorf("%s: input of layer %d, %d x %d options; want that of %s, %d, %d x %d", n.Name, n.InputLayer, n.WeightOptions,
				n.InputOptions, w.behind, layer[w.behind], w.weight, w.input)
		}
		for what, sets := range map[string]int{"gamma": n.Gamma.Dim(0), "beta": n.Beta.Dim(0), "mean": n.Mean.Dim(0), "variance": n.Var.Dim(0)} {
			if sets != w.weight*w.input {
				t.Errorf("%s: %d sets of %s, want %d", n.Name, sets, what, w.weight*w.input)
			}
		}
		for _, v := range n.Gamma.Get(nil) {
			if v != 1 {
				t.Errorf("%s: a set starts with gamma %g", n.Name, v)
			}
		}
	}
}

// A step of a child moves the statistics of set (its weight option, the input option behind) alone and gives gradients to no other: a
// draw for the whole net touches the diagonal, another what lies off it.
func TestTransitionTouchesOnlyItsSets(t *testing.T) {
	dev := openHost(t)
	g, space := transitionNet(t)
	for name, bits := range map[string][2][]int{ // of weights and inputs by layer: c0 c1 cs c2 c3 fc
		"all at 2":    {{8, 2, 2, 2, 2, 8}, {8, 2, 2, 2, 2, 8}},
		"all at 8":    {{8, 8, 8, 8, 8, 8}, {8, 8, 8, 8, 8, 8}},
		"alternating": {{8, 2, 4, 8, 4, 8}, {8, 8, 2, 8, 2, 8}},
	} {
		params := nn.NewParams(dev, g, nn.Config{Space: space, Norm: nn.NormTransition})
		params.Init(5)
		for i := range params.Layers {
			l := &params.Layers[i]
			l.WStep.Set(uniform(l.WStep.Len(), uint32(i), 0.02, 0.1))
			l.XStep.Set(uniform(l.XStep.Len(), uint32(i), 0.02, 0.1))
		}
		gates := nn.NewGates(dev, space)
		child, err := quant.NewAssignment(space, bits[0], bits[1])
		if err != nil {
			t.Fatal(err)
		}
		gates.SetChild(space, child)
		plan := nn.NewPlan(params, gates, nn.NewScalars(dev), nn.PlanOptions{Batch: 4, Train: true})
		plan.Input.Set(uniform(plan.Input.Len(), 4, -2, 2))
		plan.Labels.SetInt32([]int32{0, 1, 2, 3})
		dev.Record(func() { plan.PackFilters(); plan.Forward(); plan.Backward() }).Launch()
		plain := nn.NewParams(dev, g, nn.Config{})
		for _, n := range params.Norms {
			i := slices.Index(space.Weight[n.Layer], bits[0][n.Layer])
			j := slices.Index(space.Input[n.InputLayer], bits[1][n.InputLayer])
			c := n.Gamma.Dim(1)
			k := slices.IndexFunc(plain.Norms, func(p nn.NormParams) bool { return p.Name == n.Name })
			plain.Norms[k].TakeChild(&n, i, j)
			if own := (i*n.InputOptions + j) * c; !slices.Equal(plain.Norms[k].Mean.Get(nil), n.Mean.Get(nil)[own:own+c]) {
				t.Errorf("%s, %s: the child's statistics are not those of set %d, %d", name, n.Name, i, j)
			}
			for set := range n.Gamma.Dim(0) {
				mean, gamma := n.Mean.View(set*c, c).Get(nil), n.DGamma.View(set*c, c).Get(nil)
				touched := slices.ContainsFunc(mean, func(v float32) bool { return v != 0 })
				if moved := slices.ContainsFunc(gamma, func(v float32) bool { return v != 0 }); moved != touched {
					t.Errorf("%s, %s: set %d: statistics moved %t, gradient %t", name, n.Name, set, touched, moved)
				}
				if want := set == i*n.InputOptions+j; touched != want {
					t.Errorf("%s, %s: set %d was touched: %t, the child has %d, %d", name, n.Name, set, touched, i, j)
				}
			}
		}
		plan.Free()
	}
}
