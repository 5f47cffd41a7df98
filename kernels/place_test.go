package kernels_test

import (
	"fmt"
	"testing"

	"vimps-gpu/kernels"
)

func TestPlace(t *testing.T) {
	for _, s := range [][9]int{ // h, w, c of x; of y; top, left, channel
		{4, 5, 19, 6, 8, 40, 1, 2, 7}, {3, 3, 16, 3, 3, 48, 0, 0, 32}, {2, 3, 5, 4, 3, 5, 2, 0, 0}, {1, 1, 1, 1, 1, 1, 0, 0, 0},
	} {
		for _, clear := range []bool{false, true} {
			t.Run(fmt.Sprint(s, clear), func(t *testing.T) {
				const n = 3
				x, y := newTensor(t, n, s[0], s[1], s[2], 1, normals(1, 1)), newTensor(t, n, s[3], s[4], s[5], 2, normals(2, 1))
				dx, more := newTensor(t, n, s[0], s[1], s[2], 0, normals(3, 1)), newTensor(t, n, s[0], s[1], s[2], 2, normals(4, 1))
				a := kernels.PlaceArgs{X: x.Act, Y: y.Act, Top: s[6], Left: s[7], Channel: s[8], Clear: clear}
				var wantY, wantDX, wantMore []float32
				y.each(func(v *float32, i, p, q, k int) {
					p, q, k = p-a.Top, q-a.Left, k-a.Channel
					switch {
					case p >= 0 && p < x.H && q >= 0 && q < x.W && k >= 0 && k < x.C:
						wantY = append(wantY, *x.at(i, p, q, k))
					case clear:
						wantY = append(wantY, 0)
					default:
						wantY = append(wantY, *v)
					}
				})
				runCall(kernels.PlaceForward(a), n, 2)
				sameBits(t, "y", y.inside(), wantY)
				y.each(func(v *float32, i, p, q, k int) { *v = float32(p) + float32(q)/8 + float32(k)/64 - float32(i) })
				more.each(func(v *float32, i, p, q, k int) {
					d := *y.at(i, p+a.Top, q+a.Left, k+a.Channel)
					wantDX, wantMore = append(wantDX, d), append(wantMore, *v+d)
				})
				a.X = dx.Act
				runCall(kernels.PlaceBackward(a), n, 2)
				a.X, a.Accumulate = more.Act, true
				runCall(kernels.PlaceBackward(a), n, 1)
				sameBits(t, "dx", dx.inside(), wantDX)
				sameBits(t, "dx added to", more.inside(), wantMore)
			})
		}
	}
}

func TestPlaceShapes(t *testing.T) {
	x, y := newTensor(t, 1, 2, 2, 2, 0, zeros), newTensor(t, 1, 3, 3, 3, 0, zeros)
	for _, at := range [][3]int{{2, 0, 0}, {0, 2, 0}, {0, 0, 2}, {-1, 0, 0}} {
		wantRefused(t, fmt.Sprint(at), func() {
			kernels.PlaceForward(kernels.PlaceArgs{X: x.Act, Y: y.Act, Top: at[0], Left: at[1], Channel: at[2]})
		})
	}
}

func TestShuffle(t *testing.T) {
	for _, s := range [][4]int{{3, 4, 5, 2}, {2, 3, 1, 3}, {1, 2, 17, 4}, {2, 2, 6, 1}} { // h, w, c of y / block, block
		for _, dcr := range []bool{false, true} {
			t.Run(fmt.Sprint(s, dcr), func(t *testing.T) {
				const n = 3
				b, c := s[3], s[2]
				x, y := newTensor(t, n, s[0], s[1], c*b*b, 1, normals(1, 1)), newTensor(t, n, s[0]*b, s[1]*b, c, 2, normals(2, 1))
				dx, more := newTensor(t, n, s[0], s[1], c*b*b, 0, normals(3, 1)), newTensor(t, n, s[0], s[1], c*b*b, 2, normals(4, 1))
				a := kernels.ShuffleArgs{X: x.Act, Y: y.Act, Block: b, DCR: dcr}
				runCall(kernels.ShuffleForward(a), n, 2)
				from := func(of tensor, i, p, q, k int) *float32 {
					if dcr {
						return of.at(i, p/b, q/b, (p%b*b+q%b)*c+k)
					}
					return of.at(i, p/b, q/b, k*b*b+p%b*b+q%b)
				}
				y.each(func(v *float32, i, p, q, k int) {
					if want := *from(x, i, p, q, k); *v != want {
						t.Fatalf("y[%d,%d,%d,%d] = %g, want %g", i, p, q, k, *v, want)
					}
					*v = float32(p) + float32(q)/8 + float32(k)/64 - float32(i)
				})
				before := more.inside()
				a.X = dx.Act
				runCall(kernels.ShuffleBackward(a), n, 2)
				a.X, a.Accumulate = more.Act, true
				runCall(kernels.ShuffleBackward(a), n, 1)
				y.each(func(v *float32, i, p, q, k int) {
					if got := *from(dx, i, p, q, k); got != *v {
						t.Fatalf("dx of y[%d,%d,%d,%d] = %g, want %g", i, p, q, k, got, *v)
					}
				})
				for i, d := range dx.inside() {
					if got := more.inside()[i]; got != before[i]+d {
						t.Fatalf("dx added to: value %d is %g, want %g", i, got, before[i]+d)
					}
				}
			})
		}
	}
}

func TestShuffleShapes(t *testing.T) {
	x, y := newTensor(t, 1, 2, 2, 8, 0, zeros), newTensor(t, 1, 4, 4, 3, 0, zeros)
	wantRefused(t, "channels", func() { kernels.ShuffleForward(kernels.ShuffleArgs{X: x.Act, Y: y.Act, Block: 2}) })
	wantRefused(t, "size", func() { kernels.ShuffleForward(kernels.ShuffleArgs{X: x.Act, Y: y.Act, Block: 1}) })
}

func wantRefused(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", what)
		}
	}()
	f()
}
