package kernels_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"vimps-gpu/kernels"
)

// pairSet are layers with pairs: the second has pinned its input, the third its weights.
type pairSet struct {
	gateBits, pairs []int32
	weightGate      []int32
	inputGate       []int32
	weightOption    []int32
	inputOption     []int32
}

func newPairSet() pairSet {
	s := pairSet{gateBits: []int32{3, 2, 5, 8, 4, 1}, pairs: []int32{4, 3, 8, 1}, weightGate: []int32{2, 1, -1, 0}, inputGate: []int32{0, -1, 3, 4},
		weightOption: make([]int32, 4*row), inputOption: make([]int32, 4*row)}
	s.weightGate[3] = 5
	copy(s.weightOption, []int32{0, 0, 4, 2})
	copy(s.inputOption, []int32{0, 2, 2, 1})
	copy(s.weightOption[row:], []int32{1, 0, 1})
	copy(s.inputOption[2*row:], []int32{7, 6, 5, 4, 3, 2, 1, 0})
	copy(s.inputOption[3*row:], []int32{2})
	return s
}

func (s pairSet) args(t *testing.T) kernels.PairArgs {
	return kernels.PairArgs{Rows: len(s.pairs), Pairs: newWords(t, s.pairs...).p, WeightGate: newWords(t, s.weightGate...).p,
		InputGate: newWords(t, s.inputGate...).p, WeightOption: newWords(t, s.weightOption...).p, InputOption: newWords(t, s.inputOption...).p,
		Bits: newWords(t, s.gateBits...).p}
}

// A gate's option has the mass of the pairs with it and 0 where no pair has it; the backward pass is the adjoint.
func TestPairMarginals(t *testing.T) {
	r := rand.New(rand.NewPCG(32, 33))
	s := newPairSet()
	used := func(bits []int32) []float32 { // 777 in unused columns
		v := filledWith(len(bits)*row, 777)
		for g, n := range bits {
			copy(v[g*row:g*row+int(n)], gaussians(r, int(n), 1))
		}
		return v
	}
	a := s.args(t)
	pairZ, z := newWords(t, used(s.pairs)...), newWords(t, filledWith(len(s.gateBits)*row, 777)...)
	dz, dpairZ := newWords(t, used(s.gateBits)...), newWords(t, filledWith(len(s.pairs)*row, 777)...)
	a.PairZ, a.Z, a.DZ, a.DPairZ = pairZ.p, z.p, dz.p, dpairZ.p
	runCall(kernels.PairMarginals(a), 1, 1)
	runCall(kernels.PairMarginalsGrad(a), 1, 1)
	want := make([]float64, len(z.v))
	has := map[int32]bool{}
	for l, n := range s.pairs {
		for p := l * row; p < l*row+int(n); p++ {
			if g := s.weightGate[l]; g >= 0 {
				want[g*row+s.weightOption[p]] += float64(pairZ.v[p])
				has[g] = true
			}
			if g := s.inputGate[l]; g >= 0 {
				want[g*row+s.inputOption[p]] += float64(pairZ.v[p])
				has[g] = true
			}
		}
	}
	forward, backward := 0.0, 0.0
	for g, n := range s.gateBits {
		if !has[int32(g)] {
			t.Fatalf("gate %d has no layer", g)
		}
		near(t, "z", z.v[g*row:g*row+int(n)], want[g*row:g*row+int(n)], 1e-6)
		for i := range int(n) {
			forward += float64(dz.v[g*row+i]) * float64(z.v[g*row+i])
		}
	}
	for l, n := range s.pairs {
		for p := l * row; p < l*row+int(n); p++ {
			backward += float64(dpairZ.v[p]) * float64(pairZ.v[p])
		}
	}
	near(t, "<dz, z>", []float32{float32(forward)}, []float64{backward}, 1e-5)
	wantUntouched(t, "z", z.v, s.gateBits, 777)
	wantUntouched(t, "dpair_z", dpairZ.v, s.pairs, 777)
	if z.v[2*row+1] != 0 || z.v[2*row+3] != 0 {
		t.Errorf("options without a pair have %g and %g, want 0", z.v[2*row+1], z.v[2*row+3])
	}
}

// A one-hot choice of a pair is a one-hot choice of its two options, with nothing rounded.
func TestOnePairIsTwoOptions(t *testing.T) {
	s := newPairSet()
	a := s.args(t)
	pairZ, z := newWords(t, make([]float32, len(s.pairs)*row)...), newWords(t, filledWith(len(s.gateBits)*row, 777)...)
	a.PairZ, a.Z = pairZ.p, z.p
	for p := range int(s.pairs[0]) {
		clear(pairZ.v)
		pairZ.v[p] = 1
		runCall(kernels.PairMarginals(a), 1, 1)
		weight, input := make([]float32, 5), make([]float32, 3)
		weight[s.weightOption[p]], input[s.inputOption[p]] = 1, 1
		if got := z.v[2*row:][:5]; !slices.Equal(got, weight) {
			t.Errorf("pair %d: weight gate %v, want %v", p, got, weight)
		}
		if got := z.v[:3]; !slices.Equal(got, input) {
			t.Errorf("pair %d: input gate %v, want %v", p, got, input)
		}
	}
}
