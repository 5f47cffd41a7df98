package nn

import (
	"testing"

	"vimps-gpu/quant"
)

// peaks are the bytes of the children that have the same input bits in every layer, at 8, 4 and 2 bits.
func peaks(t *testing.T, g *Graph) (out [3]float64) {
	t.Helper()
	space, err := quant.NewSpace(g.Layers(), quant.Policy{WeightBits: []int{2, 8}, InputBits: []int{2, 4, 8}})
	if err != nil {
		t.Fatal(err)
	}
	for i, bits := range []int{8, 4, 2} {
		a, err := quant.Uniform(space, 8, bits)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = g.Memory().Peak(a)
	}
	return out
}

func conv3x3(channels int) Conv { return Conv{K: channels, R: 3, S: 3, Stride: 1, Pad: 1} }

// Counted by hand: bytes of what is alive in each step.
func TestMemoryByHand(t *testing.T) {
	t.Run("residual", func(t *testing.T) {
		g := NewGraph("residual", 8, 8, 1)
		x := g.ReLU(g.Norm("n1", g.Conv("c1", 0, conv3x3(4))))
		y := g.ReLU(g.Add(g.Norm("n2", g.Conv("c2", x, conv3x3(4))), x))
		g.Linear("fc", g.AvgPool(y), 10)
		// While c2 runs: its codes, x as float32 for the addition, and y as float32 for the pool.
		if got, want := peaks(t, g), [3]float64{256 + 2*1024, 128 + 2*1024, 64 + 2*1024}; got != want {
			t.Errorf("%v, want %v", got, want)
		}
	})
	t.Run("chain", func(t *testing.T) {
		g := NewGraph("chain", 8, 8, 1)
		x := g.ReLU(g.Norm("n1", g.Conv("c1", 0, conv3x3(4))))
		x = g.ReLU(g.Norm("n2", g.Conv("c2", x, conv3x3(8))))
		g.DepthToSpace(g.Conv("c3", x, conv3x3(4)), Shuffle{Block: 2})
		// c3 reads 512 codes and yields 256 floats; c2 reads 256 codes and yields 512.
		if got, want := peaks(t, g), [3]float64{512 + 1024, 256 + 1024, 128 + 1024}; got != want {
			t.Errorf("%v, want %v", got, want)
		}
	})
	t.Run("two readers and a concatenation", func(t *testing.T) {
		g := NewGraph("concat", 8, 8, 1)
		x := g.ReLU(g.Conv("c1", 0, conv3x3(4)))
		a, b := g.ReLU(g.Conv("a", x, conv3x3(4))), g.ReLU(g.Conv("b", x, conv3x3(4)))
		g.Conv("c2", g.Concat(a, b), Conv{K: 1, R: 1, S: 1, Stride: 1})
		// While b runs: its codes of x, and the codes of a and of b for c2; a has been done with its own. While a runs: both
		// copies of x and a. While c2 runs: a, b and 64 floats.
		if got, want := peaks(t, g), [3]float64{3 * 256, 2*128 + 256, 2*64 + 256}; got != want {
			t.Errorf("%v, want %v", got, want)
		}
	})
}
