package kernels_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"vimps-gpu/kernels"
)

// bitmodel64 gives the logits and tilt of the used candidates, row after row.
func bitmodel64(theta []float64, depth, hidden int, bits []int32, u float64, kappaRank []float32) (logits, tilt []float64) {
	x := []float64{u}
	for range depth {
		h := make([]float64, hidden)
		for i := range h {
			h[i] = theta[hidden*len(x)+i]
			for j := range x {
				h[i] += theta[i*len(x)+j] * x[j]
			}
			h[i] = math.Tanh(h[i])
		}
		theta = theta[hidden*(len(x)+1):]
		x = h
	}
	bias := theta[len(bits)*kernels.MaxBits*len(x):]
	for g, n := range bits {
		for i := g * kernels.MaxBits; i < g*kernels.MaxBits+int(n); i++ {
			s := bias[i]
			for j := range x {
				s += theta[i*len(x)+j] * x[j]
			}
			tilt = append(tilt, -u*float64(kappaRank[i]))
			logits = append(logits, s-u*float64(kappaRank[i]))
		}
	}
	return logits, tilt
}

func TestBitModel(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 13))
	bits := []int32{3, 1, 8, 2}
	rows := len(bits) * kernels.MaxBits
	for _, shape := range [][2]int{{0, 1}, {1, 1}, {1, 7}, {2, 64}, {3, 5}, {4, 9}, {1, 256}} {
		depth, hidden := shape[0], shape[1]
		name := fmt.Sprintf("depth=%d hidden=%d", depth, hidden)
		n := kernels.BitModelSize(depth, hidden, len(bits))
		theta, kappaRank, dlogits := gaussians(r, n, 0.5), gaussians(r, rows, 3), gaussians(r, rows, 1)
		start := gaussians(r, n, 1)
		const u, scale = -0.7, 0.5
		ref, u64 := float64s(theta), float64(float32(u))

		th, kr, dl, dth := newWords(t, theta...), newWords(t, kappaRank...), newWords(t, dlogits...), newWords(t, start...)
		uw, sw, bw := newWords[float32](t, u), newWords[float32](t, scale), newWords(t, bits...)
		h, logits, tilt := newWords(t, make([]float32, depth*hidden)...), newWords(t, filledWith(rows, 777)...), newWords(t, filledWith(rows, 777)...)
		a := kernels.BitModelArgs{Depth: depth, Hidden: hidden, Gates: len(bits), Bits: bw.p, Theta: th.p, U: uw.p, KappaRank: kr.p,
			H: h.p, Logits: logits.p, Tilt: tilt.p, DLogits: dl.p, DTheta: dth.p, GradScale: sw.p}
		runCall(kernels.BitModelForward(a), 1, 1)
		runCall(kernels.BitModelBackward(a), 1, 1)

		wantLogits, wantTilt := bitmodel64(ref, depth, hidden, bits, u64, kappaRank)
		near(t, name+" logits", usedColumns(logits.v, bits), wantLogits, 2e-6)
		near(t, name+" tilt", usedColumns(tilt.v, bits), wantTilt, 1e-6)
		wantUntouched(t, name+" logits", logits.v, bits, 777)
		wantUntouched(t, name+" tilt", tilt.v, bits, 777)
		weights := float64s(usedColumns(dlogits, bits))
		want := centralDifference(func() float64 {
			out, _ := bitmodel64(ref, depth, hidden, bits, u64, kappaRank)
			sum := 0.0
			for i := range out {
				sum += weights[i] * out[i]
			}
			return sum
		}, ref)
		for i := range want {
			want[i] = float64(start[i]) + scale*want[i]
		}
		near(t, name+" dtheta", dth.v, want, 3e-6)
	}
}

func TestBitModelRefusesImpossibleShapes(t *testing.T) {
	for _, shape := range [][2]int{{5, 64}, {2, 257}, {2, 0}, {-1, 4}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("depth %d, hidden %d: no panic", shape[0], shape[1])
				}
			}()
			kernels.BitModelForward(kernels.BitModelArgs{Depth: shape[0], Hidden: shape[1]})
		}()
	}
}
