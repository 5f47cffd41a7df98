package nn_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
)

// noise writes a PNG of w x h.
func noise(t *testing.T, path string, w, h, k int) {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for p := range w * h {
		img.SetNRGBA(p%w, p/w, color.NRGBA{uint8(p*p + k), uint8(7 * p), uint8(p*p/9 + 3*k), 255})
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, buf.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}

// fed is what Feed brings of a batch to the Input and the Target of a net of the set's size.
func fed(t *testing.T, set *data.Set, batch int, a nn.Augment, s data.Split, positions []int) (input, target []float32) {
	t.Helper()
	dev, err := cuda.Open(cuda.Options{Device: "host", Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	g := nn.NewGraph("fed", s.H(), s.W(), s.C())
	if set.Scale > 0 {
		g.DepthToSpace(g.Conv("c", 0, nn.Conv{K: s.C() * set.Scale * set.Scale, R: 3, S: 3, Stride: 1, Pad: 1, Bias: true}), nn.Shuffle{Block: set.Scale})
	} else {
		g.Linear("fc", g.AvgPool(0), len(set.Classes))
	}
	params := nn.NewParams(dev, g, nn.Config{})
	scalars := nn.NewScalars(dev)
	plan := nn.NewPlan(params, nil, scalars, nn.PlanOptions{Batch: batch})
	defer plan.Free()
	feed := nn.NewFeed(plan, set.Mean, set.Std, a)
	defer feed.Free()
	graph := dev.Record(feed.Emit)
	defer graph.Free()
	feed.Fill(s, positions, nn.Draw{Seed: 5, Batch: 3})
	graph.Launch()
	if set.Scale > 0 {
		target = plan.Target.Get(nil)
	}
	return plan.Input.Get(nil), target
}

func wantPixels(t *testing.T, what string, got []float32, pixels []uint8, mean, std []float32) {
	t.Helper()
	if len(got) != len(pixels) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(pixels))
	}
	for i, v := range pixels {
		c := i % len(mean)
		if want := (float32(v)/255 - mean[c]) / std[c]; got[i] != want {
			t.Fatalf("%s: value %d is %v, want %v", what, i, got[i], want)
		}
	}
}

func TestFeedBringsPairs(t *testing.T) {
	dir := t.TempDir()
	for k, size := range []image.Point{{40, 33}, {27, 60}} {
		noise(t, filepath.Join(dir, "train", fmt.Sprint(k, ".png")), size.X, size.Y, k)
		noise(t, filepath.Join(dir, "test", fmt.Sprint(k, ".png")), size.X, size.Y, k+2)
	}
	set, err := data.Open("sr:" + dir + ",scale=3,patch=8,channels=rgb")
	if err != nil {
		t.Fatal(err)
	}
	input, target := fed(t, set, 4, nn.Augment{Flip: true}, set.Train, []int{0, 1, 1, 0})
	zero, one := []float32{0, 0, 0}, []float32{1, 1, 1}
	for i, at := range []int{0, 1, 1, 0} {
		small, large := make([]uint8, 8*8*3), make([]uint8, 24*24*3)
		draws := data.NewDraws(5, 3, i)
		set.Train.SamplePair(small, large, at, 8, 8, &draws, true)
		wantPixels(t, "input", input[i*len(small):(i+1)*len(small)], small, zero, one)
		wantPixels(t, "target", target[i*len(large):(i+1)*len(large)], large, zero, one)
	}
	// Without augmentation the centre; the batch is filled up with its last image.
	input, target = fed(t, set, 3, nn.Augment{}, set.Test, []int{1})
	small, large := make([]uint8, 8*8*3), make([]uint8, 24*24*3)
	set.Test.SamplePair(small, large, 1, 8, 8, nil, false)
	for i := range 3 {
		wantPixels(t, "input", input[i*len(small):(i+1)*len(small)], small, zero, one)
		wantPixels(t, "target", target[i*len(large):(i+1)*len(large)], large, zero, one)
	}
}

// Crops of images of any size are the same bits whatever number of cores makes them; a file that went away is an error.
func TestFeedOfAnySize(t *testing.T) {
	dir := t.TempDir()
	for k := range 10 {
		noise(t, filepath.Join(dir, fmt.Sprint("class", k%2), fmt.Sprint(k, ".png")), 20+3*k, 40-k, k)
	}
	set, err := data.Open("folder:" + dir + ",size=16,jitter=0.4/0.4/0.4/0.1")
	if err != nil {
		t.Fatal(err)
	}
	positions := []int{3, 1, 4, 1, 5, 2, 6}
	augment := nn.Augment{Flip: true}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	alone, _ := fed(t, set, 8, augment, set.Train, positions)
	runtime.GOMAXPROCS(4)
	together, _ := fed(t, set, 8, augment, set.Train, positions)
	if !slices.Equal(alone, together) {
		t.Error("the bits of a batch depend on the number of cores")
	}
	size := len(alone) / 8
	if slices.Equal(alone[size:2*size], alone[3*size:4*size]) {
		t.Error("one image twice in a batch is cropped alike")
	}
	pixels := make([]uint8, size)
	if err := set.Train.Sample(pixels, 2, 16, nil, false); err != nil {
		t.Fatal(err)
	}
	plain, _ := fed(t, set, 2, nn.Augment{}, set.Train, []int{2})
	wantPixels(t, "test image", plain[:size], pixels, set.Mean, set.Std)
	wantPixels(t, "filled up", plain[size:], pixels, set.Mean, set.Std)
	gone := filepath.Join(dir, "class0", "4.png") // training image 2: 0 2 4 6 of class 0, its fifth is a test image
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	err = cuda.Guard(func() error { fed(t, set, 2, nn.Augment{}, set.Train, []int{2}); return nil })
	if err == nil || !strings.Contains(err.Error(), gone) {
		t.Errorf("error %v, want one that names %s", err, gone)
	}
}
