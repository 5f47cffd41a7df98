//go:build cuda

package cuda

import (
	"fmt"

	"vimps-gpu/cuda/driver"
)

// NCCLID makes what joins the reducers of a job: one rank makes it and gives it to every rank. It fails, with what to do about it, where
// NCCL cannot be found.
func NCCLID() ([]byte, error) {
	id, err := driver.NCCLID()
	if err != nil {
		return nil, Unavailable{err}
	}
	return id, nil
}

// Reducer sums tensors over the processes of a job, a GPU each. Its failure is a panic with a [Failure], as that of an op is.
type Reducer struct {
	dev  *Device
	gpu  *gpu
	comm *driver.Comm
}

// NewReducer joins the ranks of an id and waits for all of them. The ranks use a device's reducers, if there are several, in one order.
func (d *Device) NewReducer(id []byte, rank, size int) (*Reducer, error) {
	g, onGPU := d.place.(*gpu)
	if !onGPU || len(id) != driver.IDLen || rank < 0 || rank >= size {
		panic(fmt.Sprintf("cuda.NewReducer: rank %d of %d, an id of %d bytes, on %s", rank, size, len(id), d.Name()))
	}
	comm, err := g.ctx.NewComm(id, rank, size)
	if err != nil {
		return nil, Unavailable{err}
	}
	return &Reducer{d, g, comm}, nil
}

// Start sums each tensor, f32 and dense, over the ranks, in place, after the work queued so far. Work queued later may run beside it
// until Wait, and must not touch the tensors. Every rank starts tensors of the same lengths in the same order. Between launches only,
// not in a recording.
func (r *Reducer) Start(tensors ...*Tensor) {
	r.outsideRecording("Start")
	buffers := make([]driver.Floats, len(tensors))
	for i, t := range tensors {
		if t.dtype != Float32 || t.border != 0 || t.dev != r.dev {
			panic(fmt.Sprintf("cuda.Reducer.Start: %v with a border of %d; want f32, dense and of the reducer's device", t, t.border))
		}
		buffers[i] = driver.Floats{P: t.p, N: t.Len()}
	}
	r.gpu.must(r.comm.AllReduce(buffers...))
	if r.gpu.sync {
		r.Wait()
		r.gpu.must(r.gpu.ctx.Synchronize())
	}
}

// Wait makes work queued later wait for all that was started. The host does not wait. Between launches only, not in a recording.
func (r *Reducer) Wait() {
	r.outsideRecording("Wait")
	r.gpu.must(r.comm.Join())
}

func (r *Reducer) outsideRecording(op string) {
	if r.dev.rec != nil {
		panic("cuda.Reducer." + op + ": inside a recording")
	}
}

// Free waits for what was started and leaves the others.
func (r *Reducer) Free() { r.gpu.tidied(r.comm.Free()) }
