package quant

import (
	"fmt"
	"math"
	"slices"
)

// CostTable says what every choice of bits costs in every layer. BOPs, size and
// a measured latency table are all this one struct.
type CostTable struct {
	Name       string
	Unit       string
	Definition string // one sentence: what is counted
	Space      *Space
	Layers     [][][]float64 // [layer][weight candidate][input candidate], in Unit, pinned layers included
}

// newTable fills a table from the cost of one layer at given bits.
func newTable(s *Space, name, unit, definition string, cost func(l Layer, w, x int) float64) *CostTable {
	t := &CostTable{Name: name, Unit: unit, Definition: definition, Space: s}
	for k, l := range s.Layers {
		rows := make([][]float64, len(s.Weight[k]))
		for i, w := range s.Weight[k] {
			rows[i] = make([]float64, len(s.Input[k]))
			for j, x := range s.Input[k] {
				rows[i][j] = cost(l, w, x)
			}
		}
		t.Layers = append(t.Layers, rows)
	}
	return t
}

// BOPs counts bit operations for one image.
func BOPs(s *Space) *CostTable {
	return newTable(s, "bops", "bit operations",
		"MACs x weight bits x input bits for one image, over every convolution and linear layer, pinned ones at their pinned bits",
		func(l Layer, w, x int) float64 { return float64(l.MACs) * float64(w) * float64(x) })
}

// SizeBytes counts the bytes of a deployed net: the weight codes of each layer
// packed and rounded up to a byte, a float32 step for each output channel (or one
// a tensor) and one for the input, and a float32 bias for each output channel,
// into which batch norm is folded. It does not depend on the input bits.
func SizeBytes(s *Space) *CostTable {
	return newTable(s, "size", "bytes",
		"packed weight codes, 4 bytes for each weight step, input step and output channel's bias; batch norm folded",
		func(l Layer, w, _ int) float64 {
			codes := (l.Weights*int64(w) + 7) / 8
			return float64(codes + 4*int64(l.WeightSteps()+1+l.OutChannels))
		})
}

// Cost is the sum over all layers, in the table's unit. It panics if the
// Assignment is not of the table's space.
func (t *CostTable) Cost(a Assignment) float64 {
	sum := 0.0
	for k := range t.Layers {
		i, j := t.Space.Choice(a, k)
		sum += t.Layers[k][i][j]
	}
	return sum
}

// Max is the cost of the child that has the widest candidate in every gate.
func (t *CostTable) Max() float64 { return t.Cost(MaxAssignment(t.Space)) }

// Relative is Cost(a) / Max().
func (t *CostTable) Relative(a Assignment) float64 { return t.Cost(a) / t.Max() }

// Normalised is the table that the search minimises: for each layer of
// Space.Searched, in that order, [weight candidate][input candidate], scaled so
// that the widest child of the searched layers costs 1. Pinned layers add a
// constant that has no gradient, and are left out. It fails if that child costs
// nothing or if no layer is searched.
func (t *CostTable) Normalised() ([][][]float32, error) {
	searched := t.Space.Searched()
	if len(searched) == 0 {
		return nil, fmt.Errorf("cost %q: every gate is pinned, there is nothing to search", t.Name)
	}
	total := 0.0
	for _, k := range searched {
		last := t.Layers[k][len(t.Layers[k])-1]
		total += last[len(last)-1]
	}
	if !(total > 0) || math.IsInf(total, 0) {
		return nil, fmt.Errorf("cost %q: the searched layers at their widest cost %g %s, want a positive number", t.Name, total, t.Unit)
	}
	h := make([][][]float32, len(searched))
	for n, k := range searched {
		for _, row := range t.Layers[k] {
			scaled := make([]float32, len(row))
			for j, c := range row {
				scaled[j] = float32(c / total)
			}
			h[n] = append(h[n], scaled)
		}
	}
	return h, nil
}

// Cheapest is the child that costs least; of equals that with the narrower candidates.
func Cheapest(t *CostTable) Assignment {
	if t.Space.HasTies() {
		return cheapestTied(t)
	}
	w, x := make([]int, len(t.Layers)), make([]int, len(t.Layers))
	for k, rows := range t.Layers {
		for i, row := range rows {
			for j, c := range row {
				if c < rows[w[k]][x[k]] {
					w[k], x[k] = i, j
				}
			}
		}
	}
	return Choose(t.Space, w, x)
}

// Only is the table of a space that one child is left of, as [Space.Only] makes it.
func (t *CostTable) Only(one *Space) *CostTable {
	out := &CostTable{Name: t.Name, Unit: t.Unit, Definition: t.Definition, Space: one}
	for k := range one.Layers {
		i, j := slices.Index(t.Space.Weight[k], one.Weight[k][0]), slices.Index(t.Space.Input[k], one.Input[k][0])
		out.Layers = append(out.Layers, [][]float64{{t.Layers[k][i][j]}})
	}
	return out
}
