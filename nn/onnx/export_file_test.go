package onnx_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"vimps-gpu/nn"
	"vimps-gpu/nn/onnx"
	"vimps-gpu/nn/weights"
)

// A file with a weight code of each channel changed by one computes something else, whichever layer it is in, and one changed code is found
// by itself.
func TestChangedCodeIsFound(t *testing.T) {
	dev := openHost(t)
	p, gates := childParams(t, dev, residualNet(), []int{2, 4, 8}, []int{8, 2, 4})
	_, m := export(t, p, onnx.QDQ)
	child, err := onnx.TakeChild(p)
	if err != nil {
		t.Fatal(err)
	}
	plan := nn.NewPlan(p, gates, nn.NewScalars(dev), nn.PlanOptions{Batch: testBatch, Integer: true, KeepValues: true})
	images := spread(plan.Input.Len(), 9, -1.5, 1.5)
	plan.Input.Set(images)
	dev.Record(func() { plan.PackFilters(); plan.Forward() }).Launch()
	for i := range m.Graph.Initializers {
		tensor := &m.Graph.Initializers[i]
		if len(tensor.Dims) != 4 {
			continue
		}
		channel := max(1, len(tensor.Raw)/int(tensor.Dims[0]))
		flip := func() {
			for at := 0; at < len(tensor.Raw); at += channel {
				tensor.Raw[at] ^= 1
			}
		}
		flip()
		if d := worst(t, dev, p, plan, m, images); d <= onnx.MaxRounding {
			t.Errorf("%s: the largest difference is %g of the largest value, the bound for roundings %g", tensor.Name, d, onnx.MaxRounding)
		}
		flip()
		tensor.Raw[0] ^= 1
		if err := child.SameCodes(m); err == nil {
			t.Errorf("%s: a changed code is not found", tensor.Name)
		}
		tensor.Raw[0] ^= 1
	}
	if err := child.SameCodes(m); err != nil {
		t.Error(err)
	}
}

// Files that cannot be run are refused before anything runs, every node named.
func TestRunnerRefuses(t *testing.T) {
	dev := openHost(t)
	p, _ := childParams(t, dev, residualNet(), []int{4}, []int{4})
	_, m := export(t, p, onnx.QDQ)
	m.Graph.Nodes[1].Op = "Einsum"
	m.Graph.Nodes[4].In[0] = "nowhere"
	_, err := onnx.NewRunner(dev, m)
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("Einsum")) || !bytes.Contains([]byte(err.Error()), []byte("nowhere")) {
		t.Errorf("error %v", err)
	}
	for i := range m.Graph.Initializers { // a file may lie about its shapes
		_, m := export(t, p, onnx.QDQ)
		tensor := &m.Graph.Initializers[i]
		tensor.Dims, tensor.Raw = []int64{1}, tensor.Raw[:min(len(tensor.Raw), 4)]
		r, err := onnx.NewRunner(dev, m)
		if err != nil {
			continue
		}
		r.Run(make([]float32, 2*9*7*3), 2, 9, 7, 3) // an error or, where one value may stand for all, none; no panic
		r.Free()
	}
}

// A process that writes files one after the other is killed at any moment: what lies under the final name is whole.
func TestKilledWhileWriting(t *testing.T) {
	const variable = "VIMPS_TEST_WRITES"
	m := &onnx.Model{IRVersion: 10, Opsets: map[string]int64{"": 21}, Graph: onnx.Graph{Name: "large",
		Initializers: []onnx.Tensor{onnx.NewFloats("x", spread(1<<18, 1, -1, 1), 1<<18)}}}
	if path := os.Getenv(variable); path != "" {
		for {
			if err := m.Write(path); err != nil {
				os.Exit(1)
			}
		}
	}
	want := m.Encode()
	path := filepath.Join(t.TempDir(), "child.onnx")
	found := 0
	for range 8 {
		os.Remove(path)
		command := exec.Command(os.Args[0], "-test.run", "^TestKilledWhileWriting$")
		command.Env = append(os.Environ(), variable+"="+path)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		for range 10_000 { // until it writes
			if err := os.Remove(path); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(rand.IntN(30_000)) * time.Microsecond)
		if err := command.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		command.Wait()
		got, err := os.ReadFile(path)
		if err == nil {
			found++
			if !bytes.Equal(got, want) {
				t.Fatalf("%d bytes under the final name, want %d whole ones", len(got), len(want))
			}
		}
	}
	t.Logf("a whole file after %d of 8 kills", found)
}

// Packed codes, scales and biases make the same convolution.
func TestPacked(t *testing.T) {
	dev := openHost(t)
	g := residualNet()
	p, _ := childParams(t, dev, g, []int{2, 3, 4, 5, 8}, []int{4})
	child, err := onnx.TakeChild(p)
	if err != nil {
		t.Fatal(err)
	}
	tensors, metadata, err := child.Packed()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "child.safetensors")
	if err := weights.WriteFile(path, tensors, metadata); err != nil {
		t.Fatal(err)
	}
	f, err := weights.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var layers map[string]onnx.PackedLayer
	if err := json.Unmarshal([]byte(f.Metadata["layers"]), &layers); err != nil {
		t.Fatal(err)
	}
	for _, l := range child.Layers {
		packed, d := f.Tensors[l.Name+".codes"].Uint8s(), layers[l.Name]
		if want := (len(l.Codes)*l.WeightBits + 7) / 8; len(packed) != want || d.Weight != l.WeightBits {
			t.Fatalf("%s: %d bytes, %+v, want %d", l.Name, len(packed), d, want)
		}
		for i, want := range l.Codes { // bit by bit
			code := 0
			for b := range d.Weight {
				at := i*d.Weight + b
				code |= int(packed[at/8]) >> (at % 8) & 1 << b
			}
			if code >= 1<<(d.Weight-1) {
				code -= 1 << d.Weight
			}
			if code != int(want) {
				t.Fatalf("%s: code %d is %d, want %d", l.Name, i, code, want)
			}
		}
	}
}
