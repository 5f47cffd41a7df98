package model_test

import (
	"math"
	"testing"

	"vimps-gpu/nn/model"
	"vimps-gpu/quant"
)

// MACs and BOPs of the ImageNet nets at 224x224 are those of the literature (shared/design/paper.md, section 5), in both conventions:
// every layer at the same bits, and the first and the last at 8.
func TestMACsAndBOPsOfImageNetNets(t *testing.T) {
	for _, c := range []struct {
		name                      string
		layers                    int
		total, first, last        float64 // MMACs
		weights                   int64
		same, ends                map[int]float64 // GBOPs at b weight and input bits
		unsignedInput, signedFrom string
	}{
		{"resnet18", 21, 1814.07, 118.01, 0.51, 11_678_912, map[int]float64{2: 7.26, 3: 16.33, 4: 29.03, 8: 116.10},
			map[int]float64{2: 14.37, 3: 22.85, 4: 34.71, 8: 116.10}, "layer1.0.conv1", ""},
		{"mobilenetv2", 53, 300.77, 10.84, 1.28, 3_469_760, map[int]float64{2: 1.20, 3: 2.71, 4: 4.81, 8: 19.25},
			map[int]float64{2: 1.93, 3: 3.37, 4: 5.39, 8: 19.25}, "features.2.conv.1.0", "features.2.conv.0.0"},
	} {
		m, err := model.Find(c.name)
		if err != nil {
			t.Fatal(err)
		}
		g, err := m.Graph(model.Input{H: 224, W: 224, C: 3, Classes: 1000})
		if err != nil {
			t.Fatal(err)
		}
		layers := g.Layers()
		var macs, weights int64
		signed := map[string]bool{}
		for _, l := range layers {
			macs += l.MACs
			weights += l.Weights
			signed[l.Name] = l.SignedInput
		}
		equal := func(what string, got, want float64) {
			if math.Round(got*100)/100 != want {
				t.Errorf("%s, %s: %.4f, want %.2f", c.name, what, got, want)
			}
		}
		if len(layers) != c.layers || weights != c.weights {
			t.Errorf("%s: %d layers with %d weights, want %d with %d", c.name, len(layers), weights, c.layers, c.weights)
		}
		equal("MMACs", float64(macs)/1e6, c.total)
		equal("first MMACs", float64(layers[0].MACs)/1e6, c.first)
		equal("last MMACs", float64(layers[len(layers)-1].MACs)/1e6, c.last)
		bops := func(pin quant.Pin, b int) float64 {
			s, err := quant.NewSpace(layers, quant.Policy{WeightBits: []int{2, 3, 4, 8}, InputBits: []int{2, 3, 4, 8}, First: pin, Last: pin})
			if err != nil {
				t.Fatal(err)
			}
			a, err := quant.Uniform(s, b, b)
			if err != nil {
				t.Fatal(err)
			}
			return quant.BOPs(s).Cost(a) / 1e9
		}
		for b, want := range c.same {
			equal("GBOPs, all layers the same", bops(quant.Pin{}, b), want)
			equal("GBOPs, first and last at 8", bops(quant.Pin{Weight: 8, Input: 8}, b), c.ends[b])
		}
		if signed[c.unsignedInput] || c.signedFrom != "" && !signed[c.signedFrom] || !signed[layers[0].Name] {
			t.Errorf("%s: signed inputs are %v", c.name, signed)
		}
	}
}
