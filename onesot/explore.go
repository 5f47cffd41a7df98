package onesot

import (
	"vimps-gpu/cuda"
	"vimps-gpu/kernels"
)

// philoxExplore keeps the draws of exploration apart from others under the same seed.
const philoxExplore = 0xE1

// explore draws whether a micro-batch explores, and then has it train filters, norms and steps, but not theta, under one
// child whose every gate is drawn uniformly, as single-path methods do. Children that the BitModel's curve never visits
// are otherwise ranked by filters and norms that were trained for others. Not in the paper.
func (n *Supernet) explore(now schedule, step, j int) {
	s := n.Settings
	n.gating.setStep(now)
	n.ctl.lambda.Set([]float32{float32(s.Lambda)})
	draw := func(gate uint32) float64 {
		r := kernels.Philox([4]uint32{uint32(step), uint32(j), gate, philoxExplore}, [2]uint32{uint32(s.Seed), uint32(s.Seed >> 32)})
		return float64(r[0]) / (1 << 32)
	}
	if draw(0) >= s.Explore {
		return
	}
	for g, gate := range n.Space.Gates() {
		n.choice[g] = int(draw(uint32(g+1)) * float64(len(gate.Bits)))
	}
	n.Gates.SetChild(n.Space, n.assignment(n.choice))
	n.ctl.mode.SetInt32([]int32{int32(cuda.GateFixed)})
	n.ctl.eta.Set([]float32{0})
	n.ctl.lambda.Set([]float32{0})
}
