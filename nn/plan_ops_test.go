package nn_test

import (
	"math"
	"slices"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

func conv3(g *nn.Graph, name string, x, k int) int {
	return g.Conv(name, x, nn.Conv{K: k, R: 3, S: 3, Stride: 1, Pad: 1, Bias: true})
}

func activation(kind cuda.ActKind, alpha, beta float32) func(g *nn.Graph, x int) int {
	return func(g *nn.Graph, x int) int {
		return g.Activate("act", x, nn.Activation{Kind: kind, Alpha: alpha, Beta: beta})
	}
}

// opCases are nets around each op: what stands behind a normed 8-channel convolution, and is read by another.
var opCases = []struct {
	name   string
	smooth bool // in its parameters
	op     func(g *nn.Graph, x int) int
}{
	{"relu6", false, func(g *nn.Graph, x int) int { return g.ReLUCap(x, 1) }},
	{"clip", false, activation(cuda.ActClip, -0.5, 1)},
	{"leaky relu", false, activation(cuda.ActLeakyReLU, 0.2, 0)},
	{"prelu", false, activation(cuda.ActPReLU, 0, 0)},
	{"hard sigmoid", false, activation(cuda.ActHardSigmoid, 0.5, 0.5)},
	{"hard swish", false, activation(cuda.ActHardSwish, 0, 0)},
	{"sigmoid", true, activation(cuda.ActSigmoid, 0, 0)},
	{"silu", true, activation(cuda.ActSiLU, 0, 0)},
	{"tanh", true, activation(cuda.ActTanh, 0, 0)},
	{"product", true, func(g *nn.Graph, x int) int { return g.Mul(x, conv3(g, "by", x, 8)) }},
	{"square", true, func(g *nn.Graph, x int) int { return g.Mul(x, x) }},
	{"channel attention", true, func(g *nn.Graph, x int) int {
		s := g.Conv("squeeze", g.AvgPool(x), nn.Conv{K: 8, R: 1, S: 1, Stride: 1, Bias: true})
		return g.Mul(x, g.Activate("", s, nn.Activation{Kind: cuda.ActSigmoid}))
	}},
	{"concat", true, func(g *nn.Graph, x int) int { return g.Concat(conv3(g, "beside", x, 5), x, x) }},
	{"max pool", false, func(g *nn.Graph, x int) int {
		return g.Pool(x, nn.Window{Max: true, R: 3, S: 2, Stride: 2, PadTop: 1, PadBottom: 1, PadRight: 1})
	}},
	{"average pool", true, func(g *nn.Graph, x int) int {
		return g.Pool(x, nn.Window{R: 3, S: 3, Stride: 2, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1})
	}},
	{"average pool, padding counted", true, func(g *nn.Graph, x int) int {
		return g.Pool(x, nn.Window{R: 3, S: 3, Stride: 1, PadTop: 1, PadLeft: 1, CountPad: true})
	}},
	{"shuffle", true, func(g *nn.Graph, x int) int { return g.DepthToSpace(x, nn.Shuffle{Block: 2}) }},
	{"shuffle, depth first", true, func(g *nn.Graph, x int) int { return g.DepthToSpace(x, nn.Shuffle{Block: 2, DCR: true}) }},
	{"nearest", true, func(g *nn.Graph, x int) int { return g.Resize(x, 15, 9, nn.Resize{}) }},
	{"linear", true, func(g *nn.Graph, x int) int { return g.Resize(x, 11, 4, nn.Resize{Mode: nn.ResizeLinear}) }},
	{"cubic", true, func(g *nn.Graph, x int) int {
		return g.Resize(x, 14, 12, nn.Resize{Mode: nn.ResizeCubic, Coordinates: nn.AlignCorners})
	}},
	{"pad", true, func(g *nn.Graph, x int) int {
		y := conv3(g, "full", g.Pad(x, nn.Pads{Top: 2, Right: 1}), 8)
		y = g.Conv("valid", y, nn.Conv{K: 8, R: 3, S: 3, Stride: 1})
		return g.Pad(y, nn.Pads{Top: 1, Left: 1, Bottom: 1, Right: 1}) // into a buffer that held another value
	}},
	{"sum with an earlier norm", true, func(g *nn.Graph, x int) int {
		y := g.Norm("early", conv3(g, "first", x, 8))
		return g.Add(conv3(g, "second", x, 8), y)
	}},
	{"sum with itself", true, func(g *nn.Graph, x int) int { return g.Add(x, x) }},
	{"sum of a norm and what it reads", true, func(g *nn.Graph, x int) int { return g.Add(g.Norm("of x", x), x) }},
	{"sum of what comes later", true, func(g *nn.Graph, x int) int {
		y := conv3(g, "first", x, 8)
		return g.Add(y, g.Norm("late", conv3(g, "second", x, 8)))
	}},
	{"convolution of a convolution", true, func(g *nn.Graph, x int) int { // nothing between them makes a border
		return conv3(g, "second", conv3(g, "first", x, 8), 8)
	}},
	{"dilation", true, func(g *nn.Graph, x int) int {
		return g.Conv("dilated", x, nn.Conv{K: 6, R: 3, S: 2, Stride: 1, Pad: 2, Dilation: 2})
	}},
	{"dilated depthwise", true, func(g *nn.Graph, x int) int {
		return g.Conv("dilated", x, nn.Conv{K: 8, R: 3, S: 3, Stride: 1, Pad: 1, Dilation: 2, Groups: 8})
	}},
	{"flattened linear", true, func(g *nn.Graph, x int) int { return g.Linear("flat", x, 6) }},
	{"norm behind an activation", true, func(g *nn.Graph, x int) int {
		return g.Norm("second", activation(cuda.ActSiLU, 0, 0)(g, x))
	}},
	{"norm of what others read", true, func(g *nn.Graph, x int) int {
		y := conv3(g, "shared", x, 8)
		return g.Add(g.Mul(y, x), g.Add(g.Norm("of shared", y), y))
	}},
	{"two norms of one convolution", true, func(g *nn.Graph, x int) int {
		y := conv3(g, "shared", x, 8)
		a, b := g.Norm("a", y), g.Norm("b", y)
		return g.Mul(a, b)
	}},
}

func opNet(op func(g *nn.Graph, x int) int, restores bool) *nn.Graph {
	g := nn.NewGraph("op", 7, 6, 3)
	x := op(g, g.Norm("n1", conv3(g, "c1", 0, 8)))
	if last := g.Nodes[x]; restores {
		g.DepthToSpace(g.Conv("c2", x, nn.Conv{K: 4, R: min(3, last.H), S: min(3, last.W), Stride: 1, Pad: 1}), nn.Shuffle{Block: 2})
		return g
	}
	x = g.Activate("", g.Conv("c2", x, nn.Conv{K: 6, R: 1, S: 1, Stride: 1}), nn.Activation{Kind: cuda.ActTanh})
	g.Linear("fc", g.AvgPool(x), 4)
	return g
}

// slopes compares the gradient that Backward leaves with central differences of the mean loss, along random directions in
// each parameter group.
func slopes(t *testing.T, g *nn.Graph, h, tolerance float64, squared bool) {
	t.Helper()
	dev := openHost(t)
	const batch = 3
	params := nn.NewParams(dev, g, nn.Config{})
	defer params.Free()
	params.Init(3)
	affine := params.Groups[nn.Affine].Value
	start := affine.Get(nil)
	for i, v := range uniform(len(start), 5, -0.3, 0.3) {
		start[i] += v
	}
	affine.Set(start)
	scalars := nn.NewScalars(dev)
	defer scalars.Free()
	plan := nn.NewPlan(params, nil, scalars, nn.PlanOptions{Batch: batch, Train: true, SquaredLoss: squared})
	defer plan.Free()
	plan.Input.Set(uniform(plan.Input.Len(), 1, -1, 1))
	plan.Labels.SetInt32([]int32{0, 1, 2})
	if plan.Target != nil {
		plan.Target.Set(uniform(plan.Target.Len(), 2, 0, 1))
	}
	forward := dev.Record(func() { plan.PackFilters(); plan.Forward() })
	defer forward.Free()
	backward := dev.Record(func() { plan.PackFilters(); plan.Forward(); plan.Backward() })
	defer backward.Free()
	scalars.GradScale.Set([]float32{0.5})
	backward.Launch()
	backward.Launch() // two micro-batches, equal ones
	for _, group := range []nn.Group{nn.Filters, nn.Affine} {
		flat := params.Groups[group]
		value, grad := flat.Value.Get(nil), flat.Grad.Get(nil)
		for seed := range uint32(3) {
			direction := uniform(len(value), 10+seed, -1, 1)
			want, size := 0.0, 0.0
			for i, d := range direction {
				want += float64(d) * float64(grad[i])
				size += float64(grad[i]) * float64(grad[i])
			}
			at := func(h float64) float64 {
				moved := make([]float32, len(value))
				for i := range moved {
					moved[i] = value[i] + float32(h*float64(direction[i]))
				}
				flat.Value.Set(moved)
				forward.Launch()
				return float64(plan.Loss.At(0)) / batch
			}
			got := (at(h) - at(-h)) / (2 * h)
			flat.Value.Set(value)
			if !(math.Abs(got-want) <= tolerance*math.Sqrt(size)) || size == 0 {
				t.Errorf("%v, direction %d: the loss rises by %g, the gradient (length %g) says %g", group, seed, got, math.Sqrt(size), want)
			}
		}
	}
}

// The gradient through each op is the slope of the loss.
func TestBackwardOfEachOp(t *testing.T) {
	for _, c := range opCases {
		t.Run(c.name, func(t *testing.T) {
			if c.smooth {
				slopes(t, opNet(c.op, false), 2e-3, 0.01, false)
				return
			}
			slopes(t, opNet(c.op, false), 2e-4, 0.05, false) // kinks between the two points
		})
	}
}

// A relu with a cap yields what lies between, and the bound itself where more would come.
func TestCap(t *testing.T) {
	dev := openHost(t)
	g := nn.NewGraph("cap", 1, 1, 5)
	g.ReLUCap(0, 1.5)
	plan := nn.NewPlan(nn.NewParams(dev, g, nn.Config{}), nil, nn.NewScalars(dev), nn.PlanOptions{Batch: 1})
	plan.Input.Set([]float32{-1, 0.5, 1.5, 2, 100})
	dev.Record(plan.Forward).Launch()
	if got := plan.Logits.Get(nil); !slices.Equal(got, []float32{0, 0.5, 1.5, 1.5, 1.5}) {
		t.Errorf("%v", got)
	}
}

// A net that makes images learns from the mean absolute or squared difference to Target.
func TestBackwardOfPixelLosses(t *testing.T) {
	op := activation(cuda.ActTanh, 0, 0)
	slopes(t, opNet(op, true), 2e-3, 0.01, true)
	slopes(t, opNet(op, true), 2e-4, 0.05, false)
}

// Every op gives the same values where buffers are reused, where all values are kept, and for any number of threads; in a supernet
// whose gates choose one candidate they are those of the net that has only that candidate.
func TestOpsInPlans(t *testing.T) {
	for _, c := range opCases {
		t.Run(c.name, func(t *testing.T) {
			g := opNet(c.op, false)
			super, alone := searchAll(t, g, []int{2, 4, 8}, []int{3, 8}), searchAll(t, g, []int{4}, []int{8})
			var first []float32
			for threads := 1; threads <= 3; threads += 2 {
				dev, err := cuda.Open(cuda.Options{Device: "host", Threads: threads})
				if err != nil {
					t.Fatal(err)
				}
				defer dev.Close()
				for _, o := range []nn.PlanOptions{{}, {KeepValues: true}, {Train: true}, {BatchStats: true}} {
					o.Batch = 3
					got := opLogits(t, dev, g, super, o)
					if !slices.Equal(got, opLogits(t, dev, g, alone, o)) {
						t.Errorf("%d threads, %+v: the child in the supernet and alone differ", threads, o)
					}
					if o.Train || o.BatchStats {
						continue
					}
					if first == nil {
						first = got
					}
					if !slices.Equal(got, first) {
						t.Errorf("%d threads, %+v: %v, want %v", threads, o, got, first)
					}
				}
				o := nn.PlanOptions{Batch: 3, Integer: true}
				for i, v := range opLogits(t, dev, g, super, o) {
					if math.Abs(float64(v-first[i])) > 2e-3 { // an activation at a tie may get the next code
						t.Errorf("%d threads, integer arithmetic: %g, want about %g", threads, v, first[i])
					}
				}
			}
		})
	}
}

func opLogits(t *testing.T, dev *cuda.Device, g *nn.Graph, space *quant.Space, o nn.PlanOptions) []float32 {
	t.Helper()
	params := nn.NewParams(dev, g, nn.Config{Space: space, Norm: nn.NormPlain})
	defer params.Free()
	for i := range params.Layers {
		l := &params.Layers[i]
		w := uniform(l.W.Len()/l.W.Dim(0), uint32(i), -1, 1)
		l.SetFilter(w)
		for b, bits := range space.Weight[i] {
			n := l.WStep.Len() / len(space.Weight[i])
			l.WStep.View(b*n, n).Set(uniform(n, 50, 1, 1.5))
			scaled := l.WStep.View(b*n, n).Get(nil)
			for k := range scaled {
				scaled[k] *= float32(math.Pow(2, float64(-bits)))
			}
			l.WStep.View(b*n, n).Set(scaled)
		}
		for b, bits := range space.Input[i] {
			l.XStep.View(b, 1).Set([]float32{float32(math.Pow(2, float64(2-bits)))})
		}
		if l.Bias != nil {
			l.Bias.Set(uniform(l.Bias.Len(), uint32(100+i), -0.5, 0.5))
		}
	}
	gates := nn.NewGates(dev, space)
	defer gates.Free()
	a, err := quant.Uniform(space, 4, 8)
	if err != nil {
		t.Fatal(err)
	}
	gates.SetChild(space, a)
	scalars := nn.NewScalars(dev)
	defer scalars.Free()
	plan := nn.NewPlan(params, gates, scalars, o)
	defer plan.Free()
	plan.Input.Set(uniform(plan.Input.Len(), 1, -1, 1))
	graph := dev.Record(func() {
		plan.PackFilters()
		plan.Forward()
		if o.Train {
			plan.Backward()
		}
	})
	defer graph.Free()
	for range 2 { // the second run meets buffers that are not 0
		graph.Launch()
	}
	return plan.Logits.Get(nil)
}
