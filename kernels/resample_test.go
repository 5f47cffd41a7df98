package kernels_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"vimps-gpu/kernels"
)

// tapsOf draws for each of out places up to count taps, at times none.
func tapsOf(t *testing.T, seed uint64, in, out, count int) (kernels.Taps, [][2][]float64) {
	r := rand.New(rand.NewPCG(seed, 7))
	at, weight, want := make([]int32, out*count), make([]float32, out*count), make([][2][]float64, out)
	for i := range out {
		n := r.IntN(count + 1)
		for j := range count {
			k := i*count + j
			at[k], weight[k] = -1, 1e30 // of a tap that there is not
			if j < n {
				at[k], weight[k] = int32(r.IntN(in)), float32(r.NormFloat64())
				want[i][0], want[i][1] = append(want[i][0], float64(at[k])), append(want[i][1], float64(weight[k]))
			}
		}
	}
	return kernels.Taps{At: newWords(t, at...).p, Weight: newWords(t, weight...).p, In: in, Out: out, Count: count}, want
}

func TestResample(t *testing.T) {
	for _, s := range [][7]int{{4, 3, 7, 6, 35, 4, 3}, {5, 6, 2, 3, 16, 2, 5}, {1, 1, 3, 3, 3, 1, 2}} { // h, w, p, q, c, taps
		h, w, p, q, c := s[0], s[1], s[2], s[3], s[4]
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			const n = 4
			sameOnAll(t, func(t *testing.T, isa kernels.ISA, block int) []float32 {
				rows, wantRows := tapsOf(t, 1, h, p, s[5])
				cols, wantCols := tapsOf(t, 2, w, q, s[6])
				x, y := newTensor(t, n, h, w, c, 1, normals(3, 1)), newTensor(t, n, p, q, c, 2, normals(4, 1))
				more := newTensor(t, n, p, q, c, 0, normals(5, 1))
				var want, wantMore []float64
				more.each(func(v *float32, i, p, q, k int) {
					sum := 0.0
					for a, row := range wantRows[p][0] {
						for b, col := range wantCols[q][0] {
							sum += wantRows[p][1][a] * wantCols[q][1][b] * float64(*x.at(i, int(row), int(col), k))
						}
					}
					want, wantMore = append(want, sum), append(wantMore, float64(*v)+sum)
				})
				a := kernels.ResampleArgs{X: x.Act, Y: y.Act, Rows: rows, Cols: cols}
				runCall(kernels.Resample(isa, a), n, block)
				a.Y, a.Accumulate = more.Act, true
				runCall(kernels.Resample(isa, a), n, block)
				near(t, "y", y.inside(), want, 5e-6)
				near(t, "y added to", more.inside(), wantMore, 5e-6)
				return append(y.inside(), more.inside()...)
			})
		})
	}
}

func TestResampleShapes(t *testing.T) {
	x, y := newTensor(t, 1, 2, 3, 4, 0, zeros), newTensor(t, 1, 5, 6, 4, 0, zeros)
	rows, _ := tapsOf(t, 1, 2, 5, 1)
	wantRefused(t, "columns", func() {
		kernels.Resample(kernels.Portable, kernels.ResampleArgs{X: x.Act, Y: y.Act, Rows: rows, Cols: rows})
	})
}
