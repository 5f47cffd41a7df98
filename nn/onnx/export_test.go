package onnx_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/kernels"
	"vimps-gpu/nn"
	"vimps-gpu/nn/onnx"
	"vimps-gpu/quant"
)

func openHost(t testing.TB) *cuda.Device {
	t.Helper()
	dev, err := cuda.Open(cuda.Options{Device: "host"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

func spread(n int, seed uint32, lo, hi float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		r := kernels.Philox([4]uint32{uint32(i), seed, 0, 0}, [2]uint32{7})
		v[i] = float32(lo + (hi-lo)*float64(r[0])/(1<<32))
	}
	return v
}

// residualNet has what the quantized path meets: signed and unsigned inputs, an option A shortcut, a value that two convolutions read, grouped and
// depthwise convolutions, a norm that cannot be folded into a convolution because others read it too, a linear layer.
func residualNet() *nn.Graph {
	g := nn.NewGraph("small", 9, 7, 3)
	x := g.ReLU(g.Norm("n1", g.Conv("c1", 0, nn.Conv{K: 16, R: 3, S: 3, Stride: 1, Pad: 1})))
	x = g.ReLU(g.Add(g.Norm("n2", g.Conv("c2", x, nn.Conv{K: 16, R: 3, S: 3, Stride: 1, Pad: 1})), x))
	x = g.Add(g.Norm("n3", g.Conv("c3", x, nn.Conv{K: 20, R: 3, S: 3, Stride: 2, Pad: 1})), x) // may be negative
	y := g.ReLU(g.Norm("n4", g.Conv("c4", x, nn.Conv{K: 20, R: 3, S: 3, Stride: 1, Pad: 1, Groups: 20})))
	y = g.ReLU(g.Conv("c5", y, nn.Conv{K: 20, R: 1, S: 1, Stride: 1, Groups: 2, Bias: true}))
	x = g.ReLU(g.Add(g.Norm("n6", g.Conv("c6", y, nn.Conv{K: 20, R: 1, S: 1, Stride: 1})), x))
	g.Linear("fc", g.AvgPool(x), 5)
	return g
}

// childParams are random values, some gammas below 0, of one child of g: the bits repeat over the layers.
func childParams(t testing.TB, dev *cuda.Device, g *nn.Graph, weight, input []int) (*nn.Params, *nn.Gates) {
	t.Helper()
	layers := g.Layers()
	space, err := quant.NewSpace(layers, quant.Policy{WeightBits: []int{2, 3, 4, 5, 8}, InputBits: []int{2, 3, 4, 5, 8}})
	if err != nil {
		t.Fatal(err)
	}
	var w, x []int
	for i := range layers {
		w, x = append(w, weight[i%len(weight)]), append(x, input[i%len(input)])
	}
	a, err := quant.NewAssignment(space, w, x)
	if err != nil {
		t.Fatal(err)
	}
	space = space.Only(a)
	p := nn.NewParams(dev, g, nn.Config{Space: space, Norm: nn.NormPlain})
	for i := range p.Layers {
		l := &p.Layers[i]
		l.W.Set(spread(l.W.Len(), uint32(i), -1, 1))
		half := 1 / float64(int(1)<<(w[i]-1))
		l.WStep.Set(spread(l.WStep.Len(), uint32(100+i), 0.7*half, 1.3*half))
		l.XStep.Set(spread(1, uint32(200+i), 2/float64(int(1)<<x[i]), 3/float64(int(1)<<x[i])))
		if l.Bias != nil {
			l.Bias.Set(spread(l.Bias.Len(), uint32(300+i), -1, 1))
		}
	}
	for i := range p.Norms {
		n := &p.Norms[i]
		n.Gamma.Set(spread(n.Gamma.Len(), uint32(600+i), -0.7, 1.5))
		n.Beta.Set(spread(n.Beta.Len(), uint32(700+i), -0.5, 0.5))
		n.Var.Set(spread(n.Var.Len(), uint32(400+i), 5, 20))
		n.Mean.Set(spread(n.Mean.Len(), uint32(500+i), -1, 1))
	}
	gates := nn.NewGates(dev, space)
	gates.SetChild(space, a)
	return p, gates
}

// pythonWithONNXRuntime is the Python of nn/onnx/onnxruntime.sh, or that which VIMPS_PYTHON names; where there is none the test is
// skipped.
func pythonWithONNXRuntime(t testing.TB) string {
	t.Helper()
	if python := os.Getenv("VIMPS_PYTHON"); python != "" {
		return python
	}
	python, err := filepath.Abs("../../.python/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(python); err != nil {
		t.Skip("needs onnxruntime in .python: make onnxruntime")
	}
	return python
}

// ortJob is a file and images [n,h,w,c] for it.
type ortJob struct {
	file       string
	images     []float32
	n, h, w, c int
}

// inONNXRuntime is the output of each file, as onnxruntime gives it: [n,classes] or [n,c,h,w].
func inONNXRuntime(t testing.TB, jobs ...ortJob) [][]float32 {
	t.Helper()
	python, dir := pythonWithONNXRuntime(t), t.TempDir()
	var list []any
	for i, j := range jobs {
		raw := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(raw, bytesOf(toNCHW(j.images, j.n, j.h, j.w, j.c)), 0o666); err != nil {
			t.Fatal(err)
		}
		list = append(list, []any{j.file, raw, raw + ".out", []int{j.n, j.c, j.h, j.w}})
	}
	text, err := json.Marshal(list)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "jobs"), text, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(python, "testdata/run_onnxruntime.py", filepath.Join(dir, "jobs"))
	said, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	t.Log(strings.TrimSpace(string(said)))
	var outs [][]float32
	for i := range jobs {
		out, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i, ".out")))
		if err != nil {
			t.Fatal(err)
		}
		v := make([]float32, len(out)/4)
		for k := range v {
			v[k] = math.Float32frombits(binary.LittleEndian.Uint32(out[4*k:]))
		}
		outs = append(outs, v)
	}
	return outs
}

