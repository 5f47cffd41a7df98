package weights

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"gorgonia.org/tensor"
)

// chunk is how many bytes are converted at once; a multiple of every element size.
const chunk = 1 << 20

// dtypes lists what can be read, with the size of an element in bytes.
func dtypes() []struct {
	name string
	size int64
} {
	return []struct {
		name string
		size int64
	}{{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8}, {"I32", 4}, {"U8", 1}}
}

func elementSize(dtype string) (int64, bool) {
	for _, d := range dtypes() {
		if d.name == dtype {
			return d.size, true
		}
	}
	return 0, false
}

func dtypeNames() []string {
	var names []string
	for _, d := range dtypes() {
		names = append(names, d.name)
	}
	return names
}

// readTensor reads the elements of p, in which readHeader found no fault.
func readTensor(r io.Reader, p placed, buf []byte) (*tensor.Dense, error) {
	le := binary.LittleEndian
	var backing any
	var err error
	switch p.DType {
	case "F32":
		backing, err = readElements(r, p.count, 4, buf, func(b []byte) float32 { return math.Float32frombits(le.Uint32(b)) })
	case "F64":
		backing, err = readElements(r, p.count, 8, buf, func(b []byte) float32 { return float32(math.Float64frombits(le.Uint64(b))) })
	case "F16":
		backing, err = readElements(r, p.count, 2, buf, func(b []byte) float32 { return half(le.Uint16(b)) })
	case "BF16":
		backing, err = readElements(r, p.count, 2, buf, func(b []byte) float32 { return math.Float32frombits(uint32(le.Uint16(b)) << 16) })
	case "I64":
		backing, err = readElements(r, p.count, 8, buf, func(b []byte) int64 { return int64(le.Uint64(b)) })
	case "I32":
		backing, err = readElements(r, p.count, 4, buf, func(b []byte) int32 { return int32(le.Uint32(b)) })
	case "U8":
		backing, err = readElements(r, p.count, 1, buf, func(b []byte) uint8 { return b[0] })
	default:
		panic(fmt.Sprintf("weights.readTensor: dtype %q passed the header's check", p.DType))
	}
	if err != nil {
		return nil, err
	}
	shape := make([]int, len(p.Shape))
	for i, d := range p.Shape {
		shape[i] = int(d)
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(backing)), nil
}

// readElements reads count elements of the given size in bytes through buf.
func readElements[T any](r io.Reader, count int64, size int, buf []byte, get func([]byte) T) ([]T, error) {
	out := make([]T, count)
	for rest := out; len(rest) > 0; {
		n := min(len(rest), len(buf)/size)
		if _, err := io.ReadFull(r, buf[:n*size]); err != nil {
			return nil, err
		}
		for i := range rest[:n] {
			rest[i] = get(buf[i*size : i*size+size])
		}
		rest = rest[n:]
	}
	return out, nil
}

// half is an IEEE 754 binary16 as float32, exactly.
func half(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exponent {
	case 0: // zero and subnormals: fraction * 2^-24
		f := float32(fraction) * 0x1p-24
		return math.Float32frombits(sign | math.Float32bits(f))
	case 31: // infinity and NaN
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// writeElements writes vs through buf, little-endian.
func writeElements[T any](w io.Writer, vs []T, size int, buf []byte, put func([]byte, T)) error {
	for len(vs) > 0 {
		n := min(len(vs), len(buf)/size)
		for i, v := range vs[:n] {
			put(buf[i*size:i*size+size], v)
		}
		if _, err := w.Write(buf[:n*size]); err != nil {
			return err
		}
		vs = vs[n:]
	}
	return nil
}

// writeTensor writes the elements of t, in whose dtype writeOrder found no fault.
func writeTensor(w io.Writer, t *tensor.Dense, buf []byte) error {
	le := binary.LittleEndian
	switch t.Dtype() {
	case tensor.Float32:
		return writeElements(w, t.Float32s(), 4, buf, func(b []byte, v float32) { le.PutUint32(b, math.Float32bits(v)) })
	case tensor.Int64:
		return writeElements(w, t.Int64s(), 8, buf, func(b []byte, v int64) { le.PutUint64(b, uint64(v)) })
	case tensor.Int32:
		return writeElements(w, t.Int32s(), 4, buf, func(b []byte, v int32) { le.PutUint32(b, uint32(v)) })
	case tensor.Uint8:
		_, err := w.Write(t.Uint8s())
		return err
	}
	panic(fmt.Sprintf("weights.writeTensor: dtype %v passed the check", t.Dtype()))
}
