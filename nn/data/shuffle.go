package data

import (
	"cmp"
	"slices"

	"vimps-gpu/kernels"
)

// holdoutStream is the third counter word of the hold-out, apart from other uses of the seed.
const holdoutStream = 0x686f6c64 // "hold"

// shuffle puts positions in a random order: each is sorted by its own Philox draw.
func shuffle(positions []int, seed uint64) {
	draw := func(i int) uint64 {
		x := kernels.Philox([4]uint32{uint32(i), uint32(uint64(i) >> 32), holdoutStream, 0}, [2]uint32{uint32(seed), uint32(seed >> 32)})
		return uint64(x[1])<<32 | uint64(x[0])
	}
	slices.SortFunc(positions, func(a, b int) int {
		return cmp.Or(cmp.Compare(draw(a), draw(b)), cmp.Compare(a, b))
	})
}
