package data

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// scaleOptions is how classification images of any size become what a net reads.
type scaleOptions struct {
	size      int
	jitter    Jitter
	mean, std []float32
}

func scaleOptionList() []Option {
	return []Option{
		{"size", "side of the square that a net reads; training images are cropped at random (a share of .08 to 1 of them), test images in the centre"},
		{"jitter", "of brightness, contrast and saturation in training, as 0.4, or of each and the hue, as 0.4/0.4/0.4/0.1; 0 unless given"},
		{"mean", "of each channel, as 0.485/0.456/0.406, which is ImageNet's, unless given"},
		{"std", "deviation of each channel, 0.229/0.224/0.225 unless given"},
	}
}

func readScaleOptions(given options) (o scaleOptions, err error) {
	var errs [4]error
	o.size, errs[0] = given.number("size", 224, 8, 4096)
	o.jitter, errs[1] = given.jitter()
	o.mean, errs[2] = given.numbers("mean", []float32{0.485, 0.456, 0.406}, 0, 1)
	o.std, errs[3] = given.numbers("std", []float32{0.229, 0.224, 0.225}, 1e-3, 10)
	return o, firstError(errs[:])
}

// set is the set of two splits. Its hash is over content, which stands for the images, and what is made of them.
func (o scaleOptions) set(classes []string, train, test Split, content string) *Set {
	h := sha256.New()
	fmt.Fprintf(h, "%s\nsize %d jitter %v mean %v std %v\n", content, o.size, o.jitter, o.mean, o.std)
	return &Set{Classes: classes, Train: train, Test: test, Mean: o.mean, Std: o.std, Hash: hex.EncodeToString(h.Sum(nil))}
}

func (o scaleOptions) split(images source, labels []int32) Split {
	return Split{Labels: labels, varied: &varied{h: o.size, w: o.size, c: 3, images: images, jitter: o.jitter}}
}

// openFolderOfAnySize is openFolder unless an option is given: then images stay in their files until they are
// wanted, each cropped and resized from its own size.
func openFolderOfAnySize(dir string, given options) (*Set, error) {
	if len(given) == 0 {
		return openFolder(dir)
	}
	o, err := readScaleOptions(given)
	if err != nil {
		return nil, err
	}
	if _, ok := given["size"]; !ok {
		return nil, fmt.Errorf("%s: options need size=PIXELS, as size=224", dir)
	}
	l, err := listFolder(dir)
	if err != nil {
		return nil, err
	}
	content, err := l.content()
	if err != nil {
		return nil, err
	}
	train, test := o.split(files(l.train), labelsOf(l.train)), o.split(files(l.test), labelsOf(l.test))
	return o.set(l.classes, train, test, content), nil
}

// files is a source of image files, decoded when wanted.
type files []labelled

func (f files) load(at int) (p picture, err error) {
	err = withFile(f[at].path, func(r io.ReadSeeker, bytes int64) error {
		img, err := decodeImage(r, bytes)
		if err == nil {
			p = rgb(img)
		}
		return err
	})
	return p, err
}

func (f files) size(at int) (h, w int, err error) {
	err = withFile(f[at].path, func(r io.ReadSeeker, bytes int64) error {
		size, err := imageSize(r, bytes)
		h, w = size.Y, size.X
		return err
	})
	return h, w, err
}

func labelsOf(list []labelled) []int32 {
	labels := make([]int32, len(list))
	for i, f := range list {
		labels[i] = f.label
	}
	return labels
}

// listing is the files of an ImageFolder.
type listing struct {
	dir         string
	classes     []string
	train, test []labelled
	measured    []labelled // whose common size is that of a set in memory: train, before any are held out of it
}

