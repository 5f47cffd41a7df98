package spos

import (
	"vimps-gpu/kernels"
	"vimps-gpu/quant"
)

// genome is a child as training and evolution draw it: a byte for each searched gate, '0' plus its candidate.
type genome string

// genes is what genomes are made for: the space and its searched gates.
type genes struct {
	space *quant.Space
	gates []quant.Gate
}

func newGenes(s *quant.Space) genes { return genes{s, s.Gates()} }

// child is the Assignment of a genome.
func (e genes) child(g genome) quant.Assignment {
	w, x := make([]int, len(e.space.Layers)), make([]int, len(e.space.Layers))
	for i, gate := range e.gates {
		if gate.Kind == quant.Weight {
			w[gate.Layer] = int(g[i] - '0')
		} else {
			x[gate.Layer] = int(g[i] - '0')
		}
	}
	return quant.Choose(e.space, w, x)
}

// random draws every gate's candidate with equal probability.
func (e genes) random(d *draws) genome {
	g := make([]byte, len(e.gates))
	for i, gate := range e.gates {
		g[i] = byte('0' + d.below(len(gate.Bits)))
	}
	return genome(g)
}

// draws is a stream of random words by counter: its place in the Philox sequence is (words taken, a, b, tag).
type draws struct {
	key     [2]uint32
	counter [4]uint32
	words   [4]uint32
	used    int
}

// Tags that keep the draws of training and of evolution apart from others under the same seed.
const (
	philoxPath   = 0x5A
	philoxBreed  = 0x5B
	wordsOfBlock = 4
)

func newDraws(seed uint64, a, b, tag uint32) *draws {
	return &draws{key: [2]uint32{uint32(seed), uint32(seed >> 32)}, counter: [4]uint32{0, a, b, tag}, used: wordsOfBlock}
}

func (d *draws) word() uint32 {
	if d.used == wordsOfBlock {
		d.words, d.used = kernels.Philox(d.counter, d.key), 0
		d.counter[0]++
	}
	d.used++
	return d.words[d.used-1]
}

// below is uniform over 0..n-1.
func (d *draws) below(n int) int { return int(uint64(d.word()) * uint64(n) >> 32) }

// unit is uniform over [0, 1).
func (d *draws) unit() float64 { return float64(d.word()) / (1 << 32) }

// shuffled is a random order of 0..n-1 (Fisher-Yates).
func (d *draws) shuffled(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	for i := n - 1; i > 0; i-- {
		j := d.below(i + 1)
		order[i], order[j] = order[j], order[i]
	}
	return order
}
