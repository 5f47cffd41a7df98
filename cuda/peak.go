package cuda

import (
	"time"

	"vimps-gpu/kernels"
)

const (
	peakOp   = "peak"
	peakTime = 400 * time.Millisecond
)

// PeakFLOPS measures, on the host, the most floating-point operations a second (a multiply-add is two) that all workers together
// could reach on registers alone, each on a CPU of its own: the ceiling that kernels are compared with. It takes the
// best launch of peakTime, since a busy machine or a clock that is still rising only ever lowers it.
func (d *Device) PeakFLOPS() float64 {
	out := d.New(Float32, hostChunks, 16)
	defer out.Free()
	g := d.Record(func() { d.emit(peakOp, images, hostChunks, 0, kernels.Peak(d.isa, out.p)) })
	defer g.Free()
	best := 0.0
	for start := time.Now(); time.Since(start) < peakTime; {
		g.Profile(true)
		g.Launch()
		best = max(best, hostChunks*kernels.PeakFLOP(d.isa)/g.OpTimes()[peakOp])
	}
	return best * float64(d.threads)
}
