package data

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pngOf is a PNG of the given size whose pixels all are c.
func pngOf(t testing.TB, w, h int, c color.Color) []byte {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		img.Set(i%w, i/w, c)
	}
	return encodePNG(t, img)
}

func encodePNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// classFolder writes n 4x3 images for each class, image i of class k having red 10k+i.
func classFolder(t *testing.T, dir string, n int, classes ...string) {
	for k, class := range classes {
		for i := range n {
			write(t, filepath.Join(dir, class, fmt.Sprintf("%02d.png", i)), pngOf(t, 4, 3, color.NRGBA{uint8(10*k + i), 50, 60, 255}))
		}
	}
}

func TestFolderHoldsOutEveryFifth(t *testing.T) {
	dir := t.TempDir()
	classFolder(t, dir, 6, "cat", "ant")
	write(t, filepath.Join(dir, "classes.tsv"), []byte("ignored"))
	write(t, filepath.Join(dir, "cat", "notes.txt"), []byte("ignored"))
	write(t, filepath.Join(dir, ".hidden", "x.png"), []byte("ignored"))
	set, err := Open("folder:" + dir)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(set.Classes, []string{"ant", "cat"}) || set.Train.Len() != 10 || set.Test.Len() != 2 {
		t.Fatalf("classes %v, %d train, %d test", set.Classes, set.Train.Len(), set.Test.Len())
	}
	// Written as class 1, "ant" comes first by name; its fifth image has red 14.
	if got := set.Test.Image(0); set.Test.Label(0) != 0 || !slices.Equal(got[:3], []uint8{14, 50, 60}) || len(got) != 36 || set.Test.H() != 3 {
		t.Errorf("first test image: label %d, height %d, pixels %v", set.Test.Label(0), set.Test.H(), got)
	}
}

func TestFolderTakesTrainAndVal(t *testing.T) {
	for _, test := range []string{"val", "test"} {
		dir := t.TempDir()
		classFolder(t, filepath.Join(dir, "train"), 3, "a", "b")
		classFolder(t, filepath.Join(dir, test, "."), 1, "a", "b")
		write(t, filepath.Join(dir, test+".txt"), []byte("a list of something else\n")) // classes have folders
		set, err := Open("folder:" + dir)
		if err != nil {
			t.Fatal(err)
		}
		if set.Train.Len() != 6 || set.Test.Len() != 2 || set.Test.Label(1) != 1 {
			t.Errorf("%s: %d train, %d test", test, set.Train.Len(), set.Test.Len())
		}
	}
}

func TestFolderRefuses(t *testing.T) {
	good := pngOf(t, 4, 3, color.White)
	crc := slices.Clone(good)
	crc[len(crc)-20] ^= 1
	huge := withSize(good, 8191, 8191)
	for name, c := range map[string]struct {
		build func(dir string)
		parts []string
	}{
		"corrupt": {func(dir string) { write(t, filepath.Join(dir, "b", "99.png"), crc) }, []string{"b/99.png", "corrupt image"}},
		"cut":     {func(dir string) { write(t, filepath.Join(dir, "a", "03.png"), good[:len(good)/2]) }, []string{"a/03.png"}},
		"empty":   {func(dir string) { write(t, filepath.Join(dir, "a", "03.png"), nil) }, []string{"a/03.png", "PNG or JPEG"}},
		"text":    {func(dir string) { write(t, filepath.Join(dir, "a", "x.jpg"), []byte("hello")) }, []string{"a/x.jpg", "PNG or JPEG"}},
		"huge":    {func(dir string) { write(t, filepath.Join(dir, "a", "00.png"), huge) }, []string{"a/00.png", "8191x8191"}},
		"first of two": {func(dir string) {
			write(t, filepath.Join(dir, "a", "01.png"), crc)
			write(t, filepath.Join(dir, "b", "01.png"), crc)
		}, []string{"a/01.png"}},
		"empty class": {func(dir string) { os.Mkdir(filepath.Join(dir, "c"), 0o777) }, []string{"class folder", "/c holds no image"}},
		"only notes":  {func(dir string) { write(t, filepath.Join(dir, "c", "notes.txt"), nil) }, []string{"/c holds no image"}},
		"no classes":  {func(dir string) { os.RemoveAll(filepath.Join(dir, "a")); os.RemoveAll(filepath.Join(dir, "b")) }, []string{"no class folders", "CLASS/*.png"}},
		"only train":  {func(dir string) { os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "train")) }, []string{"neither val nor test"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			classFolder(t, dir, 5, "a", "b")
			c.build(dir)
			_, err := Open("folder:" + dir)
			wantError(t, err, append(c.parts, dir)...)
		})
	}
	t.Run("few", func(t *testing.T) {
		dir := t.TempDir()
		classFolder(t, dir, 4, "a", "b")
		_, err := Open("folder:" + dir)
		wantError(t, err, "no class has five images")
	})
	t.Run("other classes", func(t *testing.T) {
		dir := t.TempDir()
		classFolder(t, filepath.Join(dir, "train"), 1, "a", "b")
		classFolder(t, filepath.Join(dir, "val"), 1, "a", "b", "c")
		_, err := Open("folder:" + dir)
		wantError(t, err, "train", "val", `class "c"`)
	})
}

// withSize is a PNG file whose header claims another size, under a right checksum.
func withSize(raw []byte, w, h uint32) []byte {
	out := slices.Clone(raw)
	binary.BigEndian.PutUint32(out[16:], w)
	binary.BigEndian.PutUint32(out[20:], h)
	binary.BigEndian.PutUint32(out[29:], crc32.ChecksumIEEE(out[12:29]))
	return out
}

