package kernels

import (
	"fmt"
	"math"
	"testing"
)

// convCase is a convolution of n images [h, w]; padBottom and padRight only set the output size.
type convCase struct {
	n, h, w             int
	g                   ConvGeom
	padBottom, padRight int
}

func (c convCase) out() (p, q int) {
	return ConvOut(c.h, c.g.R, c.g.Stride, c.g.PadTop, c.padBottom, c.g.Dilation),
		ConvOut(c.w, c.g.S, c.g.Stride, c.g.PadLeft, c.padRight, c.g.Dilation)
}

func (c convCase) String() string {
	g := c.g
	return fmt.Sprintf("n%d_%dx%d_%dto%d_f%dx%d_s%d_p%d%d_d%d_g%d", c.n, c.h, c.w, g.C, g.K, g.R, g.S, g.Stride, g.PadTop, g.PadLeft,
		g.Dilation, g.Groups)
}

func square(n, h, w, c, k, r, stride, pad, dilation, groups int) convCase {
	return convCase{n, h, w, ConvGeom{c, k, r, r, stride, pad, pad, dilation, groups}, pad, pad}
}

var convCases = []convCase{
	square(2, 8, 8, 16, 16, 3, 1, 1, 1, 1),
	square(1, 7, 9, 16, 32, 3, 1, 1, 1, 1),
	square(3, 9, 7, 32, 33, 3, 1, 1, 1, 1),
	square(2, 6, 17, 5, 20, 3, 1, 0, 1, 1),
	square(2, 5, 32, 3, 10, 3, 1, 1, 1, 1),
	square(2, 11, 11, 1, 10, 5, 1, 2, 1, 1),
	square(1, 15, 13, 3, 20, 7, 2, 3, 1, 1),
	square(2, 8, 8, 16, 64, 3, 2, 1, 1, 1),
	square(2, 9, 7, 17, 48, 3, 2, 1, 1, 1),
	square(1, 9, 10, 4, 7, 3, 3, 1, 1, 1),
	square(1, 9, 10, 5, 16, 2, 4, 0, 1, 1), // the stride is larger than the filter: dx has holes
	square(2, 9, 9, 8, 33, 3, 1, 2, 2, 1),
	square(1, 11, 9, 8, 10, 3, 2, 2, 2, 1),
	square(1, 11, 9, 8, 10, 3, 2, 3, 3, 1),
	square(2, 7, 7, 10, 20, 3, 1, 1, 1, 2),
	square(2, 8, 6, 32, 64, 3, 2, 1, 1, 2),
	square(1, 6, 6, 12, 6, 1, 1, 0, 1, 3),
	square(2, 7, 5, 20, 40, 1, 1, 0, 1, 1),
	square(2, 7, 5, 20, 40, 1, 2, 0, 1, 1),
	square(2, 5, 5, 6, 9, 1, 1, 1, 1, 1),    // 1x1 with padding
	square(5, 1, 1, 64, 10, 1, 1, 0, 1, 1),  // linear
	square(37, 1, 1, 33, 70, 1, 1, 0, 1, 1), // linear
	square(1, 4, 4, 1, 1, 3, 1, 1, 1, 1),    // depthwise of one channel
	square(2, 8, 9, 16, 16, 3, 1, 1, 1, 16),
	square(1, 7, 7, 33, 33, 3, 1, 1, 1, 33),
	square(2, 9, 8, 70, 70, 3, 2, 1, 1, 70),
	square(2, 11, 11, 20, 20, 5, 2, 2, 1, 20),
	square(1, 9, 13, 10, 10, 3, 1, 2, 2, 10),
	square(1, 9, 13, 10, 20, 3, 1, 1, 1, 10),                  // two filters a channel: grouped
	{2, 8, 8, ConvGeom{16, 20, 3, 3, 2, 0, 0, 1, 1}, 1, 1},    // "same" of even size: pads below only
	{1, 6, 12, ConvGeom{7, 18, 1, 5, 1, 0, 2, 1, 1}, 0, 2},    // a row filter
	{1, 9, 5, ConvGeom{24, 24, 4, 2, 2, 2, 0, 1, 1}, 1, 0},    // even filter, odd pads
	{2, 8, 8, ConvGeom{24, 24, 3, 3, 2, 0, 0, 1, 24}, 1, 1},   // the same, depthwise
	{1, 10, 10, ConvGeom{18, 18, 4, 2, 3, 1, 0, 1, 18}, 1, 0}, // depthwise, four taps and holes
	square(1, 3, 40, 130, 16, 3, 1, 1, 1, 1),                  // long chains
}

