package data

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawSplit is a split of 1x1 images whose storage holds each image's position,
// seen through a view.
func drawSplit(t *rapid.T) Split {
	labels := rapid.SliceOfN(rapid.Int32Range(0, 6), 1, 200).Draw(t, "labels")
	pixels := make([]uint8, len(labels))
	for i := range pixels {
		pixels[i] = uint8(i)
	}
	s := newSplit(pixels, 1, 1, 1, labels)
	if rapid.Bool().Draw(t, "view") {
		var positions []int
		for i := range labels {
			if i%3 != 1 {
				positions = append(positions, i)
			}
		}
		s = s.Subset(positions)
	}
	return s
}

// ids lists the storage positions that the split's pixels hold.
func ids(s Split) []int {
	list := []int{}
	for i := range s.Len() {
		list = append(list, int(s.Image(i)[0]))
	}
	return list
}

func TestHoldoutDivides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSplit(t)
		fraction := rapid.Float64Range(0, 0.999).Draw(t, "fraction")
		seed := rapid.Uint64().Draw(t, "seed")
		train, val := s.Holdout(fraction, seed)

		if want := int(math.Round(fraction * float64(s.Len()))); val.Len() != want {
			t.Fatalf("val holds %d of %d, want %d", val.Len(), s.Len(), want)
		}
		if !slices.IsSorted(ids(train)) || !slices.IsSorted(ids(val)) {
			t.Fatal("a part does not keep the order of the split")
		}
		both := append(ids(train), ids(val)...)
		slices.Sort(both)
		if !slices.Equal(both, ids(s)) {
			t.Fatalf("parts hold %v, split %v", both, ids(s))
		}
		all := s.Counts(7)
		for k, n := range val.Counts(7) {
			if off := math.Abs(float64(n) - fraction*float64(all[k])); off >= 1+1e-9 {
				t.Fatalf("class %d: %d of %d held out, %v off", k, n, all[k], off)
			}
		}
		_, again := s.Holdout(fraction, seed)
		if !slices.Equal(ids(val), ids(again)) {
			t.Fatal("same seed, another hold-out")
		}
	})
}

func TestHoldoutDependsOnSeed(t *testing.T) {
	s := newSplit(make([]uint8, 200), 1, 1, 1, make([]int32, 200))
	_, a := s.Holdout(0.5, 1)
	_, b := s.Holdout(0.5, 2)
	shared := 0
	for _, i := range a.Index {
		if slices.Contains(b.Index, i) {
			shared++
		}
	}
	// Hypergeometric: mean 50, standard deviation 3.5.
	if shared < 32 || shared > 68 {
		t.Errorf("two seeds share %d of 100 held-out images, want about 50", shared)
	}
}

func TestHoldoutOfNothingIsEmpty(t *testing.T) {
	s := newSplit(make([]uint8, 4), 1, 1, 1, make([]int32, 4))
	train, val := s.Holdout(0, 7)
	if train.Len() != 4 || val.Len() != 0 {
		t.Errorf("fraction 0 gives %d and %d images", train.Len(), val.Len())
	}
	for _, fraction := range []float64{-0.1, 1, math.NaN(), math.Inf(1)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("fraction %v is accepted", fraction)
				}
			}()
			s.Holdout(fraction, 7)
		}()
	}
}

func TestHoldoutSharesPixels(t *testing.T) {
	s := newSplit(make([]uint8, 4), 1, 1, 1, make([]int32, 4))
	_, val := s.Holdout(0.5, 7)
	s.Pixels()[val.At(0)] = 99
	if val.Image(0)[0] != 99 {
		t.Error("the hold-out copied the pixels")
	}
}

func TestEveryFifth(t *testing.T) {
	labels := []int32{0, 1, 0, 0, 0, 0, 1, 0, 1, 1, 1} // fifth 0 at 5, fifth 1 at 10
	train, test := newSplit(make([]uint8, 11), 1, 1, 1, labels).everyFifth()
	if !slices.Equal(test.Index, []int{5, 10}) || train.Len() != 9 {
		t.Errorf("test %v, train %v", test.Index, train.Index)
	}
}

func TestMomentsMatchTwoPasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "images")
		pixels := rapid.SliceOfN(rapid.Uint8(), n*12, n*12).Draw(t, "pixels")
		mean, std := moments(newSplit(pixels, 2, 2, 3, make([]int32, n)))
		for c := range 3 {
			m, v := 0.0, 0.0
			for i := c; i < len(pixels); i += 3 {
				m += float64(pixels[i]) / 255 / float64(4*n)
			}
			for i := c; i < len(pixels); i += 3 {
				v += math.Pow(float64(pixels[i])/255-m, 2) / float64(4*n)
			}
			want := math.Sqrt(v)
			if want < 1e-9 {
				want = 1
			}
			if math.Abs(float64(mean[c])-m) > 1e-6 || math.Abs(float64(std[c])-want) > 1e-6 {
				t.Fatalf("channel %d: %v, %v, want %v, %v", c, mean[c], std[c], m, want)
			}
		}
	})
}
