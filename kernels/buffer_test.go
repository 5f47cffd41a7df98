package kernels_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"vimps-gpu/kernels"
)

const guard = 16 // NaN floats on each side of a buffer

// buffer is memory for kernels with NaN sentinels around it, which are checked when the test ends.
type buffer struct {
	P kernels.Ptr
	F []float32 // the floats at P
}

func newBuffer(t testing.TB, n int) buffer {
	t.Helper()
	p, err := kernels.Alloc(4 * (n + 2*guard))
	if err != nil {
		t.Fatal(err)
	}
	all := unsafe.Slice((*float32)(p), n+2*guard)
	nan := float32(math.NaN())
	for i := range guard {
		all[i], all[guard+n+i] = nan, nan
	}
	t.Cleanup(func() {
		for i := range guard {
			if all[i] == all[i] || all[guard+n+i] == all[guard+n+i] {
				t.Errorf("a kernel wrote outside its buffer of %d floats, at %d from an end", n, i)
				break
			}
		}
		kernels.Free(p)
	})
	return buffer{unsafe.Pointer(&all[guard]), all[guard : guard+n : guard+n]}
}

func bufferOf(t testing.TB, v []float32) buffer {
	b := newBuffer(t, len(v))
	copy(b.F, v)
	return b
}

// tensor is an activation in guarded memory, with a border that must stay zero.
type tensor struct {
	kernels.Act
	buffer buffer
	n      int
}

func newTensor(t testing.TB, n, h, w, c, border int, value func() float32) tensor {
	a := kernels.Act{H: h, W: w, C: c, Border: border}
	x := tensor{a, newBuffer(t, a.Elems(n)), n}
	x.Act.P = x.buffer.P
	x.each(func(v *float32, i, p, q, k int) { *v = value() })
	t.Cleanup(func() {
		x.each(func(v *float32, i, p, q, k int) { *v = 0 })
		for _, v := range x.buffer.F {
			if v != 0 {
				t.Errorf("a kernel wrote %g into the border", v)
				break
			}
		}
	})
	return x
}

func (x tensor) at(i, p, q, k int) *float32 {
	b := x.Border
	return &x.buffer.F[((i*(x.H+2*b)+p+b)*(x.W+2*b)+q+b)*x.C+k]
}

func (x tensor) each(f func(v *float32, i, p, q, k int)) {
	for i := range x.n {
		for p := range x.H {
			for q := range x.W {
				for k := range x.C {
					f(x.at(i, p, q, k), i, p, q, k)
				}
			}
		}
	}
}

// inside is a copy of the values inside the border.
func (x tensor) inside() []float32 {
	var v []float32
	x.each(func(f *float32, i, p, q, k int) { v = append(v, *f) })
	return v
}

func (x tensor) fill(v []float32) {
	j := 0
	x.each(func(f *float32, i, p, q, k int) { *f = v[j]; j++ })
}

func eachISA(t *testing.T, f func(t *testing.T, isa kernels.ISA)) {
	for _, isa := range []kernels.ISA{kernels.Portable, kernels.AVX2, kernels.AVX512} {
		t.Run(isa.String(), func(t *testing.T) {
			if !isa.Supported() {
				t.Skipf("this machine has no %v", isa)
			}
			f(t, isa)
		})
	}
}

func runCall(c kernels.Call, units, block int) {
	kernels.Run([]kernels.HostCall{c.Host()}, 0, units, block, nil)
	c.Free()
}

func normals(seed uint64, scale float64) func() float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	return func() float32 { return float32(scale * r.NormFloat64()) }
}

func zeros() float32 { return 0 }

func take(n int, f func() float32) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = f()
	}
	return v
}

// near fails where got and want differ by more than tol*(1+|want|), or where only one is NaN.
func near(t *testing.T, what string, got []float32, want []float64, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		g, w := float64(got[i]), want[i]
		if math.IsNaN(g) != math.IsNaN(w) || math.Abs(g-w) > tol*(1+math.Abs(w)) {
			t.Fatalf("%s[%d] = %g, want %g", what, i, g, w)
		}
	}
}

func sameBits(t *testing.T, what string, a, b []float32) {
	t.Helper()
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			t.Fatalf("%s[%d] differs: %x and %x", what, i, math.Float32bits(a[i]), math.Float32bits(b[i]))
		}
	}
}

// sameOnAll runs f with blocks of 1 and of 3 units on every instruction set and wants one set of bits from all
// but the portable one, which does not fuse and must only agree with itself.
func sameOnAll(t *testing.T, f func(t *testing.T, isa kernels.ISA, block int) []float32) {
	var vector []float32
	eachISA(t, func(t *testing.T, isa kernels.ISA) {
		one := f(t, isa, 1)
		sameBits(t, "blocks of 1 and 3", one, f(t, isa, 3))
		if isa == kernels.Portable {
			return
		}
		if vector != nil {
			sameBits(t, "avx2 and "+isa.String(), vector, one)
		}
		vector = one
	})
}
