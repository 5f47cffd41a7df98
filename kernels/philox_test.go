package kernels_test

import (
	"math/rand/v2"
	"testing"

	"vimps-gpu/kernels"
)

// The known answers published with the generator (Salmon et al. 2011; Random123, kat_vectors).
func TestPhiloxKnownAnswers(t *testing.T) {
	const ones = 0xffffffff
	cases := []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{ones, ones, ones, ones}, [2]uint32{ones, ones}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	}
	for _, c := range cases {
		if got := kernels.Philox(c.counter, c.key); got != c.want {
			t.Errorf("Philox(%x, %x) = %x, want %x", c.counter, c.key, got, c.want)
		}
	}
}

func TestPhiloxGoEqualsC(t *testing.T) {
	const units = 257
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		a := kernels.PhiloxArgs{Key: [2]uint32{r.Uint32(), r.Uint32()}, Counter: [4]uint32{0xffffffff - 100, r.Uint32(), r.Uint32(), r.Uint32()}}
		out := newWords(t, make([]uint32, 4*units)...)
		a.Out = out.p
		runCall(kernels.PhiloxFill(a), units, 1)
		for i := range units {
			counter := a.Counter
			counter[0] += uint32(i) // wraps
			if got, want := [4]uint32(out.v[4*i:]), kernels.Philox(counter, a.Key); got != want {
				t.Fatalf("unit %d: C gives %x, Go %x", i, got, want)
			}
		}
	}
}
