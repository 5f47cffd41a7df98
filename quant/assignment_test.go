package quant

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawSpace makes a net of 1 to 6 layers with any legal candidates and pins.
func drawSpace(t *rapid.T) *Space {
	subset := func(name string, lo int) []int {
		picked := rapid.SliceOfNDistinct(rapid.IntRange(lo, MaxBits), 1, 4, rapid.ID).Draw(t, name)
		bits, err := ParseBits(strings.Trim(strings.ReplaceAll(fmt.Sprint(picked), " ", ","), "[]"), lo, MaxBits)
		if err != nil {
			t.Fatal(err)
		}
		return bits
	}
	p := Policy{WeightBits: subset("weight bits", MinWeightBits), InputBits: subset("input bits", MinInputBits)}
	if rapid.Bool().Draw(t, "pinned") {
		p.First, p.Last = Pin{8, 8}, Pin{4, 8}
	}
	var layers []Layer
	for k, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z"\\é<.]{1,6}`), 1, 6, rapid.ID).Draw(t, "names") {
		layers = append(layers, Layer{Name: name, MACs: int64(100 + k), Weights: int64(10 + k), OutChannels: 1 + k})
	}
	s, err := NewSpace(layers, p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func drawAssignment(t *rapid.T, s *Space, label string) Assignment {
	w, x := make([]int, len(s.Layers)), make([]int, len(s.Layers))
	for k := range s.Layers {
		w[k] = rapid.IntRange(0, len(s.Weight[k])-1).Draw(t, label)
		x[k] = rapid.IntRange(0, len(s.Input[k])-1).Draw(t, label)
	}
	a := Choose(s, w, x)
	for k := range s.Layers {
		if i, j := s.Choice(a, k); i != w[k] || j != x[k] {
			t.Fatalf("layer %d: chose %d,%d, read back %d,%d", k, w[k], x[k], i, j)
		}
	}
	return a
}

func TestAssignmentJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t)
		a := drawAssignment(t, s, "choice")
		data, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseAssignment(s, data)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if back.Key() != a.Key() || back.String() != a.String() {
			t.Fatalf("wrote %v, read %v", a, back)
		}
	})
}

func TestKeysTellChildrenApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t)
		a, b := drawAssignment(t, s, "a"), drawAssignment(t, s, "b")
		same := true
		for k := range s.Layers {
			aw, ax := a.Bits(k)
			bw, bx := b.Bits(k)
			same = same && aw == bw && ax == bx
		}
		if (a.Key() == b.Key()) != same {
			t.Fatalf("%v and %v: equal keys %v, equal bits %v", a, b, a.Key() == b.Key(), same)
		}
	})
}

func TestAssignmentText(t *testing.T) {
	layers := []Layer{{Name: "stem", MACs: 1, Weights: 1, OutChannels: 1}, {Name: "fc", MACs: 1, Weights: 1, OutChannels: 1}}
	s := mustSpace(t, layers, Policy{WeightBits: []int{2, 4}, InputBits: []int{2, 8}})
	a, err := NewAssignment(s, []int{4, 2}, []int{8, 2})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := a.String(), "w:4,2 a:8,2"; got != want {
		t.Errorf("String: got %q, want %q", got, want)
	}
	data, err := json.Marshal(a)
	if want := `{"stem":{"weight":4,"input":8},"fc":{"weight":2,"input":2}}`; err != nil || string(data) != want {
		t.Errorf("JSON: got %s, %v; want %s", data, err, want)
	}
	swapped, err := ParseAssignment(s, []byte(`{"fc":{"weight":2,"input":2},"stem":{"input":8,"weight":4}}`))
	if err != nil || swapped.Key() != a.Key() {
		t.Errorf("order of layers in JSON must not matter: %v, %v", swapped, err)
	}
	for data, want := range map[string]string{
		`[]`:                              "want an object",
		`{"stem":{"weight":4}}`:           `layer "stem"`,
		`{"stem":{"weight":4,"bits":8}}`:  `layer "stem"`,
		`{"stem":{"weight":4,"input":8}}`: `layer "fc" is missing`,
		`{"stem":{"weight":4,"input":8},"fc":{"weight":2,"input":2},"x":{"weight":2,"input":2}}`: `layer "x" is not in this net`,
		`{"stem":{"weight":4,"input":8},"stem":{"weight":2,"input":2}}`:                          `layer "stem" stands twice`,
		`{"stem":{"weight":4,"input":4},"fc":{"weight":2,"input":2}}`:                            `layer "stem": 4 input bits are not among its candidates [2 8]`,
		`{"stem":{"weight":99,"input":8},"fc":{"weight":2,"input":2}}`:                           "99 is outside 2 to 8",
		`{"stem":{"weight":4,"input":8},"fc":`:                                                   "unexpected end",
	} {
		_, err := ParseAssignment(s, []byte(data))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", data, err, want)
		}
	}
}

func TestUniformKeepsPinnedGates(t *testing.T) {
	s := mustSpace(t, resNet20(), DefaultPolicy())
	a, err := Uniform(s, 4, 2)
	if err != nil {
		t.Fatal(err)
	}
	if w, x := a.Bits(0); w != 8 || x != 8 {
		t.Errorf("first layer %d/%d, want 8/8", w, x)
	}
	if w, x := a.Bits(5); w != 4 || x != 2 {
		t.Errorf("layer 5 %d/%d, want 4/2", w, x)
	}
	if _, err := Uniform(s, 3, 4); err == nil || !strings.Contains(err.Error(), "3 weight bits") {
		t.Errorf("3 weight bits are no candidate, got error %v", err)
	}
}

func FuzzParseAssignment(f *testing.F) {
	s, err := NewSpace(resNet20()[:3], DefaultPolicy())
	if err != nil {
		f.Fatal(err)
	}
	good, err := json.Marshal(MaxAssignment(s))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"conv1":{"weight":4}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := ParseAssignment(s, data)
		if err != nil {
			return
		}
		if a.Len() != 3 {
			t.Fatalf("%q was read as %v", data, a)
		}
		for k := range s.Layers {
			s.Choice(a, k) // panics if the bits are no candidates
		}
	})
}
