package kernels_test

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"vimps-gpu/kernels"
)

func TestAugment(t *testing.T) {
	const n, h, w, pad = 6, 7, 5, 4
	for _, c := range []int{1, 3} {
		r := rand.New(rand.NewPCG(1, uint64(c)))
		p := newBuffer(t, (n*h*w*c+3)/4).P
		pixels := unsafe.Slice((*uint8)(p), n*h*w*c)
		for i := range pixels {
			pixels[i] = uint8(r.Uint32())
		}
		draw := []int32{0, 0, 0, 0, 0, 1, -pad, pad, 0, pad, -pad, 1}
		for len(draw) < 3*n {
			draw = append(draw, int32(r.IntN(2*pad+1)-pad), int32(r.IntN(2*pad+1)-pad), int32(r.IntN(2)))
		}
		mean, std := []float32{.49, .48, .45}, []float32{.25, .24, .26}
		x := newTensor(t, n, h, w, c, 1, zeros)
		runCall(kernels.Augment(kernels.AugmentArgs{Pixels: p, Draw: labelsOf(t, draw), X: x.Act, Mean: bufferOf(t, mean).P, Std: bufferOf(t, std).P}), n, 4)
		// Pad, crop, flip, one after another, as torchvision does.
		x.each(func(v *float32, i, row, column, k int) {
			if draw[3*i+2] == 1 {
				column = w - 1 - column
			}
			row, column = row+int(draw[3*i]), column+int(draw[3*i+1])
			pixel := uint8(0)
			if row >= 0 && row < h && column >= 0 && column < w {
				pixel = pixels[((i*h+row)*w+column)*c+k]
			}
			if want := (float32(pixel)/255 - mean[k]) / std[k]; *v != want {
				t.Fatalf("image %d pixel %d,%d channel %d: %g, want %g", i, row, column, k, *v, want)
			}
		})
	}
}
