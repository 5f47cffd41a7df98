package onesot

import "vimps-gpu/cuda"

// Profile turns the timing of each op of the training step on or off and clears what was counted.
func (n *Supernet) Profile(on bool) { profile(n.stepGraphs(), on) }

// OpTimes is the seconds that each op of the steps took since Profile(true): of the CPU, all workers together, or of the GPU.
func (n *Supernet) OpTimes() map[string]float64 { return opTimes(n.stepGraphs()) }

func (n *Supernet) stepGraphs() []*cuda.Graph {
	return append(n.deal.graphs(), n.micro, n.update, n.theta, n.freeze)
}

// Profile turns the timing of each op of the step on or off and clears what was counted.
func (t *Pretrainer) Profile(on bool) { profile(t.stepGraphs(), on) }

// OpTimes is the seconds that each op of the steps took since Profile(true): of the CPU, all workers together, or of the GPU.
func (t *Pretrainer) OpTimes() map[string]float64 { return opTimes(t.stepGraphs()) }

func (t *Pretrainer) stepGraphs() []*cuda.Graph { return append(t.deal.graphs(), t.micro, t.update) }

func profile(graphs []*cuda.Graph, on bool) {
	for _, g := range graphs {
		g.Profile(on)
	}
}

func opTimes(graphs []*cuda.Graph) map[string]float64 {
	sum := map[string]float64{}
	for _, g := range graphs {
		for op, seconds := range g.OpTimes() {
			sum[op] += seconds
		}
	}
	return sum
}
