package data

import "math"

// resample resizes p, RGB, to h x w as Pillow does with its bilinear filter: a triangle that is stretched where it
// shrinks, weights of 22 fractional bits, rows first and rounded to uint8 before columns. Bits equal Pillow's.
func (p picture) resample(h, w int) picture {
	if p.w != w {
		out := picture{make([]uint8, 3*p.h*w), p.h, w}
		list := triangleTaps(p.w, w)
		for y := range p.h {
			row, to := p.pixels[3*y*p.w:3*(y+1)*p.w], out.pixels[3*y*w:3*(y+1)*w]
			for x, t := range list {
				r, g, b := int32(half), int32(half), int32(half)
				from := row[3*t.first:][:3*len(t.weights)]
				for k, weight := range t.weights {
					r += weight * int32(from[3*k])
					g += weight * int32(from[3*k+1])
					b += weight * int32(from[3*k+2])
				}
				to[3*x], to[3*x+1], to[3*x+2] = clip8(r), clip8(g), clip8(b)
			}
		}
		p = out
	}
	if p.h != h {
		out := picture{make([]uint8, 3*h*w), h, w}
		sums := make([]int32, 3*w)
		for y, t := range triangleTaps(p.h, h) {
			for i := range sums {
				sums[i] = half
			}
			for k, weight := range t.weights {
				row := p.pixels[3*(t.first+k)*w:][:len(sums)]
				for i, v := range row {
					sums[i] += weight * int32(v)
				}
			}
			to := out.pixels[3*y*w:][:len(sums)]
			for i, v := range sums {
				to[i] = clip8(v)
			}
		}
		p = out
	}
	return p
}

const (
	fraction = 22 // bits of a weight behind the point
	half     = 1 << (fraction - 1)
)

func clip8(v int32) uint8 { return uint8(min(max(v>>fraction, 0), 255)) }

// span is the places first, first+1, ... that make up a place of a resized line, and their weights.
type span struct {
	first   int
	weights []int32
}

// triangleTaps is Pillow's precompute_coeffs of a whole line.
func triangleTaps(in, out int) []span {
	scale := float64(in) / float64(out)
	support := math.Max(scale, 1)
	list := make([]span, out)
	var exact []float64
	for x := range list {
		centre := (float64(x) + 0.5) * scale
		first := max(int(centre-support+0.5), 0)
		end := min(int(centre+support+0.5), in)
		exact = exact[:0]
		sum := 0.0
		for i := first; i < end; i++ {
			weight := math.Max(0, 1-math.Abs((float64(i)-centre+0.5)*(1/support)))
			exact = append(exact, weight)
			sum += weight
		}
		weights := make([]int32, len(exact))
		for k, weight := range exact {
			weights[k] = int32(0.5 + weight/sum*(1<<fraction))
		}
		list[x] = span{first, weights}
	}
	return list
}
