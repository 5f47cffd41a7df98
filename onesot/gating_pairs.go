package onesot

import (
	"fmt"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// pairs chooses a layer's weight and input bits together, from a list of pairs (Wu et al. 2018, DNAS): the rows are layers, and
// the gates are the marginals of what is drawn of them. A mixture of pairs would come apart, the net multiplying the two
// gates: {2/4, 4/2} would run 2/2 and 4/4 too. So samples are one-hot from the first step on, straight-through.
type pairs struct {
	*concrete
	allowed [][][2]int // [searched layer][pair] options of the weight and of the input gate
	tensors cuda.PairTensors
	gates   []int // candidates of each
}

// NewPairSupernet is [NewSupernet] for DNAS with the layers' weight and input bits chosen from pairs {weight bits, input
// bits}. A layer has those pairs that are in its candidates; 1 to cuda.MaxBits of them are wanted.
func NewPairSupernet(dev *cuda.Device, g *nn.Graph, space *quant.Space, cost *quant.CostTable, s Settings, list [][2]int) (*Supernet, error) {
	if s.Method != DNAS {
		panic(fmt.Sprintf("onesot.NewPairSupernet: method %q, want %q", s.Method, DNAS))
	}
	allowed, err := AllowedPairs(space, list)
	if err != nil {
		return nil, err
	}
	c := nn.Config{Space: space, Norm: s.Norm, SharedWeights: s.SharedWeights}
	return newSupernet(dev, g, cost, s, c, func(n *Supernet) gating { return newPairs(n, allowed) })
}

func newPairs(n *Supernet, allowed [][][2]int) gating {
	const row = cuda.MaxBits
	layers := len(allowed)
	counts, counted := make([]int, layers), make([]int32, layers)
	table, none := make([]float32, layers*row*row), make([]int32, layers)
	options := [2][]int32{make([]int32, layers*row), make([]int32, layers*row)}
	for k, list := range allowed {
		counts[k], counted[k], none[k] = len(list), int32(len(list)), -1
		for p, o := range list {
			options[0][k*row+p], options[1][k*row+p] = int32(o[0]), int32(o[1])
			table[(k*row+p)*row] = n.relative[k][o[0]][o[1]]
		}
	}
	c := newLogits(n, counts)
	c.gate.Z, c.gate.DZ = n.own.matrix(layers), n.own.matrix(layers)
	each := make([]int32, layers)
	for k := range each {
		each[k] = int32(k)
	}
	c.cost = cuda.CostTensors{WeightGate: n.own.ints(each, layers), InputGate: n.own.ints(none, layers),
		Table: n.own.floats(table, layers, row, row), Bits: c.gate.Bits}
	p := &pairs{concrete: c, allowed: allowed}
	var bits []int32
	for _, g := range n.Space.Gates() {
		p.gates, bits = append(p.gates, len(g.Bits)), append(bits, int32(len(g.Bits)))
	}
	rows := n.gateRows()
	p.tensors = cuda.PairTensors{Pairs: n.own.ints(counted, layers), WeightGate: n.own.ints(rows[quant.Weight], layers),
		InputGate: n.own.ints(rows[quant.Input], layers), WeightOption: n.own.ints(options[0], layers, row),
		InputOption: n.own.ints(options[1], layers, row), Bits: n.own.ints(bits, len(bits))}
	return p
}

func (p *pairs) setStep(schedule) { p.n.ctl.mode.SetInt32([]int32{int32(cuda.GateHard)}) }

func (p *pairs) emitSample() {
	p.concrete.emitSample()
	cuda.PairMarginals(p.n.gatesZ(), p.gate.Z, p.tensors)
}

func (p *pairs) emitGrad() {
	cuda.PairMarginalsGrad(p.gate.DZ, p.n.gatesDZ(), p.tensors)
	p.concrete.emitGrad()
}

// each calls f with every gate of every pair: its row, and the option that the pair has of it.
func (p *pairs) each(layer, pair int, f func(gate, option int)) {
	for kind, option := range p.allowed[layer][pair] {
		if gate := p.n.Gates.Row(p.n.searched[layer], quant.Kind(kind)); gate < len(p.gates) {
			f(gate, option)
		}
	}
}

func (p *pairs) child(choice []int, law []float32) {
	for k := range p.counts {
		best := mostProbable(p.row(law, k))
		p.each(k, best, func(gate, option int) { choice[gate] = option })
	}
}

func (p *pairs) marginals(law []float32) [][]float32 {
	list := make([][]float32, len(p.gates))
	for g, candidates := range p.gates {
		list[g] = make([]float32, candidates)
	}
	for k := range p.counts {
		for i, probability := range p.row(law, k) {
			p.each(k, i, func(gate, option int) { list[gate][option] += probability })
		}
	}
	return list
}
