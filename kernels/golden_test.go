package kernels_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"vimps-gpu/kernels"
)

// golden is a file that testdata/gen_goldens.py wrote.
type golden struct {
	t      *testing.T
	shapes map[string][]int
	data   map[string][]float32
	cases  string // JSON
}

func readGolden(t *testing.T, name string) golden {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(raw)
	var header map[string]struct {
		Shape   []int
		Offsets [2]int `json:"data_offsets"`
		Cases   string
	}
	if err := json.Unmarshal(raw[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	g := golden{t: t, shapes: map[string][]int{}, data: map[string][]float32{}, cases: header["__metadata__"].Cases}
	for name, e := range header {
		bytes := raw[8+int(n)+e.Offsets[0] : 8+int(n)+e.Offsets[1]]
		values := make([]float32, len(bytes)/4)
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(bytes[4*i:]))
		}
		g.shapes[name], g.data[name] = e.Shape, values
	}
	return g
}

func (g golden) decodeCases(into any) {
	g.t.Helper()
	if err := json.Unmarshal([]byte(g.cases), into); err != nil {
		g.t.Fatal(err)
	}
}

func (g golden) want(name string) []float64 { return float64s(g.data[name]) }

// act is a golden activation tensor as a kernel reads it.
func (g golden) act(t testing.TB, name string, border int) tensor {
	s := g.shapes[name]
	x := newTensor(t, s[0], s[1], s[2], s[3], border, zeros)
	x.fill(g.data[name])
	return x
}

// empty is room for a result of a golden tensor's shape.
func (g golden) empty(t testing.TB, name string, border int) tensor {
	s := g.shapes[name]
	return newTensor(t, s[0], s[1], s[2], s[3], border, zeros)
}

// Sums of n float32 products of standard normals are off by about sqrt(n) * 2^-24 * sqrt(n); 4 times that is allowed.
func sumTolerance(n int) float64 { return 4 * float64(n) * math.Pow(2, -24) }

func TestGoldenConvolutions(t *testing.T) {
	g := readGolden(t, "conv")
	var cases []struct {
		Name                          string
		Stride, Pad, Groups, Dilation int
	}
	g.decodeCases(&cases)
	for _, c := range cases {
		x, f, y := g.shapes[c.Name+".x"], g.shapes[c.Name+".w"], g.shapes[c.Name+".y"]
		geom := kernels.ConvGeom{C: x[3], K: f[0], R: f[1], S: f[2], Stride: c.Stride, PadTop: c.Pad, PadLeft: c.Pad, Dilation: c.Dilation, Groups: c.Groups}
		t.Run(c.Name, func(t *testing.T) {
			sameOnAll(t, func(t *testing.T, isa kernels.ISA, block int) []float32 {
				forward, backward := kernels.ConvPackedSize(geom)
				fp, bp := newBuffer(t, forward), newBuffer(t, backward)
				clear(fp.F)
				clear(bp.F)
				runCall(kernels.ConvPack(kernels.ConvPackArgs{Geom: geom, W: bufferOf(t, g.data[c.Name+".w"]).P, Forward: fp.P, Backward: bp.P}), geom.K, block)
				xt := g.act(t, c.Name+".x", kernels.ConvXBorder(geom, x[1], x[2], y[1], y[2]))
				dyt := g.act(t, c.Name+".dy", kernels.ConvDyBorder(geom, x[1], x[2], y[1], y[2]))
				yt, dxt := g.empty(t, c.Name+".y", 1), g.empty(t, c.Name+".x", 0)
				runCall(kernels.ConvForward(isa, kernels.ConvForwardArgs{Geom: geom, X: xt.Act, Y: yt.Act, Packed: fp.P, Bias: bufferOf(t, g.data[c.Name+".bias"]).P}), x[0], block)
				runCall(kernels.ConvDgrad(isa, kernels.ConvDgradArgs{Geom: geom, DY: dyt.Act, DX: dxt.Act, Packed: bp.P}), x[0], block)
				const chunk = 2
				partial, dw := newBuffer(t, kernels.ConvPartialSize(geom, x[0], chunk)), newBuffer(t, len(g.data[c.Name+".w"]))
				runCall(kernels.ConvWgrad(isa, kernels.ConvWgradArgs{Geom: geom, X: xt.Act, DY: dyt.Act, Partial: partial.P, Chunk: chunk}), x[0], block)
				runCall(kernels.ConvWgradReduce(kernels.ConvWgradReduceArgs{Geom: geom, Partial: partial.P, DW: dw.P, Chunks: (x[0] + chunk - 1) / chunk}), geom.K, block)
				rows, dbias := newBuffer(t, y[0]*geom.K), newBuffer(t, geom.K)
				runCall(kernels.BiasGrad(isa, kernels.BiasGradArgs{DY: dyt.Act, Partial: rows.P}), y[0], block)
				runCall(kernels.SumRows(kernels.SumRowsArgs{In: rows.P, Out: dbias.P, Rows: y[0], Cols: geom.K}), 1, 1)
				near(t, "dbias", dbias.F, g.want(c.Name+".dbias"), sumTolerance(y[0]*y[1]*y[2]))
				near(t, "y", yt.inside(), g.want(c.Name+".y"), sumTolerance(geom.FilterLen()))
				near(t, "dx", dxt.inside(), g.want(c.Name+".dx"), sumTolerance(f[0]*f[1]*f[2]))
				near(t, "dw", dw.F, g.want(c.Name+".dw"), sumTolerance(y[0]*y[1]*y[2]))
				return append(append(yt.inside(), dxt.inside()...), dw.F...)
			})
		})
	}
}

