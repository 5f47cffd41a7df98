package nn_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
	"vimps-gpu/nn/weights"
	"vimps-gpu/quant"
)

// realData is the folder of real data sets and weights; a test that needs a part which is not there is skipped.
func realData(t *testing.T, part string) string {
	t.Helper()
	root := os.Getenv("VIMPS_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "data")
	}
	path := filepath.Join(root, part)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs %s under VIMPS_DATA (real data not found)", part)
	}
	return path
}

func resnet20(t *testing.T) *nn.Graph {
	t.Helper()
	m, err := model.Find("resnet20")
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Graph(model.Input{H: 32, W: 32, C: 3, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// The counts of ResNet-20 for CIFAR: 40.55 M MACs (with the linear layer), 269,722 trainable values.
func TestResNet20Counts(t *testing.T) {
	g := resnet20(t)
	var macs, weights int64
	for _, l := range g.Layers() {
		macs, weights = macs+l.MACs, weights+l.Weights
	}
	// 19 convolutions: 16*27*32^2 + 6*16*144*32^2 + 32*144*16^2 + 5*32*288*16^2 + 64*288*8^2 + 5*64*576*8^2, and 640.
	if macs != 40551040 {
		t.Errorf("%d MACs, want 40551040", macs)
	}
	norms := int64(0)
	for _, n := range g.Nodes {
		if n.Op == nn.OpNorm {
			norms += int64(2 * n.C)
		}
	}
	if total := weights + norms + 10; total != 269722 {
		t.Errorf("%d trainable values, want 269722", total)
	}
	space, err := quant.NewSpace(g.Layers(), quant.DefaultPolicy())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(space.Gates()); n != 36 {
		t.Errorf("%d gates are searched, want 36", n)
	}
}

// The published weights give the published accuracy: 9,173 of 10,000 with the statistics of the file (fp32,
// +-2 for rounding), and 91.5 % or more with statistics re-estimated on images treated as in training.
func TestPublishedResNet20(t *testing.T) {
	set, err := data.Open("cifar10:" + realData(t, "cifar10"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := weights.ReadFile(realData(t, "weights/resnet20_cifar10.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	params := nn.NewParams(openHost(t), resnet20(t), nn.Config{})
	report, err := params.Load(f)
	if err != nil || len(report.Unused) > 0 || report.Parameters != 269_722 {
		t.Fatalf("load: %v, %d parameters, unused tensors %v", err, report.Parameters, report.Unused)
	}
	m, _ := model.Find("resnet20")
	e := nn.NewEvaluator(params, nil, set, m.Augment)
	defer e.Free()
	if s := e.Score(set.Test); s.Right < 9171 || s.Right > 9175 {
		t.Errorf("%d of %d right, want 9173 +- 2", s.Right, s.Images)
	} else {
		t.Logf("stored statistics: %d of %d right, cross-entropy %.4f", s.Right, s.Images, s.Loss)
	}
	e.Recalibrate(set.Train, 2048, 0)
	if s := e.Score(set.Test); s.Accuracy() < 0.915 {
		t.Errorf("re-estimated statistics: accuracy %.4f, want 0.915 or more", s.Accuracy())
	} else {
		t.Logf("re-estimated statistics: %d of %d right", s.Right, s.Images)
	}
	e.Restore()
	if s := e.Score(set.Test.Subset([]int{0, 1, 2, 3, 4})); s.Images != 5 || math.IsNaN(s.Loss) {
		t.Errorf("a batch that is not full: %+v", s)
	}
}

// A weight file with a wrong, missing or non-finite tensor is refused, by naming it, and the net keeps its values.
func TestLoadRefusesWrongTensors(t *testing.T) {
	path := realData(t, "weights/resnet20_cifar10.safetensors")
	dev := openHost(t)
	for _, c := range []struct {
		name, want string
		damage     func(f *weights.File)
	}{
		{"missing", `"layer2.1.conv1.weight"`, func(f *weights.File) { delete(f.Tensors, "layer2.1.conv1.weight") }},
		{"wrong shape", `"linear.weight"`, func(f *weights.File) { f.Tensors["linear.weight"] = f.Tensors["conv1.weight"] }},
		{"NaN", `"bn1.bias"`, func(f *weights.File) { f.Tensors["bn1.bias"].Float32s()[3] = float32(math.NaN()) }},
		{"negative variance", `"bn1.running_var"`, func(f *weights.File) { f.Tensors["bn1.running_var"].Float32s()[0] = -1 }},
		{"many", "of the 97 tensors that resnet20 needs: missing \"conv1.weight\"", func(f *weights.File) { clear(f.Tensors) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := weights.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c.damage(f)
			params := nn.NewParams(dev, resnet20(t), nn.Config{})
			defer params.Free()
			_, err = params.Load(f)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v; want one line with %s", err, c.want)
			}
			if w := params.Layers[5].W.At(0); w != 0 {
				t.Errorf("a filter was set to %g although the file was refused", w)
			}
		})
	}
}
