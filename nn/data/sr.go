package data

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func srOptionList() []Option {
	return []Option{
		{"scale", "how many times larger the net makes an image: 2 to 8; 3 unless given"},
		{"channels", "y (luma, unless given) or rgb"},
		{"patch", "side of a training patch before it is made larger; 24 unless given"},
		{"train", "folder of training images in DIR"},
		{"test", "folder of test images in DIR"},
	}
}

// srOptions is how images of a super-resolution set become pairs.
type srOptions struct {
	scale, patch, channels int
}

// openSR reads folders of large images, PNG or JPEG: dir/T91 to train on and dir/Set5 to test on, or dir/train and
// dir/test. Each image, cropped to a multiple of the scale at its right and lower edge, is a Target; its image is
// that, made smaller by Bicubic. One channel is the Luma of RGB, taken before it is made smaller.
func openSR(dir string, given options) (*Set, error) {
	var o srOptions
	var errs [3]error
	var channels string
	o.scale, errs[0] = given.number("scale", 3, 2, 8)
	o.patch, errs[1] = given.number("patch", 24, 8, 512)
	channels, errs[2] = given.choice("channels", "y", "rgb")
	if err := firstError(errs[:]); err != nil {
		return nil, err
	}
	o.channels = map[string]int{"y": 1, "rgb": 3}[channels]
	set := &Set{Scale: o.scale, Mean: make([]float32, o.channels), Std: []float32{1, 1, 1}[:o.channels]}
	for _, part := range []struct {
		split    *Split
		option   string
		standard []string
	}{{&set.Train, "train", []string{"T91", "train"}}, {&set.Test, "test", []string{"Set5", "test"}}} {
		sub, err := subfolder(dir, given[part.option], part.standard)
		if err == nil {
			*part.split, err = o.read(sub)
		}
		if err != nil {
			return nil, err
		}
	}
	h := sha256.New()
	hashPairs(h, set.Train)
	hashPairs(h, set.Test)
	set.Hash = hex.EncodeToString(h.Sum(nil))
	return set, nil
}

// subfolder is dir/name or, where no name is given, the first standard one that exists.
func subfolder(dir, name string, standard []string) (string, error) {
	if name != "" {
		return filepath.Join(dir, name), checkDir(filepath.Join(dir, name))
	}
	for _, s := range standard {
		if sub := filepath.Join(dir, s); checkDir(sub) == nil {
			return sub, nil
		}
	}
	return "", fmt.Errorf("%s has no folder %s", dir, strings.Join(standard, " or "))
}

// read makes the pairs of a folder's images, in the order of names.
func (o srOptions) read(dir string) (Split, error) {
	files, err := flatFiles(dir)
	if err != nil {
		return Split{}, err
	}
	images, targets := make(memory, len(files)), make(memory, len(files))
	err = eachFile(files, func(i int, r io.ReadSeeker, bytes int64) error {
		img, err := decodeImage(r, bytes)
		if err == nil {
			images[i], targets[i], err = o.pair(rgb(img))
		}
		return err
	})
	if err != nil {
		return Split{}, err
	}
	v := &varied{h: o.patch, w: o.patch, c: o.channels, images: images, targets: targets, scale: o.scale}
	return Split{Labels: make([]int32, len(files)), varied: v}, nil
}

// pair makes the image and the target of a large image, RGB.
func (o srOptions) pair(large picture) (image, target picture, err error) {
	h, w := large.h/o.scale, large.w/o.scale
	const least = 3 // so that something is left of a target without scale pixels at its borders
	if h < least || w < least {
		return image, target, fmt.Errorf("an image of %dx%d pixels, want %dx%d or more", large.h, large.w, least*o.scale, least*o.scale)
	}
	target = large.crop(0, 0, h*o.scale, w*o.scale)
	if o.channels == 1 {
		target.pixels = Luma(target.pixels)
	}
	return picture{Bicubic(target.pixels, target.h, target.w, o.channels, h, w), h, w}, target, nil
}

// flatFiles lists the images that lie in dir itself, in the order of names.
func flatFiles(dir string) ([]labelled, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []labelled
	for _, e := range entries {
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && isImageName(e.Name()) {
			files = append(files, labelled{path: filepath.Join(dir, e.Name())})
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no image, want *.png, *.jpg or *.jpeg", dir)
	}
	return files, nil
}

// hashPairs writes shape, patch, and the sizes and pixels of targets; images follow from them.
func hashPairs(w io.Writer, s Split) {
	numbers := func(values ...int) {
		for _, v := range values {
			w.Write(binary.LittleEndian.AppendUint64(nil, uint64(v)))
		}
	}
	numbers(s.Len(), s.H(), s.W(), s.C(), s.Scale())
	for i := range s.Len() {
		h, w0 := s.Size(i)
		numbers(h, w0)
		w.Write(s.Target(i))
	}
}

// Patches is a view of a super-resolution split in which an image appears once for each patch of H x W that it holds
// whole side by side (at least once), so that an epoch of one random patch an appearance sees each image by its
// size. Other splits stay as they are.
func (s Split) Patches() Split {
	if s.Scale() == 0 {
		return s
	}
	positions := []int{}
	for i := range s.Len() {
		h, w := s.Size(i)
		for range max(1, h/s.H()*(w/s.W())) {
			positions = append(positions, i)
		}
	}
	return s.Subset(positions)
}