// convRef is a result in float64, for each element the sum of the absolute products, and the number of
// rounded operations in its longest chain.
type convRef struct {
	v, abs []float64
	ops    int
}

func newConvRef(n, ops int) *convRef { return &convRef{make([]float64, n), make([]float64, n), ops} }

func (r *convRef) add(i int, a, b float32) {
	v := float64(a) * float64(b)
	r.v[i] += v
	r.abs[i] += math.Abs(v)
}

// check bounds the error by gamma_n * sum |a||b| (Higham, Accuracy and Stability, section 3.1).
func (r *convRef) check(t *testing.T, name string, got []float32) {
	t.Helper()
	nu := float64(2*r.ops) * 0x1p-24 // 2: the portable kernels round product and sum
	gamma := nu / (1 - nu)
	if len(got) != len(r.v) {
		t.Fatalf("%s: %d values, want %d", name, len(got), len(r.v))
	}
	for i, v := range got {
		if !(math.Abs(float64(v)-r.v[i]) <= gamma*r.abs[i]) {
			t.Fatalf("%s[%d] = %v, want %v within %g", name, i, v, r.v[i], gamma*r.abs[i])
		}
	}
}

// reference walks the definition: every output, tap and channel.
func (d *convData) reference() map[string]*convRef {
	c, g := d.c, d.c.g
	p, q := c.out()
	cg, kg := g.C/g.Groups, g.K/g.Groups
	y := newConvRef(c.n*p*q*g.K, g.FilterLen()+1)
	dx := newConvRef(c.n*c.h*c.w*g.C, g.R*g.S*kg)
	dw := newConvRef(g.K*g.FilterLen(), p*q+c.n)
	db := newConvRef(c.n*g.K, p*q)
	for i := range c.n * p * q * g.K {
		k, col, row, n := i%g.K, i/g.K%q, i/g.K/q%p, i/g.K/q/p
		dy := d.dy.data[d.dy.at(n, row, col, k)]
		db.add(n*g.K+k, dy, 1)
		for f := range g.FilterLen() {
			ch, s, r := f%cg, f/cg%g.S, f/cg/g.S
			h, w := row*g.Stride+r*g.Dilation-g.PadTop, col*g.Stride+s*g.Dilation-g.PadLeft
			if h < 0 || h >= c.h || w < 0 || w >= c.w {
				continue
			}
			ch += k / kg * cg
			x, wt := d.x.data[d.x.at(n, h, w, ch)], d.w.data[k*g.FilterLen()+f]
			y.add(i, x, wt)
			dx.add(((n*c.h+h)*c.w+w)*g.C+ch, dy, wt)
			dw.add(k*g.FilterLen()+f, x, dy)
		}
		y.add(i, d.bias.data[k], 1)
	}
	return map[string]*convRef{"y": y, "dx": dx, "dw": dw, "db": db}
}

func eachISA(t *testing.T, f func(t *testing.T, isa ISA)) {
	for _, isa := range []ISA{Portable, AVX2, AVX512} {
		if isa.Supported() {
			t.Run(isa.String(), func(t *testing.T) { f(t, isa) })
		}
	}
}

func TestConvAgainstDefinition(t *testing.T) {
	for _, c := range convCases {
		t.Run(c.String(), func(t *testing.T) {
			want := newConvData(t, c, 0).reference()
			eachISA(t, func(t *testing.T, isa ISA) {
				for extra := range 2 {
					got := newConvData(t, c, extra).run(t, isa, 1)
					for name, ref := range want {
						ref.check(t, name, got[name])
					}
				}
			})
		})
	}
}

func sameBits(t *testing.T, what string, a, b map[string][]float32) {
	t.Helper()
	for name := range a {
		for i := range a[name] {
			if math.Float32bits(a[name][i]) != math.Float32bits(b[name][i]) {
				t.Fatalf("%s: %s[%d] %v and %v", what, name, i, a[name][i], b[name][i])
			}
		}
	}
}

