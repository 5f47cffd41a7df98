package quant

import (
	"fmt"
	"slices"
	"strings"
)

// Kind says what a gate chooses the bits of.
type Kind int

// The two kinds of gate that every layer has.
const (
	Weight Kind = iota
	Input
)

func (k Kind) String() string {
	if k == Weight {
		return "weight"
	}
	return "input"
}

// Layer is what a net tells about one quantized layer, a convolution or a linear one.
type Layer struct {
	Name        string
	MACs        int64 // multiply-accumulates for one image
	Weights     int64 // elements of the kernel, bias not counted
	OutChannels int
	PerTensor   bool // one weight step for the whole kernel; else one for each output channel
	SignedInput bool // input codes are two's complement; else unsigned
}

// WeightSteps is the number of LSQ steps of the layer's weights at one bit width.
func (l Layer) WeightSteps() int {
	if l.PerTensor {
		return 1
	}
	return l.OutChannels
}

// Gate is the choice of a bit width for the weights or the input of one layer.
type Gate struct {
	Layer int // index into Space.Layers
	Kind  Kind
	Bits  []int // candidates, ascending
	Tied  []int // further layers that this gate of Space.Gates chooses for
}

// Pinned reports that the gate has one candidate and so nothing to search.
func (g Gate) Pinned() bool { return len(g.Bits) == 1 }

// Space is what is searched: the candidates of every gate of every layer, in
// net order, ascending. A pinned gate has one candidate. It is built by NewSpace
// and not changed afterwards.
type Space struct {
	Layers []Layer
	Weight [][]int // [layer] candidate bits of the weights
	Input  [][]int // [layer] candidate bits of the input
	names  []string
	lead   [2][]int // [kind][layer] the layer whose gate chooses for it; nil: each its own
}

// NewSpace applies a policy to the layers of a net. A signed input has no 1-bit
// code, so 1 is left out of its candidates.
func NewSpace(layers []Layer, p Policy) (*Space, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if len(layers) == 0 {
		return nil, fmt.Errorf("space: the net has no quantized layer")
	}
	s := &Space{Layers: slices.Clone(layers)}
	for k, l := range layers {
		if err := checkLayer(l); err != nil {
			return nil, err
		}
		if slices.Contains(s.names, l.Name) {
			return nil, fmt.Errorf("space: two layers are called %q", l.Name)
		}
		w, x, err := p.candidates(l, k == 0, k == len(layers)-1)
		if err != nil {
			return nil, err
		}
		s.names = append(s.names, l.Name)
		s.Weight = append(s.Weight, w)
		s.Input = append(s.Input, x)
	}
	if err := s.constrain(p.Constraints); err != nil {
		return nil, fmt.Errorf("%s: %w", strings.TrimSpace("constraints "+p.Constraints.File), err)
	}
	return s, nil
}

func checkLayer(l Layer) error {
	switch {
	case strings.TrimSpace(l.Name) == "":
		return fmt.Errorf("space: a layer has no name")
	case l.MACs <= 0 || l.Weights <= 0 || l.OutChannels <= 0:
		return fmt.Errorf("space: layer %q: %d MACs, %d weights, %d output channels; all must be above 0",
			l.Name, l.MACs, l.Weights, l.OutChannels)
	}
	return nil
}

// Gate is the gate of one layer and kind, pinned or not.
func (s *Space) Gate(layer int, k Kind) Gate {
	if k == Weight {
		return Gate{Layer: layer, Kind: k, Bits: s.Weight[layer]}
	}
	return Gate{Layer: layer, Kind: k, Bits: s.Input[layer]}
}

// leader is the layer whose gate chooses for a layer: itself where it is not tied.
func (s *Space) leader(layer int, k Kind) int {
	if s.lead[k] == nil {
		return layer
	}
	return s.lead[k][layer]
}

// HasTies tells whether some gate chooses for more than one layer.
func (s *Space) HasTies() bool { return s.lead[Weight] != nil || s.lead[Input] != nil }

// Gates lists the searched gates: layer by layer, the weights before the input. Gates that are tied are one, that of the first
// layer.
func (s *Space) Gates() []Gate {
	var gates []Gate
	for layer := range s.Layers {
		for _, k := range []Kind{Weight, Input} {
			g := s.Gate(layer, k)
			if g.Pinned() || s.leader(layer, k) != layer {
				continue
			}
			for other := layer + 1; other < len(s.Layers) && s.lead[k] != nil; other++ {
				if s.lead[k][other] == layer {
					g.Tied = append(g.Tied, other)
				}
			}
			gates = append(gates, g)
		}
	}
	return gates
}

// Searched lists the layers that have at least one searched gate, ascending.
func (s *Space) Searched() []int {
	var layers []int
	for k := range s.Layers {
		if len(s.Weight[k]) > 1 || len(s.Input[k]) > 1 {
			layers = append(layers, k)
		}
	}
	return layers
}

// Only is the space that has one child, a, left.
func (s *Space) Only(a Assignment) *Space {
	one := &Space{Layers: s.Layers, names: s.names}
	for k := range s.Layers {
		i, j := s.Choice(a, k)
		one.Weight = append(one.Weight, s.Weight[k][i:i+1:i+1])
		one.Input = append(one.Input, s.Input[k][j:j+1:j+1])
	}
	return one
}

// SpaceOf is the space whose candidates are the widths that some children of one net use. It knows the layers' names and nothing
// else of them. No children, or children of different nets, are an error.
func SpaceOf(children []Assignment) (*Space, error) {
	if len(children) == 0 || children[0].IsZero() {
		return nil, fmt.Errorf("space: there are no children")
	}
	s := &Space{names: children[0].names}
	for k, name := range s.names {
		var w, x []int
		for _, a := range children {
			if !slices.Equal(a.names, s.names) {
				return nil, fmt.Errorf("space: children of different nets")
			}
			wbits, xbits := a.Bits(k)
			w, x = append(w, wbits), append(x, xbits)
		}
		slices.Sort(w)
		slices.Sort(x)
		s.Layers = append(s.Layers, Layer{Name: name})
		s.Weight, s.Input = append(s.Weight, slices.Compact(w)), append(s.Input, slices.Compact(x))
	}
	return s, nil
}
