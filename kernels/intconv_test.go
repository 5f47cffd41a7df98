package kernels

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// byteBuf is n bytes between guards of 0xA5.
type byteBuf struct{ all, data []byte }

const byteGuard = 64

func newByteBuf(t testing.TB, n int) byteBuf {
	t.Helper()
	base, err := Alloc(n + 2*byteGuard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Free(base) })
	all := unsafe.Slice((*byte)(base), n+2*byteGuard)
	guards := bytes.Repeat([]byte{0xA5}, byteGuard)
	copy(all, guards)
	copy(all[byteGuard+n:], guards)
	return byteBuf{all, all[byteGuard : byteGuard+n : byteGuard+n]}
}

func (b byteBuf) ptr() Ptr { return Ptr(&b.data[0]) }

func (b byteBuf) checkGuards(t *testing.T, name string) {
	t.Helper()
	n := byteGuard
	if bytes.Count(b.all[:n], []byte{0xA5}) != n || bytes.Count(b.all[len(b.all)-n:], []byte{0xA5}) != n {
		t.Fatalf("%s: written outside its memory", name)
	}
}

// intCase is a child's convolution: three candidates at each gate, of which the second is taken.
type intCase struct {
	convCase
	signed, perTensor, shared, bias bool
	wbits, xbits                    int
}

const intOption = 1 // of intOptions
const intOptions = 3

// intData is a case's tensors; value draws inputs and weights.
type intData struct {
	intCase
	x, y                      *convAct
	w, ws, xs, z, bias, scale *convBuf
	codes, packed             byteBuf
	extra                     int // border beyond what the convolution needs
}

func codeRange(signed bool, bits int) (lo, hi float32) {
	if signed {
		return -float32(int(1) << (bits - 1)), float32(int(1)<<(bits-1) - 1)
	}
	return 0, float32(int(1)<<bits - 1)
}

func newIntData(t testing.TB, c intCase, extra int, x, w func(r *rand.Rand) float32) *intData {
	p, q := c.out()
	r := rand.New(rand.NewPCG(11, uint64(c.h*1000+c.g.C)))
	d := &intData{intCase: c, extra: extra}
	d.x = newConvAct(t, c.n, c.h, c.w, c.g.C, extra).set(func() float32 { return x(r) })
	d.y = newConvAct(t, c.n, p, q, c.g.K, extra).set(func() float32 { return float32(math.NaN()) })
	codes := Act{H: c.h, W: c.w, C: c.g.C, Border: extra + ConvXBorder(c.g, c.h, c.w, p, q)}
	d.codes = newByteBuf(t, codes.Elems(c.n))
	d.packed = newByteBuf(t, IntPackedSize(c.g))
	d.w = newConvBuf(t, intOptions*c.g.K*c.g.FilterLen())
	for i := range d.w.data {
		d.w.data[i] = w(r)
	}
	d.ws, d.xs = newConvBuf(t, intOptions*c.g.K), newConvBuf(t, intOptions)
	for i := range d.ws.data {
		d.ws.data[i] = (0.02 + float32(i%7)/300) * 128 / float32(int(1)<<(c.wbits-1))
	}
	for i := range d.xs.data {
		d.xs.data[i] = 0.013 * 255 / float32(int(1)<<c.xbits-1) * float32(i+1) / 2
	}
	d.z = newConvBuf(t, intOptions)
	d.z.data[intOption] = 1
	d.bias, d.scale = newConvBuf(t, c.g.K).fill(r), newConvBuf(t, c.g.K)
	return d
}

func (d *intData) mixes() (weights, inputs Mix) {
	mix := func(signed bool, bits int, step *convBuf) Mix {
		m := Mix{Z: d.z.ptr(), Step: step.ptr()}
		for b := range intOptions { // only the option's range is that of bits
			lo, hi := codeRange(signed, 1+(bits-1+b-intOption+8)%8)
			m.QMin, m.QMax = append(m.QMin, lo), append(m.QMax, hi)
		}
		return m
	}
	return mix(true, d.wbits, d.ws), mix(d.signed, d.xbits, d.xs)
}

func (d *intData) codesArg() Codes {
	p, q := d.out()
	return Codes{P: d.codes.ptr(), H: d.h, W: d.convCase.w, C: d.g.C, Border: d.extra + ConvXBorder(d.g, d.h, d.convCase.w, p, q), Signed: d.signed}
}

func (d *intData) calls(isa ISA) (weights, inputs, conv Call) {
	w, x := d.mixes()
	bias := Ptr(nil)
	if d.bias != nil && d.intCase.bias {
		bias = d.bias.ptr()
	}
	weights = WeightCodes(isa, WeightCodesArgs{Geom: d.g, Weights: w, Inputs: x, W: d.w.ptr(), Packed: d.packed.ptr(),
		Scale: d.scale.ptr(), Shared: d.shared, StepPerTensor: d.perTensor})
	inputs = InputCodes(isa, InputCodesArgs{Mix: x, X: d.x.Act, Codes: d.codesArg()})
	conv = IntConv(isa, IntConvArgs{Geom: d.g, X: d.codesArg(), Y: d.y.Act, Packed: d.packed.ptr(), Scale: d.scale.ptr(), Bias: bias})
	return weights, inputs, conv
}

