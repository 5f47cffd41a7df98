package quant

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func constrained(text string) (*Space, error) {
	c, err := ParseConstraints([]byte(text))
	if err != nil {
		return nil, err
	}
	p := DefaultPolicy()
	p.Constraints = c
	return NewSpace(resNet20(), p)
}

func TestConstraints(t *testing.T) {
	s, err := constrained(`
# every rule once
[pin]
"layer1.*.conv1" = "4/8"
"linear" = { weight = 4 }

[forbid]
"layer3.*" = { weight = [2], input = [8, 4] }

[[tie]]
layers = ["layer2.0.*", "layer2.1.conv?"]
kinds = ["weight"]
`)
	if err != nil {
		t.Fatal(err)
	}
	all := []int{2, 4, 8}
	for k, name := range s.names {
		w, x := all, all
		switch {
		case name == "conv1":
			w, x = []int{8}, []int{8}
		case name == "linear":
			w, x = []int{4}, []int{8}
		case strings.HasPrefix(name, "layer1.") && strings.HasSuffix(name, "conv1"):
			w, x = []int{4}, []int{8}
		case strings.HasPrefix(name, "layer3."):
			w, x = []int{4, 8}, []int{2}
		}
		if !slices.Equal(s.Weight[k], w) || !slices.Equal(s.Input[k], x) {
			t.Errorf("%s: candidates %v and %v, want %v and %v", name, s.Weight[k], s.Input[k], w, x)
		}
	}
	var tied []Gate
	for _, g := range s.Gates() {
		if len(g.Tied) > 0 {
			tied = append(tied, g)
		}
	}
	if diff := cmp.Diff([]Gate{{Layer: 7, Kind: Weight, Bits: all, Tied: []int{8, 9, 10}}}, tied); diff != "" {
		t.Errorf("ties (-want +got):\n%s", diff)
	}
	// Searched: 3 layers of layer1, 6 of layer2 whose weights are 6-3 gates, 6 weights of layer3.
	if got, want := len(s.Gates()), 2*3+6+3+6; got != want {
		t.Errorf("%d gates, want %d", got, want)
	}
}

func TestConstraintsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"[pin]\n\"layer9.*\" = \"8/8\"":                        `"layer9.*" matches no layer of the net; the nearest name is "layer1.0.conv1"`,
		"[pin]\nlinera = \"8/8\"":                              `the nearest name is "linear"`,
		"[pin]\n\"*\" = \"8/8\"\nconv1 = \"4/8\"":              `the weights of layer "conv1" have 8 bits by "*" and 4 by "conv1"`,
		"[pin]\nconv1 = \"9/8\"":                               `pin "conv1": "9/8"`,
		"[pin]\nconv1 = \"search\"":                            "want weight bits / input bits",
		"[pin]\nconv1 = { input = 1 }":                         "signed input",
		"[pin]\nconv1 = { weights = 4 }":                       `"weights" is neither weight nor input`,
		"[pin]\nlayer1.0.conv1 = \"8/8\"":                      "a name with dots stands in quotes",
		"[pin]\nconv1 = 8":                                     "want { weight",
		"[forbid]\n\"*\" = { weight = 2 }":                     "want a list",
		"[forbid]\n\"*\" = { weight = [3] }":                   "no layer that it matches has 3 weight bits",
		"[forbid]\n\"*\" = { weight = [2.5] }":                 "2.5 is no number of bits",
		"[forbid]\n\"*\" = { weight = [8] }":                   `all that is left for the weight of layer "conv1"`,
		"[forbid]\n\"layer1.*\" = { input = [2, 4, 8] }":       `8 bits are all that is left for the input of layer "layer1.0.conv1"`,
		"[forbid]\n\"layer1.*\" = { }":                         "want { weight",
		"[[tie]]\nlayers = [\"conv1\"]":                        `only layer "conv1" matches`,
		"[[tie]]\nlayers = []":                                 "no layers given",
		"[[tie]]\nlayers = [\"layer1.*\"]\nkinds = [\"bits\"]": `kind "bits"`,
		"[[tie]]\nlayers = [\"conv1\", \"layer1.*\"]":          `layer "conv1" is pinned at 8 bits and that of "layer1.0.conv1" is searched`,
		"[[tie]]\nname = \"x\"":                                "tie.name: unknown",
		"[pins]\nconv1 = \"8/8\"":                              "pins",
		"pin = 3":                                              "pin",
		"[pin]\nconv1 = \"8/8\"\nconv1 = \"4/4\"":              "line 3",
		"[forbid]\n\"layer1.0.conv1\" = {weight=[2,4]}\n\"layer1.0.conv2\" = {weight=[4,8]}\n[[tie]]\nlayers=[\"layer1.0.*\"]":                                 "have no candidate in common",
		"[forbid]\n\"layer1.0.conv1\" = {input=[2]}\n\"layer1.0.conv2\" = {input=[8]}\n\"layer1.1.conv1\" = {input=[4]}\n[[tie]]\nlayers=[\"layer1.?.conv?\"]": "no candidate in common",
	} {
		_, err := constrained(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\nerror %v, want %q in one line", text, err, want)
		}
	}
	path := filepath.Join(t.TempDir(), "bits.toml")
	if err := os.WriteFile(path, []byte("[pin]\nconv1 = \"12/8\""), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, filepath.Join(t.TempDir(), "none.toml")} {
		if _, err := ReadConstraints(p); err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("error %v, want it to name %s", err, p)
		}
	}
}

