package data

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// record is a CIFAR record whose planes R, G, B count up from label, 64+label, 128+label.
func record(label uint8) []byte {
	r := []byte{label}
	for c := range 3 {
		for i := range cifarPlane {
			r = append(r, uint8(64*c+i)+label)
		}
	}
	return r
}

// cifarFolder writes the six files, each with the records of labels 3 and 9.
func cifarFolder(t *testing.T) string {
	dir := t.TempDir()
	for _, name := range []string{"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"} {
		write(t, filepath.Join(dir, name+".bin"), append(record(3), record(9)...))
	}
	return dir
}

func TestCIFARTurnsPlanesIntoPixels(t *testing.T) {
	set, err := cifar{2}.open(cifarFolder(t))
	if err != nil {
		t.Fatal(err)
	}
	if set.Train.Len() != 10 || set.Test.Len() != 2 || set.Classes[9] != "truck" {
		t.Errorf("%d train, %d test, classes %v", set.Train.Len(), set.Test.Len(), set.Classes)
	}
	img := set.Train.Image(9)
	if set.Train.Label(9) != 9 || !slices.Equal(img[:6], []uint8{9, 73, 137, 10, 74, 138}) {
		t.Errorf("label %d, pixels %v", set.Train.Label(9), img[:6])
	}
}

func TestCIFARRefuses(t *testing.T) {
	official := cifar{2}
	for name, c := range map[string]struct {
		file  string
		bytes []byte // nil removes the file
		parts []string
	}{
		"truncated":      {"data_batch_4.bin", make([]byte, 2*cifarRecord-1), []string{"6145 bytes", "want 6146", "2 records of 3073"}},
		"whole record":   {"data_batch_4.bin", record(1), []string{"3073 bytes", "want 6146"}},
		"padded":         {"test_batch.bin", make([]byte, 2*cifarRecord+512), []string{"6658 bytes", "want 6146"}},
		"empty":          {"test_batch.bin", []byte{}, []string{"0 bytes"}},
		"missing":        {"data_batch_5.bin", nil, []string{"no such file"}},
		"label":          {"data_batch_2.bin", append(record(1), record(10)...), []string{"record 1", "label 10", "0..9"}},
		"short names":    {"batches.meta.txt", []byte("cat\ndog\n"), []string{"2 class names", "want 10"}},
		"endless names":  {"batches.meta.txt", bytes.Repeat([]byte("x\n"), 1<<15), []string{"class names", "want 10"}},
		"nameless names": {"batches.meta.txt", []byte{}, []string{"0 class names"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := cifarFolder(t)
			path := filepath.Join(dir, c.file)
			if c.bytes == nil {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			} else {
				write(t, path, c.bytes)
			}
			_, err := official.open(dir)
			wantError(t, err, append(c.parts, path)...)
		})
	}
}

func TestOpenCIFARDemandsOfficialCount(t *testing.T) {
	_, err := Open("cifar10:" + cifarFolder(t))
	wantError(t, err, "data_batch_1.bin", "6146 bytes", "want 30730000", "10000 records")
}

func TestCIFARReadsNames(t *testing.T) {
	dir := cifarFolder(t)
	write(t, filepath.Join(dir, "batches.meta.txt"), []byte("a\r\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n"))
	set, err := cifar{2}.open(dir)
	if err != nil || !slices.Equal(set.Classes, []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}) {
		t.Errorf("%+v, %v", set, err)
	}
}

// Run it with -fuzzminimizetime 10x: shortening inputs of 6 KB byte by byte takes all the time else.
func FuzzCIFAR(f *testing.F) {
	f.Add(append(record(0), record(9)...))
	f.Add(record(10))
	f.Add(make([]byte, 2*cifarRecord-1))
	f.Fuzz(func(t *testing.T, raw []byte) {
		const n = 2
		pixels, labels := make([]uint8, n*3*cifarPlane), make([]int32, n)
		if decodeCIFAR(bytes.NewReader(raw), pixels, labels) != nil {
			return
		}
		var back []byte
		for i, label := range labels {
			back = append(back, uint8(label))
			for c := range 3 {
				for p := range cifarPlane {
					back = append(back, pixels[i*3*cifarPlane+3*p+c])
				}
			}
		}
		if !bytes.Equal(back, raw[:n*cifarRecord]) {
			t.Error("records written back differ")
		}
	})
}
