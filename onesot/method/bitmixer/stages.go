package bitmixer

import (
	"vimps-gpu/kernels"
	"vimps-gpu/quant"
)

// stages draws the child of a training step (Bulat & Tzimiropoulos 2021: three stages, from the easier to the harder).
type stages struct {
	space    *quant.Space
	searched []int // layers
	widths   int   // candidates of every searched layer
	seed     uint64
	first    float64 // share of the steps in stage I
	second   float64 // and in stage II; stage III has the rest
}

// philoxWidth keeps the draws of the stages apart from others under the same seed.
const philoxWidth = 0xB3

// child is the one of a step.
//
// Stage I: weights at their widest, one width for all inputs. The source has an easier setting first; that it is this
// one is our reading. Stage II: one width for the whole net. Stage III: with a probability that rises linearly from
// 0 to 1 over the stage each layer draws its own width, else all have one.
func (s *stages) child(step, steps int) quant.Assignment {
	p := float64(step) / float64(steps)
	one, own := s.draw(step, 0), s.draw(step, 1)
	if p < s.first {
		w := make([]int, len(s.space.Layers))
		for k := range w {
			w[k] = len(s.space.Weight[k]) - 1
		}
		return quant.Choose(s.space, w, s.tied(func(int) uint32 { return one }))
	}
	from := s.first + s.second
	mixed := p >= from && float64(own)/(1<<32) < (p-from)/(1-from)
	return s.both(func(layer int) uint32 {
		if mixed {
			return s.draw(step, 2+layer)
		}
		return one
	})
}

// draw is the n-th random word of a step.
func (s *stages) draw(step, n int) uint32 {
	return kernels.Philox([4]uint32{uint32(step), uint32(n), 0, philoxWidth}, [2]uint32{uint32(s.seed), uint32(s.seed >> 32)})[0]
}

// tied is a candidate for each layer by a random word each; 0 where the layer is pinned.
func (s *stages) tied(word func(layer int) uint32) []int {
	at := make([]int, len(s.space.Layers))
	for _, k := range s.searched {
		at[k] = int(uint64(word(k)) * uint64(s.widths) >> 32)
	}
	return at
}

func (s *stages) both(word func(layer int) uint32) quant.Assignment {
	at := s.tied(word)
	return quant.Choose(s.space, at, at)
}