// The Winograd kernels, which have no bias, give PyTorch's convolution too. Their transforms add up to 9 of the
// products, whose rounding is allowed to add up.
func TestGoldenWinograd(t *testing.T) {
	g := readGolden(t, "conv")
	const name = "c11"
	x, f := g.shapes[name+".x"], g.shapes[name+".w"]
	w := winogradCase{n: x[0], h: x[1], w: x[2], c: x[3], k: f[0], chunk: 1}
	if !kernels.WinogradFits(w.geom(), w.h, w.w) {
		t.Fatalf("case %s does not fit", name)
	}
	want := g.want(name + ".y")
	for i := range want {
		want[i] -= float64(g.data[name+".bias"][i%w.k])
	}
	sameOnAll(t, func(t *testing.T, isa kernels.ISA, block int) []float32 {
		y, dx, dw := winogradRun(t, isa, w, g.data[name+".x"], g.data[name+".dy"], g.data[name+".w"], block)
		near(t, "y", y, want, 9*sumTolerance(9*w.c))
		near(t, "dx", dx, g.want(name+".dx"), 9*sumTolerance(9*w.k))
		near(t, "dw", dw, g.want(name+".dw"), 9*sumTolerance(w.n*w.h*w.w))
		return append(append(y, dx...), dw...)
	})
}

func TestGoldenQuantizer(t *testing.T) {
	g := readGolden(t, "quantizer")
	var cases []struct {
		Name   string
		Lo, Hi float32
		Step   float64
	}
	g.decodeCases(&cases)
	for _, c := range cases {
		mse := g.shapes[c.Name+".mse.w"]
		if got := kernels.StepMSE(bufferOf(t, g.data[c.Name+".mse.w"]).P, mse[0], mse[1], mse[1], c.Lo, c.Hi); got != g.data[c.Name+".mse.step"][0] {
			t.Errorf("%s: step of least squared error %g, want %g", c.Name, got, g.data[c.Name+".mse.step"][0])
		}
		x := g.data[c.Name+".x"]
		eachISA(t, func(t *testing.T, isa kernels.ISA) {
			row := func(v []float32) tensor {
				a := newTensor(t, 1, 1, len(x), 1, 0, zeros)
				if v != nil {
					a.fill(v)
				}
				return a
			}
			m := kernels.Mix{QMin: []float32{c.Lo}, QMax: []float32{c.Hi}, Z: bufferOf(t, []float32{1}).P, Step: bufferOf(t, []float32{float32(c.Step)}).P}
			xt, y, dy, dx, partial := row(x), row(nil), row(g.data[c.Name+".dy"]), row(nil), newBuffer(t, 2)
			runCall(kernels.MixInputForward(isa, kernels.MixInputForwardArgs{Mix: m, X: xt.Act, Y: y.Act}), 1, 1)
			runCall(kernels.MixInputBackward(isa, kernels.MixInputBackwardArgs{Mix: m, X: xt.Act, DY: dy.Act, DX: dx.Act, Partial: partial.P}), 1, 1)
			// Equal, but for the sign of zero.
			near(t, c.Name+" y", y.inside(), g.want(c.Name+".y"), 0)
			near(t, c.Name+" dx", dx.inside(), g.want(c.Name+".dx"), 0)
			// r - v in a code's units: up to hi, times len values.
			near(t, c.Name+" ds", partial.F[1:], g.want(c.Name+".ds"), float64(len(x))*math.Pow(2, -24)*float64(c.Hi+1))
		})
	}
}

