package kernels

import (
	"math"
	"testing"
	"unsafe"
)

// TestPeak: each chain s -> 0.999 s + 0.001 ends at 1, so the sum over chains counts them; with it PeakFLOP must agree.
func TestPeak(t *testing.T) {
	const rounds = 100000
	for _, isa := range []ISA{Portable, AVX2, AVX512} {
		if !isa.Supported() {
			continue
		}
		p, err := Alloc(2 * 16 * 4)
		if err != nil {
			t.Fatal(err)
		}
		c := Peak(isa, p)
		Run([]HostCall{c.Host()}, 0, 2, 1, nil)
		chains := PeakFLOP(isa) / (2 * 16 * rounds)
		for i, v := range unsafe.Slice((*float32)(p), 32) {
			if math.Abs(float64(v)-chains) > 1e-3*chains {
				t.Errorf("%v: lane %d sums to %v, want %v chains", isa, i, v, chains)
			}
		}
		c.Free()
		Free(p)
	}
}
