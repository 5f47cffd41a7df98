package cli

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pictures writes n PNG files of 30 x 24 and more into dir.
func pictures(t *testing.T, dir string, n int) {
	t.Helper()
	for k := range n {
		img := image.NewNRGBA(image.Rect(0, 0, 30+k, 24))
		for p := range img.Rect.Dx() * 24 {
			img.SetNRGBA(p%img.Rect.Dx(), p/img.Rect.Dx(), color.NRGBA{uint8(3 * p), uint8(p / 9), uint8(20 * k), 255})
		}
		writePNG(t, filepath.Join(dir, fmt.Sprint(k, ".png")), img)
	}
}

// writePNG writes an image and makes the folder that it lies in.
func writePNG(t *testing.T, path string, img image.Image) {
	t.Helper()
	var file bytes.Buffer
	err := png.Encode(&file, img)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o777)
	}
	if err == nil {
		err = os.WriteFile(path, file.Bytes(), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPackAndCheck: a folder is packed, checked, timed; a damaged pack is an error that names it.
func TestPackAndCheck(t *testing.T) {
	dir := t.TempDir()
	for _, class := range []string{"a", "b"} {
		pictures(t, filepath.Join(dir, class), 5)
	}
	file := filepath.Join(t.TempDir(), "set.pack")
	var packed packedData
	one(t, must(t, "data", "pack", "--data", "folder:"+dir, "--size", "16", "--out", file, "--json"), &packed)
	if packed.Train != 8 || packed.Test != 2 || packed.Classes != 2 {
		t.Errorf("packed %+v", packed)
	}
	var checked checkedData
	one(t, must(t, "data", "--data", "pack:"+file+",size=14", "--json"), &checked)
	if checked.Train != 8 || checked.Test != 2 || checked.Image != (imageShape{H: 14, W: 14, C: 3, Classes: 2}) || checked.Classes[1].Test != 1 {
		t.Errorf("checked %+v", checked)
	}
	for _, data := range []string{"pack:" + file + ",size=14", "folder:" + dir + ",size=14"} {
		out := must(t, "bench", "loader", "--data", data, "--model", "digitsnet", "--batch", "4", "--seconds", "0.01", "--device", "host")
		if !strings.Contains(out, "digitsnet fp32 step with the loader") {
			t.Errorf("bench loader prints %q", out)
		}
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	raw[100]++
	if err := os.WriteFile(file, raw, 0o666); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := call("data", "--data", "pack:"+file); code != ExitFailed || !strings.Contains(errs, file+": damaged") {
		t.Errorf("a damaged pack: exit code %d, %q", code, errs)
	}
	for _, args := range [][]string{{"--data", "cifar10:" + dir, "--out", file + "2"}, {"--data", "folder:" + dir, "--out", file + "2", "--size", "3"}} {
		if code, _, _ := call(append([]string{"data", "pack"}, args...)...); code != ExitUsage {
			t.Errorf("%v: exit code %d, want %d", args, code, ExitUsage)
		}
	}
	if code, _, errs := call("data", "pack", "--data", "folder:"+dir, "--out", file); code != ExitFailed || !strings.Contains(errs, "exists already") {
		t.Errorf("a pack that exists: exit code %d, %q", code, errs)
	}
}

func TestCheckSuperResolution(t *testing.T) {
	dir := t.TempDir()
	pictures(t, filepath.Join(dir, "train"), 3)
	pictures(t, filepath.Join(dir, "test"), 2)
	out := must(t, "data", "--data", "sr:"+dir+",scale=2,patch=8")
	if !strings.Contains(out, "3 training and 2 test images to be made 2 times larger, in patches of 8x8x1") {
		t.Errorf("data prints %q", out)
	}
}
