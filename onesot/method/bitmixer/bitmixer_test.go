package bitmixer

import (
	"context"
	"math"
	"strings"
	"testing"

	"vimps-gpu/nn"
	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method/spos/singlepath/digitstest"
	"vimps-gpu/quant"
)

func small() *System { return &System{Stage1: 0.2, Stage2: 0.3, HessianImages: 64, Products: 8} }

// What a search gives: for each budget a child within it, weights and inputs of one width; and an answer for children of
// different ones.
func TestSearch(t *testing.T) {
	asked := []float64{0.1, 0.25, 0.6}
	b := digitstest.New(t, small(), asked...)
	ctx := context.Background()
	err := b.Run(ctx, t.TempDir(), digitstest.Quiet(), func(f *onesot.Search) {
		if len(f.Found.Points) != len(asked) {
			t.Fatalf("%d points", len(f.Found.Points))
		}
		for i, p := range f.Found.Points {
			t.Logf("budget %g: %v costs %.3f, val %.3f, test %.3f", asked[i], p.Assignment, p.RelativeBOPs, p.AccuracyVal, p.AccuracyTest)
			if r := f.Cost.Relative(p.Assignment); r > asked[i] || r < asked[i]/2 || p.AccuracyVal < 0.2 {
				t.Errorf("budget %g: %+v", asked[i], p)
			}
			for k := range f.Space.Layers {
				if w, x := p.Assignment.Bits(k); w != x {
					t.Errorf("budget %g: %v", asked[i], p.Assignment)
				}
			}
		}
		untied, err := quant.Uniform(f.Space, 4, 8)
		if err != nil {
			t.Fatal(err)
		}
		judge, err := f.Found.Judge(ctx, untied)
		if err != nil {
			t.Fatal(err)
		}
		if p := judge.Child(untied, 0); p.AccuracyVal < 0.2 {
			t.Errorf("a child of 4-bit weights and 8-bit inputs: %+v", p)
		}
		checkHessian(t, f.Problem, judge.Net)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkHessian compares products with the mean curvature of the loss over the same segment.
func checkHessian(t *testing.T, p *onesot.Problem, q *onesot.Quantized) {
	h, err := newHessian(p, q, 256)
	if err != nil {
		t.Fatal(err)
	}
	defer h.free()
	for _, layer := range []int{1, 4, 7} {
		n, product, done := h.product(layer)
		v, hv := randomSigns(n, 1, 2), make([]float64, n)
		for range 8 { // towards the top eigenvector
			product(hv, v)
			length := math.Sqrt(dot(hv, hv))
			for i := range v {
				v[i] = hv[i] / length
			}
		}
		product(hv, v)
		done()
		w := h.params.Layers[layer].W
		at := w.Get(nil)
		length := 0.0
		for _, x := range at {
			length += float64(x) * float64(x)
		}
		r := relativeStep("f32") * math.Sqrt(length)
		loss := func(step float64) float64 {
			moved := make([]float32, n)
			for i := range moved {
				moved[i] = float32(float64(at[i]) + step*v[i])
			}
			w.Set(moved)
			h.pass.Launch()
			return float64(h.plan.Loss.At(0)) / float64(h.images)
		}
		slope := func(at float64) float64 { return (loss(at+r/5) - loss(at-r/5)) / (2 * r / 5) }
		along, curvature := dot(v, hv), (slope(r)-slope(-r))/(2*r)
		done()
		t.Logf("layer %d: v.Hv %.4g, |Hv| %.4g, curvature of the loss along v %.4g", layer, along, math.Sqrt(dot(hv, hv)), curvature)
		if math.Abs(curvature-along) > 0.05*math.Abs(along) {
			t.Errorf("layer %d: v.Hv %g, curvature of the loss %g", layer, along, curvature)
		}
	}
}

func TestSearchResumes(t *testing.T) {
	digitstest.New(t, small(), 0.1, 0.25, 0.6).Resumes(digitstest.Stop{Steps: 5}, digitstest.Stop{Steps: 8}, digitstest.Stop{What: "Hessians", Done: 1},
		digitstest.Stop{What: "Hessians", Done: 4}, digitstest.Stop{What: "children", Done: 1})
}

func TestCheck(t *testing.T) {
	for want, change := range map[string]func(*System){
		"--stage1 0.7 --stage2 0.3:": func(s *System) { s.Stage1 = 0.7 }, "--hessian-images 1:": func(s *System) { s.HessianImages = 1 },
		"--hessian-products 0:": func(s *System) { s.Products = 0 },
	} {
		s := small()
		change(s)
		if err := digitstest.New(t, s, 0.5).Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	for want, change := range map[string]func(*onesot.Config){
		"budget 0.01: the cheapest child of equal weight and input bits costs 0.0": func(c *onesot.Config) { c.Asked = []float64{0.01} },
		"--shared-weights": func(c *onesot.Config) { c.Settings.SharedWeights = false },
		"--norm eta":       func(c *onesot.Config) { c.Settings.Norm = nn.NormEta },
		`layer "conv2" has candidates [2 4 8] for its weights and [2 8] for its input`: func(c *onesot.Config) { c.InputBits = []int{2, 8} },
	} {
		b := digitstest.New(t, small(), 0.5)
		change(&b.Config)
		if err := b.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