// globByDefinition tries every length of a star.
func globByDefinition(pattern, name string) bool {
	switch {
	case pattern == "":
		return name == ""
	case pattern[0] == '*':
		for i := range len(name) + 1 {
			if globByDefinition(pattern[1:], name[i:]) {
				return true
			}
		}
		return false
	}
	return name != "" && (pattern[0] == '?' || pattern[0] == name[0]) && globByDefinition(pattern[1:], name[1:])
}

func TestGlobAgainstDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringOfN(rapid.RuneFrom([]rune("ab*?./")), 0, 8, -1).Draw(t, "pattern")
		name := rapid.StringOfN(rapid.RuneFrom([]rune("ab./")), 0, 8, -1).Draw(t, "name")
		if got, want := globMatch(pattern, name), globByDefinition(pattern, name); got != want {
			t.Fatalf("%q and %q: %v", pattern, name, got)
		}
	})
}

// drawTies ties layers that are searched, at random.
func drawTies(t *rapid.T, s *Space) Constraints {
	var c Constraints
	for range rapid.IntRange(1, 3).Draw(t, "ties") {
		r := TieRule{Weight: rapid.Bool().Draw(t, "weights"), Input: rapid.Bool().Draw(t, "inputs")}
		for k, name := range s.names {
			if (!r.Weight || len(s.Weight[k]) > 1) && (!r.Input || len(s.Input[k]) > 1) && rapid.Bool().Draw(t, "in the tie") {
				r.Patterns = append(r.Patterns, name)
			}
		}
		if len(r.Patterns) > 1 {
			c.Ties = append(c.Ties, r)
		}
	}
	return c
}

// tiedSpace is a small space with ties; conflicting ones are drawn anew.
func tiedSpace(t *rapid.T) (*Space, Constraints) {
	layers := resNet20()[:5]
	p := Policy{WeightBits: []int{2, 4, 8}, InputBits: []int{2, 8}, Last: Pin{8, 4}}
	free, err := NewSpace(layers, p)
	if err != nil {
		t.Fatal(err)
	}
	p.Constraints = drawTies(t, free)
	s, err := NewSpace(layers, p)
	if err != nil {
		t.Fatalf("%+v: %v", p.Constraints, err)
	}
	return s, p.Constraints
}

// keeps tells whether the bits of a child are alike wherever a rule wants it.
func keeps(a Assignment, rules []TieRule) bool {
	for _, r := range rules {
		first := slices.Index(a.names, r.Patterns[0])
		w0, x0 := a.Bits(first)
		for _, name := range r.Patterns[1:] {
			w, x := a.Bits(slices.Index(a.names, name))
			if r.Weight && w != w0 || r.Input && x != x0 {
				return false
			}
		}
	}
	return true
}

