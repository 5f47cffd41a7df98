//go:build cuda

package cuda

import (
	"testing"

	"vimps-gpu/cuda/simcount"
	"vimps-gpu/kernels"
)

// wantZeroBorder wants the border of an activation tensor still zero.
func wantZeroBorder(t *testing.T, what string, x *Tensor) {
	t.Helper()
	a, raw := x.act(), make([]byte, x.Bytes())
	x.dev.place.copyOut(raw, x.p)
	pixel := a.C * x.dtype.Size()
	for i := range raw {
		row, col := i/pixel/(a.W+2*a.Border)%(a.H+2*a.Border)-a.Border, i/pixel%(a.W+2*a.Border)-a.Border
		if (row < 0 || row >= a.H || col < 0 || col >= a.W) && raw[i] != 0 {
			t.Fatalf("%s: the border was written at row %d, column %d", what, row, col)
		}
	}
}

// run does every pass on a device and returns the results by name; used counts the kernels that a GPU launched.
func (c convCase) run(t *testing.T, d *Device, in convValues, used map[string]int) outputs {
	t.Helper()
	g, n := c.g, c.n
	p, q := c.out()
	x := d.NewAct(kernels.ConvXBorder(g, c.h, c.w, p, q), n, c.h, c.w, g.C)
	dy := d.NewAct(kernels.ConvDyBorder(g, c.h, c.w, p, q), n, p, q, g.K)
	y, dx, logits := d.NewAct(1, n, p, q, g.K), d.NewAct(2, n, c.h, c.w, g.C), d.NewActOf(Float32, 0, n, p, q, g.K)
	x.Set(in.x)
	dy.Set(in.dy)
	for _, v := range []*Tensor{y, dx, logits} {
		v.Set(nans(v.Len()))
	}
	w, bias, dw := d.From(in.w, len(in.w)), d.From(in.bias, g.K), d.From(nans(len(in.w)), len(in.w))
	emit := func(a axis, units int, call kernels.Call) {
		if l, _, ok := call.Launch(units); ok {
			used[l.Kernel]++
		}
		d.emit("conv", a, units, 1, call)
	}
	depthwise := g.Groups == g.C && g.C == g.K
	forward := kernels.ConvForwardArgs{Geom: g, X: x.act(), Y: y.act(), Bias: bias.p}
	dgrad := kernels.ConvDgradArgs{Geom: g, DX: dx.act(), DY: dy.act()}
	wgrad := kernels.ConvWgradArgs{Geom: g, X: x.act(), DY: dy.act(), Chunk: 1}
	out := outputs{}
	if d.gpu {
		o := d.operand()
		fw, bw := kernels.ConvPackedBytes(g, o)
		packed, back := d.New(Uint8, fw), d.New(Uint8, bw)
		splits := kernels.ConvWgradSplits(g, n, p, q)
		partial := d.From(nans(splits*len(in.w)), splits*len(in.w))
		emit(channels, g.K, kernels.ConvPackGPU(kernels.ConvPackArgs{Geom: g, W: w.p, Forward: packed.p, Backward: back.p}, o))
		forward.Packed, dgrad.Packed, wgrad.Partial = packed.p, back.p, partial.p
		emit(images, n, kernels.ConvForwardGPU(forward, o))
		if !depthwise {
			forward.Y = logits.act()
			emit(images, n, kernels.ConvForwardGPU(forward, o))
			out["logits"] = logits.Get(nil)
		}
		emit(images, n, kernels.ConvDgradGPU(dgrad, o))
		emit(images, n, kernels.ConvWgradGPU(wgrad, o, n, splits))
		emit(channels, g.K, kernels.ConvWgradReduceGPU(kernels.ConvWgradReduceArgs{Geom: g, Partial: partial.p, DW: dw.p, Chunks: splits}))
	} else {
		fw, bw := kernels.ConvPackedSize(g)
		packed, back, partial := d.New(Float32, fw), d.New(Float32, bw), d.New(Float32, kernels.ConvPartialSize(g, n, 1))
		emit(channels, g.K, kernels.ConvPack(kernels.ConvPackArgs{Geom: g, W: w.p, Forward: packed.p, Backward: back.p}))
		forward.Packed, dgrad.Packed, wgrad.Partial = packed.p, back.p, partial.p
		emit(images, n, kernels.ConvForward(d.isa, forward))
		emit(images, n, kernels.ConvDgrad(d.isa, dgrad))
		emit(images, n, kernels.ConvWgrad(d.isa, wgrad))
		emit(channels, g.K, kernels.ConvWgradReduce(kernels.ConvWgradReduceArgs{Geom: g, Partial: partial.p, DW: dw.p, Chunks: n}))
	}
	rows := d.BiasRows(dy)
	parts := d.From(nans(rows*g.K), rows, g.K)
	BiasGrad(parts, dy)
	db := make([]float32, g.K)
	for i, v := range parts.Get(nil) {
		db[i%g.K] += v
	}
	wantZeroBorder(t, "y", y)
	wantZeroBorder(t, "dx", dx)
	out["y"], out["dx"], out["dw"], out["db"] = y.Get(nil), dx.Get(nil), dw.Get(nil), db
	return out
}

