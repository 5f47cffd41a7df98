package onnx_test

import (
	"fmt"
	"testing"

	"vimps-gpu/nn/onnx"
)

// FuzzRunner wants an error, not a panic and not all memory, of files that anybody may have changed.
func FuzzRunner(f *testing.F) {
	dev := openHost(f)
	p, _ := childParams(f, dev, residualNet(), []int{2, 4, 8}, []int{8, 4})
	for _, format := range onnx.Formats() {
		_, m := export(f, p, format)
		f.Add(m.Encode())
	}
	images := spread(2*9*7*3, 1, -1, 1)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := onnx.Decode(data, "")
		if err != nil {
			return
		}
		r, err := onnx.NewRunner(dev, m)
		if err != nil {
			return
		}
		defer r.Free()
		r.Run(images, 2, 9, 7, 3)
	})
}

// A file that asks for more than its weights and the images account for is refused before any memory is taken.
func TestRunnerRefusesHugeWork(t *testing.T) {
	dev := openHost(t)
	p, _ := childParams(t, dev, residualNet(), []int{8}, []int{8})
	for name, spoil := range map[string]func(g *onnx.Graph){
		"joined with itself": func(g *onnx.Graph) {
			var double []onnx.Node
			last := "input"
			for i := range 40 {
				next := fmt.Sprint("double", i)
				double = append(double, onnx.Node{Op: "Concat", In: []string{last, last}, Out: []string{next}, Attrs: []onnx.Attr{{Name: "axis", Kind: onnx.AttrInt, I: 1}}})
				last = next
			}
			g.Nodes = append(double, g.Nodes...)
		},
		"padded": func(g *onnx.Graph) {
			g.Initializers = append(g.Initializers, onnx.NewInts("pads", []int64{0, 0, 1 << 40, 0, 0, 0, 0, 1 << 40}, 8), onnx.NewFloats("zero", []float32{0}))
			g.Nodes = append([]onnx.Node{{Op: "Pad", In: []string{"input", "pads", "zero"}, Out: []string{"padded"}}}, g.Nodes...)
		},
		"resized": func(g *onnx.Graph) {
			g.Initializers = append(g.Initializers, onnx.NewInts("sizes", []int64{1 << 40, 1}, 2))
			g.Nodes = append([]onnx.Node{{Op: "Resize", In: []string{"input", "", "", "sizes"}, Out: []string{"resized"}}}, g.Nodes...)
		},
		"dilated": func(g *onnx.Graph) { // (R-1) * dilation overflows
			for i := range g.Nodes {
				if n := &g.Nodes[i]; n.Op == "Conv" {
					n.Attrs = append(n.Attrs, onnx.Attr{Name: "dilations", Kind: onnx.AttrInts, Ints: []int64{1<<63 - 1, 1<<63 - 1}})
				}
			}
		},
		"written twice": func(g *onnx.Graph) { g.Nodes = append(g.Nodes, g.Nodes[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			_, m := export(t, p, onnx.QDQ)
			spoil(&m.Graph)
			r, err := onnx.NewRunner(dev, m)
			if err == nil {
				defer r.Free()
				_, err = r.Run(spread(2*9*7*3, 1, -1, 1), 2, 9, 7, 3)
			}
			if err == nil {
				t.Error("it ran")
			}
			t.Log(err)
		})
	}
}
