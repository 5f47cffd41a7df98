package data

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
)

// idx is an IDX file of the given dimensions and values.
func idx(dims []uint32, values ...uint8) []byte {
	out := binary.BigEndian.AppendUint32(nil, 0x0800+uint32(len(dims)))
	for _, d := range dims {
		out = binary.BigEndian.AppendUint32(out, d)
	}
	return append(out, values...)
}

// idxFolder writes three 1x2 train images with labels 0, 1, 2 and one test image, gzip or not.
func idxFolder(t *testing.T, gz bool) string {
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"train-images-idx3-ubyte": idx([]uint32{3, 1, 2}, 0, 255, 10, 20, 30, 40),
		"train-labels-idx1-ubyte": idx([]uint32{3}, 0, 1, 2),
		"t10k-images-idx3-ubyte":  idx([]uint32{1, 1, 2}, 7, 8),
		"t10k-labels-idx1-ubyte":  idx([]uint32{1}, 2),
	} {
		if gz {
			name, content = name+".gz", gzipped(t, content)
		}
		write(t, filepath.Join(dir, name), content)
	}
	return dir
}

func TestIDXPlainAndGzipAgree(t *testing.T) {
	plain, err := Open("idx:" + idxFolder(t, false))
	if err != nil {
		t.Fatal(err)
	}
	zipped, err := Open("idx:" + idxFolder(t, true))
	if err != nil {
		t.Fatal(err)
	}
	if plain.Hash != zipped.Hash {
		t.Error("plain and gzip files give different hashes")
	}
	if !slices.Equal(plain.Train.Image(2), []uint8{30, 40}) || plain.Test.Label(0) != 2 || plain.Train.W() != 2 || len(plain.Classes) != 3 {
		t.Errorf("%+v", plain)
	}
}

func TestIDXRefuses(t *testing.T) {
	const images, labels, testImages, testLabels = "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
	wrongMagic := idx([]uint32{3, 1, 2}, 0, 0, 0, 0, 0, 0)
	wrongMagic[2] = 0x0d // floats
	for name, c := range map[string]struct {
		file    string
		content []byte
		parts   []string
	}{
		"magic":         {images, wrongMagic, []string{"magic number 0x00000d03", "want 0x00000803"}},
		"labels file":   {images, idx([]uint32{3}, 0, 1, 2), []string{"header ends after 11 of 16 bytes"}},
		"short header":  {labels, []byte{0, 0, 8}, []string{"header ends after 3 of 8 bytes"}},
		"empty":         {labels, nil, []string{"header ends after 0"}},
		"promises more": {images, idx([]uint32{4, 1, 2}, 0, 0, 0, 0, 0, 0), []string{"promises [4 1 2] = 8 bytes", "holds 6"}},
		"absurd":        {images, idx([]uint32{1 << 31, 1 << 31, 1 << 31}, 0), []string{"dimension 1 is 2147483648"}},
		"big":           {images, idx([]uint32{1 << 31, 1, 1}, 0), []string{"= 2147483648 bytes", "holds 1"}},
		"zero":          {images, idx([]uint32{3, 0, 2}), []string{"dimension 1 is 0"}},
		"trailing":      {images, idx([]uint32{3, 1, 2}, 0, 0, 0, 0, 0, 0, 0), []string{"bytes follow", "[3 1 2] = 6"}},
		"counts":        {labels, idx([]uint32{2}, 0, 1), []string{"2 labels", "3 images", images}},
		"label gap":     {labels, idx([]uint32{3}, 0, 1, 200), []string{"reach 200", "no image has label 2"}},
		"test label":    {testLabels, idx([]uint32{1}, 3), []string{"record 0 has label 3", "end at 2"}},
		"test size":     {testImages, idx([]uint32{1, 2, 1}, 7, 8), []string{"2x1", "1x2"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := idxFolder(t, false)
			write(t, filepath.Join(dir, c.file), c.content)
			_, err := Open("idx:" + dir)
			wantError(t, err, append(c.parts, c.file)...)
		})
	}
}

func TestIDXRefusesBadGzip(t *testing.T) {
	dir := idxFolder(t, true)
	path := filepath.Join(dir, "t10k-labels-idx1-ubyte.gz")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(good)
	flipped[len(flipped)-8] ^= 1 // the checksum
	for _, bad := range [][]byte{{}, []byte("not gzip at all"), good[:len(good)-9], flipped} {
		write(t, path, bad)
		_, err := Open("idx:" + dir)
		wantError(t, err, path)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, err = Open("idx:" + dir)
	wantError(t, err, "t10k-labels-idx1-ubyte", "neither it nor", "exists")
}

// A pipe in place of a file would block for ever.
func TestIDXRefusesPipe(t *testing.T) {
	dir := idxFolder(t, false)
	path := filepath.Join(dir, "train-labels-idx1-ubyte")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := Open("idx:" + dir)
	wantError(t, err, path, "not a regular file")
}

func TestIDXHeaderAllocatesNothing(t *testing.T) {
	lie := idx([]uint32{1 << 31, 1, 1}, 1, 2, 3)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, _, err := readIDX(bytes.NewReader(lie), 3); err == nil {
		t.Fatal("a header that promises 2 GiB is believed")
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes allocated for a file of %d", took, len(lie))
	}
}

func FuzzIDX(f *testing.F) {
	f.Add(idx([]uint32{3, 1, 2}, 0, 255, 10, 20, 30, 40), true)
	f.Add(idx([]uint32{3}, 0, 1, 2), false)
	f.Add(idx([]uint32{1 << 31, 1 << 31, 4}, 1), true)
	f.Fuzz(func(t *testing.T, raw []byte, images bool) {
		dims := 1
		if images {
			dims = 3
		}
		shape, values, err := readIDX(bytes.NewReader(raw), dims)
		if err != nil {
			return
		}
		var dims32 []uint32
		for _, d := range shape {
			dims32 = append(dims32, uint32(d))
		}
		if !bytes.Equal(idx(dims32, values...), raw) {
			t.Error("file written back differs")
		}
	})
}