// convKernels are the kernels that the cases must reach.
func convKernels(precision string) (names []string) {
	suffix := map[string]string{"tf32": "_f32", "bf16": "_bf16"}[precision]
	for op, variants := range map[string][]string{
		"conv_fwd":             {"_128x128", "_128x64", "_128x32", "_128x16", "_values"},
		"conv_dgrad":           {"_128x128", "_128x64", "_128x32", "_128x16", "_values"},
		"conv_wgrad":           {"_64x128", "_64x64", "_32x128", "_16x128", "_values"},
		"conv_depthwise_fwd":   {"", "_values"},
		"conv_depthwise_dgrad": {"", "_values"},
		"conv_depthwise_wgrad": {"", "_row3", "_values"},
		"conv_pack":            {""},
	} {
		for _, v := range variants {
			names = append(names, op+v+suffix)
		}
	}
	if precision == "bf16" {
		names = append(names, "conv_fwd_logits_bf16", "conv_fwd_logits_values_bf16")
	}
	return append(names, "conv_depthwise_pack", "conv_wgrad_reduce")
}

// Every pass of every case against the definition over the rounded operands, against the host over the unrounded ones,
// and against itself; without bank conflicts.
func TestConvOnGPU(t *testing.T) {
	for name, prec := range precisions {
		host, gpu := onBoth(t, name)
		used := map[string]int{}
		for _, c := range convCases {
			t.Run(name+"/"+c.String(), func(t *testing.T) {
				in := c.values()
				act, filter, u := prec.operand, prec.operand, prec.u
				if c.g.Groups == c.g.C && c.g.C == c.g.K { // products in f32
					act, filter, u = prec.stored, func(v float32) float32 { return v }, prec.store
				}
				waves, ideal := sharedWaves()
				got := c.run(t, gpu, in, used)
				if w, i := sharedWaves(); w-waves != i-ideal {
					t.Errorf("%d waves of shared memory, %d without bank conflicts", w-waves, i-ideal)
				}
				for what, again := range c.run(t, gpu, in, used) {
					wantBits(t, what+" again", again, got[what])
				}
				want, onHost := c.reference(in, act, filter, prec.stored), c.run(t, host, in, used)
				if logits, ok := got["logits"]; ok {
					want["y"].check(t, "logits", logits, want["y"].chain(), 0)
				}
				for what, sum := range want {
					store := prec.store
					if what == "dw" || what == "db" {
						store = 0
					}
					sum.check(t, what, got[what], sum.chain(), store)
					for i, v := range onHost[what] {
						sum.v[i] = float64(v)
					}
					sum.check(t, what+" (host)", got[what], 1.1*(sum.chain()+2*u+u*u), store)
				}
			})
		}
		for _, kernel := range convKernels(name) {
			if used[kernel] == 0 {
				t.Errorf("no case runs %s", kernel)
			}
		}
	}
}

// sharedWaves is the passes over the banks of shared memory so far, and how many there were without conflicts; 0, 0
// where no simulator counts.
func sharedWaves() (waves, ideal uint64) {
	waves, _ = simcount.Counter("shared_waves")
	ideal, _ = simcount.Counter("shared_ideal_waves")
	return waves, ideal
}