// listFolder finds the images of an ImageFolder or of ImageNet: dir/train/CLASS/* with dir/val/CLASS/* or dir/test/CLASS/*, or
// with dir/val/* whose classes dir/val.txt names; or dir/CLASS/*, where every fifth image of a class, in the order of names, is a
// test image. Classes are in the order of names.
func listFolder(dir string) (l listing, err error) {
	l.dir = dir
	trainDir, testDir, err := folderParts(dir)
	if err != nil {
		return l, err
	}
	if l.classes, err = folderClasses(trainDir); err != nil {
		return l, err
	}
	if l.train, err = folderFiles(trainDir, l.classes); err != nil {
		return l, err
	}
	l.measured = l.train
	if testDir == "" {
		all := Split{Labels: labelsOf(l.train)}
		train, test := all.everyFifth()
		if test.Len() == 0 {
			return l, fmt.Errorf("%s: no class has five images, so none is held out; want dir/train and dir/val", dir)
		}
		l.train, l.test = pick(l.measured, train.Index), pick(l.measured, test.Index)
		return l, nil
	}
	testClasses, err := folderClasses(testDir)
	if list := testDir + ".txt"; err != nil && isFile(list) {
		l.test, err = readLabels(list, testDir, l.classes)
		return l, err
	}
	if err != nil {
		return l, fmt.Errorf("%w, or %s.txt with a file and its class a line", err, testDir)
	}
	if !slices.Equal(l.classes, testClasses) {
		return l, fmt.Errorf("%s and %s differ in class %q", trainDir, testDir, firstDifference(l.classes, testClasses))
	}
	l.test, err = folderFiles(testDir, l.classes)
	return l, err
}

func pick(list []labelled, positions []int) []labelled {
	out := make([]labelled, len(positions))
	for i, p := range positions {
		out[i] = list[p]
	}
	return out
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// readLabels reads lines "FILE CLASS", FILE in dir and CLASS a name or its number from 0.
func readLabels(path, dir string, classes []string) ([]labelled, error) {
	f, _, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	number := map[string]int{}
	for k, name := range classes {
		number[name] = k
	}
	var list []labelled
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 2 || !filepath.IsLocal(fields[0]) {
			return nil, fmt.Errorf("%s: line %d is %.80q, want a file in %s and its class", path, n, lines.Text(), dir)
		}
		k, known := number[fields[1]]
		if !known {
			if k, err = strconv.Atoi(fields[1]); err != nil || k < 0 || k >= len(classes) {
				return nil, fmt.Errorf("%s: line %d has class %.80q, want one of the %d train classes or its number from 0", path, n, fields[1], len(classes))
			}
		}
		list = append(list, labelled{filepath.Join(dir, fields[0]), int32(k)})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s names no file", path)
	}
	return list, nil
}

// content is the SHA-256 over names, sizes in bytes and labels of all files: what stands for the images in the hash of
// a set that is too large to read whenever it is opened.
func (l listing) content() (string, error) {
	h := sha256.New()
	for k, list := range [][]labelled{l.train, l.test} {
		fmt.Fprintln(h, k, len(list))
		for _, f := range list {
			info, err := os.Stat(f.path)
			if err != nil {
				return "", err
			}
			name, err := filepath.Rel(l.dir, f.path)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(h, "%q %d %d\n", filepath.ToSlash(name), info.Size(), f.label)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Verify reads everything that Open left unread: every image of a folder of any size and every block of a pack. Sets
// that Open read whole have nothing left. The error names the first file or block that is wrong.
func (s *Set) Verify() error {
	var verified *pack // both splits are of one
	for _, split := range []Split{s.Train, s.Test} {
		if split.varied == nil {
			continue
		}
		switch images := split.varied.images.(type) {
		case files:
			err := eachFile(images, func(_ int, r io.ReadSeeker, bytes int64) error {
				_, err := decodeImage(r, bytes)
				return err
			})
			if err != nil {
				return err
			}
		case packed:
			if images.pack == verified {
				continue
			}
			if err := images.pack.verify(); err != nil {
				return err
			}
			verified = images.pack
		}
	}
	return nil
}
