package onesot

import (
	"math"
	"slices"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// concrete draws every gate for itself: softmax of its logits (EdMIPS) or a sample of it by Gumbel noise (Jang et al. 2017),
// soft or one-hot, straight-through.
type concrete struct {
	n      *Supernet
	model  *BitModel
	counts []int // candidates of each row
	gate   cuda.GateTensors
	dpi    *cuda.Tensor
	cost   cuda.CostTensors
	fixed  *cuda.Tensor // i32 [1]: a mode in which no sample is drawn
}

func newConcrete(n *Supernet) gating {
	gates := n.Space.Gates()
	counts := make([]int, len(gates))
	for g, gate := range gates {
		counts[g] = len(gate.Bits)
	}
	c := newLogits(n, counts)
	c.gate.Z, c.gate.DZ = n.gatesZ(), n.gatesDZ()
	c.cost = n.costTensors(c.gate.Bits)
	return c
}

// newLogits are rows of so many candidates, with logits from a BitModel; z and cost are left to the caller.
func newLogits(n *Supernet, counts []int) *concrete {
	rows := len(counts)
	c := &concrete{n: n, counts: counts, model: newBitModel(&n.own, n.Settings, counts, n.scalars.U), dpi: n.own.matrix(rows)}
	c.gate = cuda.GateTensors{Bits: c.model.bits, Logits: c.model.logits, LogP: n.own.matrix(rows), Pi: n.own.matrix(rows), Soft: n.own.matrix(rows)}
	c.fixed = n.own.ints([]int32{int32(cuda.GateFixed)}, 1)
	return c
}

func (c *concrete) parameters() nn.Flat { return c.model.theta }
func (c *concrete) law() *cuda.Tensor   { return c.gate.Pi }

func (c *concrete) setStep(now schedule) {
	mode := cuda.GateGumbel
	switch {
	case c.n.Settings.Method == EdMIPS:
		mode = cuda.GateSoftmax
	case now.hard:
		mode = cuda.GateHard
	}
	c.n.ctl.mode.SetInt32([]int32{int32(mode)})
}

func (c *concrete) emitLaw() {
	c.model.emitForward()
	cuda.GateSample(c.gate, c.n.ctl.temperature, c.fixed, c.n.ctl.noise)
}

func (c *concrete) emitSample() {
	s, ctl, t := c.n.Settings, c.n.ctl, c.n.terms
	cuda.Zero(c.dpi)
	c.model.emitForward()
	cuda.GateSample(c.gate, ctl.temperature, ctl.mode, ctl.noise)
	if s.Method == DNAS {
		cuda.ExpectedCost(t.cost, nil, c.gate.Z, c.cost, nil)
		cuda.CostFactor(ctl.factor, t.cost, c.n.logCostMax(), s.Gamma)
	} else {
		cuda.ExpectedCost(t.cost, c.dpi, c.gate.Pi, c.cost, ctl.eta)
	}
	cuda.Prior(string(s.Prior), t.prior, t.entropy, c.dpi, c.gate, c.model.tilt, ctl.lambda)
}

func (c *concrete) emitGrad() {
	s, ctl, t := c.n.Settings, c.n.ctl, c.n.terms
	if s.Method == DNAS {
		cuda.CostFactorGrad(ctl.costWeight, c.n.plan.Loss, c.n.plan.Options.Batch, t.cost, c.n.logCostMax(), s.Gamma)
		cuda.ExpectedCost(t.cost, c.gate.DZ, c.gate.Z, c.cost, ctl.costWeight)
	}
	cuda.GateGrad(c.model.dlogits, c.gate, c.dpi, ctl.temperature, ctl.mode)
	c.model.emitBackward(c.n.scalars.GradScale)
}

func (c *concrete) weighted(m micro, share float64) (hardware, prior float64) {
	if c.n.Settings.Method != DNAS {
		hardware = share * m.eta * float64(m.terms[0])
	}
	return hardware, share * c.n.Settings.Lambda * float64(m.terms[1])
}

func (c *concrete) row(law []float32, row int) []float32 {
	return law[row*cuda.MaxBits:][:c.counts[row]]
}

func (c *concrete) child(choice []int, law []float32) {
	for g := range c.counts {
		choice[g] = mostProbable(c.row(law, g))
	}
}

func (c *concrete) marginals(law []float32) [][]float32 {
	var list [][]float32
	for g := range c.counts {
		list = append(list, slices.Clone(c.row(law, g)))
	}
	return list
}

// gatesZ is what the plan reads of the searched gates, gatesDZ the gradient of it.
func (n *Supernet) gatesZ() *cuda.Tensor  { return n.searchedRows(n.Gates.Z) }
func (n *Supernet) gatesDZ() *cuda.Tensor { return n.searchedRows(n.Gates.DZ) }

// searchedRows leaves out the row of the pinned gates.
func (n *Supernet) searchedRows(t *cuda.Tensor) *cuda.Tensor {
	return t.View(0, len(n.choice), cuda.MaxBits)
}

// costTensors is the normalised cost of the searched layers by the rows of their gates.
func (n *Supernet) costTensors(bits *cuda.Tensor) cuda.CostTensors {
	const row = cuda.MaxBits
	table := make([]float32, len(n.searched)*row*row)
	for k := range n.searched {
		for i, costs := range n.relative[k] {
			copy(table[(k*row+i)*row:], costs)
		}
	}
	rows := n.gateRows()
	return cuda.CostTensors{WeightGate: n.own.ints(rows[quant.Weight], len(n.searched)), InputGate: n.own.ints(rows[quant.Input], len(n.searched)),
		Table: n.own.floats(table, len(n.searched), row, row), Bits: bits}
}

// gateRows are the rows of the searched layers' weight and input gates, -1 where pinned.
func (n *Supernet) gateRows() [2][]int32 {
	rows := [2][]int32{make([]int32, len(n.searched)), make([]int32, len(n.searched))}
	for k, layer := range n.searched {
		for _, kind := range []quant.Kind{quant.Weight, quant.Input} {
			rows[kind][k] = int32(n.Gates.Row(layer, kind))
			if n.Space.Gate(layer, kind).Pinned() {
				rows[kind][k] = -1
			}
		}
	}
	return rows
}

// logCostMax is the natural logarithm of the searched layers' cost when all are at their widest.
func (n *Supernet) logCostMax() float64 {
	total := 0.0
	for _, k := range n.searched {
		last := n.Cost.Layers[k][len(n.Cost.Layers[k])-1]
		total += last[len(last)-1]
	}
	return math.Log(total)
}
