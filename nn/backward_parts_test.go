package nn_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/model"
)

// partsNet is a plan that has done its forward pass, and the gradients that its backward pass adds to.
type partsNet struct {
	dev   *cuda.Device
	plan  *nn.Plan
	grads []*cuda.Tensor
	run   *cuda.Graph // forward pass
	seed  uint32      // of the images of the last backward pass
}

func newPartsNet(t *testing.T, dev *cuda.Device, g *nn.Graph, quantized bool) *partsNet {
	t.Helper()
	config, gates := nn.Config{}, (*nn.Gates)(nil)
	if quantized {
		config = nn.Config{Space: searchAll(t, g, []int{2, 4, 8}, []int{2, 4, 8}), Norm: nn.NormPair}
		gates = nn.NewGates(dev, config.Space)
		gates.Z.Set(uniform(gates.Z.Len(), 1, 0.1, 0.4))
	}
	params := nn.NewParams(dev, g, config)
	params.Init(3)
	if quantized {
		steps := params.Groups[nn.Steps].Value
		steps.Set(uniform(steps.Len(), 2, 0.01, 0.2))
	}
	n := &partsNet{dev: dev, plan: nn.NewPlan(params, gates, nn.NewScalars(dev), nn.PlanOptions{Batch: 3, Train: true})}
	n.plan.Labels.SetInt32([]int32{0, 1, 2})
	if n.plan.Target != nil {
		n.plan.Target.Set(uniform(n.plan.Target.Len(), 4, 0, 1))
	}
	for _, group := range params.Groups {
		n.grads = append(n.grads, group.Grad)
	}
	if quantized {
		n.grads = append(n.grads, gates.DZ)
	}
	n.run = dev.Record(func() { n.plan.PackFilters(); n.plan.Forward() })
	return n
}

// backward runs the recordings and gives every gradient that they leave. What any of them reads before it is written is that of other
// images, others each time.
func (n *partsNet) backward(graphs []*cuda.Graph, between func(i int)) (all [][]float32) {
	n.seed++
	n.forward(n.seed)
	for _, g := range graphs {
		g.Launch()
	}
	n.forward(0)
	for _, g := range n.grads {
		cuda.Zero(g)
	}
	for i, g := range graphs {
		g.Launch()
		between(i)
	}
	for _, g := range n.grads {
		all = append(all, g.Get(nil))
	}
	return all
}

func (n *partsNet) forward(seed uint32) {
	n.plan.Input.Set(uniform(n.plan.Input.Len(), seed, -1, 1))
	n.run.Launch()
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// twoReaders is a net with a value that two convolutions read, the later of which has others between itself and the value.
func twoReaders() *nn.Graph {
	g := nn.NewGraph("two readers", 8, 8, 3)
	x := g.ReLU(g.Norm("n1", conv3(g, "c1", 0, 8)))
	beside := g.Norm("n4", g.Conv("beside", x, nn.Conv{K: 8, R: 1, S: 1, Stride: 1}))
	y := g.Norm("n3", conv3(g, "c3", g.ReLU(g.Norm("n2", conv3(g, "c2", x, 8))), 8))
	g.Linear("fc", g.AvgPool(g.ReLU(g.Add(y, beside))), 4)
	return g
}

// The parts of a backward pass, each recorded by itself, leave the bits of Backward in every gradient. After a part nothing reads or
// writes its filters' gradients any more: they have their last values, and what is put in their place stays and harms nothing. The parts
// cover the filters from the last to the first, each once.
func TestBackwardParts(t *testing.T) {
	of := func(name string, in model.Input) *nn.Graph {
		m, err := model.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		return m.Build(in)
	}
	for _, c := range []struct {
		g         *nn.Graph
		quantized bool
	}{
		{of("resnet20", model.Input{H: 8, W: 8, C: 3, Classes: 10}), true},
		{of("resnet20", model.Input{H: 8, W: 8, C: 3, Classes: 10}), false},
		{of("mobilenetv2", model.Input{H: 32, W: 32, C: 3, Classes: 4}), true},
		{of("espcn", model.Input{H: 6, W: 6, C: 1, Scale: 3}), true},
		{of("espcn", model.Input{H: 6, W: 6, C: 1, Scale: 3}), false},
		{twoReaders(), true},
	} {
		t.Run(fmt.Sprintf("%s quantized %v", c.g.Name, c.quantized), func(t *testing.T) {
			checkBackwardParts(t, newPartsNet(t, openHost(t), c.g, c.quantized))
		})
	}
	mustPanic(t, func() { newPartsNet(t, openHost(t), twoReaders(), false).plan.BackwardParts(0) })
}

func checkBackwardParts(t *testing.T, n *partsNet) {
	t.Helper()
	whole := n.dev.Record(n.plan.Backward)
	defer whole.Free()
	want := n.backward([]*cuda.Graph{whole}, func(int) {})
	if again := n.backward([]*cuda.Graph{whole}, func(int) {}); !slices.EqualFunc(want, again, sameBits) {
		t.Fatal("the same backward pass leaves other gradients when it is run again")
	}
	filters := len(want[nn.Filters])
	for _, bytes := range []int{1, 10_000, 4 * filters / 3, 1 << 40} {
		parts := n.plan.BackwardParts(bytes)
		n.checkParts(t, parts, bytes, filters)
		n.checkRun(t, parts, want)
	}
}

func mustPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	f()
}

