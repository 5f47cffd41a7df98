package data

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"path/filepath"
	"slices"
	"testing"
)

// Mean Y-PSNR of bicubic; published are 33.66/30.39/28.42 and 30.22/27.53/25.99 (Timofte et al., 2014), the latter
// with `bridge` as the grey image that it is, which its Y of 16 to 235 raises here.
func TestRealBicubicPSNR(t *testing.T) {
	dir := realFolder(t, "sr")
	for scale, want := range map[int][2]float64{2: {33.65, 30.32}, 3: {30.39, 27.63}, 4: {28.42, 26.09}} {
		set, err := Open(fmt.Sprintf("sr:%s,scale=%d,train=Set5,test=Set14", dir, scale))
		if err != nil {
			t.Fatal(err)
		}
		for k, s := range []Split{set.Train, set.Test} {
			sum := 0.0
			for i := range s.Len() {
				h, w := s.Size(i)
				up := Bicubic(s.Image(i), h, w, 1, scale*h, scale*w)
				sum += PSNR(up, s.Target(i), scale*h, scale*w, 1, scale)
			}
			mean := sum / float64(s.Len())
			t.Logf("Set%d x%d: %.3f dB", []int{5, 14}[k], scale, mean)
			if math.Abs(mean-want[k]) > 0.02 {
				t.Errorf("Set%d x%d: %.3f dB, want %.2f within 0.02", []int{5, 14}[k], scale, mean, want[k])
			}
		}
	}
}

// srFolder writes sloped images of the given sizes, w x h, for training and testing.
func srFolder(t *testing.T, dir string, sizes ...image.Point) {
	for k, part := range []string{"train", "test"} {
		for i, size := range sizes {
			img := image.NewNRGBA(image.Rectangle{Max: size})
			for p := range size.X * size.Y {
				x, y := p%size.X, p/size.X
				img.SetNRGBA(x, y, color.NRGBA{uint8(5 * x), uint8(7*y + k), uint8(40*i + x*y), 255})
			}
			write(t, filepath.Join(dir, part, fmt.Sprintf("%d.png", i)), encodePNG(t, img))
		}
	}
}

func TestSuperResolutionPairs(t *testing.T) {
	dir := t.TempDir()
	srFolder(t, dir, image.Pt(31, 22), image.Pt(12, 40))
	y, err := Open("sr:" + dir + ",patch=8")
	if err != nil {
		t.Fatal(err)
	}
	rgb, err := Open("sr:" + dir + ",scale=2,channels=rgb,patch=8")
	if err != nil {
		t.Fatal(err)
	}
	if y.Scale != 3 || rgb.Scale != 2 || y.Train.C() != 1 || rgb.Train.C() != 3 || y.Train.H() != 8 || y.Hash == rgb.Hash || len(y.Classes) != 0 {
		t.Errorf("scales %d %d, channels %d %d, patch %d", y.Scale, rgb.Scale, y.Train.C(), rgb.Train.C(), y.Train.H())
	}
	if h, w := y.Train.Size(0); h != 7 || w != 10 || len(y.Train.Image(0)) != 70 || len(y.Train.Target(0)) != 9*70 {
		t.Errorf("image of %dx%d", h, w)
	}
	if h, w := rgb.Test.Size(1); h != 20 || w != 6 || len(rgb.Test.Image(1)) != 360 || len(rgb.Test.Target(1)) != 4*360 {
		t.Errorf("image of %dx%d", h, w)
	}
	if !slices.Equal(rgb.Train.Target(0)[3*(2*30+5):][:3], []uint8{25, 14, 10}) { // x 5, y 2; rows of 30
		t.Errorf("target pixel %v", rgb.Train.Target(0)[3*(2*30+5):][:3])
	}
	small, err := Open("sr:" + dir + ",scale=2,patch=8,channels=rgb")
	if err != nil || small.Hash != rgb.Hash {
		t.Errorf("hash %s, then %s, %v", rgb.Hash, small.Hash, err)
	}
}

