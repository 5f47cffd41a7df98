package model_test

import (
	"encoding/json"
	"hash/crc32"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gorgonia.org/tensor"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/model"
	"vimps-gpu/nn/weights"
)

// golden is what PyTorch makes of a net (testdata/gen_nets.py).
type golden struct {
	Name, Model string
	Input       model.Input
	MACs        int64
	Tensors     [][2]json.RawMessage // name, shape
	Output      []float32            // [C,H,W]
}

func goldens(t *testing.T) (list []golden) {
	t.Helper()
	text, err := os.ReadFile("testdata/nets.json")
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// hashed is gen_nets.py's hash: numbers that depend on name alone.
func hashed(name string, count int, lo, hi float64) []float32 {
	v := make([]float32, count)
	for i := range v {
		h := uint32(i)*2654435761 + crc32.ChecksumIEEE([]byte(name))
		h ^= h >> 16
		h *= 0x7FEB352D
		h ^= h >> 15
		h *= 0x846CA68B
		h ^= h >> 16
		v[i] = float32(lo + (hi-lo)*(float64(h)/(1<<32)))
	}
	return v
}

func bounds(name string, shape []int) (lo, hi float64) {
	if len(shape) > 1 {
		fanIn := 1
		for _, d := range shape[1:] {
			fanIn *= d
		}
		return -math.Sqrt(6 / float64(fanIn)), math.Sqrt(6 / float64(fanIn))
	}
	b := map[string][2]float64{"weight": {0.2, 0.8}, "bias": {-0.2, 0.2}, "running_mean": {-0.3, 0.3}, "running_var": {0.5, 1.5}}[name[strings.LastIndex(name, ".")+1:]]
	return b[0], b[1]
}

// file is a weight file of the golden's tensors.
func (c golden) file(t *testing.T) *weights.File {
	t.Helper()
	f := &weights.File{Path: c.Name, Tensors: map[string]*tensor.Dense{}}
	for _, e := range c.Tensors {
		var name string
		var shape []int
		if err := json.Unmarshal(e[0], &name); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(e[1], &shape); err != nil {
			t.Fatal(err)
		}
		lo, hi := bounds(name, shape)
		f.Tensors[name] = tensor.New(tensor.WithShape(shape...), tensor.WithBacking(hashed(name, tensor.Shape(shape).TotalSize(), lo, hi)))
	}
	return f
}

func (c golden) graph(t *testing.T) *nn.Graph {
	t.Helper()
	m, err := model.Find(c.Model)
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Graph(c.Input)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func openHost(t *testing.T) *cuda.Device {
	t.Helper()
	dev, err := cuda.Open(cuda.Options{Device: "host", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

// MACs of every net are PyTorch's count, for each scale, in Y and RGB.
func TestMACsArePyTorchs(t *testing.T) {
	for _, c := range goldens(t) {
		var macs int64
		for _, l := range c.graph(t).Layers() {
			macs += l.MACs
		}
		if macs != c.MACs {
			t.Errorf("%s: %d MACs, PyTorch counts %d", c.Name, macs, c.MACs)
		}
	}
}

// Weight files with the names of torchvision, timm and the PyTorch port of SRResNet load whole, and the fp32 outputs are
// PyTorch's. What Export lists loads again to the same values.
func TestOutputsArePyTorchs(t *testing.T) {
	dev := openHost(t)
	for _, c := range goldens(t) {
		if len(c.Tensors) == 0 {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			params := nn.NewParams(dev, c.graph(t), nn.Config{})
			defer params.Free()
			report, err := params.Load(c.file(t))
			if err != nil || len(report.Unused) > 0 || len(report.Matched) != len(c.Tensors) {
				t.Fatalf("%v; %d of %d tensors matched, unused are %v", err, len(report.Matched), len(c.Tensors), report.Unused)
			}
			again := nn.NewParams(dev, c.graph(t), nn.Config{})
			defer again.Free()
			file := &weights.File{Path: "exported", Tensors: map[string]*tensor.Dense{}}
			for _, n := range params.Export() {
				file.Tensors[n.Name] = n.Tensor
			}
			if second, err := again.Load(file); err != nil || len(second.Unused) > 0 || second.Parameters != report.Parameters {
				t.Fatalf("exported: %v, %+v", err, second)
			}
			out := forward(params, c.Input)
			if !slices.Equal(out, forward(again, c.Input)) {
				t.Error("the exported net gives another output")
			}
			compare(t, out, c, params.Graph.Output())
		})
	}
}

func forward(params *nn.Params, in model.Input) []float32 {
	scalars := nn.NewScalars(params.Dev)
	defer scalars.Free()
	plan := nn.NewPlan(params, nil, scalars, nn.PlanOptions{Batch: 1})
	defer plan.Free()
	plan.Input.Set(hashed("image", in.H*in.W*in.C, -1, 1))
	graph := params.Dev.Record(func() { plan.PackFilters(); plan.Forward() })
	defer graph.Free()
	graph.Launch()
	return plan.Logits.Get(nil)
}

func compare(t *testing.T, got []float32, c golden, n nn.Node) {
	t.Helper()
	most, worst := 0.0, 0.0
	for y := range n.H * n.W {
		for k := range n.C {
			want := float64(c.Output[k*n.H*n.W+y])
			most = max(most, math.Abs(want))
			worst = max(worst, math.Abs(float64(got[y*n.C+k])-want))
		}
	}
	if worst > 1e-4*max(1, most) {
		t.Errorf("output is off by %g of %g", worst, most)
	} else {
		t.Logf("output is off by %.2g of %.3g", worst, most)
	}
}

// A net refuses a data set that is not for it, in one line.
func TestGraphRefusesInputs(t *testing.T) {
	for _, c := range []struct {
		model, want string
		in          model.Input
	}{
		{"resnet18", "images are 31x40", model.Input{H: 31, W: 40, C: 3, Classes: 10}},
		{"resnet18", "super-resolution (x2)", model.Input{H: 64, W: 64, C: 3, Scale: 2}},
		{"espcn", "images in classes", model.Input{H: 64, W: 64, C: 3, Classes: 10}},
		{"srresnet", "scale is 5", model.Input{H: 64, W: 64, C: 3, Scale: 5}},
	} {
		m, err := model.Find(c.model)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = m.Graph(c.in); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s for %+v: %v; want a line with %q", c.model, c.in, err, c.want)
		}
	}
}

// A super-resolution net at another size is the net built for that size; a classifier's output would be an image.
func TestGraphAt(t *testing.T) {
	for _, c := range goldens(t) {
		at, err := c.graph(t).At(64, 51)
		if c.Input.Scale == 0 {
			if err == nil && at.Restores() {
				t.Errorf("%s: makes images", c.Name)
			}
			continue
		}
		other := c
		other.Input.H, other.Input.W = 64, 51
		if diff := cmp.Diff(other.graph(t), at); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", c.Name, err, diff)
		}
		if _, err := c.graph(t).At(0, 5); c.Model == "espcn" && err == nil {
			t.Errorf("%s: made for an image of no rows", c.Name)
		}
	}
}

// A PReLU with one slope for all channels loads into one a channel.
func TestLoadOneSlope(t *testing.T) {
	dev := openHost(t)
	g := nn.NewGraph("prelu", 1, 1, 3)
	g.Activate("act", 0, nn.Activation{Kind: cuda.ActPReLU})
	p := nn.NewParams(dev, g, nn.Config{})
	f := &weights.File{Path: "f", Tensors: map[string]*tensor.Dense{"act.weight": tensor.New(tensor.WithShape(1), tensor.WithBacking([]float32{0.5}))}}
	if _, err := p.Load(f); err != nil || !slices.Equal(p.Slopes[0].Slope.Get(nil), []float32{0.5, 0.5, 0.5}) {
		t.Errorf("%v: %v", err, p.Slopes[0].Slope.Get(nil))
	}
}
