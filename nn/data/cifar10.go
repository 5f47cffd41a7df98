package data

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const (
	cifarSide    = 32
	cifarPlane   = cifarSide * cifarSide
	cifarRecord  = 1 + 3*cifarPlane // label, then the planes R, G, B
	cifarClasses = 10
)

// cifar reads CIFAR-10 binary files of a known number of records. The official
// count is demanded, since a file cut at a record's end looks right otherwise.
type cifar struct{ records int }

// openCIFAR10 reads the six official files of dir: 50,000 train and 10,000 test
// images of 32x32x3 (Krizhevsky, "Learning multiple layers of features from tiny
// images", 2009). batches.meta.txt names the classes where it exists.
func openCIFAR10(dir string) (*Set, error) { return cifar{records: 10000}.open(dir) }

func (c cifar) open(dir string) (*Set, error) {
	classes, err := cifarNames(filepath.Join(dir, "batches.meta.txt"))
	if err != nil {
		return nil, err
	}
	var trainFiles []string
	for i := range 5 {
		trainFiles = append(trainFiles, filepath.Join(dir, fmt.Sprintf("data_batch_%d.bin", i+1)))
	}
	train, err := c.split(trainFiles)
	if err != nil {
		return nil, err
	}
	test, err := c.split([]string{filepath.Join(dir, "test_batch.bin")})
	if err != nil {
		return nil, err
	}
	return &Set{
		Classes: classes, Train: train, Test: test,
		Mean: []float32{0.485, 0.456, 0.406}, Std: []float32{0.229, 0.224, 0.225},
	}, nil
}

// split reads the files one after the other. Every size is checked before any memory is taken.
func (c cifar) split(files []string) (Split, error) {
	want := int64(c.records) * cifarRecord
	for _, path := range files {
		f, size, err := openRegular(path)
		if err != nil {
			return Split{}, err
		}
		f.Close()
		if size != want {
			return Split{}, fmt.Errorf("%s has %d bytes, want %d (%d records of %d bytes)", path, size, want, c.records, cifarRecord)
		}
	}
	pixels := make([]uint8, len(files)*c.records*3*cifarPlane)
	labels := make([]int32, len(files)*c.records)
	for i, path := range files {
		at, end := i*c.records, (i+1)*c.records
		if err := readCIFAR(path, pixels[at*3*cifarPlane:end*3*cifarPlane], labels[at:end]); err != nil {
			return Split{}, err
		}
	}
	return newSplit(pixels, cifarSide, cifarSide, 3, labels), nil
}

// readCIFAR fills pixels and labels from one file.
func readCIFAR(path string, pixels []uint8, labels []int32) error {
	f, _, err := openRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := decodeCIFAR(f, pixels, labels); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// decodeCIFAR reads exactly len(labels) records into labels and pixels, uint8 [len(labels),32,32,3].
func decodeCIFAR(r io.Reader, pixels []uint8, labels []int32) error {
	const chunk = 256 // records read at once
	buf := make([]byte, min(chunk, len(labels))*cifarRecord)
	for at := 0; at < len(labels); at += chunk {
		n := min(chunk, len(labels)-at)
		if _, err := io.ReadFull(r, buf[:n*cifarRecord]); err != nil {
			return fmt.Errorf("records %d to %d: %w", at, at+n-1, err)
		}
		for i := range n {
			record := buf[i*cifarRecord : (i+1)*cifarRecord]
			if record[0] >= cifarClasses {
				return fmt.Errorf("record %d has label %d, want 0..%d", at+i, record[0], cifarClasses-1)
			}
			labels[at+i] = int32(record[0])
			interleave(pixels[(at+i)*3*cifarPlane:(at+i+1)*3*cifarPlane], record[1:])
		}
	}
	return nil
}

// interleave turns three planes into [H,W,3].
func interleave(dst, planes []uint8) {
	r, g, b := planes[:cifarPlane], planes[cifarPlane:2*cifarPlane], planes[2*cifarPlane:3*cifarPlane]
	for i := range r {
		dst[3*i], dst[3*i+1], dst[3*i+2] = r[i], g[i], b[i]
	}
}

// cifarNames reads one class name a line; a missing file gives the official names.
func cifarNames(path string) ([]string, error) {
	f, size, err := openRegular(path)
	if os.IsNotExist(err) {
		return []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const most = 4096
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" {
			names = append(names, line)
		}
	}
	if len(names) != cifarClasses || size > most {
		return nil, fmt.Errorf("%s holds %d class names in %d bytes, want %d names", path, len(names), size, cifarClasses)
	}
	return names, nil
}
