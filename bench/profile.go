package bench

import (
	"encoding/csv"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// ProfileOptions says what to measure. Images and weights are made up: times do not depend on them.
type ProfileOptions struct {
	Graph  *nn.Graph
	Space  *quant.Space
	Batch  int // images at once
	Rounds int // timed repetitions of a layer at a pair of bits, of which the median counts
}

// ProfileRow is the time of one layer at one pair of bits.
type ProfileRow struct {
	Layer         string
	Weight, Input int
	Milliseconds  float64 // an image: quantizing the input to codes, and their convolution
}

// Profile measures every layer of a net at every pair of its candidates on a device, by the kernels with which a child works in
// exact integer arithmetic: input codes, then the convolution of codes. What lies between layers is not counted. after is
// called with each row.
//
// The device's codes are bytes whatever the bits, so that here fewer bits are hardly faster; a runtime or device that packs
// codes has a table of its own.
func Profile(dev *cuda.Device, o ProfileOptions, after func(ProfileRow)) ([]ProfileRow, error) {
	var rows []ProfileRow
	for k, node := range o.Graph.Convs() {
		p := newProfiled(dev, o, node, k)
		if p == nil {
			return nil, fmt.Errorf("layer %s: the sums of its codes do not fit int32", o.Space.Layers[k].Name)
		}
		for i := range o.Space.Weight[k] {
			for j := range o.Space.Input[k] {
				r := ProfileRow{Layer: o.Space.Layers[k].Name, Weight: o.Space.Weight[k][i], Input: o.Space.Input[k][j]}
				r.Milliseconds = 1e3 * p.time(o.Space.Weight[k][i], o.Space.Input[k][j], o.Rounds) / float64(o.Batch)
				rows = append(rows, r)
				after(r)
			}
		}
		p.free()
	}
	return rows, nil
}

// profiled is one layer, ready to be timed at any bits.
type profiled struct {
	dev             *cuda.Device
	filter          *cuda.IntFilter
	x, w, codes, y  *cuda.Tensor
	z, wstep, xstep *cuda.Tensor
	bias            *cuda.Tensor // nil: none
	signed          bool
	owned           []*cuda.Tensor
}

// newProfiled allocates a layer's tensors; nil where its sums do not fit.
func newProfiled(dev *cuda.Device, o ProfileOptions, node, layer int) *profiled {
	g, l := o.Graph, o.Space.Layers[layer]
	n := g.Nodes[node]
	in := g.Nodes[n.In[0]]
	c := n.Conv
	geom := cuda.ConvGeom{C: in.C, K: n.C, R: c.R, S: c.S, Stride: c.Stride, Pad: c.Pad, Dilation: c.Dilation, Groups: c.Groups}
	if !cuda.IntConvFits(geom) {
		return nil
	}
	p := &profiled{dev: dev, signed: l.SignedInput, filter: dev.NewIntFilter(geom)}
	keep := func(t *cuda.Tensor) *cuda.Tensor {
		p.owned = append(p.owned, t)
		return t
	}
	p.owned = append(p.owned, p.filter.Packed, p.filter.Scale)
	dtype := cuda.Uint8
	if p.signed {
		dtype = cuda.Int8
	}
	p.x, p.y = keep(dev.NewAct(0, o.Batch, in.H, in.W, in.C)), keep(dev.NewAct(0, o.Batch, n.H, n.W, n.C))
	p.codes = keep(dev.NewActOf(dtype, n.Conv.Pad, o.Batch, in.H, in.W, in.C))
	p.w = keep(dev.New(cuda.Float32, 1, n.C, n.Conv.R, n.Conv.S, in.C/n.Conv.Groups))
	p.x.Set(madeUp(p.x.Len()))
	p.w.Set(madeUp(p.w.Len()))
	z := make([]float32, cuda.MaxBits)
	z[0] = 1
	p.z, p.xstep = keep(dev.From(z, cuda.MaxBits)), keep(dev.From([]float32{0.05}, 1))
	steps := make([]float32, l.WeightSteps())
	for i := range steps {
		steps[i] = 0.05
	}
	shape := []int{1, len(steps)}
	if l.PerTensor {
		shape = shape[:1]
	}
	p.wstep = keep(dev.From(steps, shape...))
	if n.Conv.Bias {
		p.bias = keep(dev.New(cuda.Float32, n.C))
	}
	return p
}

// madeUp are values from -1 to 1.
func madeUp(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32((i*7919)%2001)/1000 - 1
	}
	return v
}

func (p *profiled) free() {
	for _, t := range p.owned {
		t.Free()
	}
}

// time is the median of the seconds that one pass takes.
func (p *profiled) time(weight, input, rounds int) float64 {
	of := func(r quant.Range, step *cuda.Tensor) *cuda.Mix {
		return &cuda.Mix{Min: []float32{float32(r.Min)}, Max: []float32{float32(r.Max)}, Z: p.z, Step: step}
	}
	weights, inputs := of(quant.Signed(weight), p.wstep), of(p.inputRange(input), p.xstep)
	cuda.WeightCodes(p.filter, p.w, weights, inputs, true)
	c := newClock(p.dev, pace{})
	defer c.one.Free()
	pass := p.dev.Record(func() {
		cuda.InputCodes(p.codes, p.x, inputs)
		cuda.IntConv(p.y, p.codes, p.filter, p.bias)
	})
	defer pass.Free()
	once := c.run(1, 0, pass.Launch) // warms up
	once = min(once, c.run(1, 0, pass.Launch))
	n := max(1, min(1000, int(profileWindow/once))) // launches that fill a window
	seconds := make([]float64, rounds)
	for i := range seconds {
		seconds[i] = c.run(n, 0, pass.Launch) / float64(n)
	}
	slices.Sort(seconds)
	return median(seconds)
}

// profileWindow is the seconds of a timed round, at least one pass.
const profileWindow = 2e-3

func (p *profiled) inputRange(bits int) quant.Range {
	if p.signed {
		return quant.Signed(bits)
	}
	return quant.Unsigned(bits)
}

// WriteProfile writes rows as the cost table that quant.ReadCSV reads, what was measured where in comments.
func WriteProfile(w io.Writer, dev *cuda.Device, model string, o ProfileOptions, rows []ProfileRow) error {
	in := o.Graph.Nodes[0]
	where := fmt.Sprintf("%s, %s, %d threads, %s/%s, %d CPUs", dev.Name(), dev.ISA(), dev.Threads(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if dev.GPU() {
		where = dev.Name()
	}
	fmt.Fprintf(w, "# milliseconds of an image, %s for images of %dx%dx%d, %d at once; median of %d rounds\n", model, in.H, in.W, in.C, o.Batch, o.Rounds)
	fmt.Fprintf(w, "# device: %s\n", where)
	fmt.Fprintf(w, "# exact integer kernels: input to codes, and their convolution; codes are bytes whatever the bits\n")
	lines := csv.NewWriter(w)
	lines.Write([]string{"layer", "weight_bits", "input_bits", "cost_ms"}) // Error tells of all writes
	for _, r := range rows {
		lines.Write([]string{r.Layer, strconv.Itoa(r.Weight), strconv.Itoa(r.Input), strconv.FormatFloat(r.Milliseconds, 'g', 6, 64)})
	}
	lines.Flush()
	return lines.Error()
}