// A patch and its target show the same place, however turned: the target's block means are near the image's values.
func TestPatchesAreAligned(t *testing.T) {
	dir := t.TempDir()
	srFolder(t, dir, image.Pt(51, 42), image.Pt(15, 60))
	set, err := Open("sr:" + dir + ",channels=rgb")
	if err != nil {
		t.Fatal(err)
	}
	const h, w, scale = 12, 12, 3
	seen := map[string]bool{}
	for i := range 64 {
		draws := NewDraws(1, 2, i)
		small, large := make([]uint8, h*w*3), make([]uint8, scale*h*scale*w*3)
		set.Train.SamplePair(small, large, i%2, h, w, &draws, true)
		seen[string(small)] = true
		for y := range h {
			for x := range w {
				sum := 0
				for k := range scale * scale {
					sum += int(large[((scale*y+k/scale)*scale*w+scale*x+k%scale)*3])
				}
				if d := sum/(scale*scale) - int(small[(y*w+x)*3]); d < -6 || d > 6 {
					t.Fatalf("patch %d: image is %d at %d,%d, target's mean %d", i, small[(y*w+x)*3], y, x, sum/9)
				}
			}
		}
	}
	if len(seen) < 40 { // the images hold 144 and 72
		t.Errorf("%d different patches of 64", len(seen))
	}
}

func TestPatchesGoByArea(t *testing.T) {
	dir := t.TempDir()
	srFolder(t, dir, image.Pt(64, 52), image.Pt(10, 90)) // 26x32 and 45x5 before they are made larger
	set, err := Open("sr:" + dir + ",scale=2,patch=8")
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Train.Patches().Index; !slices.Equal(got, []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}) {
		t.Errorf("appearances %v, want 3*4 of image 0 and one of image 1", got)
	}
}

// Without draws a patch as large as the image is the image.
func TestWholePatch(t *testing.T) {
	dir := t.TempDir()
	srFolder(t, dir, image.Pt(24, 18))
	set, err := Open("sr:" + dir)
	if err != nil {
		t.Fatal(err)
	}
	small, large := make([]uint8, 6*8), make([]uint8, 18*24)
	set.Test.SamplePair(small, large, 0, 6, 8, nil, false)
	if !slices.Equal(small, set.Test.Image(0)) || !slices.Equal(large, set.Test.Target(0)) {
		t.Error("the patch of the whole image differs from it")
	}
}

func TestSuperResolutionRefuses(t *testing.T) {
	dir := t.TempDir()
	srFolder(t, dir, image.Pt(24, 18))
	for spec, parts := range map[string][]string{
		"sr:" + dir + ",scale=9":      {"scale=9", "2 to 8"},
		"sr:" + dir + ",channels=cmy": {"channels=cmy", "y or rgb"},
		"sr:" + dir + ",zoom=2":       {`"zoom"`, "scale, channels, patch"},
		"sr:" + dir + ",patch=x":      {"patch=x"},
		"sr:" + dir + ",test=Set9":    {"Set9", "no such file"},
		"sr:" + dir + "/train":        {"no folder T91 or train"},
	} {
		_, err := Open(spec)
		wantError(t, err, parts...)
	}
	write(t, filepath.Join(dir, "test", "a.png"), pngOf(t, 2, 2, color.White))
	_, err := Open("sr:" + dir)
	wantError(t, err, "a.png", "2x2", "9x9 or more")
}

func TestPSNR(t *testing.T) {
	a := make([]uint8, 100)
	b := slices.Clone(a)
	b[0], b[55] = 200, 10 // the first is shaved
	if got, want := PSNR(a, b, 10, 10, 1, 2), 10*math.Log10(255*255*36/100.0); math.Abs(got-want) > 1e-12 {
		t.Errorf("PSNR %v, want %v", got, want)
	}
	if !math.IsInf(PSNR(a, a, 10, 10, 1, 0), 1) {
		t.Error("equal images have no infinite PSNR")
	}
	// MATLAB: rgb2ycbcr(uint8(cat(3, 255, 0, 7))) has Y = 82, white 235, black 16.
	if y := Luma([]uint8{255, 0, 7, 255, 255, 255, 0, 0, 0}); !slices.Equal(y, []uint8{82, 235, 16}) {
		t.Errorf("luma %v", y)
	}
}
