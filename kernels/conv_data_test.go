package kernels

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// convBuf is n floats between guards of NaN.
type convBuf struct {
	base Ptr
	all  []float32
	data []float32
}

const convGuard = 32

func newConvBuf(t testing.TB, n int) *convBuf {
	t.Helper()
	base, err := Alloc(4 * (n + 2*convGuard))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Free(base) })
	all := unsafe.Slice((*float32)(base), n+2*convGuard)
	b := &convBuf{base: base, all: all, data: all[convGuard : convGuard+n : convGuard+n]}
	for i := range convGuard {
		all[i], all[convGuard+n+i] = float32(math.NaN()), float32(math.NaN())
	}
	return b
}

func (b *convBuf) ptr() Ptr { return Ptr(&b.data[0]) }

func (b *convBuf) checkGuards(t *testing.T, name string) {
	t.Helper()
	for i := range convGuard {
		if b.all[i] == b.all[i] || b.all[len(b.all)-1-i] == b.all[len(b.all)-1-i] {
			t.Fatalf("%s: written outside its memory", name)
		}
	}
}

func (b *convBuf) fill(r *rand.Rand) *convBuf {
	for i := range b.data {
		b.data[i] = float32(r.NormFloat64())
	}
	return b
}

// convAct is an activation tensor in a convBuf; at gives the index of an element.
type convAct struct {
	*convBuf
	n int
	Act
}

func newConvAct(t testing.TB, n, h, w, c, border int) *convAct {
	a := Act{H: h, W: w, C: c, Border: border}
	b := newConvBuf(t, a.Elems(n))
	a.P = b.ptr()
	return &convAct{b, n, a}
}

func (a *convAct) at(n, h, w, c int) int {
	return ((n*(a.H+2*a.Border)+h+a.Border)*(a.W+2*a.Border)+w+a.Border)*a.C + c
}

func (a *convAct) set(f func() float32) *convAct {
	for n := range a.n {
		for h := range a.H {
			for w := range a.W {
				for c := range a.C {
					a.data[a.at(n, h, w, c)] = f()
				}
			}
		}
	}
	return a
}

// inside is the tensor without its border, [n,h,w,c]. It fails the test where the border is not zero.
func (a *convAct) inside(t *testing.T, name string) []float32 {
	t.Helper()
	a.checkGuards(t, name)
	out := make([]float32, 0, a.n*a.H*a.W*a.C)
	for n := range a.n {
		for h := -a.Border; h < a.H+a.Border; h++ {
			for w := -a.Border; w < a.W+a.Border; w++ {
				i := a.at(n, h, w, 0)
				if h >= 0 && h < a.H && w >= 0 && w < a.W {
					out = append(out, a.data[i:i+a.C]...)
					continue
				}
				for _, v := range a.data[i : i+a.C] {
					if math.Float32bits(v) != 0 {
						t.Fatalf("%s: border at image %d (%d,%d) is %v", name, n, h, w, v)
					}
				}
			}
		}
	}
	return out
}

// convData is a case's tensors, the results NaN so that an element left out shows.
type convData struct {
	c                            convCase
	x, y, dy, dx                 *convAct
	w, bias, fw, bw, partial, dw *convBuf
	biasPartial                  *convBuf
	chunk, chunks                int
}

func newConvData(t testing.TB, c convCase, extraBorder int) *convData {
	p, q := c.out()
	r := rand.New(rand.NewPCG(7, uint64(c.h*1000+c.g.C)))
	normal := func() float32 { return float32(r.NormFloat64()) }
	nan := func() float32 { return float32(math.NaN()) }
	d := &convData{c: c, chunk: 2, chunks: (c.n + 1) / 2}
	d.x = newConvAct(t, c.n, c.h, c.w, c.g.C, ConvXBorder(c.g, c.h, c.w, p, q)+extraBorder).set(normal)
	d.y = newConvAct(t, c.n, p, q, c.g.K, extraBorder).set(nan)
	d.dy = newConvAct(t, c.n, p, q, c.g.K, ConvDyBorder(c.g, c.h, c.w, p, q)+extraBorder).set(normal)
	d.dx = newConvAct(t, c.n, c.h, c.w, c.g.C, extraBorder).set(nan)
	d.w = newConvBuf(t, c.g.K*c.g.FilterLen()).fill(r)
	d.bias = newConvBuf(t, c.g.K).fill(r)
	f, b := ConvPackedSize(c.g)
	d.fw, d.bw = newConvBuf(t, f), newConvBuf(t, b)
	d.partial = newConvBuf(t, ConvPartialSize(c.g, c.n, d.chunk)).fill(r) // the first image overwrites
	d.dw = newConvBuf(t, c.g.K*c.g.FilterLen()).fill(r)
	d.biasPartial = newConvBuf(t, c.n*c.g.K).fill(r)
	return d
}

func runConv(call Call, n, block int) {
	Run([]HostCall{call.Host()}, 0, n, block, nil)
	call.Free()
}

// run does every op and returns the results by name.
func (d *convData) run(t *testing.T, isa ISA, block int) map[string][]float32 {
	t.Helper()
	g, n := d.c.g, d.c.n
	runConv(ConvPack(ConvPackArgs{g, d.w.ptr(), d.fw.ptr(), d.bw.ptr()}), g.K, block)
	runConv(ConvForward(isa, ConvForwardArgs{g, d.x.Act, d.y.Act, d.fw.ptr(), d.bias.ptr()}), n, block)
	runConv(ConvDgrad(isa, ConvDgradArgs{g, d.dy.Act, d.dx.Act, d.bw.ptr()}), n, block)
	runConv(ConvWgrad(isa, ConvWgradArgs{g, d.x.Act, d.dy.Act, d.partial.ptr(), d.chunk}), n, block)
	runConv(ConvWgradReduce(ConvWgradReduceArgs{g, d.partial.ptr(), d.dw.ptr(), d.chunks}), g.K, block)
	runConv(BiasGrad(isa, BiasGradArgs{d.dy.Act, d.biasPartial.ptr()}), n, block)
	for name, b := range map[string]*convBuf{"w": d.w, "bias": d.bias, "fw": d.fw, "bw": d.bw, "partial": d.partial, "dw": d.dw, "db": d.biasPartial} {
		b.checkGuards(t, name)
	}
	d.x.inside(t, "x")
	d.dy.inside(t, "dy")
	return map[string][]float32{"y": d.y.inside(t, "y"), "dx": d.dx.inside(t, "dx"), "dw": append([]float32{}, d.dw.data...),
		"db": append([]float32{}, d.biasPartial.data...)}
}
