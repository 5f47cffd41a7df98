package nn

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/kernels"
	"vimps-gpu/quant"
)

func spread(n int, seed uint32, lo, hi float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		r := kernels.Philox([4]uint32{uint32(i), seed, 0, 0}, [2]uint32{7})
		v[i] = float32(lo + (hi-lo)*float64(r[0])/(1<<32))
	}
	return v
}

// integerNet has all that a net can have here: signed and unsigned inputs, strides, shortcuts, a value that two
// convolutions read, depthwise and grouped convolutions, a bias behind and a pool in front of a linear layer.
func integerNet() *Graph {
	g := NewGraph("small", 9, 7, 3)
	x := g.ReLU(g.Norm("n1", g.Conv("c1", 0, Conv{K: 16, R: 3, S: 3, Stride: 1, Pad: 1})))
	x = g.ReLU(g.Add(g.Norm("n2", g.Conv("c2", x, Conv{K: 16, R: 3, S: 3, Stride: 1, Pad: 1})), x))
	x = g.Add(g.Norm("n3", g.Conv("c3", x, Conv{K: 20, R: 3, S: 3, Stride: 2, Pad: 1})), x) // may be negative
	y := g.ReLU(g.Norm("n4", g.Conv("c4", x, Conv{K: 20, R: 3, S: 3, Stride: 1, Pad: 1, Groups: 20})))
	y = g.ReLU(g.Conv("c5", y, Conv{K: 20, R: 1, S: 1, Stride: 1, Groups: 2, Bias: true}))
	x = g.ReLU(g.Add(g.Norm("n6", g.Conv("c6", y, Conv{K: 20, R: 1, S: 1, Stride: 1})), x))
	g.Linear("fc", g.AvgPool(x), 5)
	return g
}

// integerParams are random values under which no code is always at an end of its range.
func integerParams(t *testing.T, dev *cuda.Device, g *Graph, shared bool) (*Params, *Gates) {
	t.Helper()
	space, err := quant.NewSpace(g.Layers(), quant.Policy{WeightBits: []int{2, 3, 4}, InputBits: []int{2, 4, 8},
		First: quant.Pin{Weight: 8, Input: 8}, Last: quant.Pin{Weight: 8, Input: 8}})
	if err != nil {
		t.Fatal(err)
	}
	p := NewParams(dev, g, Config{Space: space, Norm: NormPair, SharedWeights: shared})
	for i := range p.Layers {
		l := &p.Layers[i]
		l.W.Set(spread(l.W.Len(), uint32(i), -1, 1))
		l.WStep.Set(spread(l.WStep.Len(), uint32(100+i), 0.05, 0.4))
		l.XStep.Set(spread(l.XStep.Len(), uint32(200+i), 0.01, 0.2))
		if l.Bias != nil {
			l.Bias.Set(spread(l.Bias.Len(), uint32(300+i), -1, 1))
		}
	}
	for i := range p.Norms {
		n := &p.Norms[i]
		n.Var.Set(spread(n.Var.Len(), uint32(400+i), 5, 20))
		n.Mean.Set(spread(n.Mean.Len(), uint32(500+i), -1, 1))
	}
	gates := NewGates(dev, space)
	a, err := quant.NewAssignment(space, []int{8, 2, 3, 4, 3, 4, 8}, []int{8, 4, 8, 2, 4, 8, 8})
	if err != nil {
		t.Fatal(err)
	}
	gates.SetChild(space, a)
	return p, gates
}

const integerBatch = 5

func integerPlan(dev *cuda.Device, p *Params, gates *Gates, o PlanOptions) *Plan {
	o.Batch = integerBatch
	plan := NewPlan(p, gates, NewScalars(dev), o)
	plan.Input.Set(spread(plan.Input.Len(), 9, -1.5, 1.5))
	dev.Record(func() { plan.PackFilters(); plan.Forward() }).Launch()
	return plan
}

