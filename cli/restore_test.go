package cli

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vimps-gpu/nn/onnx"
	"vimps-gpu/onesot"
)

// smallImages makes a super-resolution set: images of smooth waves and sharp edges to train and to test on.
func smallImages(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for folder, count := range map[string]int{"train": 8, "test": 2} {
		for i := range count {
			// Sizes differ, and are no multiple of the scale.
			img := image.NewGray(image.Rect(0, 0, 33+2*i, 37))
			for y := range img.Rect.Max.Y {
				for x := range img.Rect.Max.X {
					v := 128 + 50*math.Sin(float64(x)/(2+float64(i)+0.3*float64(count)))*math.Cos(float64(y)/3)
					if (x+2*y)%(9+i) < 3 {
						v += 60
					}
					img.SetGray(x, y, color.Gray{uint8(v)})
				}
			}
			writePNG(t, filepath.Join(dir, folder, fmt.Sprintf("%d.png", i)), img)
		}
	}
	return dir
}

// shortRestoring is a search of a super-resolution net of a second or so.
func shortRestoring(out, model, spec string, more ...string) []string {
	args := []string{"search", "--out", out, "--model", model, "--data", spec, "--epochs", "2", "--pretrain-epochs", "3", "--batch", "4",
		"--hold-out", "0.25", "--recalibrate-images", "32", "--etas", "4", "--threads", "2"}
	return append(args, more...)
}

// TestSuperResolution goes through the whole job with PSNR in the place of accuracy.
func TestSuperResolution(t *testing.T) {
	spec := "sr:" + smallImages(t) + ",scale=2,patch=8"
	run := filepath.Join(t.TempDir(), "run")
	out := must(t, shortRestoring(run, "espcn", spec)...)
	for _, want := range []string{"val dB", "test dB", "fp32: val ", "bicubic: val ", "bicubic upscaling, dB"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	front, err := onesot.ReadRunFront(run)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(run, "front.json"))
	if err != nil {
		t.Fatal(err)
	}
	if front.Metric != onesot.ByPSNR || !strings.Contains(string(text), `"psnr_val":`) || strings.Contains(string(text), "accuracy") {
		t.Errorf("front.json does not speak of PSNR: %.300s", text)
	}
	t.Logf("bicubic %.2f, fp32 %.2f, widest %.2f dB", front.Bicubic.Test, front.FP32.Test, front.Points[0].AccuracyTest)
	if p := front.Points[0]; math.Abs(p.AccuracyTest-front.FP32.Test) > 1.5 || p.AccuracyTest < 10 {
		t.Errorf("the widest child has %.2f dB, fp32 %.2f", p.AccuracyTest, front.FP32.Test)
	}
	t.Run("killed and resumed", func(t *testing.T) {
		again := filepath.Join(t.TempDir(), "run")
		must(t, shortRestoring(again, "espcn", spec, "--threads", "1")...)
		mustEqual(t, "one thread", results(t, again), results(t, run))
		must(t, "search", "--resume", "--out", again, "--etas", "4")
		mustEqual(t, "resumed", results(t, again), results(t, run))
	})
	t.Run("pick", func(t *testing.T) {
		var p picked
		one(t, must(t, "pick", "--run", run, "--max-drop", "60", "--json"), &p)
		if !p.Fits || p.Uses[0].Unit != "dB" {
			t.Errorf("picked %+v", p)
		}
		if out := must(t, "pick", "--run", run, "--max-bops", "1"); !strings.Contains(out, "PSNR: val ") || !strings.Contains(out, " dB\n") {
			t.Errorf("pick printed\n%s", out)
		}
	})
	t.Run("eval", func(t *testing.T) {
		var e evaluated
		one(t, must(t, "eval", "--run", run, "--point", "0", "--integer", "--json"), &e)
		if want := front.Points[0]; e.AccuracyVal != want.AccuracyVal || e.AccuracyTest != want.AccuracyTest {
			t.Errorf("eval %+v, the front %+v", e.Point, want)
		}
		if e.Integer == nil || math.Abs(e.Integer.Test-e.AccuracyTest) > 0.05 {
			t.Errorf("by integers %+v, by float %+v", e.Integer, e.Point)
		}
	})
	t.Run("export and verify", func(t *testing.T) {
		for _, format := range []string{"onnx", "onnx-exact"} {
			file := filepath.Join(t.TempDir(), "net.onnx")
			must(t, "export", "--run", run, "--point", "0", "--format", format, "--out", file)
			var c onnx.Comparison
			one(t, must(t, "verify", "--run", run, "--file", file, "--json"), &c)
			if c.Layers == 0 || c.Images == 0 || c.Worst > 1e-6 || c.Difference > 0.01 {
				t.Errorf("%s: %+v", format, c)
			}
			if out := must(t, "verify", "--run", run, "--file", file); !strings.Contains(out, "whole net: ") || strings.Contains(out, "class") {
				t.Errorf("%s: verify printed\n%s", format, out)
			}
		}
	})
	t.Run("finetune", func(t *testing.T) {
		var f onesot.Front
		text := must(t, "finetune", "--run", run, "--uniform", "8/8", "--epochs", "1", "--out", filepath.Join(t.TempDir(), "tuned"), "--json")
		if err := json.Unmarshal([]byte(text), &f); err != nil || len(f.Points) != 1 || f.Points[0].Metric != onesot.ByPSNR {
			t.Errorf("%v in %s", err, text)
		}
	})
}

