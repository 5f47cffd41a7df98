package weights

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"unicode/utf8"

	"gorgonia.org/tensor"

	"vimps-gpu/nn/atomicfile"
)

// ReadFile reads a safetensors file of F32, F16, BF16, F64, I64, I32 and U8 tensors.
// Its header is checked against the size of the file before memory is taken: length,
// dtypes, shapes, places without overlap or gap, no name twice. NaN and infinity
// pass; see CheckFinite. Errors are one line and name the file and the tensor.
func ReadFile(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a pipe would wait forever
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	file, err := read(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	file.Path = path
	return file, nil
}

// read reads a safetensors file of size bytes.
func read(r io.Reader, size int64) (*File, error) {
	tensors, metadata, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	file := &File{Tensors: make(map[string]*tensor.Dense, len(tensors)), Metadata: metadata}
	buf := make([]byte, chunk)
	for _, p := range tensors {
		if file.Tensors[p.name], err = readTensor(r, p, buf); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", p.name, err)
		}
	}
	return file, nil
}

// WriteFile replaces path by a safetensors file, whole or not at all (see package
// atomicfile). Equal arguments give equal bytes: data lie by decreasing element size,
// which keeps every tensor aligned, then in the order given; metadata by key.
func WriteFile(path string, tensors []Named, metadata map[string]string) error {
	ordered, err := writeOrder(tensors)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	header, err := encodeHeader(ordered, metadata)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		if _, err := w.Write(header); err != nil {
			return err
		}
		buf := make([]byte, chunk)
		for _, t := range ordered {
			if err := writeTensor(w, t.Tensor, buf); err != nil {
				return err
			}
		}
		return nil
	})
}

// writtenDType is the name and element size of what can be written.
func writtenDType(t *tensor.Dense) (string, int64, bool) {
	switch t.Dtype() {
	case tensor.Int64:
		return "I64", 8, true
	case tensor.Float32:
		return "F32", 4, true
	case tensor.Int32:
		return "I32", 4, true
	case tensor.Uint8:
		return "U8", 1, true
	}
	return "", 0, false
}

// writeOrder checks the tensors and sorts them as they will lie in the file.
func writeOrder(tensors []Named) ([]Named, error) {
	seen := map[string]bool{metadataKey: true}
	for _, t := range tensors {
		if t.Name == "" || seen[t.Name] || !utf8.ValidString(t.Name) {
			return nil, fmt.Errorf("tensor name %q is empty, taken or not UTF-8", t.Name)
		}
		seen[t.Name] = true
		if _, _, ok := writtenDType(t.Tensor); !ok {
			return nil, fmt.Errorf("tensor %q is %v, want float32, int64, int32 or uint8", t.Name, t.Tensor.Dtype())
		}
		if t.Tensor.RequiresIterator() || t.Tensor.DataOrder().IsColMajor() {
			return nil, fmt.Errorf("tensor %q %v is a view or not row-major, want a contiguous tensor", t.Name, []int(t.Tensor.Shape()))
		}
	}
	ordered := slices.Clone(tensors)
	slices.SortStableFunc(ordered, func(a, b Named) int {
		_, sizeA, _ := writtenDType(a.Tensor)
		_, sizeB, _ := writtenDType(b.Tensor)
		return cmp.Compare(sizeB, sizeA)
	})
	return ordered, nil
}

// encodeHeader is the length and the JSON object, padded with spaces to a multiple of 8 bytes.
func encodeHeader(tensors []Named, metadata map[string]string) ([]byte, error) {
	out := append(make([]byte, 8), '{')
	member := func(key string, value any) error {
		if len(out) > 9 {
			out = append(out, ',')
		}
		k, err := json.Marshal(key)
		if err != nil {
			return err
		}
		v, err := json.Marshal(value)
		out = append(append(append(out, k...), ':'), v...)
		return err
	}
	if len(metadata) > 0 {
		if err := member(metadataKey, metadata); err != nil { // maps are encoded by key
			return nil, err
		}
	}
	at := int64(0)
	for _, t := range tensors {
		dtype, size, _ := writtenDType(t.Tensor)
		shape, count := []int64{}, int64(1)
		for _, d := range t.Tensor.Shape() {
			shape, count = append(shape, int64(d)), count*int64(d)
		}
		if err := member(t.Name, entry{dtype, shape, [2]int64{at, at + count*size}}); err != nil {
			return nil, err
		}
		at += count * size
	}
	out = append(out, '}')
	for len(out)%8 != 0 {
		out = append(out, ' ')
	}
	if len(out)-8 > headerLimit {
		return nil, fmt.Errorf("header of %d bytes, want at most %d", len(out)-8, headerLimit)
	}
	binary.LittleEndian.PutUint64(out, uint64(len(out)-8))
	return out, nil
}
