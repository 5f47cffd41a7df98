package quant

import (
	"fmt"
	"slices"
	"strings"
)

// Assignment is one bit width for every gate of a net, pinned ones included: a
// child of the supernet. It is a value: it never changes, and two Assignments of
// one Space are the same child exactly if their Keys are equal. The zero
// Assignment has no layers.
type Assignment struct {
	names []string // of the layers in net order; shared, never written
	bits  string   // [2*layer] weight bits, [2*layer+1] input bits
}

// NewAssignment checks that every layer of the space gets a weight and an input
// width that are among its candidates.
func NewAssignment(s *Space, weightBits, inputBits []int) (Assignment, error) {
	if len(weightBits) != len(s.Layers) || len(inputBits) != len(s.Layers) {
		return Assignment{}, fmt.Errorf("assignment: %d weight and %d input widths for %d layers",
			len(weightBits), len(inputBits), len(s.Layers))
	}
	bits := make([]byte, 0, 2*len(s.Layers))
	for k := range s.Layers {
		for _, c := range []struct {
			gate Gate
			bits int
		}{{s.Gate(k, Weight), weightBits[k]}, {s.Gate(k, Input), inputBits[k]}} {
			if !slices.Contains(c.gate.Bits, c.bits) {
				return Assignment{}, fmt.Errorf("assignment: layer %q: %d %s bits are not among its candidates %v",
					s.names[k], c.bits, c.gate.Kind, c.gate.Bits)
			}
			if lead := s.leader(k, c.gate.Kind); lead < k && int(bits[2*lead+int(c.gate.Kind)]) != c.bits {
				return Assignment{}, fmt.Errorf("assignment: layer %q: %d %s bits, but it is tied to layer %q, which has %d",
					s.names[k], c.bits, c.gate.Kind, s.names[lead], bits[2*lead+int(c.gate.Kind)])
			}
			bits = append(bits, byte(c.bits))
		}
	}
	return Assignment{s.names, string(bits)}, nil
}

// Uniform gives every searched weight gate weightBits and every searched input
// gate inputBits; pinned gates keep their width.
func Uniform(s *Space, weightBits, inputBits int) (Assignment, error) {
	w, x := make([]int, len(s.Layers)), make([]int, len(s.Layers))
	for k := range s.Layers {
		w[k], x[k] = weightBits, inputBits
		if len(s.Weight[k]) == 1 {
			w[k] = s.Weight[k][0]
		}
		if len(s.Input[k]) == 1 {
			x[k] = s.Input[k][0]
		}
	}
	return NewAssignment(s, w, x)
}

// MaxAssignment gives every gate its widest candidate.
func MaxAssignment(s *Space) Assignment {
	w, x := make([]int, len(s.Layers)), make([]int, len(s.Layers))
	for k := range s.Layers {
		w[k], x[k] = len(s.Weight[k])-1, len(s.Input[k])-1
	}
	return Choose(s, w, x)
}

// Choose builds an Assignment from candidate indices, one for the weights and
// one for the input of every layer; of tied gates the first layer's counts. It panics on an index that is not there.
func Choose(s *Space, weight, input []int) Assignment {
	if len(weight) != len(s.Layers) || len(input) != len(s.Layers) {
		panic(fmt.Sprintf("quant.Choose: %d weight and %d input choices for %d layers",
			len(weight), len(input), len(s.Layers)))
	}
	bits := make([]byte, 0, 2*len(s.Layers))
	for k := range s.Layers {
		bits = append(bits, byte(s.Weight[k][weight[s.leader(k, Weight)]]), byte(s.Input[k][input[s.leader(k, Input)]]))
	}
	return Assignment{s.names, string(bits)}
}

// ChooseGates builds an Assignment from the candidate index of each of Space.Gates.
func ChooseGates(s *Space, choice []int) Assignment {
	w, x := make([]int, len(s.Layers)), make([]int, len(s.Layers))
	for i, gate := range s.Gates() {
		if gate.Kind == Weight {
			w[gate.Layer] = choice[i]
		} else {
			x[gate.Layer] = choice[i]
		}
	}
	return Choose(s, w, x)
}

// Choice is the inverse of Choose for one layer: which candidates of the space
// the Assignment takes. It panics if the Assignment is not of this space.
func (s *Space) Choice(a Assignment, layer int) (weight, input int) {
	if a.Len() != len(s.Layers) {
		panic(fmt.Sprintf("quant.Space.Choice: assignment of %d layers, space of %d", a.Len(), len(s.Layers)))
	}
	w, x := a.Bits(layer)
	weight, input = slices.Index(s.Weight[layer], w), slices.Index(s.Input[layer], x)
	if weight < 0 || input < 0 {
		panic(fmt.Sprintf("quant.Space.Choice: layer %q: %d/%d bits are not among the candidates %v / %v",
			s.names[layer], w, x, s.Weight[layer], s.Input[layer]))
	}
	return weight, input
}

// Len is the number of layers.
func (a Assignment) Len() int { return len(a.names) }

// IsZero reports an Assignment without layers; encoding/json's omitzero asks it.
func (a Assignment) IsZero() bool { return len(a.names) == 0 }

// Name is the name of a layer.
func (a Assignment) Name(layer int) string { return a.names[layer] }

// Bits are the weight and the input width of a layer.
func (a Assignment) Bits(layer int) (weight, input int) {
	return int(a.bits[2*layer]), int(a.bits[2*layer+1])
}

// Key is a map key: equal for equal Assignments of one net, short, not for display.
func (a Assignment) Key() string { return a.bits }

// Equal reports the same layers, in the same order, with the same bits.
func (a Assignment) Equal(b Assignment) bool {
	return a.bits == b.bits && slices.Equal(a.names, b.names)
}

// String is "w:8,4,4 a:8,8,2": weight bits, then input (activation) bits, in net order.
func (a Assignment) String() string {
	var w, x strings.Builder
	for k := range a.names {
		if k > 0 {
			w.WriteByte(',')
			x.WriteByte(',')
		}
		wbits, xbits := a.Bits(k)
		fmt.Fprint(&w, wbits)
		fmt.Fprint(&x, xbits)
	}
	return "w:" + w.String() + " a:" + x.String()
}
