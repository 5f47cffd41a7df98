package haq

import (
	"math"
	"testing"

	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// oneOfEach is a net of a first convolution, a depthwise one of stride 2, a 1x1 one and a linear layer.
func oneOfEach(t testing.TB) (*nn.Graph, *quant.Space) {
	t.Helper()
	g := nn.NewGraph("test", 8, 8, 1)
	x := g.ReLU(g.Norm("n1", g.Conv("first", 0, nn.Conv{K: 4, R: 3, S: 3, Stride: 1, Pad: 1})))
	x = g.ReLU(g.Norm("n2", g.Conv("depthwise", x, nn.Conv{K: 4, R: 3, S: 3, Stride: 2, Pad: 1, Groups: 4})))
	x = g.ReLU(g.Norm("n3", g.Conv("pointwise", x, nn.Conv{K: 16, R: 1, S: 1, Stride: 1})))
	g.Linear("fc", g.AvgPool(x), 10)
	p := quant.DefaultPolicy()
	p.Last = quant.Pin{}
	s, err := quant.NewSpace(g.Layers(), p)
	if err != nil {
		t.Fatal(err)
	}
	return g, s
}

// The states of a net, by hand: depthwise, channels in 1..16, out 4..16, stride 0..2, kernel 1..3, weights 36..160,
// pixels 1..64, number 0..3.
func TestDecisions(t *testing.T) {
	g, s := oneOfEach(t)
	list := decisions(g, s)
	static := [][8]float64{
		{1, 3. / 15, 0, 1, 1, 0, 1, 1. / 3},                  // 36 weights
		{0, 3. / 15, 1, 0.5, 0, 28. / 124, 15. / 63, 2. / 3}, // 64
		{0, 1, 6. / 12, 0, 0, 1, 0, 1},                       // 160, a linear layer
	}
	if len(list) != 6 {
		t.Fatalf("%d decisions, want 6: the first layer is pinned", len(list))
	}
	for i, d := range list {
		if d.Layer != 1+i/2 || d.Kind != quant.Kind(i%2) || d.state[weightFlag] != float64(1-i%2) {
			t.Errorf("decision %d is about the %v of layer %d, flag %g", i, d.Kind, d.Layer, d.state[weightFlag])
		}
		for f, want := range static[i/2] {
			if math.Abs(d.state[f]-want) > 1e-7 {
				t.Errorf("decision %d: feature %d is %g, want %g", i, f, d.state[f], want)
			}
		}
	}
}

// A net whose layers are all alike in something has nothing to scale there.
func TestConstantFeaturesAreZero(t *testing.T) {
	rows := [][features]float64{{4: 3}, {4: 3}}
	if scale(rows, 4); rows[0][4] != 0 || rows[1][4] != 0 {
		t.Errorf("%v", rows)
	}
}

// Equal shares of [0, 1], and the authors' formula where there is no gap between the widths.
func TestCandidate(t *testing.T) {
	for n := 1; n <= 8; n++ {
		for i := range n {
			for _, u := range []float64{(float64(i) + 0.01) / float64(n), (float64(i) + 0.99) / float64(n)} {
				if got := candidate(u, n); got != i {
					t.Errorf("%g of %d candidates is number %d, want %d", u, n, got, i)
				}
			}
		}
		if candidate(0, n) != 0 || candidate(1, n) != n-1 {
			t.Errorf("ends of %d candidates: %d and %d", n, candidate(0, n), candidate(1, n))
		}
	}
	for i := range 1001 {
		u := float64(i) / 1000
		if got, want := 2+candidate(u, 7), int(math.RoundToEven((8.5-1.5)*u+1.5)); got != want {
			t.Errorf("action %g is %d bits, the authors' %d", u, got, want)
		}
	}
}

// What an episode passes on: the bits chosen before, the next state, one last decision.
func TestEpisode(t *testing.T) {
	g, s := oneOfEach(t)
	actions := []float64{0.1, 0.5, 0.9, 0.1, 0.5, 0.9} // 2, 4, 8, 2, 4, 8 bits
	steps, weight, input := episode(decisions(g, s), s, func(_ [features]float64, i int) float64 { return actions[i] })
	if a := quant.Choose(s, weight, input); a.String() != "w:8,2,8,4 a:8,4,2,8" {
		t.Errorf("child %v", a)
	}
	for i, want := range []float64{1, 2. / 8, 4. / 8, 8. / 8, 2. / 8, 4. / 8} {
		tr := steps[i]
		if tr.state[previousAction] != want || tr.action != actions[i] || tr.last != (i == 5) {
			t.Errorf("step %d: %+v", i, tr)
		}
		if i > 0 && steps[i-1].next != tr.state {
			t.Errorf("step %d: its next state is not the state of the next", i-1)
		}
	}
}