func (n *partsNet) checkParts(t *testing.T, parts []nn.BackwardPart, bytes, filters int) {
	t.Helper()
	end, layers := filters, len(n.plan.Params.Layers)
	for i, part := range parts {
		if part.Filters == nil {
			if i != len(parts)-1 {
				t.Errorf("%d bytes: part %d of %d has no filters", bytes, i, len(parts))
			}
			continue
		}
		end -= part.Filters.Len()
		if 4*part.Filters.Len() < bytes && end != 0 {
			t.Errorf("%d bytes: part %d has %d", bytes, i, 4*part.Filters.Len())
		}
	}
	if end != 0 || bytes == 1 && len(parts) < layers || bytes > 4*filters && len(parts) != 1 {
		t.Errorf("%d bytes: %d parts of %d layers leave %d of %d filter gradients", bytes, len(parts), layers, end, filters)
	}
}

func (n *partsNet) checkRun(t *testing.T, parts []nn.BackwardPart, want [][]float32) {
	t.Helper()
	var graphs []*cuda.Graph
	for _, part := range parts {
		graphs = append(graphs, n.dev.Record(part.Emit))
	}
	defer func() {
		for _, g := range graphs {
			g.Free()
		}
	}()
	end := len(want[nn.Filters])
	got := n.backward(graphs, func(i int) {
		if f := parts[i].Filters; f != nil {
			begin := end - f.Len()
			if !sameBits(f.Get(nil), want[nn.Filters][begin:end]) {
				t.Errorf("part %d of %d: filter gradients %d to %d are not final after it", i, len(parts), begin, end)
			}
			end = begin
		}
	})
	if !slices.EqualFunc(got, want, sameBits) {
		t.Errorf("%d parts leave other gradients than Backward", len(parts))
	}
	poison := float32(math.NaN())
	got = n.backward(graphs, func(i int) {
		if f := parts[i].Filters; f != nil {
			f.Set(slices.Repeat([]float32{poison}, f.Len()))
		}
	})
	for _, v := range got[nn.Filters] {
		if math.Float32bits(v) != math.Float32bits(poison) {
			t.Fatalf("%d parts: a filter gradient is written after the part that finished it", len(parts))
		}
	}
	if !slices.EqualFunc(got[1:], want[1:], sameBits) {
		t.Errorf("%d parts: a filter gradient is read after the part that finished it", len(parts))
	}
}