// Every child of a space with ties keeps them, however it is chosen; one that does not is refused.
func TestChildrenKeepTies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, c := tiedSpace(t)
		gates := s.Gates()
		choice := make([]int, len(gates))
		for i, g := range gates {
			choice[i] = rapid.IntRange(0, len(g.Bits)-1).Draw(t, "choice")
		}
		a := ChooseGates(s, choice)
		if !keeps(a, c.Ties) {
			t.Fatalf("%s breaks %+v", a, c.Ties)
		}
		for i, g := range gates {
			for _, layer := range append([]int{g.Layer}, g.Tied...) {
				w, x := a.Bits(layer)
				if got := [2]int{Weight: w, Input: x}[g.Kind]; got != g.Bits[choice[i]] {
					t.Fatalf("gate %+v chooses %d, layer %d has %d", g, g.Bits[choice[i]], layer, got)
				}
			}
		}
		w, x := make([]int, len(s.Layers)), make([]int, len(s.Layers))
		for k := range s.Layers {
			w[k], x[k] = rapid.SampledFrom(s.Weight[k]).Draw(t, "w"), rapid.SampledFrom(s.Input[k]).Draw(t, "x")
		}
		free, err := NewSpace(s.Layers, Policy{WeightBits: []int{2, 4, 8}, InputBits: []int{2, 8}, Last: Pin{8, 4}})
		if err != nil {
			t.Fatal(err)
		}
		b, err := NewAssignment(free, w, x)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Fit(b); (err == nil) != keeps(b, c.Ties) {
			t.Fatalf("%s under %+v: %v", b, c.Ties, err)
		}
	})
}

// Cheapest under ties is the best of all children, for a table of any costs.
func TestCheapestUnderTies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, _ := tiedSpace(t)
		table := newTable(s, "made up", "", "", func(Layer, int, int) float64 { return float64(rapid.IntRange(1, 20).Draw(t, "cost")) })
		least := table.Max()
		gates := s.Gates()
		choice := make([]int, len(gates))
		var each func(i int)
		each = func(i int) {
			if i == len(gates) {
				least = min(least, table.Cost(ChooseGates(s, choice)))
				return
			}
			for choice[i] = range gates[i].Bits {
				each(i + 1)
			}
		}
		each(0)
		if got := table.Cost(Cheapest(table)); got != least {
			t.Fatalf("%v, want %v", got, least)
		}
	})
}

// Ties that make a chain of all layers leave Cheapest as many gates of either kind; where those have too many choices they are refused.
func TestChainOfTies(t *testing.T) {
	chain := func(n int) (*Space, error) {
		layers, rules := make([]Layer, n), Constraints{}
		for k := range layers {
			layers[k] = Layer{Name: fmt.Sprintf("l%02d", k), MACs: 1, Weights: 1, OutChannels: 1}
			if k > 0 {
				rules.Ties = append(rules.Ties, TieRule{Patterns: []string{layers[k-1].Name, layers[k].Name}, Weight: k%2 == 1, Input: k%2 == 0})
			}
		}
		return NewSpace(layers, Policy{WeightBits: []int{2, 4, 8}, InputBits: []int{2, 4, 8}, Constraints: rules})
	}
	s, err := chain(24)
	if err != nil {
		t.Fatal(err)
	}
	table := newTable(s, "made up", "", "", func(l Layer, w, x int) float64 { return float64((w-4)*(w-4) + (x-8)*(x-8) + 1) })
	if got := table.Cost(Cheapest(table)); got != 24 {
		t.Errorf("%v, want 24", got)
	}
	if _, err := chain(60); err == nil || !strings.Contains(err.Error(), `60 layers from "l00" on`) || !strings.Contains(err.Error(), "30 weight and 31 input gates") {
		t.Error(err)
	}
}

func FuzzConstraints(f *testing.F) {
	f.Add("[pin]\n\"layer1.*\" = \"4/8\"\n[forbid]\nlinear = { weight = [2] }\n[[tie]]\nlayers = [\"layer2.*\"]")
	f.Add("pin = [1, 2]\ntie = 3")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := constrained(text)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("an error without a text")
			}
			return
		}
		Cheapest(SizeBytes(s))
	})
}
