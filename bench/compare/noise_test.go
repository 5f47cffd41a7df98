package compare

import (
	"math"
	"testing"

	"vimps-gpu/nn/data"
)

// TestNoise: the right deviation where nothing is cut off, the same for a seed, both splits, another hash.
func TestNoise(t *testing.T) {
	open := func(deviation float64, seed uint64) *data.Set {
		set, err := data.Open("digits")
		if err != nil {
			t.Fatal(err)
		}
		if deviation > 0 {
			addNoise(set, deviation, seed)
		}
		return set
	}
	clean, noisy, again, other := open(0, 0), open(0.1, 1), open(0.1, 1), open(0.1, 2)
	if noisy.Hash == clean.Hash || noisy.Hash != again.Hash || noisy.Hash == other.Hash {
		t.Errorf("hashes %.8s clean, %.8s and %.8s with equal seeds, %.8s with another", clean.Hash, noisy.Hash, again.Hash, other.Hash)
	}
	for _, s := range [][4]data.Split{{clean.Train, noisy.Train, again.Train, other.Train}, {clean.Test, noisy.Test, again.Test, other.Test}} {
		var sum, squares, n float64
		same := true
		for i := range s[0].Len() {
			a, b, c, d := s[0].Image(i), s[1].Image(i), s[2].Image(i), s[3].Image(i)
			for j, v := range a {
				same = same && b[j] == d[j]
				if b[j] != c[j] {
					t.Fatal("the same seed gave other noise")
				}
				if v > 100 && v < 155 { // four deviations from both ends
					e := (float64(b[j]) - float64(v)) / 255
					sum, squares, n = sum+e, squares+e*e, n+1
				}
			}
		}
		if same {
			t.Error("another seed gave the same noise")
		}
		if m, sd := sum/n, math.Sqrt(squares/n); math.Abs(m) > 0.004 || math.Abs(sd-0.1) > 0.004 {
			t.Errorf("noise of mean %.4f, deviation %.4f over %g pixels; want 0, 0.1", m, sd, n)
		}
	}
}

// TestHoldOutTest: validation images come from the test images, and no image is both.
func TestHoldOutTest(t *testing.T) {
	set, err := data.Open("digits")
	if err != nil {
		t.Fatal(err)
	}
	before, hash := set.Test.Len(), set.Hash
	w := &world{e: &Experiment{HoldOutTest: 0.4, TrainImages: 300, Seed: 3}, set: set}
	w.holdOutTest()
	if w.val.Len() != int(math.Round(0.4*float64(before))) || w.val.Len()+set.Test.Len() != before || set.Hash == hash || w.trainingImages().Len() != 300 {
		t.Errorf("%d of %d test images held out, %d left, %d training images", w.val.Len(), before, set.Test.Len(), w.trainingImages().Len())
	}
	seen := map[int]bool{}
	for i := range w.val.Len() {
		seen[w.val.At(i)] = true
	}
	for i := range set.Test.Len() {
		if seen[set.Test.At(i)] {
			t.Fatal("an image is a validation and a test image")
		}
	}
}
