package compare

import "vimps-gpu/kernels"

// The kinds of random numbers. Each is a counter word of its own, so that no two share a draw.
const (
	streamBootstrap = 0xB0
	streamChildren  = 0xB1
	streamNoise     = 0xB2
)

// stream is a part of Philox4x32-10 under a seed: one replicate, one child, one image.
type stream struct {
	seed uint64
	kind uint32
	item uint32
}

// word is the draw at a place in the stream.
func (s stream) word(a, b uint32) uint32 {
	return kernels.Philox([4]uint32{b, a, s.item, s.kind}, [2]uint32{uint32(s.seed), uint32(s.seed >> 32)})[0]
}

// uniform is in [0, 1).
func (s stream) uniform(a, b uint32) float64 { return float64(s.word(a, b)) / (1 << 32) }

// below is a whole number from 0 to n-1.
func (s stream) below(n int, a, b uint32) int { return int(uint64(s.word(a, b)) * uint64(n) >> 32) }
