package data

import (
	"fmt"
	"image"
)

// varied is the storage of a Split whose images have sizes of their own.
type varied struct {
	h, w, c int    // what a net reads in training
	images  source // what it reads from
	targets source // what a super-resolution net must make of them; nil in classification
	scale   int    // size of a target, in sizes of its image; 0 without targets
	jitter  Jitter // of training images
}

// source stores images of any size, uint8 [h,w,C].
type source interface {
	load(at int) (picture, error)
	size(at int) (h, w int, err error)
}

// picture is one image.
type picture struct {
	pixels []uint8 // [h,w,c]
	h, w   int
}

// Jitter is how far training images vary in colour, as torchvision's ColorJitter: factors from 1-x to 1+x for
// Brightness, Contrast and Saturation, turns of the colour circle from -x to x for Hue (0 to 1/2). Zero: not at all.
type Jitter struct{ Brightness, Contrast, Saturation, Hue float32 }

// memory is a source that holds its images.
type memory []picture

func (m memory) load(at int) (picture, error)      { return m[at], nil }
func (m memory) size(at int) (h, w int, err error) { return m[at].h, m[at].w, nil }

// Varied reports whether the images have sizes of their own: those of folders and packs at scale, which are cropped
// and resized for the net, and of super-resolution sets.
func (s Split) Varied() bool { return s.varied != nil }

// Scale is how many times larger than its image a Target is; 0 where there are none.
func (s Split) Scale() int {
	if s.varied == nil {
		return 0
	}
	return s.varied.scale
}

// Size is the height and width of image i. It panics where a file cannot be read any more.
func (s Split) Size(i int) (h, w int) {
	if s.varied == nil {
		return s.H(), s.W()
	}
	h, w, err := s.varied.images.size(s.At(i))
	if err != nil {
		panic(fmt.Sprintf("data.Split.Size: %v", err))
	}
	return h, w
}

// Target is what a net must make of image i in super-resolution, uint8 [Scale*h,Scale*w,C] with the h and w of
// Size(i). It aliases the storage: do not write to it. It panics in classification.
func (s Split) Target(i int) []uint8 {
	if s.Scale() == 0 {
		panic("data.Split.Target: images without targets")
	}
	return must(s.varied.targets.load(s.At(i))).pixels
}

func must(p picture, err error) picture {
	if err != nil {
		panic(fmt.Sprintf("data.Split.Image: %v", err))
	}
	return p
}

// crop is a part of p, RGB.
func (p picture) crop(top, left, h, w int) picture {
	out := picture{make([]uint8, 3*h*w), h, w}
	for y := range h {
		copy(out.pixels[3*y*w:3*(y+1)*w], p.pixels[3*((top+y)*p.w+left):])
	}
	return out
}

// rgb is the pixels of a decoded image, [h,w,3].
func rgb(img *image.RGBA) picture {
	size := img.Rect.Size()
	p := picture{make([]uint8, 3*size.X*size.Y), size.Y, size.X}
	for i := range size.X * size.Y {
		copy(p.pixels[3*i:3*i+3], img.Pix[4*i:])
	}
	return p
}
