package cuda

import (
	"time"

	"vimps-gpu/kernels"
)

const peakTime = 400 * time.Millisecond

// PeakFLOPS measures the most floating-point operations a second that all workers together reach on registers
// alone (a multiply-add is two): the ceiling that kernels are compared with. It takes the best of peakTime, since a
// busy machine or a clock that is still rising only ever lowers it.
func (d *Device) PeakFLOPS() float64 {
	out := d.New(Float32, hostChunks, 16)
	defer out.Free()
	g := d.Record(func() { d.emit("peak", images, hostChunks, 0, kernels.Peak(d.isa, out.p)) })
	defer g.Free()
	best := 0.0
	for start := time.Now(); time.Since(start) < peakTime; {
		began := time.Now()
		g.Launch()
		best = max(best, hostChunks*kernels.PeakFLOP(d.isa)/time.Since(began).Seconds())
	}
	return best
}