func TestGoldenMixes(t *testing.T) {
	g := readGolden(t, "mix")
	var cases []struct {
		Name, Kind string
		Lo, Hi     []float32
	}
	g.decodeCases(&cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			eachISA(t, func(t *testing.T, isa kernels.ISA) {
				get := func(name string) []float32 { return g.data[c.Name+"."+name] }
				nb := len(c.Lo)
				m := kernels.Mix{QMin: c.Lo, QMax: c.Hi, Z: bufferOf(t, get("z")).P, Step: bufferOf(t, get("s")).P}
				dz, ds := newBuffer(t, nb), newBuffer(t, len(get("s")))
				clear(dz.F)
				clear(ds.F)
				ones, one := filledWith(nb, 1), bufferOf(t, []float32{1})
				if c.Kind == "input" {
					s := g.shapes[c.Name+".x"]
					act := func(v []float32) tensor {
						a := newTensor(t, s[0], 1, 7, s[1]/7, 1, zeros)
						if v != nil {
							a.fill(v)
						}
						return a
					}
					x, y, dy, dx, partial := act(get("x")), act(nil), act(get("dy")), act(nil), newBuffer(t, s[0]*2*nb)
					runCall(kernels.MixInputForward(isa, kernels.MixInputForwardArgs{Mix: m, X: x.Act, Y: y.Act}), s[0], 2)
					runCall(kernels.MixInputBackward(isa, kernels.MixInputBackwardArgs{Mix: m, X: x.Act, DY: dy.Act, DX: dx.Act, Partial: partial.P}), s[0], 2)
					runCall(kernels.MixReduce(kernels.MixReduceArgs{Partial: partial.P, DZ: dz.P, DStep: ds.P, StepFactor: ones, Rows: s[0], GradScale: one.P}), 1, 1)
					near(t, "y", y.inside(), g.want(c.Name+".y"), sumTolerance(nb))
					near(t, "dx", dx.inside(), g.want(c.Name+".dx"), sumTolerance(nb))
				} else {
					s := g.shapes[c.Name+".x"]
					k, n, shared, perTensor := s[len(s)-2], s[len(s)-1], c.Kind == "shared", c.Kind == "tensor"
					y, dw, partial, w := newBuffer(t, k*n), newBuffer(t, len(get("x"))), newBuffer(t, k*2*nb), bufferOf(t, get("x"))
					clear(dw.F)
					runCall(kernels.MixWeightForward(isa, kernels.MixWeightForwardArgs{Mix: m, W: w.P, Y: y.P, K: k, Len: n, Shared: shared, StepPerTensor: perTensor}), k, 2)
					runCall(kernels.MixWeightBackward(isa, kernels.MixWeightBackwardArgs{Mix: m, W: w.P, DY: bufferOf(t, get("dy")).P, DW: dw.P, Partial: partial.P, K: k, Len: n,
						Shared: shared, StepPerTensor: perTensor, GradScale: one.P}), k, 2)
					runCall(kernels.MixReduce(kernels.MixReduceArgs{Partial: partial.P, DZ: dz.P, DStep: ds.P, StepFactor: ones, Rows: k, PerRow: !perTensor, GradScale: one.P}), 1, 1)
					near(t, "y", y.F, g.want(c.Name+".y"), sumTolerance(nb))
					near(t, "dw", dw.F, g.want(c.Name+".dx"), sumTolerance(nb))
				}
				near(t, "dz", dz.F, g.want(c.Name+".dz"), sumTolerance(210))
				// The quotients reach 60 (normals over steps from 0.05), each off by 60 * 2^-24 at most, of either sign; 210 are summed.
				near(t, "ds", ds.F, g.want(c.Name+".ds"), 60*sumTolerance(1)*math.Sqrt(210))
			})
		})
	}
}
