package data

import "vimps-gpu/kernels"

// Draws is the random numbers of one image of one batch: Philox words of a key, in order.
type Draws struct {
	key     [2]uint32
	counter [4]uint32
	words   [4]uint32
	used    int // of words
}

// NewDraws begins the stream of image i of a batch. Streams of different seed, batch or i have nothing in common.
func NewDraws(seed, batch uint64, i int) Draws {
	return Draws{key: [2]uint32{uint32(seed), uint32(seed >> 32)}, counter: [4]uint32{uint32(batch), uint32(batch >> 32), uint32(i), philoxSample}, used: 4}
}

// philoxSample sets these draws apart from others under the same seed: the lower byte says what for, the rest counts.
const philoxSample = 0x5A

func (d *Draws) next() uint32 {
	if d.used == len(d.words) {
		d.words = kernels.Philox(d.counter, d.key)
		d.counter[3] += 1 << 8
		d.used = 0
	}
	d.used++
	return d.words[d.used-1]
}

// uniform lies between low and high.
func (d *Draws) uniform(low, high float64) float64 {
	return low + (high-low)*(float64(d.next())+0.5)/(1<<32)
}

// below is one of 0..n-1.
func (d *Draws) below(n int) int { return int(uint64(d.next()) * uint64(n) >> 32) }

// coin is true half of the time.
func (d *Draws) coin() bool { return d.next()>>31 == 1 }
