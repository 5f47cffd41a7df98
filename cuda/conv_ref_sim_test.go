//go:build cuda

package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"vimps-gpu/kernels"
)

// convCase is a convolution of n images [h,w]; padBottom and padRight only set the output size.
type convCase struct {
	n, h, w             int
	g                   kernels.ConvGeom
	padBottom, padRight int
}

func squareConv(n, h, w, c, k, r, stride, pad, dilation, groups int) convCase {
	return convCase{n, h, w, kernels.ConvGeom{C: c, K: k, R: r, S: r, Stride: stride, PadTop: pad, PadLeft: pad, Dilation: dilation, Groups: groups}, pad, pad}
}

func (c convCase) out() (p, q int) {
	return kernels.ConvOut(c.h, c.g.R, c.g.Stride, c.g.PadTop, c.padBottom, c.g.Dilation),
		kernels.ConvOut(c.w, c.g.S, c.g.Stride, c.g.PadLeft, c.padRight, c.g.Dilation)
}

func (c convCase) String() string {
	g := c.g
	return fmt.Sprintf("n%d_%dx%d_%dto%d_f%dx%d_s%d_d%d_g%d", c.n, c.h, c.w, g.C, g.K, g.R, g.S, g.Stride, g.Dilation, g.Groups)
}

var convCases = []convCase{
	squareConv(2, 9, 7, 24, 40, 3, 2, 1, 1, 1),
	squareConv(2, 9, 9, 3, 16, 3, 1, 1, 1, 1), // first layers
	squareConv(1, 15, 13, 3, 64, 7, 2, 3, 1, 1),
	squareConv(1, 32, 32, 16, 16, 3, 1, 1, 1, 1), // ResNet-20
	squareConv(2, 16, 16, 16, 32, 3, 2, 1, 1, 1),
	squareConv(2, 8, 8, 64, 64, 3, 1, 1, 1, 1),
	squareConv(2, 8, 6, 24, 24, 3, 1, 1, 1, 1), // an odd number of steps, which ends in another stage
	squareConv(2, 8, 8, 32, 64, 1, 2, 0, 1, 1), // shortcuts: dx has holes
	squareConv(3, 7, 5, 20, 40, 1, 1, 0, 1, 1),
	squareConv(1, 11, 11, 16, 10, 5, 1, 2, 1, 1),
	squareConv(2, 9, 9, 8, 33, 3, 1, 2, 2, 1),
	squareConv(1, 11, 9, 8, 10, 3, 2, 3, 3, 1),
	squareConv(1, 9, 10, 4, 7, 3, 3, 1, 1, 1),
	squareConv(1, 9, 10, 5, 16, 2, 4, 0, 1, 1),
	squareConv(2, 8, 6, 32, 64, 3, 2, 1, 1, 2), // groups
	squareConv(2, 7, 7, 12, 20, 3, 1, 1, 1, 4),
	squareConv(1, 9, 13, 10, 20, 3, 1, 1, 1, 10),
	squareConv(2, 8, 9, 24, 24, 3, 1, 1, 1, 24), // depthwise
	squareConv(2, 9, 8, 70, 70, 3, 2, 1, 1, 70),
	squareConv(2, 11, 11, 24, 24, 5, 2, 2, 1, 24),
	squareConv(1, 8, 8, 320, 320, 3, 1, 1, 1, 320),
	{2, 8, 8, kernels.ConvGeom{C: 16, K: 20, R: 3, S: 3, Stride: 2, Dilation: 1, Groups: 1}, 1, 1},             // pads below only
	{1, 9, 5, kernels.ConvGeom{C: 24, K: 24, R: 4, S: 2, Stride: 2, PadTop: 2, Dilation: 1, Groups: 1}, 1, 0},  // even filter, odd pads
	{1, 6, 12, kernels.ConvGeom{C: 7, K: 18, R: 1, S: 5, Stride: 1, PadLeft: 2, Dilation: 1, Groups: 1}, 0, 2}, // a row filter
	{1, 10, 10, kernels.ConvGeom{C: 18, K: 18, R: 4, S: 2, Stride: 3, PadTop: 1, Dilation: 1, Groups: 18}, 1, 0},
	squareConv(1, 3, 40, 130, 16, 3, 1, 1, 1, 1), // long sums
	squareConv(37, 1, 1, 33, 70, 1, 1, 0, 1, 1),  // linear layers
	squareConv(150, 1, 1, 64, 100, 1, 1, 0, 1, 1),
	squareConv(33, 32, 32, 8, 128, 1, 1, 0, 1, 1), // enough for the largest tiles
	squareConv(33, 32, 32, 128, 8, 1, 1, 0, 1, 1),
	squareConv(2, 32, 32, 16, 16, 3, 1, 1, 1, 1), // many runs of pixels
}

