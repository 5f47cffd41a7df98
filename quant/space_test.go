package quant

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// resNet20 is the CIFAR net of He et al. (CVPR 2016): 3x3 convolutions, option-A
// shortcuts (no weights), one linear layer.
func resNet20() []Layer {
	conv := func(name string, size, in, out int) Layer {
		w := int64(9 * in * out)
		return Layer{Name: name, Weights: w, MACs: w * int64(size*size), OutChannels: out}
	}
	stem := conv("conv1", 32, 3, 16)
	stem.SignedInput = true
	layers := []Layer{stem}
	in := 16
	for stage, width := range []int{16, 32, 64} {
		for i := range 6 {
			layers = append(layers, conv(fmt.Sprintf("layer%d.%d.conv%d", stage+1, i/2, i%2+1), 32>>stage, in, width))
			in = width
		}
	}
	return append(layers, Layer{Name: "linear", Weights: 640, MACs: 640, OutChannels: 10, PerTensor: true})
}

func mustSpace(t testing.TB, layers []Layer, p Policy) *Space {
	t.Helper()
	s, err := NewSpace(layers, p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSpaceOfResNet20(t *testing.T) {
	s := mustSpace(t, resNet20(), DefaultPolicy())
	if len(s.Layers) != 20 || len(s.Gates()) != 36 || len(s.Searched()) != 18 {
		t.Fatalf("layers %d, gates %d, searched %d; want 20, 36, 18", len(s.Layers), len(s.Gates()), len(s.Searched()))
	}
	if !s.Gate(0, Weight).Pinned() || !s.Gate(19, Input).Pinned() || s.Gate(1, Input).Pinned() {
		t.Error("the ends, and only the ends, must be pinned")
	}
	want := Gate{Layer: 1, Kind: Input, Bits: []int{2, 4, 8}}
	if diff := cmp.Diff(want, s.Gates()[1]); diff != "" {
		t.Errorf("second gate (-want +got):\n%s", diff)
	}
}

func TestSignedInputHasNoOneBitCandidate(t *testing.T) {
	p := Policy{WeightBits: []int{2, 8}, InputBits: []int{1, 2, 8}}
	s := mustSpace(t, resNet20(), p)
	if diff := cmp.Diff([]int{2, 8}, s.Input[0]); diff != "" {
		t.Errorf("signed input (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{1, 2, 8}, s.Input[1]); diff != "" {
		t.Errorf("unsigned input (-want +got):\n%s", diff)
	}
}

func TestNewSpaceRefuses(t *testing.T) {
	good := Layer{Name: "a", MACs: 1, Weights: 1, OutChannels: 1}
	signed := good
	signed.SignedInput = true
	free := Policy{WeightBits: []int{2, 4}, InputBits: []int{2, 4}}
	with := func(f func(*Policy)) Policy { p := free; f(&p); return p }
	for _, c := range []struct {
		name   string
		layers []Layer
		policy Policy
		want   string
	}{
		{"no layers", nil, free, "no quantized layer"},
		{"no name", []Layer{{MACs: 1, Weights: 1, OutChannels: 1}}, free, "no name"},
		{"no MACs", []Layer{{Name: "a", Weights: 1, OutChannels: 1}}, free, `layer "a"`},
		{"same name", []Layer{good, good}, free, `two layers are called "a"`},
		{"no weight bits", []Layer{good}, with(func(p *Policy) { p.WeightBits = nil }), "weight bits"},
		{"1-bit weights", []Layer{good}, with(func(p *Policy) { p.WeightBits = []int{1, 2} }), "1 is outside 2 to 8"},
		{"9-bit inputs", []Layer{good}, with(func(p *Policy) { p.InputBits = []int{9} }), "9 is outside 1 to 8"},
		{"unsorted", []Layer{good}, with(func(p *Policy) { p.InputBits = []int{4, 2} }), "not sorted"},
		{"half a pin", []Layer{good}, with(func(p *Policy) { p.Last = Pin{Weight: 8} }), "last layer"},
		{"signed 1 bit", []Layer{signed}, with(func(p *Policy) { p.InputBits = []int{1} }), "signed input"},
	} {
		_, err := NewSpace(c.layers, c.policy)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func TestParsePin(t *testing.T) {
	for s, want := range map[string]Pin{"8/8": {8, 8}, "4/1": {4, 1}, "search": {}} {
		got, err := ParsePin(s)
		if err != nil || got != want || got.String() != s {
			t.Errorf("%q: got %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "8", "8/", "/8", "1/8", "8/9", "8/8/8", "0/0", "Search"} {
		if p, err := ParsePin(s); err == nil {
			t.Errorf("%q was read as %v", s, p)
		}
	}
}
