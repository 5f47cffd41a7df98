package data

import (
	"fmt"
	"math"
)

// Luma is Y of src, uint8 RGB [pixels,3], as MATLAB's rgb2ycbcr makes it: ITU-R BT.601, 16 to 235, rounded to uint8.
func Luma(src []uint8) []uint8 {
	dst := make([]uint8, len(src)/3)
	for i := range dst {
		r, g, b := float64(src[3*i]), float64(src[3*i+1]), float64(src[3*i+2])
		dst[i] = uint8(math.Floor(16 + (65.481*r+128.553*g+24.966*b)/255 + 0.5))
	}
	return dst
}

// PSNR is the peak signal-to-noise ratio in dB of y against target, both uint8 [h,w,c], on Luma where c is 3, shave
// pixels at each border left out: 10 log10(255^2 / mean squared error). Equal images have +Inf.
func PSNR(y, target []uint8, h, w, c, shave int) float64 {
	if len(y) != h*w*c || len(target) != len(y) || c != 1 && c != 3 || shave < 0 || 2*shave >= min(h, w) {
		panic(fmt.Sprintf("data.PSNR: %d and %d bytes for %dx%dx%d, %d shaved", len(y), len(target), h, w, c, shave))
	}
	if c == 3 {
		y, target = Luma(y), Luma(target)
	}
	sum := 0
	for p := shave; p < h-shave; p++ {
		for q := shave; q < w-shave; q++ {
			d := int(y[p*w+q]) - int(target[p*w+q])
			sum += d * d
		}
	}
	return 10 * math.Log10(255*255*float64((h-2*shave)*(w-2*shave))/float64(sum))
}
