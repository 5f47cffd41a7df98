package onnx_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/onnx"
)

// answers is what onnxruntime computes with the nets of testdata on eight images of the digits (gen_import.py).
type answers struct {
	Pixels []float32 // 0..16
	Nets   map[string]struct {
		Producer string
		Shape    []int
		Out      []float32
	}
}

func readAnswers(t *testing.T) (a answers) {
	t.Helper()
	b, err := os.ReadFile("testdata/import.json")
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob("testdata/import_*.onnx"); len(files) != len(a.Nets) || len(files) < 14 {
		t.Fatalf("%d nets and answers of %d", len(files), len(a.Nets))
	}
	return a
}

// The fp32 outputs of nets that torch.onnx (both exporters), tf2onnx and paddle2onnx wrote, and of such as were built by hand,
// are onnxruntime's to 1e-4 on real images, also after the file has been encoded again.
func TestImportedOutputsAreOnnxruntimes(t *testing.T) {
	a := readAnswers(t)
	dev, err := cuda.Open(cuda.Options{Device: "host", Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	for name, net := range a.Nets {
		t.Run(name, func(t *testing.T) {
			m, err := onnx.Read(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			if m, err = onnx.Decode(m.Encode(), ""); err != nil {
				t.Fatal("encoded again:", err)
			}
			got, notes := forward(t, dev, m, a.Pixels, len(net.Out))
			worst := 0.0
			for i, v := range net.Out {
				worst = max(worst, math.Abs(float64(v-got[i])))
			}
			if !(worst <= 1e-4) {
				t.Errorf("%s: off by %g", net.Producer, worst)
			}
			t.Logf("%s: off by %.2g, notes %q", net.Producer, worst, notes)
		})
	}
}

// forward is the first n outputs, in ONNX's order, on images of 8x8 pixels.
func forward(t *testing.T, dev *cuda.Device, m *onnx.Model, pixels []float32, n int) ([]float32, []string) {
	t.Helper()
	net, err := onnx.Import(m, onnx.Size{H: 8, W: 8, C: 1})
	if err != nil {
		t.Fatal(err)
	}
	params := nn.NewParams(dev, net.Graph, nn.Config{})
	defer params.Free()
	report, err := params.Load(net.Weights)
	if err != nil || len(report.Unused) > 0 {
		t.Fatalf("%v, unused %v", err, report.Unused)
	}
	scalars := nn.NewScalars(dev)
	defer scalars.Free()
	plan := nn.NewPlan(params, nil, scalars, nn.PlanOptions{Batch: 1})
	defer plan.Free()
	graph := dev.Record(func() { plan.PackFilters(); plan.Forward() })
	defer graph.Free()
	var out []float32
	for i := 0; len(out) < n; i++ {
		image := make([]float32, 64)
		for j, p := range pixels[i*64 : i*64+64] {
			image[j] = p / 16
		}
		plan.Input.Set(image)
		graph.Launch()
		out = append(out, plan.Logits.Get(nil)...)
	}
	return out, net.Notes
}

// Every node that cannot be computed is listed with its reason, and nothing behind it that only follows from it.
func TestImportListsAllItCannotCompute(t *testing.T) {
	m, err := onnx.Read("testdata/import_resnet_norms.onnx")
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.Graph.Nodes {
		n := &m.Graph.Nodes[i]
		switch n.Name {
		case "/stem/stem.2/Relu":
			n.Op = "Elu"
		case "/conv1/conv1.0/Conv":
			for j := range n.Attrs {
				if n.Attrs[j].Name == "strides" {
					n.Attrs[j].Ints = []int64{1, 2}
				}
			}
		case "/fc/Gemm":
			n.Domain = "com.microsoft"
		}
	}
	_, err = onnx.Import(m, onnx.Size{H: 8, W: 8, C: 1})
	u, ok := err.(onnx.Unsupported)
	if !ok || len(u.Nodes) != 3 {
		t.Fatalf("%v", err)
	}
	for i, want := range []string{`Elu "/stem/stem.2/Relu": the op is not one`, `Conv "/conv1/conv1.0/Conv": strides 1x2`, `Gemm "/fc/Gemm": an op of "com.microsoft"`} {
		if !strings.HasPrefix(u.Nodes[i], want) {
			t.Errorf("%q, want %q", u.Nodes[i], want)
		}
	}
}

// What cannot be folded is listed, and so is nothing that reads it; a fuzzer found that it was read.
func TestImportOfWrongConstants(t *testing.T) {
	m := &onnx.Model{Opsets: map[string]int64{"": 13}, Graph: onnx.Graph{
		Inputs:       []onnx.Value{{Name: "x", Type: onnx.Float32, Dims: []onnx.Dim{{Size: 1}, {Size: 1}, {Size: 8}, {Size: 8}}}},
		Outputs:      []onnx.Value{{Name: "y", Type: onnx.Float32}},
		Initializers: []onnx.Tensor{onnx.NewInts("table", []int64{1, 2}, 2), onnx.NewInts("place", []int64{7}, 1)},
		Nodes: []onnx.Node{
			{Op: "Gather", In: []string{"table", "place"}, Out: []string{"a"}},
			{Op: "Squeeze", In: []string{"a"}, Out: []string{"b"}},
			{Op: "Reshape", In: []string{"x", "b"}, Out: []string{"y"}},
		}}}
	_, err := onnx.Import(m, onnx.Size{})
	if u, ok := err.(onnx.Unsupported); !ok || !strings.HasPrefix(u.Nodes[0], "Gather") {
		t.Errorf("%v", err)
	}
	m.Graph.Nodes = []onnx.Node{{Op: "ReduceMean", In: []string{"x"}, Out: []string{"y"}}} // no axes: channels and images too
	m.Graph.Inputs[0].Dims = slices.Repeat([]onnx.Dim{{Size: 1}}, 4)
	if _, err := onnx.Import(m, onnx.Size{}); err == nil || !strings.Contains(err.Error(), "a mean over all of") {
		t.Errorf("%v", err)
	}
	m.Graph.Initializers[0].Dims = slices.Repeat([]int64{1}, 17)
	if _, err := onnx.Decode(m.Encode(), ""); err == nil || !strings.Contains(err.Error(), "more than 16 dimensions") {
		t.Errorf("17 dimensions: %v", err)
	}
}

// A filter that several convolutions read is noted once, and each gets its own.
func TestImportOfSharedFilters(t *testing.T) {
	m, err := onnx.Read("testdata/import_shared_resize.onnx")
	if err != nil {
		t.Fatal(err)
	}
	net, err := onnx.Import(m, onnx.Size{})
	if err != nil {
		t.Fatal(err)
	}
	if len(net.Notes) != 1 || !strings.HasPrefix(net.Notes[0], `initializer "head.weight" is read by Conv "head1" and Conv "head2":`) {
		t.Errorf("notes %q", net.Notes)
	}
	a, b := net.Weights.Tensors["head.weight"], net.Weights.Tensors["head.2.weight"]
	if a == nil || b == nil || a == b || !slices.Equal(a.Float32s(), b.Float32s()) || &a.Float32s()[0] == &b.Float32s()[0] {
		t.Errorf("filters %v and %v, want two of the same values", a, b)
	}
}

// Names are those of the framework: weights of the same net load by them.
func TestImportedNames(t *testing.T) {
	for file, want := range map[string]string{
		"import_resnet_norms.onnx":  "stem.0 conv1.0 conv2.0 conv3.0 down fc",
		"import_resnet_legacy.onnx": "stem.0 conv1.0 conv2.0 conv3.0 down fc",
		"import_resnet_dynamo.onnx": "stem.0 conv1.0 conv2.0 conv3.0 down fc",
	} {
		m, err := onnx.Read(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		net, err := onnx.Import(m, onnx.Size{H: 8, W: 8, C: 1})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, l := range net.Graph.Layers() {
			names = append(names, l.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
}

// External data are read from the model's folder only, and never beyond the ends of their files.
func TestExternalData(t *testing.T) {
	dir := t.TempDir()
	model, err := os.ReadFile("testdata/import_dense_dynamo.onnx")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "m.onnx")
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	wrong := func(want string) {
		t.Helper()
		if _, err := onnx.Read(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	write("m.onnx", model)
	wrong("are missing")
	write("import_dense_dynamo.onnx.data", make([]byte, 100))
	wrong("end before byte")
	old, outside := "import_dense_dynamo.onnx.data", "../../../../../../etc/password"
	write("m.onnx", []byte(strings.ReplaceAll(string(model), old, outside[:len(old)])))
	wrong("outside the folder")
	if err := os.Remove(filepath.Join(dir, old)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, old)); err != nil {
		t.Fatal(err)
	}
	write("m.onnx", model)
	wrong("cannot be opened")
}

func FuzzReadAndImport(f *testing.F) {
	files, _ := filepath.Glob("testdata/import_*.onnx")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := onnx.Decode(b, "")
		if err != nil {
			return
		}
		if _, err := onnx.Decode(m.Encode(), ""); err != nil {
			t.Fatal("encoded again:", err)
		}
		net, err := onnx.Import(m, onnx.Size{H: 8, W: 8, C: 1})
		if err == nil && len(net.Graph.Convs()) == 0 {
			t.Fatal("a net without layers")
		}
	})
}
