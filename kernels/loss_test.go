package kernels_test

import (
	"math"
	"testing"
	"unsafe"

	"vimps-gpu/kernels"
)

// labelsOf puts int32 values into kernel memory.
func labelsOf(t testing.TB, v []int32) kernels.Ptr {
	b := newBuffer(t, len(v))
	copy(unsafe.Slice((*int32)(b.P), len(v)), v)
	return b.P
}

func TestSoftmaxCrossEntropy(t *testing.T) {
	const n, c, batch, gradScale = 6, 10, 8, 0.5
	for _, scale := range []float64{1, 100} {
		for _, border := range []int{0, 1} {
			x, dx := newTensor(t, n, 1, 1, c, border, normals(1, scale)), newTensor(t, n, 1, 1, c, border, zeros)
			*x.at(2, 0, 0, 3), *x.at(2, 0, 0, 5) = 1000, 1000 // equal: the first is the answer
			labels := []int32{0, 9, 3, 4, 1, 2}
			partial := newBuffer(t, 2*n)
			runCall(kernels.SoftmaxCrossEntropy(kernels.SoftmaxCrossEntropyArgs{Logits: x.Act, DLogits: dx.Act, Labels: labelsOf(t, labels),
				Scale: bufferOf(t, []float32{gradScale}).P, Partial: partial.P, N: batch}), n, 4)
			var wantPartial, wantDx []float64
			for i, label := range labels {
				best, sum := 0, 0.0
				v := func(j int) float64 { return float64(*x.at(i, 0, 0, j)) }
				for j := range c {
					if v(j) > v(best) {
						best = j
					}
				}
				for j := range c {
					sum += math.Exp(v(j) - v(best))
				}
				right := 0.0
				if best == int(label) {
					right = 1
				}
				wantPartial = append(wantPartial, math.Log(sum)+v(best)-v(int(label)), right)
				for j := range c {
					g := math.Exp(v(j)-v(best)) / sum
					if j == int(label) {
						g--
					}
					wantDx = append(wantDx, gradScale*g/batch)
				}
			}
			near(t, "partial", partial.F, wantPartial, 2e-6)
			near(t, "dlogits", dx.inside(), wantDx, 1e-7)
			if partial.F[5] != 1 {
				t.Errorf("of two equal logits the first is not the answer")
			}
		}
	}
}

func TestSoftmaxCrossEntropyShowsWhatIsWrong(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		logits []float32
		label  int32
	}{{[]float32{1, 2, float32(nan)}, 0}, {[]float32{float32(nan), 2, 1}, 1}, {[]float32{1, 2, 3}, 3}, {[]float32{1, 2, 3}, -1}} {
		x := newTensor(t, 1, 1, 1, 3, 0, zeros)
		x.fill(c.logits)
		partial := newBuffer(t, 2)
		runCall(kernels.SoftmaxCrossEntropy(kernels.SoftmaxCrossEntropyArgs{Logits: x.Act, Labels: labelsOf(t, []int32{c.label}), Partial: partial.P, N: 1}), 1, 1)
		if l := float64(partial.F[0]); !math.IsNaN(l) {
			t.Errorf("logits %v, label %d: loss %g, want NaN", c.logits, c.label, l)
		}
	}
}

func TestSumRows(t *testing.T) {
	for _, cols := range []int{1, 8, 19} {
		const rows = 7
		in, out := bufferOf(t, take(rows*cols, normals(1, 1))), bufferOf(t, take(cols, normals(2, 1)))
		plain, scale := newBuffer(t, cols), bufferOf(t, []float32{0.5})
		want, wantPlain := float64s(out.F), make([]float64, cols)
		for i, v := range in.F {
			want[i%cols] += 0.5 * float64(v)
			wantPlain[i%cols] += float64(v)
		}
		runCall(kernels.SumRows(kernels.SumRowsArgs{In: in.P, Out: out.P, Scale: scale.P, Rows: rows, Cols: cols, Accumulate: true}), 1, 1)
		runCall(kernels.SumRows(kernels.SumRowsArgs{In: in.P, Out: plain.P, Rows: rows, Cols: cols}), 1, 1)
		near(t, "scaled and added", out.F, want, 1e-6)
		near(t, "plain", plain.F, wantPlain, 1e-6)
	}
}
