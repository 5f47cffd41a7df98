package cli

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"vimps-gpu/nn"
	"vimps-gpu/nn/model"
	"vimps-gpu/nn/weights"
)

// digitsWeights writes fp32 weights of digitsnet, all of one value, with torchvision's names; spoil may change them.
func digitsWeights(t *testing.T, spoil func(map[string][]float32)) string {
	t.Helper()
	m, err := model.Find("digitsnet")
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Graph(model.Input{H: 8, W: 8, C: 1, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	shapes, values := map[string][]int{}, map[string][]float32{}
	add := func(name string, shape ...int) {
		shapes[name] = shape
		values[name] = make([]float32, tensor.Shape(shape).TotalSize())
		for i := range values[name] {
			values[name][i] = 0.5
		}
	}
	for _, n := range g.Nodes {
		switch {
		case n.Op == nn.OpConv && n.Conv.Bias:
			add(n.Name+".weight", n.C, g.Nodes[n.In[0]].C)
			add(n.Name+".bias", n.C)
		case n.Op == nn.OpConv:
			add(n.Name+".weight", n.C, g.Nodes[n.In[0]].C, n.Conv.R, n.Conv.S)
		case n.Op == nn.OpNorm:
			for _, part := range []string{"weight", "bias", "running_mean", "running_var"} {
				add(n.Name+"."+part, n.C)
			}
		}
	}
	spoil(values)
	var list []weights.Named
	for name, v := range values {
		list = append(list, weights.Named{Name: name, Tensor: tensor.New(tensor.WithShape(shapes[name]...), tensor.WithBacking(v))})
	}
	path := filepath.Join(t.TempDir(), "digitsnet.safetensors")
	if err := weights.WriteFile(path, list, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestWeights: a good file is evaluated and searched from; one with a NaN or a missing tensor is refused by name.
func TestWeights(t *testing.T) {
	good := digitsWeights(t, func(map[string][]float32) {})
	var e evaluatedFP32
	one(t, must(t, "eval", "--fp32", "--weights", good, "--json"), &e)
	if e.TestImages != 355 || e.Test < 0.05 || e.Test > 0.2 { // constant filters give all images one class
		t.Errorf("%+v", e)
	}
	out := must(t, short(filepath.Join(t.TempDir(), "run"), "--weights", good)...)
	if !strings.Contains(out, "fp32: val ") {
		t.Errorf("the front does not tell the accuracy of the fp32 net:\n%s", out)
	}
	for name, spoil := range map[string]func(map[string][]float32){
		"conv3.weight":    func(v map[string][]float32) { v["conv3.weight"][7] = float32(math.NaN()) },
		"bn2.running_var": func(v map[string][]float32) { v["bn2.running_var"][0] = -1 },
		"fc.bias":         func(v map[string][]float32) { delete(v, "fc.bias") },
	} {
		path := digitsWeights(t, spoil)
		for _, args := range [][]string{{"eval", "--fp32", "--weights", path}, short(filepath.Join(t.TempDir(), "run"), "--weights", path)} {
			code, stdout, stderr := call(args...)
			line := errorLine(t, stdout, stderr)
			if code != ExitFailed || !strings.Contains(line, "--weights") || !strings.Contains(line, name) {
				t.Errorf("%s: exit code %d, %q", name, code, line)
			}
			if !strings.Contains(line, path) {
				t.Errorf("%s: %q does not name the file", name, line)
			}
		}
	}
}
