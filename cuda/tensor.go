package cuda

import (
	"fmt"
	"slices"
	"unsafe"

	"vimps-gpu/kernels"
)

// DType is the type of a tensor's elements.
type DType int

// The element types.
const (
	Float32 DType = iota
	Int32
	Uint8
	Uint32
)

func (t DType) String() string { return [...]string{"f32", "i32", "u8", "u32"}[t] }

// Size is the bytes of one element.
func (t DType) Size() int { return [...]int{4, 4, 1, 4}[t] }

// Tensor is memory on a device: activations are [N,H,W,C] inside a border of Border zeros on each
// side of H and W, filters [K,R,S,C], all else as the op says.
type Tensor struct {
	p      kernels.Ptr
	shape  []int
	border int
	dtype  DType
	dev    *Device
	owner  bool // frees the memory; a view does not
}

// New returns a zeroed tensor.
func (d *Device) New(dtype DType, shape ...int) *Tensor {
	return d.newBordered(dtype, 0, shape...)
}

// NewAct returns a zeroed f32 activation tensor [n,h,w,c] with a border.
func (d *Device) NewAct(border, n, h, w, c int) *Tensor {
	return d.newBordered(Float32, border, n, h, w, c)
}

func (d *Device) newBordered(dtype DType, border int, shape ...int) *Tensor {
	t := &Tensor{shape: slices.Clone(shape), border: border, dtype: dtype, dev: d, owner: true}
	t.p = d.alloc(t.Bytes())
	return t
}

// From returns a f32 tensor with the given values.
func (d *Device) From(values []float32, shape ...int) *Tensor {
	t := d.New(Float32, shape...)
	t.Set(values)
	return t
}

// Free returns the memory; a view's Free does nothing.
func (t *Tensor) Free() {
	if t.owner && t.p != nil {
		kernels.Free(t.p)
		t.dev.bytes -= int64(t.Bytes())
	}
	t.p = nil
}

// Shape is the tensor's shape, without the border.
func (t *Tensor) Shape() []int { return t.shape }

// Dim is one dimension.
func (t *Tensor) Dim(i int) int { return t.shape[i] }

// DType is the element type.
func (t *Tensor) DType() DType { return t.dtype }

// Device is where the tensor lives.
func (t *Tensor) Device() *Device { return t.dev }

// Len is the number of elements, without the border.
func (t *Tensor) Len() int {
	n := 1
	for _, d := range t.shape {
		n *= d
	}
	return n
}

// Bytes is the memory the tensor takes, border included.
func (t *Tensor) Bytes() int {
	if t.border == 0 {
		return t.Len() * t.dtype.Size()
	}
	return t.act().Elems(t.shape[0]) * t.dtype.Size()
}

// View is the f32 part of a flat tensor that starts at element offset, under a shape of its own.
func (t *Tensor) View(offset int, shape ...int) *Tensor {
	v := &Tensor{shape: slices.Clone(shape), dtype: t.dtype, dev: t.dev}
	if t.border != 0 || offset < 0 || offset+v.Len() > t.Len() {
		panic(fmt.Sprintf("cuda.View: %v at %d of %v", shape, offset, t.shape))
	}
	v.p = unsafe.Add(t.p, offset*t.dtype.Size())
	return v
}

func (t *Tensor) String() string { return fmt.Sprintf("%v%v", t.dtype, t.shape) }

// ptr is the address for a kernel; a nil tensor is "not given".
func (t *Tensor) ptr() kernels.Ptr {
	if t == nil {
		return nil
	}
	return t.p
}

func (t *Tensor) act() kernels.Act {
	if t == nil {
		return kernels.Act{}
	}
	if len(t.shape) != 4 {
		panic(fmt.Sprintf("cuda: %v is not an activation tensor [N,H,W,C]", t))
	}
	return kernels.Act{P: t.p, H: t.shape[1], W: t.shape[2], C: t.shape[3], Border: t.border}
}

