package data

import (
	"fmt"
	"math"
)

// Bicubic resizes src, uint8 [h,w,c], to [H,W,c] as MATLAB's imresize(src, [H W], 'bicubic') does: the cubic kernel
// with a = -1/2 (Keys, 1981), stretched where it shrinks, the image mirrored at its borders, the dimension of the
// smaller scale first, and rounding to uint8 after each. That of a whole number of times is imresize(src, scale) too.
func Bicubic(src []uint8, h, w, c, H, W int) []uint8 {
	if len(src) != h*w*c || h < 1 || w < 1 || H < 1 || W < 1 {
		panic(fmt.Sprintf("data.Bicubic: %d bytes for %dx%dx%d to %dx%d", len(src), h, w, c, H, W))
	}
	rows, columns := cubicTaps(h, H), cubicTaps(w, W)
	// h*W*c values, or H*w*c: what MATLAB does first decides the rounding in between.
	if float64(H)/float64(h) <= float64(W)/float64(w) {
		src = resizeAlong(src, rows, 1, h, w*c)
		return resizeAlong(src, columns, H, w, c)
	}
	src = resizeAlong(src, columns, h, w, c)
	return resizeAlong(src, rows, 1, h, W*c)
}

// taps is the places and weights that make up one place of a resized line.
type taps struct {
	at      []int
	weights []float64
}

// cubicTaps is MATLAB's contributions(in, out, scale, @cubic, 4, true).
func cubicTaps(in, out int) []taps {
	scale := float64(out) / float64(in)
	stretch := math.Min(scale, 1)
	width := 4 / stretch
	list := make([]taps, out)
	for x := range list {
		centre := (float64(x)+0.5)/scale + 0.5 // counted from 1
		left := int(math.Floor(centre - width/2))
		sum := 0.0
		t := &list[x]
		for k := range int(math.Ceil(width)) + 2 {
			weight := stretch * cubic(stretch*(centre-float64(left+k)))
			sum += weight
			if weight != 0 {
				t.at = append(t.at, mirrored(left+k-1, in))
				t.weights = append(t.weights, weight)
			}
		}
		for k := range t.weights {
			t.weights[k] /= sum
		}
	}
	return list
}

// mirrored is the place i of a line of n that goes on as its own mirror image: n-1 n-1 n-2 ... behind its end.
func mirrored(i, n int) int {
	i %= 2 * n
	if i < 0 {
		i += 2 * n
	}
	return min(i, 2*n-1-i)
}

func cubic(x float64) float64 {
	x = math.Abs(x)
	switch {
	case x <= 1:
		return (1.5*x-2.5)*x*x + 1
	case x <= 2:
		return ((-0.5*x+2.5)*x-4)*x + 2
	}
	return 0
}

// resizeAlong resizes the middle dimension of src, uint8 [outer,in,inner]; halves are rounded up.
func resizeAlong(src []uint8, list []taps, outer, in, inner int) []uint8 {
	dst := make([]uint8, outer*len(list)*inner)
	sums := make([]float64, inner)
	for o := range outer {
		for x, t := range list {
			clear(sums)
			for k, at := range t.at {
				weight := t.weights[k]
				for i, v := range src[(o*in+at)*inner:][:inner] {
					sums[i] += weight * float64(v)
				}
			}
			for i, v := range sums {
				dst[(o*len(list)+x)*inner+i] = uint8(math.Floor(min(max(v, 0), 255) + 0.5))
			}
		}
	}
	return dst
}
