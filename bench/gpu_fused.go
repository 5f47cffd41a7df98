package bench

import (
	"fmt"
	"time"

	"vimps-gpu/cuda"
)

// CopyTime is a copy on the card: half of Bytes read, half written.
type CopyTime struct {
	How       string  `json:"how"`
	Precision string  `json:"precision"`
	Bytes     float64 `json:"bytes"`
	Seconds   float64 `json:"seconds"`
	Rate      float64 `json:"bytes_per_second"`
}

// FusedTime is a fused kernel that moves activations. Bytes are those of the tensors that it has to read and write once.
type FusedTime struct {
	Op        string  `json:"op"`
	Shape     string  `json:"shape"`
	Precision string  `json:"precision"`
	Bytes     float64 `json:"bytes"`
	Seconds   float64 `json:"seconds"`
	Floor     float64 `json:"floor_seconds,omitempty"` // Bytes at the copy bandwidth measured in this process; 0: none was
	OfCopy    float64 `json:"of_copy_bandwidth,omitempty"`
}

// fusedKernels is how many are timed on each shape: three of a unit, three of a residual one, two of a mix.
const fusedKernels = 8

// fusedShapes are activations many times larger than any cache.
func fusedShapes(quick bool) [][4]int {
	if quick {
		return [][4]int{{2, 4, 4, 16}}
	}
	return [][4]int{{256, 56, 56, 64}, {128, 112, 112, 32}}
}

const fusedWindow = 150 * time.Millisecond

// copies measures the copy bandwidth in the same tensors as the fused kernels: the driver's copy and our kernel's.
func (g *gpuRun) copies() error {
	s := fusedShapes(g.o.Quick)[0]
	x, y := g.act(0, s[0], s[1], s[2], s[3]), g.room(0, s[0], s[1], s[2], s[3])
	c := g.clock(fusedWindow, 3)
	for _, way := range []struct {
		how     string
		seconds float64
	}{
		{"cuMemcpyDtoDAsync", c.launches(func() { y.CopyFrom(x) })},
		{"own kernel", c.op(func() { cuda.MixInput(y, x, nil) })},
	} {
		bytes := 2 * float64(x.Bytes())
		t := CopyTime{way.how, g.dev.Precision(), bytes, way.seconds, bytes / way.seconds}
		g.r.Copies = append(g.r.Copies, t)
		g.rates.Copy = max(g.rates.Copy, t.Rate)
	}
	return nil
}

// fused measures the input mix and the unit between two convolutions, both of three candidates.
func (g *gpuRun) fused() error {
	for _, s := range fusedShapes(g.o.Quick) {
		for _, residual := range []bool{false, true} {
			g.unit(s, residual)
			g.free()
		}
		g.mix(s)
		g.free()
	}
	return nil
}

func (g *gpuRun) record(op string, s [4]int, tensors int, emit func()) {
	size := g.dev.Storage().Size()
	t := FusedTime{Op: op, Shape: fmt.Sprint(s), Precision: g.dev.Precision(), Bytes: float64(tensors * s[0] * s[1] * s[2] * s[3] * size)}
	t.Seconds = g.clock(fusedWindow, 3).op(emit)
	t.Floor, _ = g.rates.floor(t.Bytes, 0, false)
	t.OfCopy = t.Floor / t.Seconds
	g.r.Fused = append(g.r.Fused, t)
}

// candidates are 2, 4 and 8 bits of an unsigned input.
func (g *gpuRun) candidates() *cuda.Mix {
	m := &cuda.Mix{Min: []float32{0, 0, 0}, Max: []float32{3, 15, 255}, Z: g.vector(cuda.MaxBits), Step: g.vector(3)}
	m.Z.Set(append([]float32{0.2, 0.5, 0.3}, make([]float32, cuda.MaxBits-3)...))
	m.Step.Set([]float32{0.3, 0.06, 0.004})
	return m
}

func (g *gpuRun) mix(s [4]int) {
	n, h, w, c := s[0], s[1], s[2], s[3]
	x, y, dx, m := g.act(0, n, h, w, c), g.act(1, n, h, w, c), g.room(0, n, h, w, c), g.candidates()
	rows := g.vector(g.dev.MixRows(x), 2*len(m.Min))
	g.record("input mix", s, 2, func() { cuda.MixInput(y, x, m) })
	g.record("input mix grad", s, 3, func() { cuda.MixInputGrad(dx, rows, y, x, m, false) })
}

// unit measures [norm . relu . mix]; the end of a residual block also reads a shortcut, and what it yields is read by
// the next shortcut too, so that it is written and has a gradient of its own.
func (g *gpuRun) unit(s [4]int, residual bool) {
	n, h, w, c := s[0], s[1], s[2], s[3]
	act := func() *cuda.Tensor { return g.act(0, n, h, w, c) }
	u := &cuda.Unit{Y: act(), ReLU: true, Scale: g.vector(c), Shift: g.vector(c), Mean: g.vector(c), Inv: g.vector(c)}
	rows := g.dev.UnitRows(u.Y)
	u.Mixes = []cuda.UnitMix{{Mix: g.candidates(), Out: g.act(1, n, h, w, c), Grad: act(), Rows: g.vector(rows, 6)}}
	grad := &cuda.UnitGrad{Rows: g.vector(rows, 2, c), Coef: g.vector(3, c), DY: act()}
	name, more := "", 0
	if residual {
		name, more = ", residual", 2
		u.A, u.Shortcut = act(), cuda.Shortcut{T: act(), Stride: 1}
		grad.DA, grad.HasDA, grad.DShortcut = act(), true, cuda.Shortcut{T: act(), Stride: 1}
	}
	g.record("unit"+name, s, 2+more, func() { cuda.UnitForward(u) }) // reads Y and shortcut, writes Out and A
	if residual {
		more++ // reads Y, shortcut, Grad and DA, writes DShortcut
	}
	g.record("unit grad sums"+name, s, 2+more, func() { cuda.UnitGradReduce(u, grad) })
	if residual {
		more-- // reads Y, shortcut, Grad and DA, writes DY
	}
	g.record("unit grad"+name, s, 3+more, func() { cuda.UnitGradApply(u, grad) })
}
