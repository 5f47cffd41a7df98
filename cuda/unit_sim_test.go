//go:build cuda

package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// skipUnlessSet skips a test that lacks the simulated GPU; where VIMPS_LIBCUDA names it, as make test-sim does, it fails.
func skipUnlessSet(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("VIMPS_LIBCUDA") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// onBoth gives the host, whose arithmetic is that of a GPU where it fuses, and the GPU at a precision.
func onBoth(t *testing.T, precision string) (host, gpu *Device) {
	t.Helper()
	gpu, err := Open(Options{Device: "gpu:0", Precision: precision})
	if err != nil {
		skipUnlessSet(t, "needs a GPU, or the simulated one of make test-sim: "+err.Error())
	}
	t.Cleanup(gpu.Close)
	host = open(t, Options{Device: "host"})
	if host.Arithmetic() != "fused" {
		t.Skip("needs a CPU with fused multiply-add")
	}
	return host, gpu
}

// A unitData holds what a unit reads. With exact, values and sums of a few fit bf16, so that only stores round.
type unitData struct {
	r     *rand.Rand
	exact bool
}

func (u unitData) values(n int, size float32) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = size * float32(u.r.NormFloat64())
		if u.exact {
			v[i] = float32(u.r.IntN(33)-16) / 4
		}
	}
	return v
}

type unitCase struct {
	n, h, w, c     int
	norm, relu, da bool
	add            bool  // to dshortcut, and to dy without a norm
	shortcut       []int // stride, offset, channels
	bits           []int // candidates of each mix
	signed         bool
	limit          float32 // of relu; 0: none
}

func (c unitCase) String() string {
	return fmt.Sprintf("%dx%dx%dx%d norm %t relu %t da %t add %t shortcut %v mixes %v signed %t limit %g",
		c.n, c.h, c.w, c.c, c.norm, c.relu, c.da, c.add, c.shortcut, c.bits, c.signed, c.limit)
}

// results are values that must be equal, and rows whose sums must be close.
type results struct {
	values map[string][]float32
	rows   map[string]rowSums
}

type rowSums struct{ sum, size []float64 }

func sumsOf(rows *Tensor) rowSums {
	cols := rows.Len() / rows.Dim(0)
	s := rowSums{make([]float64, cols), make([]float64, cols)}
	for i, v := range rows.Get(make([]float32, rows.Len())) {
		s.sum[i%cols] += float64(v)
		s.size[i%cols] += math.Abs(float64(v))
	}
	return s
}

func get(t *Tensor) []float32 { return t.Get(make([]float32, t.Len())) }

// mixOf makes a gate of b candidates with zeros among z.
func mixOf(d *Device, u unitData, b int, signed bool) *Mix {
	m := &Mix{}
	z, step := make([]float32, MaxBits), make([]float32, b)
	for i := range b {
		lo, hi := 0, 1<<(i+1)-1
		if signed {
			lo, hi = -1<<i, 1<<i-1
		}
		m.Min, m.Max = append(m.Min, float32(lo)), append(m.Max, float32(hi))
		z[i], step[i] = float32(u.r.IntN(3))*0.37, 0.01+u.r.Float32()/2
	}
	m.Z, m.Step = d.From(z, MaxBits), d.From(step, b)
	return m
}