// elements is the host memory as a slice. Only for tensors without a border, and never kept.
func elements[T float32 | int32 | uint8 | uint32](t *Tensor) []T {
	if t.border != 0 {
		panic(fmt.Sprintf("cuda: %v has a border; copy it without", t))
	}
	return unsafe.Slice((*T)(t.p), t.Len())
}

// Set copies values, one an element, to the device; a border stays as it is.
func (t *Tensor) Set(values []float32) {
	if t.border != 0 {
		t.eachRow("Set", len(values), func(row []float32, at int) { copy(row, values[at:]) })
		return
	}
	t.copyIn(Float32, unsafe.Pointer(unsafe.SliceData(values)), len(values))
}

// SetInt32 is Set for i32 tensors.
func (t *Tensor) SetInt32(values []int32) {
	t.copyIn(Int32, unsafe.Pointer(unsafe.SliceData(values)), len(values))
}

// SetUint32 is Set for u32 tensors.
func (t *Tensor) SetUint32(values []uint32) {
	t.copyIn(Uint32, unsafe.Pointer(unsafe.SliceData(values)), len(values))
}

// SetUint8 is Set for u8 tensors.
func (t *Tensor) SetUint8(values []uint8) {
	t.copyIn(Uint8, unsafe.Pointer(unsafe.SliceData(values)), len(values))
}

// copyIn is not generic, so that the compiler sees that values stay with the caller, on its stack.
func (t *Tensor) copyIn(dtype DType, values unsafe.Pointer, n int) {
	if t.dtype != dtype || n != t.Len() || t.border != 0 {
		panic(fmt.Sprintf("cuda.Set: %d values of %v for %v with border %d", n, dtype, t, t.border))
	}
	bytes := n * dtype.Size()
	copy(unsafe.Slice((*byte)(t.p), bytes), unsafe.Slice((*byte)(values), bytes))
}

// Get copies a f32 tensor, border left out, to dst, which it returns; a nil dst is allocated.
func (t *Tensor) Get(dst []float32) []float32 {
	if dst == nil {
		dst = make([]float32, t.Len())
	}
	if t.dtype != Float32 || len(dst) != t.Len() {
		panic(fmt.Sprintf("cuda.Get: %d f32 from %v", len(dst), t))
	}
	if t.border == 0 {
		copy(dst, elements[float32](t))
		return dst
	}
	t.eachRow("Get", len(dst), func(row []float32, at int) { copy(dst[at:], row) })
	return dst
}

// eachRow calls f with every row of an activation tensor, inside the border, and where it begins in a dense one.
func (t *Tensor) eachRow(op string, n int, f func(row []float32, at int)) {
	if t.dtype != Float32 || n != t.Len() {
		panic(fmt.Sprintf("cuda.%s: %d f32 for %v", op, n, t))
	}
	a, images := t.act(), t.shape[0]
	all := unsafe.Slice((*float32)(t.p), a.Elems(images))
	width, pitch := a.W*a.C, (a.W+2*a.Border)*a.C
	for i := range images * a.H {
		image, y := i/a.H, i%a.H
		from := (image*(a.H+2*a.Border)+y+a.Border)*pitch + a.Border*a.C
		f(all[from:from+width], i*width)
	}
}

// At is one element of a f32 tensor; for scalars the host watches.
func (t *Tensor) At(i int) float32 { return elements[float32](t)[i] }

// CopyFrom copies a tensor of the same shape and type on the same device.
func (t *Tensor) CopyFrom(src *Tensor) {
	if t.dtype != src.dtype || !slices.Equal(t.shape, src.shape) || t.border != src.border {
		panic(fmt.Sprintf("cuda.CopyFrom: %v from %v", t, src))
	}
	copy(unsafe.Slice((*byte)(t.p), t.Bytes()), unsafe.Slice((*byte)(src.p), src.Bytes()))
}
