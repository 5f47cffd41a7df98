package quant

import "fmt"

// Memory says how long each activation of a net has to be kept while a deployed child works on one image. The net runs as
// steps, one after the other; a step is a convolution, pooling or the like with the pointwise operations behind it, whose
// intermediates are never stored. What is stored between steps:
//
//   - for each convolution, its input as integer codes of its input bits, packed and rounded up to a byte; two
//     convolutions that read one value have a copy each, since each has a quantizer of its own;
//   - for everything else that reads a value (an addition, a pool, the net's user) the value as float32.
//
// Borders, the weights, the code and the scratch memory of a runtime are not counted.
type Memory struct {
	Steps  int
	Stored []Stored
}

// Stored is one activation in memory, from the step that writes it to the last step that reads it, both included.
type Stored struct {
	Elements int64
	Layer    int // of the space, whose input codes these are; -1: float32
	From, To int
}

// Float is the Layer of a value that is stored as float32.
const Float = -1

// Bytes is what the value takes in a child.
func (v Stored) Bytes(a Assignment) int64 {
	if v.Layer == Float {
		return 4 * v.Elements
	}
	_, bits := a.Bits(v.Layer)
	return (v.Elements*int64(bits) + 7) / 8
}

// Peak is the greatest number of bytes of activations that a child has in memory in any step.
func (m *Memory) Peak(a Assignment) float64 {
	change := make([]int64, m.Steps+1)
	for _, v := range m.Stored {
		if v.From < 0 || v.To < v.From || v.To >= m.Steps {
			panic(fmt.Sprintf("quant.Memory: value %+v of %d steps", v, m.Steps))
		}
		bytes := v.Bytes(a)
		change[v.From] += bytes
		change[v.To+1] -= bytes
	}
	peak, now := int64(0), int64(0)
	for _, c := range change {
		now += c
		peak = max(peak, now)
	}
	return float64(peak)
}
