// Package weights reads and writes safetensors files: an 8-byte little-endian header
// length, a JSON header that gives each tensor's dtype, shape and place, and the data
// (https://huggingface.co/docs/safetensors). Names are those of the framework that
// wrote the file; values of files in foreign hands are checked before they are used.
package weights

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"gorgonia.org/tensor"
)

// File is what a safetensors file holds. F16, BF16 and F64 became float32, so a
// tensor is float32, uint8, int32 or int64. All are row-major.
type File struct {
	Path     string // for messages
	Tensors  map[string]*tensor.Dense
	Metadata map[string]string
}

// Named is a tensor and the name it has in a file.
type Named struct {
	Name   string
	Tensor *tensor.Dense // float32, uint8, int32 or int64; row-major and contiguous
}

// Names lists the tensors in the order of names.
func (f *File) Names() []string {
	names := make([]string, 0, len(f.Tensors))
	for name := range f.Tensors {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Float32 is the values of a float32 tensor in row-major order; it aliases the
// tensor. A missing tensor, another dtype or another shape is an error that says
// what was wanted and what was found. A scalar has no dimensions.
func (f *File) Float32(name string, shape ...int) ([]float32, error) {
	t, err := f.find(name, tensor.Float32, shape)
	if err != nil {
		return nil, err
	}
	return t.Float32s(), nil
}

// Int64 is Float32 for int64 tensors.
func (f *File) Int64(name string, shape ...int) ([]int64, error) {
	t, err := f.find(name, tensor.Int64, shape)
	if err != nil {
		return nil, err
	}
	return t.Int64s(), nil
}

// Int32 is Float32 for int32 tensors.
func (f *File) Int32(name string, shape ...int) ([]int32, error) {
	t, err := f.find(name, tensor.Int32, shape)
	if err != nil {
		return nil, err
	}
	return t.Int32s(), nil
}

// Uint8 is Float32 for uint8 tensors.
func (f *File) Uint8(name string, shape ...int) ([]uint8, error) {
	t, err := f.find(name, tensor.Uint8, shape)
	if err != nil {
		return nil, err
	}
	return t.Uint8s(), nil
}

func (f *File) find(name string, dtype tensor.Dtype, shape []int) (*tensor.Dense, error) {
	t, ok := f.Tensors[name]
	if !ok {
		hint := ""
		if like := f.similar(name); len(like) > 0 {
			hint = "; it has " + strings.Join(like, ", ")
		}
		return nil, fmt.Errorf("%s: missing tensor %q%s", f.Path, name, hint)
	}
	if t.Dtype() != dtype || !slices.Equal([]int(t.Shape()), shape) {
		return nil, fmt.Errorf("%s: tensor %q is %v%v, want %v%v", f.Path, name, t.Dtype(), []int(t.Shape()), dtype, shape)
	}
	return t, nil
}

// similar lists up to three names that share most of their beginning or end with name.
func (f *File) similar(name string) []string {
	score := func(other string) float64 {
		n := min(len(name), len(other))
		head, tail := 0, 0
		for head < n && name[head] == other[head] {
			head++
		}
		for tail < n-head && name[len(name)-1-tail] == other[len(other)-1-tail] {
			tail++
		}
		return float64(head+tail) / float64(max(len(name), len(other)))
	}
	like := slices.DeleteFunc(f.Names(), func(other string) bool { return score(other) < 0.6 })
	slices.SortStableFunc(like, func(a, b string) int { return cmp.Compare(score(b), score(a)) })
	for i := range like {
		like[i] = fmt.Sprintf("%q", like[i])
	}
	return like[:min(3, len(like))]
}

// CheckFinite returns an error that names the first NaN or infinity among the
// float32 tensors, in the order of names, and its index in row-major order.
func (f *File) CheckFinite() error {
	for _, name := range f.Names() {
		t := f.Tensors[name]
		if t.Dtype() != tensor.Float32 {
			continue
		}
		for i, v := range t.Float32s() {
			// The exponent bits are all ones in NaN and in both infinities.
			if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
				return fmt.Errorf("%s: tensor %q has %v at index %d of %v, want finite values", f.Path, name, v, i, []int(t.Shape()))
			}
		}
	}
	return nil
}

// ByName indexes tensors by their names.
func ByName(tensors []Named) map[string]*tensor.Dense {
	m := make(map[string]*tensor.Dense, len(tensors))
	for _, t := range tensors {
		m[t.Name] = t.Tensor
	}
	return m
}
