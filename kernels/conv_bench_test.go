package kernels

import (
	"fmt"
	"math"
	"testing"
)

// convBenchCases are the layers of ResNet-20 and three larger ones, one image.
var convBenchCases = []convCase{
	square(1, 32, 32, 3, 16, 3, 1, 1, 1, 1),
	square(1, 32, 32, 16, 16, 3, 1, 1, 1, 1),
	square(1, 32, 32, 16, 32, 3, 2, 1, 1, 1),
	square(1, 16, 16, 32, 32, 3, 1, 1, 1, 1),
	square(1, 16, 16, 32, 64, 3, 2, 1, 1, 1),
	square(1, 8, 8, 64, 64, 3, 1, 1, 1, 1),
	square(1, 7, 7, 512, 512, 3, 1, 1, 1, 1),
	square(1, 56, 56, 64, 64, 3, 1, 1, 1, 1),
	square(1, 56, 56, 64, 256, 1, 1, 0, 1, 1),
	square(1, 56, 56, 144, 144, 3, 1, 1, 1, 144),
}

// BenchmarkConv reports GFLOP/s of one core beside the peak of fused multiply-adds alone: the two run in
// turn and the best run of each counts, since both move with the clock and with what else the machine does.
func BenchmarkConv(b *testing.B) {
	for _, c := range convBenchCases {
		for _, isa := range []ISA{AVX2, AVX512} {
			if !isa.Supported() {
				continue
			}
			d := newConvData(b, c, 0)
			p, q := c.out()
			work := float64(ConvFLOPs(c.g, p, q))
			for _, op := range []struct {
				name string
				call Call
			}{
				{"forward", ConvForward(isa, ConvForwardArgs{c.g, d.x.Act, d.y.Act, d.fw.ptr(), d.bias.ptr()})},
				{"dgrad", ConvDgrad(isa, ConvDgradArgs{c.g, d.dy.Act, d.dx.Act, d.bw.ptr()})},
				{"wgrad", ConvWgrad(isa, ConvWgradArgs{c.g, d.x.Act, d.dy.Act, d.partial.ptr(), d.chunk})},
			} {
				b.Run(fmt.Sprintf("%s/%s/%v", c, op.name, isa), func(b *testing.B) { benchConv(b, isa, op.call, work) })
				op.call.Free()
			}
		}
	}
}

func benchConv(b *testing.B, isa ISA, call Call, work float64) {
	out := newConvBuf(b, 16)
	peak := Peak(isa, out.ptr())
	defer peak.Free()
	best := [2]int64{math.MaxInt64, math.MaxInt64}
	for b.Loop() {
		var ns [2]int64
		Run([]HostCall{peak.Host(), call.Host()}, 0, 1, 1, ns[:])
		best = [2]int64{min(best[0], ns[0]), min(best[1], ns[1])}
	}
	top, rate := PeakFLOP(isa)/float64(best[0]), work/float64(best[1])
	b.ReportMetric(0, "ns/op") // of both: says nothing
	b.ReportMetric(top, "peak-GFLOP/s")
	b.ReportMetric(rate, "GFLOP/s")
	b.ReportMetric(100*rate/top, "%peak")
}
