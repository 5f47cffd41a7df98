package data

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// realFolder finds a folder of real data: under $VIMPS_DATA or, unset, ../shared/data
// beside the repository. The test is skipped where there is none.
func realFolder(t *testing.T, name string) string {
	t.Helper()
	root := os.Getenv("VIMPS_DATA")
	if root == "" {
		repo, err := filepath.Abs(".")
		if err != nil {
			t.Fatal(err)
		}
		for ; repo != filepath.Dir(repo); repo = filepath.Dir(repo) {
			if _, err := os.Stat(filepath.Join(repo, "go.mod")); err == nil {
				break
			}
		}
		root = filepath.Join(repo, "..", "shared", "data")
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("needs %s under VIMPS_DATA (real data not found)", name)
	}
	return dir
}

// checkReal opens a real set and compares its counts, shape and train moments.
func checkReal(t *testing.T, spec string, counts []int, mean, std []float64) *Set {
	t.Helper()
	set, err := Open(spec)
	if err != nil {
		t.Fatal(err)
	}
	got := []int{set.Train.Len(), set.Test.Len(), set.Train.H(), set.Train.W(), set.Train.C(), len(set.Classes)}
	if !slices.Equal(got, counts) {
		t.Errorf("train, test, height, width, channels, classes = %v, want %v", got, counts)
	}
	m, s := moments(set.Train)
	t.Logf("mean %.5f std %.5f hash %s", m, s, set.Hash)
	for c := range mean {
		if math.Abs(float64(m[c])-mean[c]) > 1e-4 || math.Abs(float64(s[c])-std[c]) > 1e-4 {
			t.Errorf("channel %d: mean %.5f std %.5f, want %.4f %.4f", c, m[c], s[c], mean[c], std[c])
		}
	}
	return set
}

// The moments of CIFAR-10's train images are widely published.
func TestRealCIFAR10(t *testing.T) {
	set := checkReal(t, "cifar10:"+realFolder(t, "cifar10"), []int{50000, 10000, 32, 32, 3, 10},
		[]float64{0.4914, 0.4822, 0.4465}, []float64{0.2470, 0.2435, 0.2616})
	for k, n := range set.Train.Counts(10) {
		if n != 5000 {
			t.Errorf("class %d has %d train images, want 5000", k, n)
		}
	}
	if !slices.Equal(set.Mean, []float32{0.485, 0.456, 0.406}) {
		t.Errorf("mean %v, want ImageNet's", set.Mean)
	}
	train, val := set.Train.Holdout(0.1, 0)
	if train.Len() != 45000 || slices.Max(val.Counts(10)) != 500 || slices.Min(val.Counts(10)) != 500 {
		t.Errorf("hold-out of a tenth: %d train, val %v", train.Len(), val.Counts(10))
	}
}

// So are Fashion-MNIST's.
func TestRealFashionMNIST(t *testing.T) {
	checkReal(t, "idx:"+realFolder(t, "fashion-mnist"), []int{60000, 10000, 28, 28, 1, 10}, []float64{0.2860}, []float64{0.3530})
}

func TestRealTinyImageNet(t *testing.T) {
	set := checkReal(t, "folder:"+realFolder(t, "tiny-imagenet-40"), []int{1600, 400, 64, 64, 3, 40}, nil, nil)
	for c, m := range set.Mean {
		// All of ImageNet has .485/.456/.406 and .229/.224/.225.
		if math.Abs(float64(m)-[]float64{0.485, 0.456, 0.406}[c]) > 0.05 || math.Abs(float64(set.Std[c])-0.26) > 0.05 {
			t.Errorf("channel %d: mean %v, deviation %v are not those of photographs", c, m, set.Std[c])
		}
	}
	grey := 0
	for i := range set.Train.Len() {
		img, same := set.Train.Image(i), true
		for p := 0; p < len(img) && same; p += 3 {
			same = img[p] == img[p+1] && img[p] == img[p+2]
		}
		if same {
			grey++
		}
	}
	if grey == 0 || grey > 100 {
		t.Errorf("%d train images are grey, want a few", grey)
	}
}
