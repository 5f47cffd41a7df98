package bench

import (
	"fmt"
	"time"

	"vimps-gpu/cuda"
)

// ConvTime is one pass of a convolution. Filters are packed before, once a step, and not counted; the filter gradient
// includes the sum over its parts.
type ConvTime struct {
	ConvLayer
	Layer     string  `json:"layer"`
	Pass      string  `json:"pass"` // forward, dgrad or wgrad
	Precision string  `json:"precision"`
	Seconds   float64 `json:"seconds"`
	TFLOPS    float64 `json:"tflops"`
	Floor     float64 `json:"floor_seconds"`
	FloorBy   string  `json:"floor_by"` // bytes or operations
	OfFloor   float64 `json:"of_floor"` // Floor / Seconds
}

// Layers are the convolutions that are measured.
func (o GPUOptions) Layers() []ConvLayer {
	if o.Quick {
		return quickLayers()
	}
	return ConvLayers()
}

// convs measures every layer; one that does not fit in memory is told and left out.
func (g *gpuRun) convs() error {
	for _, l := range g.o.Layers() {
		name := fmt.Sprintf("%s %s, %s", l.Net, l.Name(), g.dev.Precision())
		if g.late(name) {
			continue
		}
		err := cuda.Guard(func() error {
			defer g.free()
			g.conv(l)
			return nil
		})
		if !g.failed(name, err) {
			return err
		}
	}
	return nil
}

func (g *gpuRun) conv(l ConvLayer) {
	n, p := l.Batch, l.Out()
	f := g.dev.NewFilter(cuda.ConvGeom{C: l.C, K: l.K, R: l.R, S: l.R, Stride: l.Stride, Pad: l.R / 2, Dilation: 1, Groups: l.Groups}, l.Size, l.Size, false, true)
	g.live = append(g.live, f.Forward, f.Backward)
	w := g.vector(l.K, l.R, l.R, l.C/l.Groups)
	cuda.ConvPack(f, w)
	x, dy := g.act(l.R/2, n, l.Size, l.Size, l.C), g.act(f.DyBorder(), n, p, p, l.K)
	y, dw, partial := g.room(0, n, p, p, l.K), g.vector(w.Shape()...), g.vector(f.PartialLen(n))
	c := g.clock(60*time.Millisecond, 2)
	g.recordConv(l, "forward", c.op(func() { cuda.Conv(y, x, f, nil) }))
	if !l.First {
		dx := g.room(0, n, l.Size, l.Size, l.C)
		g.recordConv(l, "dgrad", c.op(func() { cuda.ConvInputGrad(dx, dy, f) }))
	}
	g.recordConv(l, "wgrad", c.op(func() {
		cuda.ConvFilterGrad(partial, x, dy, f)
		cuda.ConvFilterGradReduce(dw, partial, f, n)
	}))
}

func (g *gpuRun) recordConv(l ConvLayer, pass string, seconds float64) {
	t := ConvTime{ConvLayer: l, Layer: l.Name(), Pass: pass, Precision: g.dev.Precision(), Seconds: seconds}
	flop, bytes := l.work(g.dev.Storage().Size())
	t.TFLOPS = flop / seconds / 1e12
	t.Floor, t.FloorBy = g.rates.floor(bytes, flop, l.Groups == 1)
	t.OfFloor = t.Floor / seconds
	g.r.Conv = append(g.r.Conv, t)
}

// work is the operations of one pass and the bytes of its three tensors, of size bytes a value.
func (l ConvLayer) work(size int) (flop, bytes float64) {
	in, out := l.Batch*l.Size*l.Size*l.C, l.Batch*l.Out()*l.Out()*l.K
	return 2 * float64(l.Batch) * float64(l.MACs()), float64(size * (in + out + l.K*l.C/l.Groups*l.R*l.R))
}
