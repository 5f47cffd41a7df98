package onesot

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vimps-gpu/nn"
)

// restoringFront is smallFront of a super-resolution net.
func restoringFront(t *testing.T) *Front {
	t.Helper()
	f := smallFront(t)
	f.Metric, f.FP32, f.Bicubic = ByPSNR, &Accuracy{ByPSNR, 32.5, 31.5}, &Accuracy{ByPSNR, 30.25, 29.75}
	for i := range f.Points {
		p := &f.Points[i]
		p.Metric, p.AccuracyVal, p.AccuracyTest = ByPSNR, 32-p.LossVal/4, 31-p.LossVal/4
	}
	MarkFront(f.Points)
	return f
}

// TestFrontInDecibels: front.json of a restoring net names dB, is read back the same, and a front of two metrics is refused.
func TestFrontInDecibels(t *testing.T) {
	f := restoringFront(t)
	data, err := f.JSON()
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for _, want := range []string{`"metric": "psnr"`, `"psnr_val":32,"psnr_test":31,`, `"psnr_val": 30.25`} {
		if !strings.Contains(text, want) {
			t.Errorf("front.json lacks %s:\n%s", want, text)
		}
	}
	back, err := ReadFront(writeTemp(t, data))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, back); diff != "" {
		t.Errorf("wrote, read (-want +got):\n%s", diff)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"metric":  {`"metric": "psnr"`, `"metric": "ssim"`, `metric "ssim"`},
		"none":    {`"metric": "psnr",`, ``, "no accuracy_val"},
		"mixed":   {`"psnr_val":32,"psnr_test":31,`, `"accuracy_val":0.9,"accuracy_test":0.9,`, "point 0"},
		"range":   {`"psnr_val":32,`, `"psnr_val":320,`, "want 0 to 100 dB"},
		"bicubic": {`"psnr_val": 30.25`, `"psnr_val": -30.25`, "bicubic"},
	} {
		if _, err := ReadFront(writeTemp(t, []byte(strings.Replace(text, c.old, c.new, 1)))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

// TestPickInDecibels: --max-drop is in dB below fp32.
func TestPickInDecibels(t *testing.T) {
	f := restoringFront(t)
	drop := 0.5
	c, err := f.Pick(Budget{MaxDrop: &drop})
	if err != nil || c.Point.AccuracyVal != 32 || c.Uses[0].Unit != "dB" || c.Uses[0].Used != 0.5 {
		t.Errorf("%+v, %v", c, err)
	}
	drop = 0.25
	if _, err := f.Pick(Budget{MaxDrop: &drop}); err == nil || !strings.Contains(err.Error(), "validation PSNR 32.00 dB") {
		t.Errorf("error %v", err)
	}
}

// TestMetricsRowNames: a line of metrics.jsonl names the loss that it holds, and is read back.
func TestMetricsRowNames(t *testing.T) {
	for m, want := range map[Metric]string{ByAccuracy: `"cross_entropy":0.25,"train_accuracy":0.5`, ByPSNR: `"pixel_loss":0.25,"train_mse":0.5`} {
		row := MetricsRow{Metric: m, Phase: PhaseSearch, Task: 0.25, Accuracy: 0.5}
		text, err := json.Marshal(row)
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s, %v: want %s", text, err, want)
		}
		var back MetricsRow
		if err := json.Unmarshal(text, &back); err != nil || back != row {
			t.Errorf("%v: read %+v, want %+v", err, back, row)
		}
	}
}

// TestMetricOf: an image is restored, answers are right or wrong.
func TestMetricOf(t *testing.T) {
	g := nn.NewGraph("net", 8, 8, 1)
	x := g.Conv("conv", 0, nn.Conv{K: 4, R: 3, S: 3, Stride: 1, Pad: 1})
	if m := MetricOf(g); m != ByPSNR || m.Of(nn.Score{PSNR: 30, Right: 1, Images: 2}) != 30 {
		t.Errorf("an image is measured by %s", m.Name())
	}
	g.AvgPool(x)
	if m := MetricOf(g); m != ByAccuracy || m.Of(nn.Score{PSNR: 30, Right: 1, Images: 2}) != 0.5 {
		t.Errorf("answers are measured by %s", m.Name())
	}
}
