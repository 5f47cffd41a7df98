package onesot

import (
	"fmt"
	"slices"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// openPhi starts the gates of all candidates open: P(z > 0) = 0.9995 (van Baalen et al. 2020, its authors' code).
const openPhi = 6

// closedFrom is the probability of being closed from which on a gate is closed in the child, as in the kernel.
const closedFrom = 0.34

// hardConcrete opens or closes the levels of residual quantizers (van Baalen et al. 2020, "Bayesian Bits"): the law of a gate
// is that of the widest level that is open with all below it.
type hardConcrete struct {
	n         *Supernet
	phi       nn.Flat
	dphi      *cuda.Tensor
	gate      cuda.HardConcreteTensors
	entropy   cuda.GateTensors // what of gate the prior's op reads
	cost      cuda.CostTensors
	counts    []int
	channels  *channelGates // nil: no gate prunes
	unused    *cuda.Tensor  // z where no sample is wanted
	childMode *cuda.Tensor  // i32 [1]: the mode that draws nothing
}

// NewResidualSupernet is [NewSupernet] for Bayesian Bits: one filter and one range a tensor, quantized to the narrowest
// candidate and, level by level, what is left of it to twice as many bits each, behind hard-concrete gates. Settings.Eta
// weighs the penalty, which is additive over tensors: MACs of the layer, those of the largest being 1, times the sum of
// the bits b of every level times the probability that it counts. Candidates must double from one to the next. prune adds a
// gate to each output channel of the layers of [channelGates].
func NewResidualSupernet(dev *cuda.Device, g *nn.Graph, space *quant.Space, cost *quant.CostTable, s Settings, prune bool) (*Supernet, error) {
	if err := CheckResidual(space, s.Norm); err != nil {
		return nil, err
	}
	c := nn.Config{Space: space, Norm: s.Norm, SharedWeights: true, Quantizer: nn.Residual}
	return newSupernet(dev, g, cost, s, c, func(n *Supernet) gating { return newHardConcrete(n, prune) })
}

// CheckResidual tells, in one line, why residual quantizers cannot have a space's candidates or a norm.
func CheckResidual(space *quant.Space, norm nn.NormKind) error {
	if norm != nn.NormPlain && norm != nn.NormEta {
		return fmt.Errorf("--norm %s: its sets belong to one-hot gates, those of residual quantizers are thermometers; want bn", norm)
	}
	for k, l := range space.Layers {
		for _, g := range []quant.Gate{space.Gate(k, quant.Weight), space.Gate(k, quant.Input)} {
			if err := nn.Residual.CheckBits(g.Bits, g.Kind == quant.Weight || l.SignedInput); err != nil {
				return fmt.Errorf("layer %s, %s candidates (--weight-bits, --input-bits): %w", l.Name, g.Kind, err)
			}
		}
	}
	return nil
}

func newHardConcrete(n *Supernet, prune bool) gating {
	gates := n.Space.Gates()
	rows := len(gates)
	bits, levels := make([]int32, rows), residualCosts(n.Space)
	phi, h := make([]float32, rows*cuda.MaxBits), &hardConcrete{n: n}
	for g, gate := range gates {
		bits[g] = int32(len(gate.Bits))
		h.counts = append(h.counts, len(gate.Bits))
		for i := 1; i < len(gate.Bits); i++ {
			phi[g*cuda.MaxBits+i] = openPhi
		}
	}
	var layers []int
	if prune {
		layers = n.prunable()
	}
	for _, layer := range layers {
		phi = append(phi, slices.Repeat([]float32{openPhi}, n.Space.Layers[layer].OutChannels)...)
	}
	h.phi, h.dphi, h.unused = n.own.flat(phi), n.own.zeros(len(phi)), n.own.matrix(rows)
	h.gate = cuda.HardConcreteTensors{Bits: n.own.ints(bits, rows), Phi: h.phi.Value.View(0, rows, cuda.MaxBits), LogP: n.own.matrix(rows), Pi: n.own.matrix(rows),
		Slope: n.own.matrix(rows), Z: n.gatesZ(), DZ: n.gatesDZ(), Cost: n.own.floats(levels, rows, cuda.MaxBits)}
	h.entropy = cuda.GateTensors{Bits: h.gate.Bits, LogP: h.gate.LogP, Pi: h.gate.Pi}
	h.cost = n.costTensors(h.gate.Bits)
	h.childMode = n.own.ints([]int32{int32(cuda.HardConcreteChild)}, 1)
	if len(layers) > 0 {
		h.channels = newChannelGates(h, layers, levels)
	}
	return h
}

// residualCosts is what each level of each gate adds to the penalty, f32 [gates, cuda.MaxBits].
func residualCosts(space *quant.Space) []float32 {
	most := int64(0)
	for _, l := range space.Layers {
		most = max(most, l.MACs)
	}
	gates := space.Gates()
	costs := make([]float32, len(gates)*cuda.MaxBits)
	for g, gate := range gates {
		macs := space.Layers[gate.Layer].MACs
		for _, tied := range gate.Tied {
			macs += space.Layers[tied].MACs
		}
		for i, b := range gate.Bits {
			costs[g*cuda.MaxBits+i] = float32(float64(macs) / float64(most) * float64(b))
		}
	}
	return costs
}

func (h *hardConcrete) parameters() nn.Flat { return h.phi }
func (h *hardConcrete) law() *cuda.Tensor   { return h.gate.Pi }

func (h *hardConcrete) setStep(schedule) {
	h.n.ctl.mode.SetInt32([]int32{int32(cuda.HardConcreteSample)})
}

func (h *hardConcrete) emitLaw() {
	law := h.gate
	law.Z = h.unused
	cuda.HardConcrete(law, h.childMode, h.n.ctl.noise)
}

func (h *hardConcrete) emitSample() {
	ctl, t := h.n.ctl, h.n.terms
	cuda.HardConcrete(h.gate, ctl.mode, ctl.noise)
	if c := h.channels; c != nil {
		cuda.Zero(c.gate.DZ)
		cuda.ChannelGates(h.gate.Cost, c.gate, ctl.mode, ctl.noise)
	}
	cuda.ExpectedCost(t.cost, nil, h.gate.Pi, h.cost, nil)
	cuda.Prior(string(PriorNone), t.prior, t.entropy, h.dphi, h.entropy, h.unused, ctl.lambda) // for the entropy alone
}

// emitGrad leaves the penalty where other gatings have the prior.
func (h *hardConcrete) emitGrad() {
	cuda.HardConcreteGrad(h.dphi, h.n.terms.prior, h.gate, h.n.ctl.eta)
	if c := h.channels; c != nil {
		cuda.ChannelGatesGrad(c.dphi, c.gate, h.gate, h.n.ctl.eta)
	}
	cuda.SumRows(h.phi.Grad, h.dphi, h.n.scalars.GradScale, true)
}

func (h *hardConcrete) weighted(m micro, share float64) (hardware, prior float64) {
	return share * m.eta * float64(m.terms[1]), 0
}

// child goes up the levels of each gate as long as the next is open: P(z = 0) is the law's share of ending here in that of
// coming so far.
func (h *hardConcrete) child(choice []int, law []float32) {
	for g, n := range h.counts {
		row := law[g*cuda.MaxBits:][:n]
		reached, at := float32(0), 0
		for _, p := range row {
			reached += p
		}
		for at+1 < n && row[at] < closedFrom*reached {
			reached -= row[at]
			at++
		}
		choice[g] = at
	}
}

func (h *hardConcrete) marginals(law []float32) [][]float32 {
	var list [][]float32
	for g, n := range h.counts {
		list = append(list, slices.Clone(law[g*cuda.MaxBits:][:n]))
	}
	return list
}
