package weights

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"
	"pgregory.net/rapid"
)

func dense[T any](values []T, shape ...int) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))
}

// drawTensor draws a tensor of any dtype that can be written; floats have any bits.
func drawTensor(t *rapid.T) *tensor.Dense {
	shape := rapid.SliceOfN(rapid.IntRange(1, 4), 0, 4).Draw(t, "shape")
	n := 1
	for _, d := range shape {
		n *= d
	}
	switch rapid.IntRange(0, 3).Draw(t, "dtype") {
	case 0:
		return dense(rapid.SliceOfN(rapid.Map(rapid.Uint32(), math.Float32frombits), n, n).Draw(t, "floats"), shape...)
	case 1:
		return dense(rapid.SliceOfN(rapid.Int64(), n, n).Draw(t, "int64s"), shape...)
	case 2:
		return dense(rapid.SliceOfN(rapid.Int32(), n, n).Draw(t, "int32s"), shape...)
	}
	return dense(rapid.SliceOfN(rapid.Uint8(), n, n).Draw(t, "uint8s"), shape...)
}

// content is dtype, shape and bits of a tensor, to compare NaNs too.
func content(t *tensor.Dense) string {
	if t.Dtype() == tensor.Float32 {
		var bits []uint32
		for _, v := range t.Float32s() {
			bits = append(bits, math.Float32bits(v))
		}
		return fmt.Sprint(t.Dtype(), t.Shape(), bits)
	}
	return fmt.Sprint(t.Dtype(), t.Shape(), t.Data())
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9._"é<&]{1,12}`), 0, 6, rapid.ID[string]).Draw(t, "names")
		var tensors []Named
		for _, name := range names {
			tensors = append(tensors, Named{name, drawTensor(t)})
		}
		metadata := rapid.MapOfN(rapid.StringMatching(`[a-z ]{1,5}`), rapid.StringMatching(`[a-z<"]*`), 0, 4).Draw(t, "metadata")
		if err := WriteFile(path, tensors, metadata); err != nil {
			t.Fatal(err)
		}
		first, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Tensors) != len(tensors) || fmt.Sprint(f.Metadata) != fmt.Sprint(metadata) {
			t.Fatalf("%d tensors, metadata %v", len(f.Tensors), f.Metadata)
		}
		for _, want := range tensors {
			if got := content(f.Tensors[want.Name]); got != content(want.Tensor) {
				t.Fatalf("%q: %s, want %s", want.Name, got, content(want.Tensor))
			}
		}
		if err := WriteFile(path, tensors, metadata); err != nil {
			t.Fatal(err)
		}
		if second, err := os.ReadFile(path); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("written twice, the bytes differ (%v)", err)
		}
	})
}

func TestWriteLayout(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	tensors := []Named{{"b", dense([]uint8{9}, 1)}, {"w", dense([]float32{1}, 1)}, {"a", dense([]int64{-1})}}
	if err := WriteFile(path, tensors, map[string]string{"z": "1", "k": "2"}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	header := `{"__metadata__":{"k":"2","z":"1"},"a":{"dtype":"I64","shape":[],"data_offsets":[0,8]},` +
		`"w":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"b":{"dtype":"U8","shape":[1],"data_offsets":[12,13]}}`
	header += strings.Repeat(" ", (8-len(header)%8)%8)
	want := raw(header, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0x80, 0x3f, 9)
	if !bytes.Equal(got, want) {
		t.Errorf("file is %q, want %q", got, want)
	}
}

func TestWriteRefusesAndKeepsOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "w.safetensors")
	good := Named{"good", dense([]float32{1, 2, 3, 4, 5, 6}, 2, 3)}
	if err := WriteFile(path, []Named{good}, nil); err != nil {
		t.Fatal(err)
	}
	turned := dense([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	if err := turned.T(); err != nil {
		t.Fatal(err)
	}
	column := tensor.New(tensor.AsFortran([]float32{1, 2, 3, 4, 5, 6}), tensor.WithShape(2, 3))
	for part, bad := range map[string]Named{
		"taken":     good,
		"empty":     {"", good.Tensor},
		"float64":   {"x", dense([]float64{1}, 1)},
		"a view":    {"x", turned},
		"row-major": {"x", column},
		"metadata":  {"__metadata__", good.Tensor},
		"UTF-8":     {"\xff", good.Tensor},
	} {
		wantError(t, WriteFile(path, []Named{good, bad}, nil), path, part)
	}
	f, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Float32("good", 2, 3); err != nil || !slices.Equal(got, []float32{1, 2, 3, 4, 5, 6}) {
		t.Errorf("old file holds %v, %v", got, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("folder holds %v, %v", entries, err)
	}
}

func FuzzSafetensors(f *testing.F) {
	f.Add(raw(`{"a":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]},"__metadata__":{"k":"v"}}`, 0, 0x3e, 0, 0x7c))
	f.Add(raw(`{"a":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[2],"data_offsets":[8,10]}}  `, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10))
	f.Add(raw(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}`, 1, 2, 3, 4))
	f.Add(raw(`{}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		file, err := read(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return
		}
		total := 0
		for _, name := range file.Names() {
			total += file.Tensors[name].DataSize()
		}
		if total > len(content) {
			t.Errorf("%d elements from a file of %d bytes", total, len(content))
		}
		_ = file.CheckFinite()
	})
}
