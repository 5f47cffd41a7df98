package haq

import (
	"math"

	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// The places in a state that change along an episode.
const (
	previousAction = features - 2 // bits chosen last, the widest candidate of the space = 1; 1 at the start
	weightFlag     = features - 1 // 1: weights are decided, 0: the input
)

// decision is one searched gate and what its state is but for the previous action.
type decision struct {
	quant.Gate
	state [features]float64
}

// decisions lists the searched gates in the order in which an episode decides them: layer by layer, weights first. The
// state of a layer is, as in the authors' code, whether it is depthwise, its input and output channels, stride, kernel,
// weights, pixels of its input and its number, each scaled over all layers of the net to 0 to 1. Ours: what is the same
// in all layers is 0; a depthwise convolution has more than one group.
func decisions(g *nn.Graph, space *quant.Space) []decision {
	layers := layerFeatures(g)
	var list []decision
	for _, gate := range space.Gates() {
		d := decision{Gate: gate, state: layers[gate.Layer]}
		if gate.Kind == quant.Weight {
			d.state[weightFlag] = 1
		}
		list = append(list, d)
	}
	return list
}

func layerFeatures(g *nn.Graph) [][features]float64 {
	var rows [][features]float64
	for k, node := range g.Convs() {
		n := g.Nodes[node]
		in, c := g.Nodes[n.In[0]], n.Conv
		row := [features]float64{1: float64(in.C), 2: float64(n.C), 3: float64(c.Stride), 4: float64(c.R),
			5: float64(n.C * c.R * c.S * in.C / c.Groups), 6: float64(in.H * in.W), 7: float64(k)}
		if c.Groups > 1 && c.Groups == in.C {
			row[0] = 1
		}
		if in.H*in.W == 1 {
			row[3] = 0 // a linear layer's stride
		}
		rows = append(rows, row)
	}
	for f := range previousAction {
		scale(rows, f)
	}
	return rows
}

// scale brings one feature of all layers to 0 to 1.
func scale(rows [][features]float64, f int) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, r := range rows {
		lo, hi = min(lo, r[f]), max(hi, r[f])
	}
	for i := range rows {
		if hi > lo {
			rows[i][f] = single((rows[i][f] - lo) / (hi - lo))
		} else {
			rows[i][f] = 0
		}
	}
}

// candidate is the one of n that an action u in [0, 1] means: equal shares of the range. For widths without a gap it is
// the authors' bits = round((max-min+1) u + min - 1/2).
func candidate(u float64, n int) int {
	return min(max(int(math.RoundToEven(float64(n)*u-0.5)), 0), n-1)
}

// episode decides every gate. The transitions have no reward yet; weight and input are the candidates of all layers,
// before the wall, 0 where there is one.
func episode(list []decision, space *quant.Space, act func(state [features]float64, i int) float64) (t []transition, weight, input []int) {
	weight, input = make([]int, len(space.Layers)), make([]int, len(space.Layers))
	widest, previous := 0, 1.0
	for _, d := range list {
		widest = max(widest, d.Bits[len(d.Bits)-1])
	}
	for i, d := range list {
		state := d.state
		state[previousAction] = previous
		u := act(state, i)
		c := candidate(u, len(d.Bits))
		if d.Kind == quant.Weight {
			weight[d.Layer] = c
		} else {
			input[d.Layer] = c
		}
		previous = single(float64(d.Bits[c]) / float64(widest))
		if i > 0 {
			t[i-1].next = state
		}
		t = append(t, transition{state: state, action: u, last: i == len(list)-1})
	}
	return t, weight, input
}
