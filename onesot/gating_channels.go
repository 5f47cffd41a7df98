package onesot

import (
	"fmt"
	"slices"
	"strings"

	"vimps-gpu/cuda"
	"vimps-gpu/quant"
)

// channelGates prune: a hard-concrete gate multiplies the filter of each output channel (z_2 of van Baalen et al. 2020, weights
// only), and the mean over a layer's channels of P(z > 0) multiplies the penalty of its filters. Their phi stand behind those of
// the levels, in the same group. Which channels are pruned follows from phi alone, so that it is part of the net's state, the
// same for all its children. Costs of children and the expected cost count whole layers: no assignment has 0 bits.
//
// A pruned channel is 0 before its norm and the norm's beta behind it, where statistics are re-estimated. Behind an addition
// the shortcut goes on through it: there a filter is saved, not a channel.
type channelGates struct {
	layers []int // of the space
	gate   cuda.ChannelGateTensors
	dphi   *cuda.Tensor
	child  *cuda.Graph // phi -> z of the child
}

// prunable are the layers whose filters' bits are searched and which a norm follows. That leaves out the logits. Depthwise layers are
// left out as in the source's code: each input channel has its one filter.
func (n *Supernet) prunable() (layers []int) {
	convs := n.Params.Graph.Convs()
	for _, norm := range n.Params.Norms {
		if norm.Layer >= 0 && len(n.Space.Weight[norm.Layer]) > 1 && n.Params.Graph.Nodes[convs[norm.Layer]].Conv.Groups == 1 {
			layers = append(layers, norm.Layer)
		}
	}
	slices.Sort(layers)
	return slices.Compact(layers)
}

// newChannelGates are the gates of layers whose phi h has behind its rows; levels is what residualCosts says.
func newChannelGates(h *hardConcrete, layers []int, levels []float32) *channelGates {
	n, before := h.n, len(levels)
	count := h.phi.Value.Len() - before
	c := &channelGates{layers: layers, dphi: h.dphi.View(before, count)}
	c.gate = cuda.ChannelGateTensors{Phi: h.phi.Value.View(before, count), Z: n.own.zeros(count), DZ: n.own.zeros(count),
		Slope: n.own.zeros(count), Cost: n.own.floats(levels, len(h.counts), cuda.MaxBits)}
	first, rows := []int32{0}, []int32{}
	for _, layer := range layers {
		at, k := int(first[len(first)-1]), n.Space.Layers[layer].OutChannels
		l := &n.Params.Layers[layer]
		l.Prune, l.DPrune = c.gate.Z.View(at, k), c.gate.DZ.View(at, k)
		first, rows = append(first, int32(at+k)), append(rows, int32(n.Gates.Row(layer, quant.Weight)))
	}
	c.gate.First, c.gate.Row = n.own.ints(first, len(first)), n.own.ints(rows, len(rows))
	c.child = n.Dev.Record(func() { cuda.ChannelGates(h.gate.Cost, c.gate, h.childMode, n.ctl.noise) })
	n.channels = c
	return c
}

// pruned are the channels of a layer whose gates are closed in every child.
func (q *Quantized) pruned(layer int) (channels []int) {
	if q.channels == nil || !slices.Contains(q.channels.layers, layer) {
		return nil
	}
	q.channels.child.Launch()
	for k, z := range q.Params.Layers[layer].Prune.Get(nil) {
		if z == 0 {
			channels = append(channels, k)
		}
	}
	return channels
}

// PruneNote tells in a line how many output channels of each layer are pruned; "" where no gate prunes.
func (q *Quantized) PruneNote() string {
	if q.channels == nil {
		return ""
	}
	pruned, of, list := 0, 0, []string{}
	for _, layer := range q.channels.layers {
		l := q.Space.Layers[layer]
		n := len(q.pruned(layer))
		pruned, of = pruned+n, of+l.OutChannels
		list = append(list, fmt.Sprintf("%s %d/%d", l.Name, n, l.OutChannels))
	}
	return fmt.Sprintf("%d of %d output channels are pruned: %s", pruned, of, strings.Join(list, ", "))
}
