package data

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"
)

type goldenImage struct {
	H, W   int
	Pixels []uint8
}

func (g goldenImage) picture() picture { return picture{slices.Clone(g.Pixels), g.H, g.W} }

// golden is testdata/transforms.json: what torchvision and Pillow make of an image.
type golden struct {
	Image, Rotated goldenImage
	Bicubic        []goldenImage
	Crops          []struct {
		goldenImage
		Box [4]int
	}
	Centres []struct {
		goldenImage
		Size, Source int
	}
	Colours []struct {
		goldenImage
		Kind   string
		Factor float64
	}
	Boxes []struct {
		H, W      int
		Mean, Std map[string]float64
	}
}

func readGolden(t *testing.T) (g golden) {
	t.Helper()
	raw, err := os.ReadFile("testdata/transforms.json")
	if err == nil {
		err = json.Unmarshal(raw, &g)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func wantPixels(t *testing.T, what string, got, want []uint8) {
	t.Helper()
	if len(got) != len(want) || len(want) == 0 {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return
	}
	worst, differ := 0, 0
	for i := range want {
		if d := max(got[i], want[i]) - min(got[i], want[i]); d > 0 {
			differ++
			worst = max(worst, int(d))
		}
	}
	if differ > 0 {
		t.Errorf("%s: %d of %d values differ, by at most %d", what, differ, len(want), worst)
	}
}

func TestCropAndResizeAreTorchvisions(t *testing.T) {
	g := readGolden(t)
	for _, c := range g.Crops {
		b := c.Box
		got := g.Image.picture().crop(b[0], b[1], b[2], b[3]).resample(c.H, c.W)
		wantPixels(t, "crop", got.pixels, c.Pixels)
	}
	for _, c := range g.Centres {
		source := []goldenImage{g.Image, g.Rotated}[c.Source]
		s := Split{Labels: []int32{0}, varied: &varied{h: c.Size, w: c.Size, c: 3, images: memory{source.picture()}}}
		got := make([]uint8, len(c.Pixels))
		if err := s.Sample(got, 0, c.Size, nil, true); err != nil {
			t.Fatal(err)
		}
		wantPixels(t, "centre", got, c.Pixels)
	}
}

func TestColoursAreTorchvisions(t *testing.T) {
	g := readGolden(t)
	for _, c := range g.Colours {
		p := g.Image.picture()
		switch c.Kind {
		case "brightness":
			p.brightness(float32(c.Factor))
		case "contrast":
			p.contrast(float32(c.Factor))
		case "saturation":
			p.saturation(float32(c.Factor))
		case "hue":
			p.hue(c.Factor)
		}
		wantPixels(t, c.Kind, p.pixels, c.Pixels)
	}
}

// Means and deviations of 20,000 boxes of torchvision's and of ours: each within 4.5 standard errors of the difference.
func TestRandomBoxesAreTorchvisions(t *testing.T) {
	const n = 20000
	for _, c := range readGolden(t).Boxes {
		values := map[string][]float64{}
		for i := range n {
			draws := NewDraws(3, 0, i)
			b := randomBox(c.H, c.W, &draws)
			if b.top < 0 || b.left < 0 || b.h < 1 || b.w < 1 || b.top+b.h > c.H || b.left+b.w > c.W {
				t.Fatalf("box %+v leaves an image of %dx%d", b, c.H, c.W)
			}
			values["area"] = append(values["area"], float64(b.h*b.w)/float64(c.H*c.W))
			values["logratio"] = append(values["logratio"], math.Log(float64(b.w)/float64(b.h)))
			values["top"] = append(values["top"], float64(b.top)/float64(c.H))
			values["left"] = append(values["left"], float64(b.left)/float64(c.W))
		}
		for name, v := range values {
			mean, std := meanStd(v)
			e := 4.5 * c.Std[name] * math.Sqrt(2.0/n)
			if math.Abs(mean-c.Mean[name]) > e || math.Abs(std-c.Std[name]) > 2*e {
				t.Errorf("%dx%d %s: mean %.5f, deviation %.5f, want %.5f, %.5f within %.5f", c.H, c.W, name, mean, std, c.Mean[name], c.Std[name], e)
			}
		}
	}
}

func meanStd(v []float64) (mean, std float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		std += (x - mean) * (x - mean) / float64(len(v))
	}
	return mean, math.Sqrt(std)
}

// Pillow's bicubic differs from MATLAB's at the border, which the kernel reaches over (up to 6 places of a line), and
// by weights of 22 bits, which may move a value over a half: by 1 in a few places.
func TestBicubicIsPillowsInside(t *testing.T) {
	g := readGolden(t)
	for _, want := range g.Bicubic {
		got := Bicubic(g.Image.Pixels, g.Image.H, g.Image.W, 3, want.H, want.W)
		const rim = 6
		rows, columns := 0, 0 // left out at each end
		if want.H != g.Image.H {
			rows = min(rim, want.H/4)
		}
		if want.W != g.Image.W {
			columns = min(rim, want.W/4)
		}
		seen, off := 0, 0
		for y := rows; y < want.H-rows; y++ {
			for i := 3 * (y*want.W + columns); i < 3*((y+1)*want.W-columns); i++ {
				d := int(got[i]) - int(want.Pixels[i])
				if d < -1 || d > 1 {
					t.Fatalf("%dx%d: value %d of row %d is %d, want %d", want.H, want.W, i, y, got[i], want.Pixels[i])
				}
				seen++
				off += d * d
			}
		}
		if seen == 0 || off > seen/1000 {
			t.Errorf("%dx%d: %d of %d values differ", want.H, want.W, off, seen)
		}
	}
}

func TestBicubicOfOneColour(t *testing.T) {
	flat := make([]uint8, 7*5*3)
	for i := range flat {
		flat[i] = []uint8{0, 255, 99}[i%3]
	}
	for _, size := range [][2]int{{1, 1}, {2, 9}, {20, 3}, {7, 5}} {
		for i, v := range Bicubic(flat, 7, 5, 3, size[0], size[1]) {
			if v != flat[i%3] {
				t.Fatalf("%v: value %d is %d, want %d", size, i, v, flat[i%3])
			}
		}
	}
}
