// Package data reads image classification data sets into memory.
//
// A set is named by a spec, the value of --data: "digits" (embedded), "cifar10:DIR",
// "idx:DIR" or "folder:DIR". Pixels are uint8 in NHWC order. Every reader checks
// what it reads: a wrong file gives an error that names it, and no allocation
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

// Set is one decoded data set, all of it in memory.
type Set struct {
	Name    string   // the spec as given: "digits", "cifar10:DIR"
	Classes []string // Classes[k] names label k
	Train   Split
	Test    Split

	// Mean and Std normalise a pixel: (pixel/255 - Mean[c]) / Std[c] for channel c.
	// They are measured on the train images, except for cifar10 (see Open).
	Mean, Std []float32

	// Hash is the SHA-256, in hexadecimal, over shape, pixels and labels of both splits.
	Hash string
}

// Reader describes one kind of data set that Open accepts.
type Reader struct {
	Name  string // "cifar10"
	Form  string // what the user writes: "cifar10:DIR"
	Reads string // what it expects, one sentence

	open func(dir string) (*Set, error)
}

// needsDir reports whether the reader's spec carries a folder.
func (r Reader) needsDir() bool { return strings.HasSuffix(r.Form, ":DIR") }

// Readers lists the kinds of data set that Open accepts, in a fixed order.
func Readers() []Reader {
	return []Reader{
		{"digits", "digits", "UCI optical digits, embedded: 1,797 grey images of 8x8 in 10 classes; every fifth of a class is a test image", openDigits},
		{"cifar10", "cifar10:DIR", "CIFAR-10 binary records: data_batch_1.bin to data_batch_5.bin and test_batch.bin, 10,000 records each", openCIFAR10},
		{"idx", "idx:DIR", "MNIST and Fashion-MNIST: {train,t10k}-{images-idx3,labels-idx1}-ubyte, plain or .gz", openIDX},
		{"folder", "folder:DIR", "ImageFolder of PNG and JPEG: DIR/train/CLASS/* with DIR/val or DIR/test, or DIR/CLASS/* where every fifth image of a class is a test image", openFolder},
	}
}

// Open reads the data set that spec names (see Readers).
//
// Pixels are uint8 0..255; digits' values 0..16 are stored as round(v*255/16).
// Mean and Std are those of the train pixels, except for cifar10: there they are
// ImageNet's .485/.456/.406 and .229/.224/.225, which the published CIFAR ResNets
// were trained with. Errors are one line and name the file, what is wrong with it
// and what was expected.
func Open(spec string) (*Set, error) {
	name, dir, hasDir := strings.Cut(spec, ":")
	for _, r := range Readers() {
		if r.Name != name {
			continue
		}
		if r.needsDir() != (dir != "") || hasDir != r.needsDir() {
			return nil, fmt.Errorf("data set %q: write it as %s", spec, r.Form)
		}
		if r.needsDir() {
			if err := checkDir(dir); err != nil {
				return nil, fmt.Errorf("data set %q: %w", spec, err)
			}
		}
		set, err := r.open(dir)
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