// The header's word for the size must not be taken: 90 bytes cannot hold 64 million pixels.
func TestImageSizeRefusesLyingHeader(t *testing.T) {
	good := pngOf(t, 4, 3, color.White)
	for _, c := range []struct {
		w, h uint32
		part string
	}{
		{8000, 8000, fmt.Sprintf("too many for a file of %d bytes", len(good))},
		{30000, 30000, "30000x30000 pixels, want 1 to 67108864 in all"},
		{math.MaxInt32, 1, "2147483647x1 pixels, want 1 to"},
	} {
		_, err := decode(withSize(good, c.w, c.h))
		wantError(t, err, c.part)
	}
}

// decode is decodeImage of a file in memory.
func decode(raw []byte) (*image.RGBA, error) {
	return decodeImage(bytes.NewReader(raw), int64(len(raw)))
}

func TestDecodeImageOfEveryKind(t *testing.T) {
	box := image.Rect(0, 0, 2, 1)
	grey16, nrgba64 := image.NewGray16(box), image.NewNRGBA64(box)
	grey16.SetGray16(1, 0, color.Gray16{0x80ff})
	nrgba64.SetNRGBA64(1, 0, color.NRGBA64{0x1234, 0x5678, 0x9abc, 0})
	clear := image.NewNRGBA(box)
	clear.SetNRGBA(1, 0, color.NRGBA{9, 8, 7, 0})
	half := image.NewNRGBA(box)
	half.SetNRGBA(1, 0, color.NRGBA{255, 3, 201, 100})
	palette := image.NewPaletted(box, color.Palette{color.NRGBA{1, 1, 1, 255}, color.NRGBA{200, 100, 50, 0}})
	palette.SetColorIndex(1, 0, 1)
	grey := image.NewGray(box)
	grey.SetGray(1, 0, color.Gray{77})
	for name, c := range map[string]struct {
		img  image.Image
		want color.RGBA
	}{
		"grey":             {grey, color.RGBA{77, 77, 77, 255}},
		"grey 16":          {grey16, color.RGBA{128, 128, 128, 255}},
		"clear":            {clear, color.RGBA{9, 8, 7, 255}},
		"half transparent": {half, color.RGBA{255, 3, 201, 255}},
		"clear 16":         {nrgba64, color.RGBA{0x12, 0x56, 0x9a, 255}},
		"palette":          {palette, color.RGBA{200, 100, 50, 255}},
	} {
		got, err := decode(encodePNG(t, c.img))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got.RGBAAt(1, 0) != c.want {
			t.Errorf("%s: %v, want %v", name, got.RGBAAt(1, 0), c.want)
		}
	}
}

// A flat JPEG keeps its colour to the rounding of YCbCr; a grey one stays grey.
func TestDecodeJPEG(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 16, 16))
	for i := range 256 {
		img.SetNRGBA(i%16, i/16, color.NRGBA{200, 100, 50, 255})
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	got, err := decode(buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	c := got.RGBAAt(8, 8)
	for _, d := range []int{int(c.R) - 200, int(c.G) - 100, int(c.B) - 50} {
		if d < -2 || d > 2 {
			t.Errorf("colour %v, want 200 100 50", c)
		}
	}
}

func TestFolderBringsImagesToCommonSize(t *testing.T) {
	dir := t.TempDir()
	classFolder(t, dir, 4, "a") // 4x3
	// Twice as large, and black strips left and right of the largest centred 4:3 part.
	wide := image.NewNRGBA(image.Rect(0, 0, 16, 6))
	for i := range 16 * 6 {
		v := uint8(0)
		if x := i % 16; x >= 4 && x < 12 {
			v = 90
		}
		wide.SetNRGBA(i%16, i/16, color.NRGBA{v, v, v, 255})
	}
	write(t, filepath.Join(dir, "a", "99.png"), encodePNG(t, wide))
	set, err := Open("folder:" + dir)
	if err != nil {
		t.Fatal(err)
	}
	got := set.Test.Image(0)
	if set.Train.W() != 4 || set.Train.H() != 3 || len(got) != 36 || slices.Min(got) != 90 || slices.Max(got) != 90 {
		t.Errorf("%dx%d, resized to %v", set.Train.H(), set.Train.W(), got)
	}
}

func TestCentre(t *testing.T) {
	for _, c := range []struct {
		have, want image.Point
		rect       image.Rectangle
	}{
		{image.Pt(16, 6), image.Pt(4, 3), image.Rect(4, 0, 12, 6)},
		{image.Pt(6, 16), image.Pt(3, 3), image.Rect(0, 5, 6, 11)},
		{image.Pt(1, 60000000), image.Pt(64, 64), image.Rect(0, 29999999, 1, 30000000)},
		{image.Pt(60000000, 1), image.Pt(1, 64), image.Rect(29999999, 0, 30000000, 1)},
	} {
		if got := centre(c.have, c.want); got != c.rect {
			t.Errorf("centre(%v, %v) = %v, want %v", c.have, c.want, got, c.rect)
		}
	}
}

func FuzzImageFolder(f *testing.F) {
	f.Add(pngOf(f, 3, 2, color.NRGBA{1, 2, 3, 4}))
	f.Add(encodePNG(f, image.NewGray16(image.Rect(0, 0, 3, 2))))
	f.Add(encodePNG(f, image.NewPaletted(image.Rect(0, 0, 9, 2), color.Palette{color.Black, color.Transparent})))
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, image.NewGray(image.Rect(0, 0, 9, 9)), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		img, err := decode(raw)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %v", err)
			}
			return
		}
		if !img.Opaque() {
			t.Error("decoded image is not opaque")
		}
		fit(make([]uint8, 3*5*7), img, image.Pt(5, 7))
	})
}