// convValues are a case's inputs: x, dy, w and bias.
type convValues struct{ x, dy, w, bias []float32 }

func (c convCase) values() convValues {
	p, q := c.out()
	r := rand.New(rand.NewPCG(7, uint64(1000*c.h+c.g.C)))
	return convValues{draws(r, c.n*c.h*c.w*c.g.C, 1), draws(r, c.n*p*q*c.g.K, 1), draws(r, c.g.K*c.g.FilterLen(), 1), draws(r, c.g.K, 1)}
}

func nans(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(math.NaN())
	}
	return v
}

// precision is how a GPU rounds: operands of tensor cores to unit roundoff u, stored activations to unit roundoff store.
type precision struct {
	operand, stored func(float32) float32
	u, store        float64
}

var precisions = map[string]precision{
	"tf32": {operand: func(v float32) float32 { return math.Float32frombits((math.Float32bits(v) + 0x1000) &^ 0x1fff) },
		stored: func(v float32) float32 { return v }, u: 0x1p-11},
	"bf16": {operand: toBF16, stored: toBF16, u: 0x1p-8, store: 0x1p-8},
}

func toBF16(v float32) float32 {
	b := math.Float32bits(v)
	return math.Float32frombits((b + 0x7fff + b>>16&1) &^ 0xffff)
}

// convSum is a result by the definition in float64, and for each value the sum of absolute products and the number
// of terms.
type convSum struct {
	v, abs []float64
	terms  int
}

func newConvSum(n, terms int) *convSum {
	return &convSum{make([]float64, n), make([]float64, n), terms}
}

func (s *convSum) add(i int, a, b float32) {
	v := float64(a) * float64(b)
	s.v[i] += v
	s.abs[i] += math.Abs(v)
}

// check wants got within relative of the sums of absolute products, and of unit roundoff store of a result that is
// stored. Sums of n exact products in f32 whose additions may truncate, as a tensor core's do, have relative n*2^-22; that the
// operands were rounded to unit roundoff u adds 2u + u^2.
func (s *convSum) check(t *testing.T, what string, got []float32, relative, store float64) {
	t.Helper()
	if len(got) != len(s.v) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(s.v))
	}
	worst, at := 0.0, 0
	for i, v := range got {
		if e := math.Abs(float64(v)-s.v[i]) / (relative*s.abs[i]*(1+store) + store*math.Abs(s.v[i]) + 0x1p-140); !(e <= worst) {
			worst, at = e, i
		}
	}
	if !(worst <= 1) {
		t.Errorf("%s[%d] = %g, want %g: %.3g times the error allowed", what, at, got[at], s.v[at], worst)
	}
}

func (s *convSum) chain() float64 { return float64(s.terms) * 0x1p-22 }

// reference walks the definition over inputs rounded as given.
func (c convCase) reference(in convValues, act, filter, stored func(float32) float32) map[string]*convSum {
	g := c.g
	p, q := c.out()
	cg, kg := g.C/g.Groups, g.K/g.Groups
	y, dx, dw := newConvSum(len(in.dy), g.FilterLen()+1), newConvSum(len(in.x), g.R*g.S*kg), newConvSum(len(in.w), c.n*p*q)
	db := newConvSum(g.K, c.n*p*q)
	xs, filters := rounded(in.x, act), rounded(in.w, filter)
	for i, grad := range rounded(in.dy, act) {
		k, col, row, n := i%g.K, i/g.K%q, i/g.K/q%p, i/g.K/q/p
		for f := range g.FilterLen() {
			ch, s, r := f%cg, f/cg%g.S, f/cg/g.S
			h, w := row*g.Stride+r*g.Dilation-g.PadTop, col*g.Stride+s*g.Dilation-g.PadLeft
			if h < 0 || h >= c.h || w < 0 || w >= c.w {
				continue
			}
			at, fw := ((n*c.h+h)*c.w+w)*g.C+k/kg*cg+ch, k*g.FilterLen()+f
			y.add(i, xs[at], filters[fw])
			dx.add(at, grad, filters[fw])
			dw.add(fw, xs[at], grad)
		}
		y.add(i, in.bias[k], 1)
		db.add(k, stored(in.dy[i]), 1)
	}
	return map[string]*convSum{"y": y, "dx": dx, "dw": dw, "db": db}
}

func rounded(v []float32, round func(float32) float32) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = round(x)
	}
	return out
}
