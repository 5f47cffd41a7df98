package data

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// photo is a JPEG of w x h with slopes of its own.
func photo(t testing.TB, w, h, k int) []byte {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for p := range w * h {
		x, y := p%w, p/w
		img.SetNRGBA(x, y, color.NRGBA{uint8(3*x + 20*k), uint8(4 * y), uint8(x + y + 40*k), 255})
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// imageNet writes a set in ImageNet's layout: 6 training and 3 validation images in 2 classes.
func imageNet(t *testing.T, dir string) {
	for k, class := range []string{"n01440764", "n02102040"} {
		for i := range 3 {
			write(t, filepath.Join(dir, "train", class, fmt.Sprintf("%s_%d.JPEG", class, i)), photo(t, 50+10*i, 40+7*k, 3*k+i))
		}
	}
	for i := range 3 {
		write(t, filepath.Join(dir, "val", fmt.Sprintf("ILSVRC2012_val_%08d.JPEG", i+1)), photo(t, 45, 60+i, i))
	}
	write(t, filepath.Join(dir, "val.txt"), []byte("ILSVRC2012_val_00000001.JPEG 1\nILSVRC2012_val_00000002.JPEG n01440764\n\nILSVRC2012_val_00000003.JPEG 1\n"))
}

func open(t *testing.T, spec string) *Set {
	t.Helper()
	set, err := Open(spec)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// sample is Sample of image i, in training if batch is not negative.
func sample(t *testing.T, s Split, i, batch int) []uint8 {
	t.Helper()
	out := make([]uint8, s.H()*s.W()*3)
	var draws *Draws
	if batch >= 0 {
		d := NewDraws(9, uint64(batch), 0)
		draws = &d
	}
	if err := s.Sample(out, i, s.H(), draws, true); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestImageNetLayout(t *testing.T) {
	dir := t.TempDir()
	imageNet(t, dir)
	set := open(t, "folder:"+dir+",size=32,jitter=0.4/0.4/0.4/0.1")
	if !set.Train.Varied() || set.Train.Len() != 6 || set.Test.Len() != 3 || set.Train.H() != 32 || set.Scale != 0 {
		t.Fatalf("%d train, %d test images for a net of %d", set.Train.Len(), set.Test.Len(), set.Train.H())
	}
	if got := []int32{set.Test.Label(0), set.Test.Label(1), set.Test.Label(2)}; !slices.Equal(got, []int32{1, 0, 1}) {
		t.Errorf("labels %v", got)
	}
	if h, w := set.Train.Size(4); h != 47 || w != 60 || len(set.Train.Image(4)) != 47*60*3 {
		t.Errorf("training image 4 of %dx%d", h, w)
	}
	if set.Mean[0] != 0.485 || set.Std[2] != 0.225 {
		t.Errorf("mean %v, deviation %v", set.Mean, set.Std)
	}
	if err := set.Verify(); err != nil {
		t.Error(err)
	}
	a, b := sample(t, set.Train, 0, 1), sample(t, set.Train, 0, 2)
	if slices.Equal(a, b) || !slices.Equal(a, sample(t, set.Train, 0, 1)) {
		t.Error("a training image must follow from its draws")
	}
	if again := open(t, "folder:"+dir+",size=32,jitter=0.4/0.4/0.4/0.1,mean=0.5"); again.Hash == set.Hash {
		t.Error("another mean leaves the hash as it is, and a run can be resumed with it")
	}
	other := open(t, "folder:"+dir+",size=32,mean=0.5,std=0.25/0.5/1")
	if other.Hash == set.Hash || !slices.Equal(other.Mean, []float32{0.5, 0.5, 0.5}) || !slices.Equal(other.Std, []float32{0.25, 0.5, 1}) {
		t.Errorf("mean %v, deviation %v, hash %s", other.Mean, other.Std, other.Hash)
	}
}

// A file that changes after the set was opened is an error that names it, not a panic.
func TestFolderOfAnySizeRefuses(t *testing.T) {
	dir := t.TempDir()
	imageNet(t, dir)
	set := open(t, "folder:"+dir+",size=32")
	broken := filepath.Join(dir, "train", "n01440764", "n01440764_1.JPEG")
	write(t, broken, []byte("no image"))
	wantError(t, set.Train.Sample(make([]uint8, 32*32*3), 1, 32, nil, false), broken, "PNG or JPEG")
	wantError(t, set.Verify(), broken)
	for options, parts := range map[string][]string{
		",size=4":                   {"size=4", "8 to 4096"},
		",size=4,jitter=2,std=0":    {"size=4"}, // one line, of the first
		",jitter=0.4":               {"need size=PIXELS"},
		",size=32,jitter=2":         {"jitter=2", "from 0 to 1"},
		",size=32,jitter=0/0/0/0.9": {"hue"},
		",size=32,std=0":            {"std=0"},
		",size=32,size=16":          {`"size" is there twice`},
		",crop=3":                   {`unknown option "crop"`, "size, jitter, mean, std"},
	} {
		_, err := Open("folder:" + dir + options)
		wantError(t, err, parts...)
	}
	for text, parts := range map[string][]string{
		"":             {"names no file"},
		"a.JPEG":       {"line 1", "a file in"},
		"a.JPEG 2":     {"line 1", `class "2"`},
		"../a.JPEG 1":  {"line 1"},
		"a.JPEG 1 2\n": {"line 1"},
		"a.JPEG 1":     {"a.JPEG", "no such file"},
	} {
		write(t, filepath.Join(dir, "val.txt"), []byte(text))
		_, err := Open("folder:" + dir + ",size=32")
		wantError(t, err, parts...)
	}
	if err := os.Remove(filepath.Join(dir, "val.txt")); err != nil {
		t.Fatal(err)
	}
	_, err := Open("folder:" + dir + ",size=32")
	wantError(t, err, "no class folders", "val.txt")
}

func TestRealFolderOfAnySize(t *testing.T) {
	set := open(t, "folder:"+realFolder(t, "tiny-imagenet-40")+",size=56")
	if set.Train.Len() != 1600 || set.Test.Len() != 400 {
		t.Errorf("%d train, %d test", set.Train.Len(), set.Test.Len())
	}
	same := open(t, "folder:"+realFolder(t, "tiny-imagenet-40"))
	got, whole := sample(t, set.Test, 7, -1), same.Test.Image(7) // 64x64, of which the centre is cropped
	for y := range 56 {
		if !slices.Equal(got[3*56*y:3*56*(y+1)], whole[3*(64*(y+4)+4):][:3*56]) {
			t.Fatalf("row %d differs", y)
		}
	}
}