// run is the unit forward and backward on one device, with the same data on each.
func (c unitCase) run(d *Device, exact bool) results {
	u := unitData{rand.New(rand.NewPCG(1, uint64(c.c))), exact}
	act := func(border, h, w, ch int, size float32) *Tensor {
		t := d.NewAct(border, c.n, h, w, ch)
		t.Set(u.values(t.Len(), size))
		return t
	}
	r := results{map[string][]float32{}, map[string]rowSums{}}
	unit := &Unit{Y: act(1, c.h, c.w, c.c, 1), A: act(2, c.h, c.w, c.c, 1), ReLU: c.relu, Cap: c.limit}
	grad := &UnitGrad{DA: act(0, c.h, c.w, c.c, 1), HasDA: c.da, DY: act(1, c.h, c.w, c.c, 1), AddShortcut: c.add, AddDY: c.add && !c.norm}
	if c.norm {
		scale := u.values(c.c, 1)
		for i := range scale {
			if exact {
				scale[i] = []float32{-1, 0.5, 1, 2}[i%4]
			}
		}
		unit.Scale, unit.Shift = d.From(scale, c.c), d.From(u.values(c.c, 1), c.c)
		unit.Mean, unit.Inv = d.From(u.values(c.c, 1), c.c), d.From(u.values(c.c, 1), c.c)
		grad.Rows, grad.Coef = d.New(Float32, d.UnitRows(unit.Y), 2, c.c), d.From(u.values(3*c.c, 1), 3, c.c)
	}
	if s := c.shortcut; s != nil {
		h, w := (c.h-1)*s[0]+1+u.r.IntN(2), (c.w-1)*s[0]+1+u.r.IntN(2)
		unit.Shortcut = Shortcut{T: act(1, h, w, s[2], 1), Stride: s[0], Offset: s[1]}
		grad.DShortcut = Shortcut{T: act(0, h, w, s[2], 1), Stride: s[0], Offset: s[1]}
	}
	for _, b := range c.bits {
		unit.Mixes = append(unit.Mixes, UnitMix{Mix: mixOf(d, u, b, c.signed), Out: act(1, c.h, c.w, c.c, 1), Grad: act(0, c.h, c.w, c.c, 1),
			Rows: d.New(Float32, d.UnitRows(unit.Y), 2*b)})
	}
	UnitForward(unit)
	r.values["a"] = get(unit.A)
	if d.gpu { // made anew
		unit.A = nil
		if !c.da {
			grad.DA = nil
		}
	}
	UnitGradReduce(unit, grad)
	UnitGradApply(unit, grad)
	r.values["dy"] = get(grad.DY)
	for i, m := range unit.Mixes {
		r.values[fmt.Sprint("mix ", i)] = get(m.Out)
		r.rows[fmt.Sprint("rows of mix ", i)] = sumsOf(m.Rows)
	}
	if c.norm {
		r.rows["rows of the norm"] = sumsOf(grad.Rows)
	}
	if c.shortcut != nil {
		r.values["dshortcut"] = get(grad.DShortcut.T)
	}
	return r
}

// bf16 rounds to the upper half of a float, ties to even.
func bf16(f float32) float32 {
	u := math.Float32bits(f)
	return math.Float32frombits((u + 0x7fff + u>>16&1) &^ 0xffff)
}

func (r results) equal(t *testing.T, want results, round func(float32) float32) {
	t.Helper()
	for name, got := range r.values {
		for i, w := range want.values[name] {
			if got[i] != round(w) {
				t.Errorf("%s[%d]: %v, the host has %v", name, i, got[i], round(w))
				break
			}
		}
	}
	for name, got := range r.rows {
		for i, w := range want.rows[name].sum {
			if size := want.rows[name].size[i]; math.Abs(got.sum[i]-w) > 1e-5*(size+1) {
				t.Errorf("%s[%d]: %v, the host has %v of %v", name, i, got.sum[i], w, size)
			}
		}
	}
}

// A fused unit gives the bits of the host's norm, shortcut, relu and mixes one after the other, and of their gradients.
func TestSimUnit(t *testing.T) {
	for _, precision := range []string{"tf32", "bf16"} {
		host, gpu := onBoth(t, precision)
		exact, round := precision == "bf16", same
		if exact {
			round = bf16
		}
		for _, c := range []unitCase{
			{n: 2, h: 4, w: 6, c: 16, norm: true, relu: true, bits: []int{3}},
			{n: 2, h: 16, w: 16, c: 32, norm: true, relu: true, da: true, bits: []int{4}, shortcut: []int{1, 0, 32}},
			{n: 1, h: 3, w: 5, c: 24, norm: true, relu: true, bits: []int{3, 8}, shortcut: []int{2, 8, 8}},
			{n: 2, h: 3, w: 3, c: 10, norm: true, relu: true, da: true, add: true, bits: []int{5, 2}, shortcut: []int{2, 3, 5}},
			{n: 3, h: 5, w: 1, c: 3, norm: true, bits: []int{1}, signed: true},
			{n: 1, h: 2, w: 2, c: 64, norm: true, relu: true, da: true, shortcut: []int{1, 0, 64}, add: true},
			{n: 2, h: 3, w: 4, c: 5, relu: true, bits: []int{3}, add: true},
			{n: 1, h: 4, w: 4, c: 40, da: true, shortcut: []int{1, -8, 56}, bits: []int{6}, signed: true},
			{n: 2, h: 4, w: 6, c: 16, norm: true, relu: true, limit: 1.5, bits: []int{3}},
			{n: 2, h: 3, w: 3, c: 10, norm: true, relu: true, da: true, limit: 1.23, shortcut: []int{2, 3, 5}},
			{n: 1, h: 3, w: 4, c: 24, relu: true, limit: 1, bits: []int{3, 4}},
		} {
			t.Run(precision+" "+c.String(), func(t *testing.T) {
				got := c.run(gpu, exact)
				got.equal(t, c.run(host, exact), round)
				again := c.run(gpu, exact)
				for name, rows := range got.rows {
					for i := range rows.sum {
						if rows.sum[i] != again.rows[name].sum[i] {
							t.Errorf("%s[%d]: %v and %v", name, i, rows.sum[i], again.rows[name].sum[i])
						}
					}
				}
			})
		}
	}
}
