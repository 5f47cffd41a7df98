package data

import (
	"fmt"
	"math"
)

// Sample writes what a net that reads size x size makes of image i to dst, uint8 [size,size,3]. With draws it is a
// training image: RandomResizedCrop, RandomHorizontalFlip where flip is set, and ColorJitter, as torchvision defines
// them (with Pillow, bilinear). Without (nil) it is a test image: the shorter side resized to size/0.875, of which the
// centre is cropped. Only for Varied classification; the error names the file that cannot be read.
func (s Split) Sample(dst []uint8, i, size int, draws *Draws, flip bool) error {
	p, err := s.varied.images.load(s.At(i))
	if err != nil {
		return err
	}
	if draws == nil {
		p, err = p.shorterSide(int(math.RoundToEven(float64(size) / 0.875)))
		if err != nil {
			return fmt.Errorf("image %d of the split: %w", i, err)
		}
		top, left := centred(p.h, size), centred(p.w, size)
		copy(dst, p.crop(top, left, size, size).pixels)
		return nil
	}
	b := randomBox(p.h, p.w, draws)
	p = p.crop(b.top, b.left, b.h, b.w).resample(size, size)
	if flip && draws.coin() {
		p.mirror()
	}
	s.varied.jitter.apply(p, draws)
	copy(dst, p.pixels)
	return nil
}

// centred is where CenterCrop begins.
func centred(have, want int) int { return int(math.RoundToEven(float64(have-want) / 2)) }

// shorterSide is torchvision's Resize(side).
func (p picture) shorterSide(side int) (picture, error) {
	h, w := side, side
	if p.h < p.w {
		w = int(float64(side) * float64(p.w) / float64(p.h))
	} else {
		h = int(float64(side) * float64(p.h) / float64(p.w))
	}
	if h > imageLimit/w {
		return p, fmt.Errorf("an image of %dx%d pixels is too long to resize its shorter side to %d", p.h, p.w, side)
	}
	return p.resample(h, w), nil
}

type box struct{ top, left, h, w int }

// randomBox is RandomResizedCrop.get_params with its standard scale, .08 to 1 of the area, and ratio, 3/4 to 4/3.
func randomBox(h, w int, draws *Draws) box {
	const low, high = 3.0 / 4, 4.0 / 3
	for range 10 {
		area := float64(h) * float64(w) * draws.uniform(0.08, 1)
		ratio := math.Exp(draws.uniform(math.Log(low), math.Log(high)))
		b := box{w: int(math.RoundToEven(math.Sqrt(area * ratio))), h: int(math.RoundToEven(math.Sqrt(area / ratio)))}
		if b.w > 0 && b.h > 0 && b.w <= w && b.h <= h {
			b.top, b.left = draws.below(h-b.h+1), draws.below(w-b.w+1)
			return b
		}
	}
	b := box{h: h, w: w}
	switch ratio := float64(w) / float64(h); {
	case ratio < low:
		b.h = int(math.RoundToEven(float64(w) / low))
	case ratio > high:
		b.w = int(math.RoundToEven(float64(h) * high))
	}
	b.top, b.left = (h-b.h)/2, (w-b.w)/2
	return b
}

// mirror flips left to right, in place.
func (p picture) mirror() {
	for y := range p.h {
		row := p.pixels[3*y*p.w : 3*(y+1)*p.w]
		for a, b := 0, p.w-1; a < b; a, b = a+1, b-1 {
			for c := range 3 {
				row[3*a+c], row[3*b+c] = row[3*b+c], row[3*a+c]
			}
		}
	}
}

// SamplePair writes a patch of image i to image, uint8 [h,w,C], and what a net must make of it to target, uint8
// [Scale*h,Scale*w,C]. With draws the patch lies anywhere and, where turn is set, is one of its eight flips and quarter
// turns (of those without a quarter turn where h and w differ); without (nil) it lies in the centre. An image
// smaller than the patch goes on as its mirror image. Only for super-resolution.
func (s Split) SamplePair(image, target []uint8, i, h, w int, draws *Draws, turn bool) {
	v, at := s.varied, s.At(i)
	small, large := must(v.images.load(at)), must(v.targets.load(at))
	rows, columns := max(small.h-h, 0)+1, max(small.w-w, 0)+1
	top, left, how := (rows-1)/2, (columns-1)/2, 0
	if draws != nil {
		top, left = draws.below(rows), draws.below(columns)
		if turn {
			how = draws.below(8)
		}
	}
	if h != w {
		how &^= transposed
	}
	small.patch(image, box{top, left, h, w}, v.c, how)
	large.patch(target, box{v.scale * top, v.scale * left, v.scale * h, v.scale * w}, v.c, how)
}

// Bits of how a patch is turned; transposed comes last.
const (
	upsideDown = 1 << iota
	leftRight
	transposed
)

// patch copies a part of p, uint8 [h,w,c], turned.
func (p picture) patch(dst []uint8, b box, c, how int) {
	for y := range b.h {
		for x := range b.w {
			from, to := y, x
			if how&transposed != 0 {
				from, to = x, y
			}
			if how&upsideDown != 0 {
				from = b.h - 1 - from
			}
			if how&leftRight != 0 {
				to = b.w - 1 - to
			}
			source := mirrored(b.top+from, p.h)*p.w + mirrored(b.left+to, p.w)
			copy(dst[(y*b.w+x)*c:][:c], p.pixels[source*c:])
		}
	}
}
