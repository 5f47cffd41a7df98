package onesot

import (
	"math"
	"slices"
	"strings"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// newPairRun has a cost that depends on weights and inputs unlike.
func newPairRun(t *testing.T, dev *cuda.Device, gamma float64, norm nn.NormKind, list [][2]int) gatedRun {
	return newGatedRun(t, dev, func(g *nn.Graph, space *quant.Space) (*Supernet, error) {
		s := Defaults(DNAS, "digitsnet")
		s.Seed, s.Batch, s.Gamma, s.Norm = 3, 32, gamma, norm
		return NewPairSupernet(dev, g, space, quant.SizeBytes(space), s, list)
	})
}

// No pair outside the list has mass: in what is sampled, in the law and in its most probable child; and the net has seen none
// from the first step to the last, for the running statistics of such a pair are, bit for bit, those it started with.
func TestPairsOutsideTheListAreNeverSeen(t *testing.T) {
	list := [][2]int{{2, 4}, {4, 2}, {8, 8}} // as separate gates they would make 2/2, 4/4, 2/8, ... too
	r := newPairRun(t, twoThreads(t), 1, nn.NormPair, list)
	listed := func(layer int, o [2]int) bool {
		return slices.Contains(list, [2]int{r.Space.Weight[layer][o[0]], r.Space.Input[layer][o[1]]})
	}
	stats := func() (all [][]float32) {
		for _, n := range r.Params.Norms {
			all = append(all, n.Mean.Get(nil), n.Var.Get(nil))
		}
		return all
	}
	before := stats()
	drawn := map[[2]int]bool{}
	r.train(50, func(step int, _ Terms) {
		z := r.Gates.Z.Get(nil)
		for _, layer := range r.searched {
			o := r.options(z, layer)
			if drawn[o] = true; !listed(layer, o) {
				t.Fatalf("step %d: layer %d runs options %v", step, layer, o)
			}
		}
	})
	if len(drawn) != len(list) {
		t.Errorf("only %v were drawn", drawn)
	}
	after := stats()
	for i, n := range r.Params.Norms {
		c := n.Gamma.Dim(1)
		for s := 0; n.Kind == nn.NormPair && s < n.Mean.Dim(0); s++ {
			o := [2]int{s / n.InputOptions, s % n.InputOptions}
			for k := 2 * i; k < 2*i+2; k++ {
				if same := slices.Equal(before[k][s*c:(s+1)*c], after[k][s*c:(s+1)*c]); same == listed(n.Layer, o) {
					t.Errorf("%s: the statistics of options %v stayed the same: %t; listed: %t", n.Name, o, same, listed(n.Layer, o))
				}
			}
		}
	}
	p := r.Predict([]float64{1})[0]
	for _, layer := range r.searched {
		w, x := r.Space.Choice(p.Child, layer)
		if !listed(layer, [2]int{w, x}) {
			t.Errorf("the child has options %d and %d in layer %d", w, x, layer)
		}
	}
	for g, gate := range r.Space.Gates() {
		sum := 0.0
		for _, v := range p.Pi[g] {
			sum += float64(v)
		}
		if len(p.Pi[g]) != len(gate.Bits) || math.Abs(sum-1) > 1e-6 {
			t.Errorf("gate %d: marginals %v", g, p.Pi[g])
		}
	}
}

// Before training the pairs of a list are equally likely, so that the marginals and the expected cost are counts over it.
func TestPairsStartEquallyLikely(t *testing.T) {
	list := [][2]int{{2, 2}, {2, 4}, {4, 4}, {8, 8}}
	r := newPairRun(t, twoThreads(t), 0, nn.NormPlain, list)
	pi := r.Predict([]float64{1})[0].Pi
	for g, gate := range r.Space.Gates() {
		for i, b := range gate.Bits {
			want := 0.0
			for _, pair := range list {
				if pair[gate.Kind] == b {
					want += 1 / float64(len(list))
				}
			}
			if math.Abs(float64(pi[g][i])-want) > 1e-6 {
				t.Errorf("gate %d, %d bits: %g, want %g", g, b, pi[g][i], want)
			}
		}
	}
	// The sampled cost of a step is that of the pairs that its gates run.
	r.train(3, func(step int, terms Terms) {
		z, want := r.Gates.Z.Get(nil), 0.0
		for k, layer := range r.searched {
			o := r.options(z, layer)
			want += float64(r.relative[k][o[0]][o[1]])
		}
		if math.Abs(terms.Expected-want) > 1e-6 {
			t.Errorf("step %d: cost %g, want %g", step, terms.Expected, want)
		}
	})
}

// What goes back to a pair is the gradient of its two options and that of its cost; the logits get it through the soft sample,
// straight-through.
func TestPairGradient(t *testing.T) {
	r := newPairRun(t, twoThreads(t), 2, nn.NormPlain, [][2]int{{2, 4}, {4, 2}, {8, 8}})
	p := r.gating.(*pairs)
	now := r.Settings.at(0.5)
	r.setStep(now, 0, 1)
	r.setMicro(now, 0, 0)
	r.feed.Fill(r.set.Train, make([]int, r.Settings.Batch), nn.Draw{})
	r.micro.Launch()
	dz, got, soft, theta := r.Gates.DZ.Get(nil), p.gate.DZ.Get(nil), p.gate.Soft.Get(nil), p.parameters().Grad.Get(nil)
	perCost := float64(r.ctl.costWeight.At(0))
	if perCost <= 0 {
		t.Errorf("a dearer child changes the loss by %g", perCost)
	}
	for k := range p.counts {
		d, mean, task := make([]float64, p.counts[k]), 0.0, 0.0
		for i := range d {
			p.each(k, i, func(gate, option int) { d[i] += float64(dz[gate*cuda.MaxBits+option]) })
			task = max(task, math.Abs(d[i]))
			o := p.allowed[k][i]
			d[i] += perCost * float64(r.relative[k][o[0]][o[1]])
			mean += float64(soft[k*cuda.MaxBits+i]) * d[i]
			if math.Abs(float64(got[k*cuda.MaxBits+i])-d[i]) > 1e-6*(1+math.Abs(d[i])) {
				t.Errorf("layer %d, pair %d: gradient %g, want %g", k, i, got[k*cuda.MaxBits+i], d[i])
			}
		}
		if task == 0 {
			t.Errorf("layer %d: the task loss has no gradient", k)
		}
		for i := range d {
			want := float64(soft[k*cuda.MaxBits+i]) * (d[i] - mean) / float64(float32(now.temperature))
			if math.Abs(float64(theta[k*cuda.MaxBits+i])-want) > 1e-5*(1+math.Abs(want)) {
				t.Errorf("layer %d, pair %d: gradient of the logit %g, want %g", k, i, theta[k*cuda.MaxBits+i], want)
			}
		}
	}
}

// A larger exponent of the cost makes cheaper pairs more likely.
func TestPairsCostFallsWithGamma(t *testing.T) {
	expected := func(gamma float64) (e float64) {
		r := newPairRun(t, twoThreads(t), gamma, nn.NormPlain, [][2]int{{2, 2}, {2, 4}, {4, 4}, {8, 8}})
		r.train(80, func(int, Terms) {})
		law := r.gating.law().Get(nil)
		p := r.gating.(*pairs)
		for k := range p.counts {
			for i, probability := range p.row(law, k) {
				o := p.allowed[k][i]
				e += float64(probability) * float64(r.relative[k][o[0]][o[1]])
			}
		}
		return e
	}
	if low, high := expected(30), expected(0); !(low < high-0.02) {
		t.Errorf("E[h] is %.3f with gamma 30 and %.3f with 0", low, high)
	}
}

func TestPairLists(t *testing.T) {
	list, err := ParsePairs("2/4, 4/4,8/8")
	if err != nil || FormatPairs(list) != "2/4,4/4,8/8" {
		t.Errorf("%v, %v", list, err)
	}
	for _, text := range []string{"", "4", "2/4,", "2/4;4/4", "a/4", "2/4/8"} {
		if _, err := ParsePairs(text); err == nil || !strings.Contains(err.Error(), "--pairs") {
			t.Errorf("%q: error %v", text, err)
		}
	}
	_, space := digitsSpace(t, nil)
	if got := FormatPairs(DefaultPairs(space)); got != "2/2,2/4,4/4,4/8,8/8" {
		t.Errorf("default pairs %s", got)
	}
	for text, want := range map[string]string{"2/4,3/4": "3/4", "2/4,4/4,2/4": "twice", "16/16": "has 0 of them",
		"2/2,2/4,2/8,4/2,4/4,4/8,8/2,8/4,8/8": "has 9 of them"} {
		list, err := ParsePairs(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := AllowedPairs(space, list); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v does not name %q", text, err, want)
		}
	}
	// A layer whose inputs are pinned has the pairs with those bits only.
	_, space = digitsSpace(t, func(p *quant.Policy) { p.InputBits = []int{4} })
	allowed, err := AllowedPairs(space, [][2]int{{4, 4}, {2, 4}})
	if err != nil {
		t.Fatal(err)
	}
	for k, options := range allowed {
		if !slices.Equal(options, [][2]int{{1, 0}, {0, 0}}) {
			t.Errorf("searched layer %d: options %v", k, options)
		}
	}
	if got := FormatPairs(DefaultPairs(space)); got != "2/4,4/4,8/4" {
		t.Errorf("default pairs %s", got)
	}
}