// TestPaperNets: the larger nets go through a search too, shortened.
func TestPaperNets(t *testing.T) {
	coloured := colourImages(t)
	for _, c := range []struct {
		model, data string
		more        []string
	}{
		{"srresnet", "sr:" + smallImages(t) + ",scale=4,patch=8,channels=rgb", nil},
		// In a micro-batch of two the last norms, of 1x1 images, would see two values a channel.
		{"mobilenetv2", "folder:" + coloured, []string{"--micro-batches", "1"}},
		// Small rates: three steps leave the running statistics at a quarter of what batches have, and at a rate of 0.1 the net has moved
		// far by then. Input steps are fitted to activations under running statistics, which grow here from layer to layer to 1e5, so
		// that in training, under the batch's, every code is 0, variances are 0 and each norm multiplies gradients by 1/sqrt(eps), to
		// 1e22 at conv1. After 45 steps the default rates do not diverge.
		{"resnet18", "folder:" + coloured, []string{"--micro-batches", "1", "--pretrain-learning-rate", "0.001", "--learning-rate", "0.001"}},
	} {
		t.Run(c.model, func(t *testing.T) {
			run := filepath.Join(t.TempDir(), "run")
			must(t, append(shortRestoring(run, c.model, c.data, "--epochs", "1", "--pretrain-epochs", "1", "--shared-weights", "--weight-bits", "4,8",
				"--input-bits", "4,8", "--etas", "2", "--no-recalibrate"), c.more...)...)
			front, err := onesot.ReadRunFront(run)
			if err != nil {
				t.Fatal(err)
			}
			p := front.Points[0]
			t.Logf("%d layers, fp32 %v, widest child %v", p.Assignment.Len(), *front.FP32, p.Accuracy())
			if math.IsNaN(p.LossVal) || p.RelativeBOPs <= 0 {
				t.Errorf("%+v", p)
			}
		})
	}
}

// colourImages is a folder of two classes of 32x32 images.
func colourImages(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for class := range 2 {
		for i := range 10 {
			img := image.NewRGBA(image.Rect(0, 0, 32, 32))
			for y := range 32 {
				for x := range 32 {
					noise := uint32(x+32*y+1024*i+65536*class) * 2654435761 // or channels would be constant, and norms blow gradients up
					img.SetRGBA(x, y, color.RGBA{uint8(noise >> 24), uint8(128*class) + uint8(noise>>17)&127, uint8(noise >> 10), 255})
				}
			}
			writePNG(t, filepath.Join(dir, fmt.Sprint(class), fmt.Sprintf("%d.png", i)), img)
		}
	}
	return dir
}
