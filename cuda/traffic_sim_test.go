//go:build cuda

package cuda

import (
	"math/rand/v2"
	"testing"

	"vimps-gpu/cuda/simcount"
)

// traffic is the bytes that threads asked for in global memory and the 32-byte sectors that had to be moved for it.
type traffic struct{ loaded, loadSectors, stored, storeSectors float64 }

func countTraffic(t *testing.T, f func()) (c traffic) {
	t.Helper()
	read := func() (v [4]float64) {
		for i, name := range []string{"global_load_bytes", "global_load_sectors", "global_store_bytes", "global_store_sectors"} {
			n, ok := simcount.Counter(name)
			if !ok {
				skipUnlessSet(t, "needs the simulated GPU, which counts")
			}
			v[i] = float64(n)
		}
		return v
	}
	before := read()
	f()
	after := read()
	return traffic{after[0] - before[0], after[1] - before[1], after[2] - before[2], after[3] - before[3]}
}

func (c traffic) minus(o traffic) traffic {
	return traffic{c.loaded - o.loaded, c.loadSectors - o.loadSectors, c.stored - o.stored, c.storeSectors - o.storeSectors}
}

// trafficOps are the fused kernels over images of height h, and over filters of as many channels, with what they must
// read and write.
func trafficOps(d *Device, h int) []trafficOp {
	u := unitData{r: rand.New(rand.NewPCG(5, 5))}
	act := func(border int) *Tensor {
		a := d.NewAct(border, 2, h, 16, 64)
		a.Set(u.values(a.Len(), 1))
		return a
	}
	vec := func() *Tensor { return d.From(u.values(64, 1), 64) }
	m := mixOf(d, u, 3, false)
	m.Z.Set([]float32{0.2, 0.3, 0.5, 0, 0, 0, 0, 0})
	unit := &Unit{Y: act(0), Scale: vec(), Shift: vec(), Mean: vec(), Inv: vec(), ReLU: true, Mixes: []UnitMix{{Mix: m, Out: act(1), Grad: act(0)}}}
	unit.Mixes[0].Rows = d.New(Float32, d.UnitRows(unit.Y), 6)
	grad := &UnitGrad{Rows: d.New(Float32, d.UnitRows(unit.Y), 2, 64), Coef: d.From(u.values(192, 1), 3, 64), DY: act(1)}
	size := float64(unit.Y.Bytes())
	w, mixed := d.From(u.values(3*8*h*64, 0.1), 3, 8, 1, h, 64), d.New(Float32, 8, 1, h, 64)
	nested := &Nested{Bits: []int{2, 4, 8}, Z: m.Z, Param: d.From([]float32{1}, 1)}
	out, nestedRows := act(1), d.New(Float32, d.MixRows(unit.Y), 4)
	filters := &Mix{Min: m.Min, Max: m.Max, Z: m.Z, Step: d.From([]float32{0.1, 0.2, 0.3}, 3)}
	return []trafficOp{
		{"unit forward", func() { UnitForward(unit) }, size, size},
		{"unit backward, sums", func() { UnitGradReduce(unit, grad) }, 2 * size, 0},
		{"unit backward", func() { UnitGradApply(unit, grad) }, 2 * size, size},
		{"weight mix", func() { MixWeight(mixed, w, filters, false) }, float64(w.Bytes()), float64(mixed.Bytes())},
		{"nested input", func() { NestedInput(out, unit.Y, nested) }, size, size},
		{"nested input backward", func() { NestedInputGrad(out, nestedRows, grad.DY, unit.Y, nested, false) }, 2 * size, size},
	}
}

type trafficOp struct {
	name          string
	run           func()
	reads, writes float64
}

// TestSimTraffic: a fused unit reads its input once forward, and input and gradient once in each backward pass, in whole
// sectors, and writes once what it must; a mix of filters reads each once. Measured by what taller images cost more:
// 17 and 31 rows are cut into as many parts, so that what each thread reads of parameters is the same.
func TestSimTraffic(t *testing.T) {
	for _, precision := range []string{"tf32", "bf16"} {
		_, d := onBoth(t, precision)
		low, tall := trafficOps(d, 17), trafficOps(d, 31)
		some := d.New(Float32, 1)
		some.At(0) // the simulator does what is queued when it is waited for
		for i, op := range tall {
			count := func(o trafficOp) traffic { return countTraffic(t, func() { o.run(); some.At(0) }) }
			c := count(op).minus(count(low[i]))
			reads, writes := op.reads-low[i].reads, op.writes-low[i].writes
			if c.loaded != reads || c.stored != writes || 32*c.loadSectors != reads || 32*c.storeSectors != writes {
				t.Errorf("%s, %s: %g bytes more read in %g of sectors, %g written in %g; want %g and %g", precision, op.name,
					c.loaded, 32*c.loadSectors, c.stored, 32*c.storeSectors, reads, writes)
			}
		}
	}
}
