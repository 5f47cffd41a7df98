package cuda

import (
	"encoding/binary"
	"fmt"
	"math"
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
	Int8
	BFloat16
)

func (t DType) String() string { return [...]string{"f32", "i32", "u8", "u32", "i8", "bf16"}[t] }

// Size is the bytes of one element.
func (t DType) Size() int { return [...]int{4, 4, 1, 4, 1, 2}[t] }

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

// NewAct returns a zeroed activation tensor [n,h,w,c] with a border, of the type that the device stores activations
// in: f32, or bf16 on a GPU of that precision.
func (d *Device) NewAct(border, n, h, w, c int) *Tensor {
	return d.newBordered(d.storage, border, n, h, w, c)
}

// NewActOf is NewAct of a given type.
func (d *Device) NewActOf(dtype DType, border, n, h, w, c int) *Tensor {
	return d.newBordered(dtype, border, n, h, w, c)
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
		t.dev.bytes -= int64(t.Bytes())
		t.dev.place.release(t.p)
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

// View is the part of a flat tensor that starts at element offset, under a shape of its own.
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
	a := kernels.Act{P: t.p, H: t.shape[1], W: t.shape[2], C: t.shape[3], Border: t.border}
	if t.dtype == BFloat16 {
		a.Storage = kernels.BF16
	}
	return a
}

// Set copies values, one an element, to the device; a border stays as it is.
func (t *Tensor) Set(values []float32) {
	switch {
	case t.dtype == BFloat16:
		t.setAct(values)
	case t.border != 0:
		t.check("Set", Float32, len(values))
		t.eachRow(func(p kernels.Ptr, at, n int) { t.copyIn(p, unsafe.Pointer(&values[at]), 4*n) })
	default:
		t.check("Set", Float32, len(values))
		t.copyIn(t.p, unsafe.Pointer(unsafe.SliceData(values)), 4*len(values))
	}
}

// SetInt32 is Set for i32 tensors.
func (t *Tensor) SetInt32(values []int32) {
	t.checkDense("Set", Int32, len(values))
	t.copyIn(t.p, unsafe.Pointer(unsafe.SliceData(values)), 4*len(values))
}

// SetUint32 is Set for u32 tensors.
func (t *Tensor) SetUint32(values []uint32) {
	t.checkDense("Set", Uint32, len(values))
	t.copyIn(t.p, unsafe.Pointer(unsafe.SliceData(values)), 4*len(values))
}

// SetUint8 is Set for u8 tensors.
func (t *Tensor) SetUint8(values []uint8) {
	t.checkDense("Set", Uint8, len(values))
	t.copyIn(t.p, unsafe.Pointer(unsafe.SliceData(values)), len(values))
}

func (t *Tensor) check(op string, dtype DType, n int) {
	if t.dtype != dtype || n != t.Len() {
		panic(fmt.Sprintf("cuda.%s: %d values of %v for %v", op, n, dtype, t))
	}
}

func (t *Tensor) checkDense(op string, dtype DType, n int) {
	t.check(op, dtype, n)
	if t.border != 0 {
		panic(fmt.Sprintf("cuda.%s: %v has a border of %d", op, t, t.border))
	}
}

// copyIn is not generic and hands nothing to the device but copies, so that the compiler sees that values stay with
// the caller, on its stack.
func (t *Tensor) copyIn(dst kernels.Ptr, values unsafe.Pointer, bytes int) {
	if t.dev.sizing {
		return
	}
	for from := 0; from < bytes; {
		to := unsafe.Add(dst, from)
		room := t.dev.place.room(to, bytes-from)
		from += copy(room, unsafe.Slice((*byte)(unsafe.Add(values, from)), bytes-from))
		t.dev.place.put(to, room)
	}
}

// Get copies a f32 or activation tensor, border left out, to dst, which it returns; a nil dst is allocated. It waits
// for the work on the queue.
func (t *Tensor) Get(dst []float32) []float32 {
	if dst == nil {
		dst = make([]float32, t.Len())
	}
	if t.dtype == BFloat16 {
		return t.getAct(dst)
	}
	t.check("Get", Float32, len(dst))
	if t.border == 0 {
		t.dev.place.copyOut(bytesOf(dst), t.p)
		return dst
	}
	t.eachRow(func(p kernels.Ptr, at, n int) { t.dev.place.copyOut(bytesOf(dst[at:at+n]), p) })
	return dst
}

func bytesOf(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

// eachRow calls f with the address of every row of an activation tensor, inside the border, where the row begins in
// a dense one, and its length.
func (t *Tensor) eachRow(f func(p kernels.Ptr, at, n int)) {
	a := t.act()
	width, pitch := a.W*a.C, (a.W+2*a.Border)*a.C
	for i := range t.shape[0] * a.H {
		image, y := i/a.H, i%a.H
		from := (image*(a.H+2*a.Border)+y+a.Border)*pitch + a.Border*a.C
		f(unsafe.Add(t.p, from*t.dtype.Size()), i*width, width)
	}
}

// At is one element of a dense f32 tensor; for scalars the host watches. It waits for the work on the queue.
func (t *Tensor) At(i int) float32 {
	t.checkDense("At", Float32, t.Len())
	t.dev.place.copyOut(t.dev.scratch[:4], unsafe.Add(t.p, 4*i))
	return math.Float32frombits(binary.NativeEndian.Uint32(t.dev.scratch[:]))
}

// CopyFrom copies a tensor of the same shape and type on the same device. It takes its turn in the queue, but not in
// a recording.
func (t *Tensor) CopyFrom(src *Tensor) {
	if t.dtype != src.dtype || !slices.Equal(t.shape, src.shape) || t.border != src.border {
		panic(fmt.Sprintf("cuda.CopyFrom: %v from %v", t, src))
	}
	t.dev.place.copyWithin(t.p, src.p, t.Bytes())
}