// Blocks of any size, a second run and the two vector sets give the same bits.
func TestConvSameBits(t *testing.T) {
	for _, c := range convCases {
		t.Run(c.String(), func(t *testing.T) {
			all := map[ISA]map[string][]float32{}
			eachISA(t, func(t *testing.T, isa ISA) {
				one := newConvData(t, c, 0).run(t, isa, 1)
				d := newConvData(t, c, 0)
				sameBits(t, "blocks of 2", one, d.run(t, isa, 2))
				sameBits(t, "run again", one, d.run(t, isa, 2))
				sameBits(t, "one block", one, newConvData(t, c, 1).run(t, isa, max(c.n, c.g.K)))
				all[isa] = one
			})
			if AVX512.Supported() {
				sameBits(t, "AVX2 and AVX-512", all[AVX2], all[AVX512])
			}
		})
	}
}

func TestConvNoBiasNoBackward(t *testing.T) {
	d := newConvData(t, square(1, 5, 5, 4, 18, 3, 1, 1, 1, 1), 0)
	for i := range d.bias.data {
		d.bias.data[i] = 0
	}
	eachISA(t, func(t *testing.T, isa ISA) {
		want := d.run(t, isa, 1)["y"]
		clear(d.fw.data)
		clear(d.bw.data)
		runConv(ConvPack(ConvPackArgs{d.c.g, d.w.ptr(), d.fw.ptr(), nil}), d.c.g.K, 5)
		runConv(ConvForward(isa, ConvForwardArgs{d.c.g, d.x.Act, d.y.Act, d.fw.ptr(), nil}), 1, 1)
		for i, v := range d.y.inside(t, "y") {
			if v != want[i] {
				t.Fatalf("y[%d] = %v without a bias, %v with a bias of 0", i, v, want[i])
			}
		}
		for i, v := range d.bw.data {
			if v != 0 {
				t.Fatalf("backward[%d] = %v, not asked for", i, v)
			}
		}
	})
}

func TestConvConstructorsPanic(t *testing.T) {
	g := ConvGeom{C: 4, K: 8, R: 3, S: 3, Stride: 1, PadTop: 1, PadLeft: 1, Dilation: 1, Groups: 1}
	x, y := Act{H: 5, W: 5, C: 4, Border: 1}, Act{H: 5, W: 5, C: 8, Border: 1}
	odd := g
	odd.Groups = 3
	noBorder := func(a Act) Act { a.Border = 0; return a }
	narrow := func(a Act) Act { a.C--; return a }
	short := func(a Act) Act { a.H -= 3; return a }
	tall := func(a Act) Act { a.H += 9; return a }
	for name, f := range map[string]func(){
		"forward border":    func() { ConvForward(Portable, ConvForwardArgs{Geom: g, X: noBorder(x), Y: y}) },
		"forward channels":  func() { ConvForward(Portable, ConvForwardArgs{Geom: g, X: narrow(x), Y: y}) },
		"forward size":      func() { ConvForward(Portable, ConvForwardArgs{Geom: g, X: x, Y: tall(y)}) },
		"forward too small": func() { ConvForward(Portable, ConvForwardArgs{Geom: g, X: x, Y: short(y)}) },
		"forward groups":    func() { ConvForward(Portable, ConvForwardArgs{Geom: odd, X: x, Y: y}) },
		"dgrad border":      func() { ConvDgrad(Portable, ConvDgradArgs{Geom: g, DX: x, DY: noBorder(y)}) },
		"dgrad channels":    func() { ConvDgrad(Portable, ConvDgradArgs{Geom: g, DX: x, DY: narrow(y)}) },
		"wgrad border":      func() { ConvWgrad(Portable, ConvWgradArgs{Geom: g, X: noBorder(x), DY: y, Chunk: 1}) },
		"wgrad chunk":       func() { ConvWgrad(Portable, ConvWgradArgs{Geom: g, X: x, DY: y}) },
		"reduce chunks":     func() { ConvWgradReduce(ConvWgradReduceArgs{Geom: g}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

func TestConvOut(t *testing.T) {
	for _, c := range []struct{ h, r, stride, top, bottom, dilation, want int }{
		{32, 3, 1, 1, 1, 1, 32}, {32, 3, 2, 1, 1, 1, 16}, {224, 7, 2, 3, 3, 1, 112}, {9, 3, 1, 2, 2, 2, 9},
		{8, 3, 2, 0, 1, 1, 4}, {2, 3, 1, 0, 0, 1, 0}, {2, 3, 5, 0, 0, 1, 0}, {1, 1, 1, 0, 0, 1, 1},
	} {
		if got := ConvOut(c.h, c.r, c.stride, c.top, c.bottom, c.dilation); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
