// Package data reads sets of images: in classes, or pairs of a small and a large one for super-resolution.
//
// A set is named by a spec, the value of --data, such as "digits" (embedded), "cifar10:DIR",
// "folder:DIR,size=224" or "sr:DIR"; Readers lists them. Pixels are uint8 in NHWC order. Every reader
// checks what it reads: a wrong file gives an error that names it, and no allocation
// is made on the word of a header alone.
package data

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
)

// Set is one data set. Images are decoded and in memory, but for those of folders and packs at scale (see Split.Varied).
type Set struct {
	Name    string   // the spec as given: "digits", "cifar10:DIR"
	Classes []string // Classes[k] names label k
	Train   Split
	Test    Split

	// Mean and Std normalise a pixel: (pixel/255 - Mean[c]) / Std[c] for channel c.
	// They are measured on the train images, except for cifar10 (see Open), sets at scale (ImageNet's, or as the spec says) and
	// super-resolution (0 and 1).
	Mean, Std []float32

	// Scale is how many times larger than its image the Target of a super-resolution set is; 0: classification.
	Scale int

	// Hash is the SHA-256, in hexadecimal, over shape, pixels and labels of both splits. At scale names, sizes in bytes and labels of
	// the files, or a pack's checksums, stand for the pixels, and size, jitter, mean and deviation come with them.
	Hash string
}

// Reader describes one kind of data set that Open accepts.
type Reader struct {
	Name  string // "cifar10"
	Form  string // what the user writes: "cifar10:DIR"
	Reads string // what it expects, one sentence

	Options []Option // what may follow, as ",name=value"

	open func(path string, given options) (*Set, error)
}

// needsPath reports whether the reader's spec carries a folder or file, and isDir which.
func (r Reader) needsPath() bool { return strings.Contains(r.Form, ":") }
func (r Reader) isDir() bool     { return strings.HasSuffix(r.Form, ":DIR") }

// plain is an open function without options.
func plain(open func(dir string) (*Set, error)) func(string, options) (*Set, error) {
	return func(dir string, _ options) (*Set, error) { return open(dir) }
}

// Readers lists the kinds of data set that Open accepts, in a fixed order.
func Readers() []Reader {
	return []Reader{
		{"digits", "digits", "UCI optical digits, embedded: 1,797 grey images of 8x8 in 10 classes; every fifth of a class is a test image", nil, plain(openDigits)},
		{"cifar10", "cifar10:DIR", "CIFAR-10 binary records: data_batch_1.bin to data_batch_5.bin and test_batch.bin, 10,000 records each", nil, plain(openCIFAR10)},
		{"idx", "idx:DIR", "MNIST and Fashion-MNIST: {train,t10k}-{images-idx3,labels-idx1}-ubyte, plain or .gz", nil, plain(openIDX)},
		{"folder", "folder:DIR", "ImageFolder of PNG and JPEG: DIR/train/CLASS/* with DIR/val or DIR/test, or DIR/CLASS/* where every fifth image of a class is a test image; with size=PIXELS images keep their own sizes and stay in their files (ImageNet: DIR/val.txt may name the classes of DIR/val/*)", scaleOptionList(), openFolderOfAnySize},
		{"pack", "pack:FILE", "a file of decoded images that data pack wrote of a folder, mapped into memory; size is 224 unless given", scaleOptionList(), openPack},
		{"sr", "sr:DIR", "super-resolution: images of any size in DIR/T91 or DIR/train, test images in DIR/Set5 or DIR/test, made smaller by bicubic as MATLAB does", srOptionList(), openSR},
	}
}

// Open reads the data set that spec names (see Readers).
//
// Pixels are uint8 0..255; digits' values 0..16 are stored as round(v*255/16).
// Mean and Std are those of the train pixels, except for cifar10: there they are
// ImageNet's .485/.456/.406 and .229/.224/.225, which the published CIFAR ResNets
// were trained with; Set has the other exceptions. Errors are one line and name the file, what is wrong with it
// and what was expected.
func Open(spec string) (*Set, error) {
	name, rest, hasPath := strings.Cut(spec, ":")
	for _, r := range Readers() {
		if r.Name != name {
			continue
		}
		path, given, err := r.cutOptions(rest)
		if err != nil {
			return nil, fmt.Errorf("data set %q: %w", spec, err)
		}
		if r.needsPath() != (path != "") || hasPath != r.needsPath() {
			return nil, fmt.Errorf("data set %q: write it as %s", spec, r.Form)
		}
		if r.isDir() {
			if err := checkDir(path); err != nil {
				return nil, fmt.Errorf("data set %q: %w", spec, err)
			}
		}
		set, err := r.open(path, given)
		if err != nil {
			return nil, fmt.Errorf("data set %q: %w", spec, err)
		}
		set.Name = spec
		set.complete()
		return set, nil
	}
	var forms []string
	for _, r := range Readers() {
		forms = append(forms, r.Form)
	}
	return nil, fmt.Errorf("data set %q: unknown reader %q, want one of %s", spec, name, strings.Join(forms, ", "))
}

// complete fills the fields that follow from the splits.
func (s *Set) complete() {
	if s.Mean == nil {
		s.Mean, s.Std = moments(s.Train)
	}
	if s.Hash != "" {
		return // of a set whose images vary in size: its reader knows what stands for them
	}
	h := sha256.New()
	hashSplit(h, s.Train)
	hashSplit(h, s.Test)
	s.Hash = hex.EncodeToString(h.Sum(nil))
}

// hashSplit writes shape, pixels and labels, in the order of the split.
func hashSplit(w io.Writer, s Split) {
	var shape [32]byte
	for i, d := range []int{s.Len(), s.H(), s.W(), s.C()} {
		binary.LittleEndian.PutUint64(shape[8*i:], uint64(d))
	}
	w.Write(shape[:])
	labels := make([]byte, 0, 4*s.Len())
	for i := range s.Len() {
		w.Write(s.Image(i))
		labels = binary.LittleEndian.AppendUint32(labels, uint32(s.Label(i)))
	}
	w.Write(labels)
}

func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	return nil
}

// openRegular opens a file for reading and returns its size. Anything but a
// regular file is refused, since a pipe would wait forever.
func openRegular(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	return f, info.Size(), err
}
