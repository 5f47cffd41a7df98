package cuda

import "vimps-gpu/kernels"

// Taps are, for each of out places, the source places among in and their weights, on a device, and the reverse for gradients.
type Taps struct {
	forward, gradient kernels.Taps
	owned             []*Tensor
}

// NewTaps makes the taps from in to out places. Outside the source its edge is repeated.
func (d *Device) NewTaps(in, out int, r Resampling) *Taps {
	t := r.table(in, out)
	taps := &Taps{}
	taps.forward = taps.put(d, t, in, out)
	taps.gradient = taps.put(d, t.transposed(in), out, in)
	return taps
}

func (t *Taps) put(d *Device, table tapTable, in, out int) kernels.Taps {
	places, weights, count := table.dense()
	at, weight := d.New(Int32, out, count), d.From(weights, out, count)
	at.SetInt32(places)
	t.owned = append(t.owned, at, weight)
	return kernels.Taps{At: at.p, Weight: weight.p, In: in, Out: out, Count: count}
}

// Free returns the memory.
func (t *Taps) Free() {
	for _, o := range t.owned {
		o.Free()
	}
}

// Resample writes, or adds, y [N,P,Q,C] of x [N,H,W,C] by taps from H to P rows and from W to Q columns.
func Resample(y, x *Tensor, rows, cols *Taps, add bool) {
	resample("resample", y, x, rows.forward, cols.forward, add)
}

// ResampleGrad writes, or adds, dx from dy, by the taps of the forward pass.
func ResampleGrad(dx, dy *Tensor, rows, cols *Taps, add bool) {
	resample("resample grad", dx, dy, rows.gradient, cols.gradient, add)
}

func resample(name string, y, x *Tensor, rows, cols kernels.Taps, add bool) {
	sameImages(name, y, x)
	y.emitImages(name, x, kernels.Resample(y.dev.isa, kernels.ResampleArgs{X: x.act(), Y: y.act(), Rows: rows, Cols: cols, Accumulate: add}))
}
