package cuda

import (
	"fmt"
	"unsafe"

	"vimps-gpu/kernels"
)

// Inbox brings batch after batch into the same tensors. On a GPU the next batch is copied, from pinned memory and on a
// stream of its own, while the queue works on the one before; the host waits when it is more than a batch ahead.
type Inbox struct {
	dev   *Device
	parts []part
	hold  []*Tensor // where batches arrive on a GPU
}

// part is one tensor of an inbox: src goes to dst, on a GPU by way of arrival.
type part struct {
	dst, arrival kernels.Ptr
	src          []byte
}

// NewInbox makes an inbox for dense tensors.
func (d *Device) NewInbox(tensors ...*Tensor) *Inbox {
	b := &Inbox{dev: d}
	for _, t := range tensors {
		if t.border != 0 {
			panic(fmt.Sprintf("cuda.NewInbox: %v has a border of %d", t, t.border))
		}
		p := part{dst: t.p}
		if d.gpu {
			hold := d.New(t.dtype, t.shape...)
			p.arrival, b.hold = hold.p, append(b.hold, hold)
		}
		if !d.sizing {
			p.src = d.place.pinned(t.Bytes())
		}
		b.parts = append(b.parts, p)
	}
	return b
}

// Open gives the memory of the next batch, to be written before Send.
func (b *Inbox) Open() { b.dev.place.waitSent() }

// Uint8 is the i-th tensor's memory of the next batch.
func (b *Inbox) Uint8(i int) []uint8 { return b.parts[i].src }

// Int32 is that of an i32 tensor.
func (b *Inbox) Int32(i int) []int32 {
	src := b.parts[i].src
	return unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(src))), len(src)/4)
}

// Send brings the batch to the tensors: work queued after it sees it.
func (b *Inbox) Send() { b.dev.place.send(b.parts) }

// Free returns the memory; the tensors stay.
func (b *Inbox) Free() {
	for _, t := range b.hold {
		t.Free()
	}
	for _, p := range b.parts {
		b.dev.place.unpin(p.src)
	}
}