func openDevice(t *testing.T, isa string, threads int) *cuda.Device {
	t.Helper()
	dev, err := cuda.Open(cuda.Options{Device: "host", ISA: isa, Threads: threads})
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

// Each layer of an integer plan is, at the input that it has there, the quantized convolution in real numbers within four
// roundings: of the sum to f32, of the product of the steps, of the product of both, of the addition of the bias.
func TestIntegerPlanLayerByLayer(t *testing.T) {
	for _, shared := range []bool{false, true} {
		dev := openDevice(t, "auto", 2)
		g := integerNet()
		p, gates := integerParams(t, dev, g, shared)
		plan := integerPlan(dev, p, gates, PlanOptions{Integer: true, KeepValues: true})
		for _, node := range g.Convs() {
			l, i := p.Layer(node)
			n := g.Nodes[node]
			w, x := slices.Index(one(gates, i, quant.Weight), 1), slices.Index(one(gates, i, quant.Input), 1)
			c := realConv{g: g, n: n, w: l.W.Get(nil), x: plan.value[n.In[0]].Get(nil), bias: make([]float32, n.C)}
			if !shared {
				c.w = c.w[w*len(c.w)/len(l.WeightBits):]
			}
			c.ws, c.xs = l.WStep.Get(nil), l.XStep.Get(nil)[x]
			if len(l.WStep.Shape()) == 2 {
				c.ws = c.ws[w*n.C:]
			} else {
				c.ws = slices.Repeat(c.ws[w:w+1], n.C)
			}
			if l.Bias != nil {
				c.bias = l.Bias.Get(nil)
			}
			c.wr, c.xr = quant.Signed(l.WeightBits[w]), quant.Unsigned(l.InputBits[x])
			if l.Signed {
				c.xr = quant.Signed(l.InputBits[x])
			}
			got := plan.value[node].Get(nil)
			for at, v := range got {
				want, size := c.at(at)
				if tolerance := 0x1p-24 * (4*size + math.Abs(want)); math.Abs(float64(v)-want) > tolerance {
					t.Fatalf("shared %v, layer %s, output %d: %g, want %g within %g", shared, n.Name, at, v, want, tolerance)
				}
			}
		}
	}
}

func one(gates *Gates, layer int, k quant.Kind) []float32 {
	return gates.view(gates.Z, layer, k).Get(nil)
}

// realConv is a quantized convolution in float64.
type realConv struct {
	g        *Graph
	n        Node
	w, x, ws []float32
	xs       float32
	bias     []float32
	wr, xr   quant.Range
}

func (c *realConv) at(i int) (value, size float64) {
	n, in := c.n, c.g.Nodes[c.n.In[0]]
	k, q, p, image := i%n.C, i/n.C%n.W, i/n.C/n.W%n.H, i/n.C/n.W/n.H
	cg := in.C / n.Conv.Groups
	code := func(x, step float32, r quant.Range) float64 {
		return math.RoundToEven(min(max(float64(x/step), float64(r.Min)), float64(r.Max)))
	}
	for f := range n.Conv.R * n.Conv.S * cg {
		ch, s, r := f%cg, f/cg%n.Conv.S, f/cg/n.Conv.S
		h, w := p*n.Conv.Stride+r-n.Conv.Pad, q*n.Conv.Stride+s-n.Conv.Pad
		if h < 0 || h >= in.H || w < 0 || w >= in.W {
			continue
		}
		ch += k / (n.C / n.Conv.Groups) * cg
		x := code(c.x[((image*in.H+h)*in.W+w)*in.C+ch], c.xs, c.xr)
		value += x * code(c.w[k*n.Conv.R*n.Conv.S*cg+f], c.ws[k], c.wr)
	}
	value *= float64(c.ws[k]) * float64(c.xs)
	return value + float64(c.bias[k]), math.Abs(value)
}

// Integer logits do not depend on the number of threads or, where norms fuse alike, on the instruction set; gates of the
// float plan give the same but for rounding and for the rare code that rounding moves across a tie.
func TestIntegerLogits(t *testing.T) {
	var first []float32
	for _, isa := range []string{"avx2", "avx512"} {
		for _, threads := range []int{1, 2, 3} {
			t.Run(fmt.Sprint(isa, threads), func(t *testing.T) {
				dev := openDevice(t, isa, threads)
				p, gates := integerParams(t, dev, integerNet(), false)
				logits := integerPlan(dev, p, gates, PlanOptions{Integer: true}).Logits.Get(nil)
				if first == nil {
					first = logits
				}
				if !slices.Equal(logits, first) {
					t.Errorf("logits %v, first %v", logits, first)
				}
				float := integerPlan(dev, p, gates, PlanOptions{}).Logits.Get(nil)
				for i, v := range float {
					if math.Abs(float64(v-logits[i])) > 0.02*math.Abs(float64(v))+0.02 {
						t.Errorf("logit %d: %g, float %g", i, logits[i], v)
					}
				}
			})
		}
	}
}

// One convolution by both paths: the float one rounds each operand once, steps times codes, and each of its
// n multiply-adds (Higham, Accuracy and Stability, section 3.1).
func TestIntegerConvolutionNearTheFloatOne(t *testing.T) {
	dev := openDevice(t, "auto", 2)
	g := NewGraph("one", 7, 7, 6)
	g.Conv("c", 0, Conv{K: 18, R: 7, S: 7, Stride: 1, Bias: true})
	space, err := quant.NewSpace(g.Layers(), quant.Policy{WeightBits: []int{2, 4, 8}, InputBits: []int{2, 4, 8}})
	if err != nil {
		t.Fatal(err)
	}
	p := NewParams(dev, g, Config{Space: space, Norm: NormPlain})
	l := &p.Layers[0]
	l.W.Set(spread(l.W.Len(), 1, -1, 1))
	l.WStep.Set(spread(l.WStep.Len(), 2, 0.008, 0.4))
	l.XStep.Set(spread(l.XStep.Len(), 3, 0.01, 0.2))
	l.Bias.Set(spread(18, 4, -1, 1))
	gates := NewGates(dev, space)
	const n = 7 * 7 * 6
	for _, bits := range [][2]int{{2, 8}, {4, 4}, {8, 2}, {8, 8}} {
		a, err := quant.NewAssignment(space, bits[:1], bits[1:])
		if err != nil {
			t.Fatal(err)
		}
		gates.SetChild(space, a)
		integer := integerPlan(dev, p, gates, PlanOptions{Integer: true}).Logits.Get(nil)
		float := integerPlan(dev, p, gates, PlanOptions{}).Logits.Get(nil)
		const largest = 1.6 * 1.2 // the most that |Q(x)| |Q(w)| is, for values up to 1.5 and 1: each, and half a step
		tolerance := 0x1p-24 * (n + 8) * (n*largest + 1)
		for i, v := range float {
			if math.Abs(float64(v-integer[i])) > tolerance {
				t.Errorf("bits %v, output %d: %g, float %g, tolerance %g", bits, i, integer[i], v, tolerance)
			}
		}
	}
}

// A layer whose sums may leave int32 is an error that names it, not a crash: such nets come from users' files.
func TestIntegerLayerTooLong(t *testing.T) {
	dev, err := cuda.Open(cuda.Options{Device: "host", Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	g := NewGraph("long", 1, 1, kernels.IntConvLen+1)
	g.Linear("fc", 0, 2)
	space, err := quant.NewSpace(g.Layers(), quant.DefaultPolicy())
	if err != nil {
		t.Fatal(err)
	}
	params, gates := NewParams(dev, g, Config{Space: space, Norm: NormPlain}), NewGates(dev, space)
	err = cuda.Guard(func() error {
		NewPlan(params, gates, NewScalars(dev), PlanOptions{Batch: 1, Integer: true})
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "layer fc: the sums") {
		t.Errorf("error %v", err)
	}
}