// run does the three ops and returns the codes and the output.
func (d *intData) run(t *testing.T, isa ISA, block int) ([]byte, []float32) {
	t.Helper()
	weights, inputs, conv := d.calls(isa)
	runConv(weights, d.g.K, block)
	runConv(inputs, d.n, block)
	runConv(conv, d.n, block)
	d.codes.checkGuards(t, "codes")
	d.packed.checkGuards(t, "packed")
	d.scale.checkGuards(t, "scale")
	return bytes.Clone(d.codes.data), d.y.inside(t, "y")
}

// codeOf is the quantizer's code by IEEE division (method.md, section 5).
func codeOf(x, step, lo, hi float32) int64 {
	if x != x {
		return 0
	}
	return int64(math.RoundToEven(float64(max(lo, min(hi, x/step)))))
}

// reference are the codes, in their border, and the output, from sums in int64.
func (d *intData) reference() (codes []byte, y []float32) {
	g, c := d.g, d.codesArg()
	lo, hi := codeRange(d.signed, d.xbits)
	wlo, whi := codeRange(true, d.wbits)
	at := func(n, h, w, ch int) int {
		return ((n*(c.H+2*c.Border)+h+c.Border)*(c.W+2*c.Border)+w+c.Border)*c.C + ch
	}
	code := make([]int64, len(d.codes.data))
	codes = make([]byte, len(code))
	for i := range d.n * d.h * d.convCase.w * g.C {
		ch, w, h, n := i%g.C, i/g.C%c.W, i/g.C/c.W%c.H, i/g.C/c.W/c.H
		j := at(n, h, w, ch)
		code[j] = codeOf(d.x.data[d.x.at(n, h, w, ch)], d.xs.data[intOption], lo, hi)
		codes[j] = byte(code[j])
	}
	p, q := d.out()
	cg, kg, length := g.C/g.Groups, g.K/g.Groups, g.FilterLen()
	option := intOption
	if d.shared {
		option = 0
	}
	for i := range d.n * p * q * g.K {
		k, col, row, n := i%g.K, i/g.K%q, i/g.K/q%p, i/g.K/q/p
		step := d.ws.data[intOption*g.K+k]
		if d.perTensor {
			step = d.ws.data[intOption]
		}
		sum := int64(0)
		for f := range length {
			ch, s, r := f%cg, f/cg%g.S, f/cg/g.S
			h, w := row*g.Stride+r*g.Dilation-g.PadTop, col*g.Stride+s*g.Dilation-g.PadLeft
			sum += code[at(n, h, w, ch+k/kg*cg)] * codeOf(d.w.data[(option*g.K+k)*length+f], step, wlo, whi)
		}
		v := float32(float32(sum) * float32(step*d.xs.data[intOption]))
		if d.intCase.bias {
			v = float32(v + d.bias.data[k])
		}
		y = append(y, v)
	}
	return codes, y
}

func (d *intData) check(t *testing.T) {
	t.Helper()
	codes, y := d.reference()
	for isa := Portable; isa <= AVX512; isa++ {
		if !isa.Supported() {
			continue
		}
		for _, block := range []int{1, 1000} {
			clear(d.codes.data)
			gotCodes, got := d.run(t, isa, block)
			if !bytes.Equal(gotCodes, codes) {
				t.Fatalf("%v, blocks of %d: codes differ from the quantizer's", isa, block)
			}
			for i := range y {
				if math.Float32bits(got[i]) != math.Float32bits(y[i]) {
					t.Fatalf("%v, blocks of %d: y[%d] = %v, want %v bit for bit", isa, block, i, got[i], y[i])
				}
			}
		}
	}
}

// Every geometry, in turn with signs of the inputs, step layouts and bit widths, gives the bits of sums in int64.
func TestIntConv(t *testing.T) {
	normal := func(r *rand.Rand) float32 { return float32(r.NormFloat64()) }
	for i, c := range convCases {
		for _, signed := range []bool{false, true} {
			ic := intCase{convCase: c, signed: signed, perTensor: i%2 == 0, shared: i%3 == 0, bias: i%5 != 0, wbits: 2 + i%7, xbits: 1 + (i+3)%8}
			if signed {
				ic.xbits = max(ic.xbits, 2)
			}
			t.Run(fmt.Sprintf("%v_%v_%d_%d", c, signed, ic.wbits, ic.xbits), func(t *testing.T) {
				newIntData(t, ic, i%3, normal, normal).check(t)
			})
		}
	}
}

