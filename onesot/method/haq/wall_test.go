package haq

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"vimps-gpu/quant"
)

// anySpace draws a space of some layers, its ends pinned or not.
func anySpace(t *rapid.T) *quant.Space {
	layers := make([]quant.Layer, rapid.IntRange(1, 7).Draw(t, "layers"))
	for k := range layers {
		layers[k] = quant.Layer{Name: string(rune('a' + k)), MACs: rapid.Int64Range(1, 1e6).Draw(t, "macs"),
			Weights: rapid.Int64Range(1, 1e5).Draw(t, "weights"), OutChannels: 4, SignedInput: true}
	}
	bits := func(what string) []int {
		all := rapid.SliceOfNDistinct(rapid.IntRange(2, 8), 1, 7, rapid.ID[int]).Draw(t, what)
		slices.Sort(all)
		return all
	}
	pin := func(what string) quant.Pin {
		if rapid.Bool().Draw(t, what) {
			return quant.Pin{Weight: 8, Input: 8}
		}
		return quant.Pin{}
	}
	s, err := quant.NewSpace(layers, quant.Policy{WeightBits: bits("weight"), InputBits: bits("input"), First: pin("first"), Last: pin("last")})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// anyCost draws bit operations, bytes, or a table such as was measured, in which fewer bits may cost more.
func anyCost(t *rapid.T, s *quant.Space) *quant.CostTable {
	switch rapid.IntRange(0, 2).Draw(t, "cost") {
	case 0:
		return quant.BOPs(s)
	case 1:
		return quant.SizeBytes(s)
	}
	c := quant.BOPs(s)
	for _, rows := range c.Layers {
		for _, row := range rows {
			for j := range row {
				row[j] = rapid.Float64Range(0.1, 10).Draw(t, "ms")
			}
		}
	}
	return c
}

// Whatever an episode decided, whatever the table, the child is within the budget, no gate is pinned elsewhere, and
// nothing that fitted is touched.
func TestWallNeverExceeds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySpace(t)
		c := anyCost(t, s)
		least := c.Relative(quant.Cheapest(c))
		budget := least + rapid.Float64Range(0, 1.2).Draw(t, "room")
		weight, input := make([]int, len(s.Layers)), make([]int, len(s.Layers))
		for k := range s.Layers {
			weight[k] = rapid.IntRange(0, len(s.Weight[k])-1).Draw(t, "w")
			input[k] = rapid.IntRange(0, len(s.Input[k])-1).Draw(t, "x")
		}
		before := quant.Choose(s, weight, input)
		got := wall{c, budget}.lower(weight, input)
		if r := c.Relative(got); r > budget {
			t.Fatalf("%v costs %v of a budget of %v", got, r, budget)
		}
		if c.Relative(before) <= budget && !got.Equal(before) {
			t.Fatalf("%v fitted and became %v", before, got)
		}
		for k := range s.Layers {
			w, x := got.Bits(k)
			if len(s.Weight[k]) == 1 && w != s.Weight[k][0] || len(s.Input[k]) == 1 && x != s.Input[k][0] {
				t.Fatalf("layer %d, pinned at %v/%v, became %d/%d", k, s.Weight[k], s.Input[k], w, x)
			}
		}
	})
}

// The order of the sweep, by hand: 4 equal layers, the ends pinned at 8/8, the others at 8/8 of {2,4,8}. In units of
// MACs the child costs 4*64 = 256. Input of the third layer, its weights, then those of the second go to 4 each; only
// then does the third go to 2.
func TestWallSweepsLastToFirst(t *testing.T) {
	layers := make([]quant.Layer, 4)
	for k := range layers {
		layers[k] = quant.Layer{Name: string(rune('a' + k)), MACs: 1, Weights: 1, OutChannels: 1, SignedInput: true}
	}
	s, err := quant.NewSpace(layers, quant.DefaultPolicy())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		budget float64 // BOPs
		want   string
	}{
		{256, "w:8,8,8,8 a:8,8,8,8"},
		{255, "w:8,8,8,8 a:8,8,4,8"}, // 224
		{223, "w:8,8,4,8 a:8,8,4,8"}, // 208
		{207, "w:8,8,4,8 a:8,4,4,8"}, // 176
		{175, "w:8,4,4,8 a:8,4,4,8"}, // 160
		{159, "w:8,4,4,8 a:8,4,2,8"}, // 152
		{136, "w:8,2,2,8 a:8,2,2,8"}, // 136: the least
	} {
		got := wall{quant.BOPs(s), c.budget / 256}.lower([]int{0, 2, 2, 0}, []int{0, 2, 2, 0})
		if got.String() != c.want {
			t.Errorf("budget %g: %v, want %s", c.budget, got, c.want)
		}
	}
}