func bytesOf(v []float32) []byte {
	var out []byte
	for _, x := range v {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
	}
	return out
}

func toNCHW(x []float32, n, h, w, c int) []float32 {
	out := make([]float32, len(x))
	for i := range x {
		ch, j, r, image := i%c, i/c%w, i/c/w%h, i/c/w/h
		out[((image*c+ch)*h+r)*w+j] = x[i]
	}
	return out
}

// export writes a child and reads it again.
func export(t testing.TB, p *nn.Params, f onnx.Format) (file string, m *onnx.Model) {
	t.Helper()
	child, err := onnx.TakeChild(p)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = onnx.Export(child, f); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "child.onnx")
	if err := os.WriteFile(file, m.Encode(), 0o666); err != nil {
		t.Fatal(err)
	}
	if m, err = onnx.Read(file); err != nil {
		t.Fatal(err)
	}
	return file, m
}

const testBatch = 12

// ran is a file and what the Runner made of images.
type ran struct {
	what   string
	format onnx.Format
	job    ortJob
	out    []float32
}

// exportAll writes a child in every format, compares each file, read again, with the child's integer arithmetic layer by layer, and runs it.
func exportAll(t *testing.T, dev *cuda.Device, what string, p *nn.Params, gates *nn.Gates) (all []ran) {
	t.Helper()
	plan := nn.NewPlan(p, gates, nn.NewScalars(dev), nn.PlanOptions{Batch: testBatch, Integer: true, KeepValues: true})
	images := spread(plan.Input.Len(), 9, -1.5, 1.5)
	plan.Input.Set(images)
	dev.Record(func() { plan.PackFilters(); plan.Forward() }).Launch()
	s := plan.Input.Shape()
	for _, format := range onnx.Formats() {
		file, m := export(t, p, format)
		checkPadding(t, p, m, format)
		compareWithPlan(t, dev, p, plan, m, images)
		r, err := onnx.NewRunner(dev, m)
		if err != nil {
			t.Fatalf("%s, %s: %v", what, format, err)
		}
		defer r.Free()
		out, err := r.Run(images, s[0], s[1], s[2], s[3])
		if err != nil {
			t.Fatalf("%s, %s: %v", what, format, err)
		}
		if o := p.Graph.Output(); o.H > 1 {
			out = toNCHW(out, s[0], o.H, o.W, o.C)
		}
		all = append(all, ran{what, format, ortJob{file, images, s[0], s[1], s[2], s[3]}, out})
	}
	return all
}

