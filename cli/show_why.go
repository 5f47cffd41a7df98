package cli

import (
	"vimps-gpu/nn"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// sayWhy tells of each layer why it is not searched, and which layer before it reads the same value.
func sayWhy(layers []shownLayer, g *nn.Graph, space *quant.Space, config onesot.Config) {
	first := map[int]string{} // node -> layer that reads it
	for k, node := range g.Convs() {
		in := g.Nodes[node].In[0]
		if layers[k].Shared = first[in]; first[in] == "" {
			first[in] = layers[k].Name
		}
		if len(space.Weight[k]) > 1 || len(space.Input[k]) > 1 {
			continue
		}
		switch {
		case k == 0 && config.FirstLayer != "search":
			layers[k].Pinned = "first layer"
		case k == len(layers)-1 && config.LastLayer != "search":
			layers[k].Pinned = "last layer"
		case config.Constraints != "":
			layers[k].Pinned = "constraints"
		default:
			layers[k].Pinned = "one candidate"
		}
	}
}

// searched is the last column of a layer.
func searched(l shownLayer) string {
	text := "yes"
	if l.Pinned != "" {
		text = "no: " + l.Pinned
	}
	if l.Shared != "" {
		text += "; input of " + l.Shared
	}
	return text
}
