package data

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
)

// idxLimit is the most bytes of data taken from one IDX file.
const idxLimit = 4 << 30

// openIDX reads the four files of MNIST (LeCun et al., 1998), Fashion-MNIST or any
// set with these names, plain or gzip. The number of classes is the greatest train label plus one.
func openIDX(dir string) (*Set, error) {
	train, trainFiles, err := idxSplit(dir, "train")
	if err != nil {
		return nil, err
	}
	test, testFiles, err := idxSplit(dir, "t10k")
	if err != nil {
		return nil, err
	}
	if train.H() != test.H() || train.W() != test.W() {
		return nil, fmt.Errorf("%s holds %dx%d images, but %s %dx%d", testFiles.images, test.H(), test.W(), trainFiles.images, train.H(), train.W())
	}
	lists := train.byClass()
	// A gap betrays a wrong label. Some sets count from 1, so class 0 may be empty.
	for k := 1; k < len(lists); k++ {
		if len(lists[k]) == 0 {
			return nil, fmt.Errorf("%s: labels reach %d, but no image has label %d", trainFiles.labels, len(lists)-1, k)
		}
	}
	for i := range test.Len() {
		if int(test.Label(i)) >= len(lists) {
			return nil, fmt.Errorf("%s: record %d has label %d, but the train labels end at %d", testFiles.labels, i, test.Label(i), len(lists)-1)
		}
	}
	return &Set{Classes: digitNames(len(lists)), Train: train, Test: test}, nil
}

// idxFiles is the paths of one part, for messages.
type idxFiles struct{ images, labels string }

// idxSplit reads the images and labels of one part, "train" or "t10k".
func idxSplit(dir, part string) (split Split, files idxFiles, err error) {
	var shape []int
	var pixels, raw []uint8
	files.images, shape, pixels, err = openIDXFile(filepath.Join(dir, part+"-images-idx3-ubyte"), 3)
	if err != nil {
		return split, files, err
	}
	files.labels, _, raw, err = openIDXFile(filepath.Join(dir, part+"-labels-idx1-ubyte"), 1)
	if err != nil {
		return split, files, err
	}
	if shape[0] != len(raw) {
		return split, files, fmt.Errorf("%s holds %d labels, but %s %d images", files.labels, len(raw), files.images, shape[0])
	}
	labels := make([]int32, len(raw))
	for i, v := range raw {
		labels[i] = int32(v)
	}
	return newSplit(pixels, shape[1], shape[2], 1, labels), files, nil
}

// openIDXFile reads base, or base.gz where base does not exist, and returns the name it read.
func openIDXFile(base string, dims int) (path string, shape []int, data []uint8, err error) {
	path = base
	f, _, err := openRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		path = base + ".gz"
		f, _, err = openRegular(path)
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil, nil, fmt.Errorf("%s: neither it nor %s exists: %w", base, filepath.Base(path), fs.ErrNotExist)
		}
	}
	if err != nil {
		return "", nil, nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return "", nil, nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if shape, data, err = readIDX(r, dims); err != nil {
		return "", nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return path, shape, data, nil
}

// readIDX reads an IDX file of unsigned bytes with the given number of dimensions:
// magic 0x0800+dims and each dimension as big-endian uint32, then the values.
// Memory grows with what r yields, never with what the header claims.
func readIDX(r io.Reader, dims int) (shape []int, data []uint8, err error) {
	header := make([]byte, 4+4*dims)
	if n, err := io.ReadFull(r, header); err != nil {
		return nil, nil, fmt.Errorf("header ends after %d of %d bytes: %w", n, len(header), err)
	}
	if magic, want := binary.BigEndian.Uint32(header), uint32(0x0800+dims); magic != want {
		return nil, nil, fmt.Errorf("magic number %#08x, want %#08x (unsigned bytes, %d dimensions)", magic, want, dims)
	}
	size := int64(1)
	for i := range dims {
		d := int64(binary.BigEndian.Uint32(header[4+4*i:]))
		if d == 0 || d > idxLimit/size {
			return nil, nil, fmt.Errorf("dimension %d is %d, want 1 or more and at most %d bytes in all", i, d, int64(idxLimit))
		}
		size *= d
		shape = append(shape, int(d))
	}
	var buf bytes.Buffer
	n, err := io.Copy(&buf, io.LimitReader(r, size+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("after %d of %d bytes of data: %w", n, size, err)
	case n < size:
		return nil, nil, fmt.Errorf("header promises %v = %d bytes of data, file holds %d", shape, size, n)
	case n > size:
		return nil, nil, fmt.Errorf("bytes follow the %v = %d bytes of data that the header promises", shape, size)
	}
	return shape, buf.Bytes(), nil
}