// The largest filters with the most extreme codes reach, and do not pass, the ends of int32.
func TestIntConvOverflowBound(t *testing.T) {
	for _, signed := range []bool{false, true} {
		for _, negative := range []bool{false, true} {
			c := intCase{convCase: square(2, 1, 1, IntConvLen, 18, 1, 1, 0, 1, 1), signed: signed, wbits: 8, xbits: 8}
			x := float32(1e9)
			if negative && signed {
				x = -x // -128, the other end
			}
			newIntData(t, c, 0, func(*rand.Rand) float32 { return x }, func(*rand.Rand) float32 { return -1e9 }).check(t)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a filter one code longer was accepted")
		}
	}()
	g := ConvGeom{C: IntConvLen + 1, K: 1, R: 1, S: 1, Stride: 1, Dilation: 1, Groups: 1}
	IntConv(Portable, IntConvArgs{Geom: g, X: Codes{H: 1, W: 1, C: g.C}, Y: Act{H: 1, W: 1, C: 1}})
}

// Codes at ties, at and beyond the bounds, of zeros with a sign, subnormal, infinite and NaN values are those of the IEEE quotient.
func TestInputCodesAtTheEdges(t *testing.T) {
	inf := float32(math.Inf(1))
	edges := []float32{0, float32(math.Copysign(0, -1)), inf, -inf, float32(math.NaN()), 1e-45, -1e-45, 3e38, -3e38}
	for _, signed := range []bool{false, true} {
		for bits := 2; bits <= 8; bits++ {
			c := intCase{convCase: square(1, 8, 13, 7, 3, 1, 1, 0, 1, 1), signed: signed, wbits: 8, xbits: bits}
			i := 0
			value := func(r *rand.Rand) float32 {
				i++
				if i <= len(edges) {
					return edges[i-1]
				}
				x := (float32(i%520) - 260) / 2 * 0.013 * 255 / float32(int(1)<<bits-1)
				return math.Float32frombits(math.Float32bits(x) + uint32(r.IntN(5)) - 2)
			}
			newIntData(t, c, 1, value, func(r *rand.Rand) float32 { return float32(r.NormFloat64()) }).check(t)
		}
	}
}

// A child without an option at a gate is 0 there, as its mix is.
func TestIntConvWithoutOption(t *testing.T) {
	one := func(*rand.Rand) float32 { return 1 }
	d := newIntData(t, intCase{convCase: square(1, 4, 4, 3, 5, 3, 1, 1, 1, 1), bias: true, wbits: 4, xbits: 4}, 0, one, one)
	d.z.data[intOption] = 0
	_, y := d.run(t, BestISA(), 1)
	for i, v := range y {
		if v != d.bias.data[i%5] {
			t.Fatalf("y[%d] = %v, want the bias %v", i, v, d.bias.data[i%5])
		}
	}
}

// BenchmarkIntConv reports how long the codes of the inputs and their convolution take beside the float path: input
// mix and convolution (Winograd's where it fits), of one image on one core, the best of many runs in turn.
func BenchmarkIntConv(b *testing.B) {
	normal := func(r *rand.Rand) float32 { return float32(r.NormFloat64()) }
	for _, c := range append(convBenchCases, square(16, 1, 1, 64, 10, 1, 1, 0, 1, 1)) {
		for isa := Portable; isa <= AVX512; isa++ {
			if isa.Supported() {
				b.Run(fmt.Sprintf("%s/%v", c, isa), func(b *testing.B) {
					benchIntConv(b, isa, newIntData(b, intCase{convCase: c, wbits: 8, xbits: 8}, 0, normal, normal))
				})
			}
		}
	}
}

func benchIntConv(b *testing.B, isa ISA, d *intData) {
	f := newConvData(b, d.convCase, 0)
	weights, codes, conv := d.calls(isa)
	_, mix := d.mixes()
	calls := []Call{codes, conv,
		MixInputForward(isa, MixInputForwardArgs{Mix: mix, X: d.x.Act, Y: f.x.Act}),
		ConvForward(isa, ConvForwardArgs{f.c.g, f.x.Act, f.y.Act, f.fw.ptr(), nil})}
	if WinogradFits(f.c.g, f.c.h, f.c.w) {
		u := newConvBuf(b, WinogradPackedSize(f.c.g.C, f.c.g.K))
		calls = append(calls, WinogradConv(isa, WinogradConvArgs{X: f.x.Act, Y: f.y.Act, U: u.ptr()}))
	}
	best := [5]int64{math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64}
	var hosts []HostCall
	for _, c := range append(calls, weights) {
		defer c.Free()
		hosts = append(hosts, c.Host())
	}
	for b.Loop() {
		var ns [6]int64
		Run(hosts[:len(calls)], 0, d.n, d.n, ns[:])
		for i := range best {
			if i < len(calls) {
				best[i] = min(best[i], ns[i])
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	for i, name := range []string{"codes-us", "int-us", "mix-us", "float-us", "winograd-us"}[:len(calls)] {
		b.ReportMetric(float64(best[i])/1e3, name)
	}
	b.ReportMetric(float64(best[2]+best[3])/float64(best[0]+best[1]), "x-direct")
}
