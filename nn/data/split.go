package data

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"
)

// Split is a sequence of labelled images: a view on shared storage.
//
// Position i of the split is image At(i) of the storage, so a hold-out shares the
// pixels of its origin instead of copying them. Read images through Image and Label;
// Images and Labels hold the whole storage, whatever the view. Where the images have
// sizes of their own (Varied), H and W are the size that a net reads in training and
// Size is that of an image.
type Split struct {
	Images *tensor.Dense // uint8 [stored,H,W,C]; nil where Varied
	Labels []int32       // [stored]
	Index  []int         // storage position of each image of the split; nil means all, in order
	varied *varied       // the images, where their sizes differ
}

// newSplit wraps pixels, uint8 [len(labels),h,w,c], without copying.
func newSplit(pixels []uint8, h, w, c int, labels []int32) Split {
	images := tensor.New(tensor.WithShape(len(labels), h, w, c), tensor.WithBacking(pixels))
	return Split{Images: images, Labels: labels}
}

// Len is the number of images in the split.
func (s Split) Len() int {
	if s.Index != nil {
		return len(s.Index)
	}
	return len(s.Labels)
}

// H is the height that a net reads, in pixels: that of every image unless Varied.
func (s Split) H() int { return s.shape()[1] }

// W is the width that a net reads.
func (s Split) W() int { return s.shape()[2] }

// C is the number of channels: 1 or 3.
func (s Split) C() int { return s.shape()[3] }

func (s Split) shape() []int {
	if s.varied != nil {
		return []int{len(s.Labels), s.varied.h, s.varied.w, s.varied.c}
	}
	return s.Images.Shape()
}

// At is the storage position of image i of the split.
func (s Split) At(i int) int {
	if s.Index != nil {
		return s.Index[i]
	}
	return i
}

// Pixels is the whole storage, uint8 [stored,H,W,C]; image i of the split starts at At(i)*H*W*C. Not where Varied.
func (s Split) Pixels() []uint8 { return s.Images.Uint8s() }

// Image is image i of the split, uint8 [h,w,C] with the h and w of Size. It may alias the
// storage: do not write to it. It panics where a file cannot be read any more; Sample returns that error.
func (s Split) Image(i int) []uint8 {
	if s.varied != nil {
		return must(s.varied.images.load(s.At(i))).pixels
	}
	size := s.H() * s.W() * s.C()
	at := s.At(i) * size
	return s.Pixels()[at : at+size : at+size]
}

// Label is the class of image i of the split.
func (s Split) Label(i int) int32 { return s.Labels[s.At(i)] }

// Subset is the view on the given positions of the split, in the order given.
func (s Split) Subset(positions []int) Split {
	index := make([]int, len(positions))
	for i, p := range positions {
		index[i] = s.At(p)
	}
	s.Index = index
	return s
}

// First is the view on the first n images, on all where there are fewer.
func (s Split) First(n int) Split {
	positions := make([]int, min(n, s.Len()))
	for i := range positions {
		positions[i] = i
	}
	return s.Subset(positions)
}

// Counts is the number of images of each of the given number of classes.
func (s Split) Counts(classes int) []int {
	counts := make([]int, classes)
	for i := range s.Len() {
		counts[s.Label(i)]++
	}
	return counts
}

// Holdout divides the split into train and val without copying pixels. val gets
// round(fraction*Len()) images, stratified: each class gives fraction of its images,
// off by less than one. Which ones follows from seed alone (Philox, by position in
// the split); both parts keep the order of the split. fraction lies in [0,1); outside,
// Holdout panics.
func (s Split) Holdout(fraction float64, seed uint64) (train, val Split) {
	if !(fraction >= 0 && fraction < 1) {
		panic(fmt.Sprintf("data.Split.Holdout: fraction %v outside [0,1)", fraction))
	}
	held := make([]bool, s.Len())
	seen, taken := 0, 0
	for _, members := range s.byClass() {
		// The running total is rounded, not each class, so that the whole is exact.
		seen += len(members)
		want := int(math.Round(fraction*float64(seen))) - taken
		shuffle(members, seed)
		for _, i := range members[:want] {
			held[i] = true
		}
		taken += want
	}
	// Never nil, since a nil index means all.
	in, out := make([]int, 0, s.Len()-taken), make([]int, 0, taken)
	for i, h := range held {
		if h {
			out = append(out, i)
		} else {
			in = append(in, i)
		}
	}
	return s.Subset(in), s.Subset(out)
}

// everyFifth divides the split by a fixed rule, for sets that come without a test
// split: of each class, images 5, 10, 15, ... in the order of the split are test images.
func (s Split) everyFifth() (train, test Split) {
	in, out := []int{}, []int{}
	for _, members := range s.byClass() {
		for k, i := range members {
			if k%5 == 4 {
				out = append(out, i)
			} else {
				in = append(in, i)
			}
		}
	}
	slices.Sort(in)
	slices.Sort(out)
	return s.Subset(in), s.Subset(out)
}

// byClass lists the positions of each class in ascending order.
func (s Split) byClass() [][]int {
	var lists [][]int
	for i := range s.Len() {
		k := int(s.Label(i))
		for len(lists) <= k {
			lists = append(lists, nil)
		}
		lists[k] = append(lists[k], i)
	}
	return lists
}

// moments is mean and standard deviation of pixel/255 for each channel. They come
// from exact counts of the 256 values, so no order of summation enters. A constant
// channel gets deviation 1, since it is divided by.
func moments(s Split) (mean, std []float32) {
	c := s.C()
	counts := make([][256]uint64, c)
	for i := range s.Len() {
		for j, v := range s.Image(i) {
			counts[j%c][v]++
		}
	}
	for _, hist := range counts {
		var n, sum, squares uint64
		for v, k := range hist {
			n += k
			sum += k * uint64(v)
			squares += k * uint64(v) * uint64(v)
		}
		m := float64(sum) / float64(n)
		variance := float64(squares)/float64(n) - m*m
		d := math.Sqrt(max(variance, 0)) / 255
		if d == 0 {
			d = 1
		}
		mean = append(mean, float32(m/255))
		std = append(std, float32(d))
	}
	return mean, std
}