// checkPadding holds what a child says of wider types to the filters of its file, read again.
func checkPadding(t *testing.T, p *nn.Params, m *onnx.Model, format onnx.Format) {
	t.Helper()
	child, err := onnx.TakeChild(p)
	if err != nil {
		t.Fatal(err)
	}
	stored, packed := 0, 0
	for _, i := range m.Graph.Initializers {
		if strings.HasSuffix(i.Name, ".weight") {
			stored += len(i.Raw)
		}
	}
	for _, l := range child.Layers {
		packed += (len(l.Codes)*l.WeightBits + 7) / 8
	}
	if got := child.Padding(format); got != int64(stored-packed) {
		t.Errorf("%s: %d bytes of wider types, the file has %d", format, got, stored-packed)
	}
}

// sameInONNXRuntime compares files with onnxruntime: the exact form gives the same bits, the others the same but for rounding.
func sameInONNXRuntime(t *testing.T, all []ran) {
	t.Helper()
	for i, d := range nearInONNXRuntime(t, all) {
		if all[i].format == onnx.Exact && d != 0 {
			t.Errorf("%s, %s: onnxruntime differs by %g of the largest output", all[i].what, all[i].format, d)
		}
	}
}

// nearInONNXRuntime compares files with onnxruntime but for rounding, and gives the largest differences over the largest outputs.
func nearInONNXRuntime(t *testing.T, all []ran) (differences []float64) {
	t.Helper()
	var jobs []ortJob
	for _, r := range all {
		jobs = append(jobs, r.job)
	}
	for i, theirs := range inONNXRuntime(t, jobs...) {
		d := spreadOf(theirs, all[i].out)
		t.Logf("%s, %s: onnxruntime differs by %.2g of the largest output", all[i].what, all[i].format, d)
		if !(d < 0.02) {
			t.Errorf("%s, %s: onnxruntime differs by %g of the largest output", all[i].what, all[i].format, d)
		}
		differences = append(differences, d)
	}
	return differences
}

// Children of several mixes of widths.
func TestExportedChildren(t *testing.T) {
	dev := openHost(t)
	var all []ran
	for _, bits := range [][2][]int{{{8}, {8}}, {{4}, {4}}, {{2, 4, 8}, {8, 2, 4}}, {{3, 5}, {5, 3}}} {
		p, gates := childParams(t, dev, residualNet(), bits[0], bits[1])
		all = append(all, exportAll(t, dev, fmt.Sprint("bits ", bits), p, gates)...)
	}
	sameInONNXRuntime(t, all)
}

func spreadOf(a, b []float32) float64 {
	var d, size float64
	for i := range a {
		d, size = max(d, math.Abs(float64(a[i]-b[i]))), max(size, math.Abs(float64(b[i])))
	}
	return d / size
}

// compareWithPlan holds a file to a plan, node by node.
func compareWithPlan(t *testing.T, dev *cuda.Device, p *nn.Params, plan *nn.Plan, m *onnx.Model, images []float32) {
	t.Helper()
	if d := worst(t, dev, p, plan, m, images); !(d <= onnx.MaxRounding) {
		t.Errorf("a value differs by %g of the largest", d)
	}
}

// worst runs a file while each node reads the values of a plan, and is the largest difference of any value over the largest.
func worst(t *testing.T, dev *cuda.Device, p *nn.Params, plan *nn.Plan, m *onnx.Model, images []float32) (most float64) {
	t.Helper()
	r, err := onnx.NewRunner(dev, m)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Free()
	child, err := onnx.TakeChild(p)
	if err != nil {
		t.Fatal(err)
	}
	seen, names := 0, child.Names()
	r.Seen = func(name string, _ []int, v []float32) []float32 {
		i := slices.Index(names, name)
		if i < 0 || plan.Value(i) == nil {
			return nil
		}
		seen++
		want := plan.Value(i).Get(nil)
		most = max(most, spreadOf(v, want))
		return want
	}
	s := plan.Input.Shape()
	if _, err := r.Run(images, s[0], s[1], s[2], s[3]); err != nil {
		t.Fatal(err)
	}
	if convs := len(p.Layers); seen < convs {
		t.Errorf("%d values compared, want one for each of %d convolutions or more", seen, convs)
	}
	return most
}
