package data

import (
	"cmp"
	"math/bits"
	"slices"
)

// holdoutStream is the third counter word of the hold-out, apart from other uses of the seed.
const holdoutStream = 0x686f6c64 // "hold"

// philox is Philox4x32-10: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
func philox(ctr [4]uint32, key [2]uint32) [4]uint32 {
	for range 10 {
		h0, l0 := bits.Mul32(0xD2511F53, ctr[0])
		h1, l1 := bits.Mul32(0xCD9E8D57, ctr[2])
		ctr = [4]uint32{h1 ^ ctr[1] ^ key[0], l1, h0 ^ ctr[3] ^ key[1], l0}
		key[0] += 0x9E3779B9
		key[1] += 0xBB67AE85
	}
	return ctr
}

// shuffle puts positions in a random order: each is sorted by its own Philox draw.
func shuffle(positions []int, seed uint64) {
	draw := func(i int) uint64 {
		x := philox([4]uint32{uint32(i), uint32(uint64(i) >> 32), holdoutStream, 0}, [2]uint32{uint32(seed), uint32(seed >> 32)})
		return uint64(x[1])<<32 | uint64(x[0])
	}
	slices.SortFunc(positions, func(a, b int) int {
		return cmp.Or(cmp.Compare(draw(a), draw(b)), cmp.Compare(a, b))
	})
}
