package onesot

import (
	"fmt"

	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
	"vimps-gpu/quant"
)

// NetAndSpace builds a configuration's net for a data set, and the space of its bit widths.
func NetAndSpace(c Config, set *data.Set) (*nn.Graph, *quant.Space, error) {
	m, err := model.Find(c.Model)
	if err != nil {
		return nil, nil, err
	}
	g, err := m.Graph(model.InputOf(set))
	if err != nil {
		return nil, nil, err
	}
	space, err := c.Space(g.Layers())
	return g, space, err
}

// Space is what the configuration searches in a net of these layers.
func (c Config) Space(layers []quant.Layer) (*quant.Space, error) {
	policy, err := c.Policy()
	if err != nil {
		return nil, err
	}
	return quant.NewSpace(layers, policy)
}

// Policy says which bit widths the configuration searches.
func (c Config) Policy() (quant.Policy, error) {
	policy := quant.Policy{WeightBits: c.WeightBits, InputBits: c.InputBits}
	if c.Rules != nil {
		policy.Constraints, policy.Constraints.File = *c.Rules, c.Constraints
	}
	var err error
	if policy.First, err = quant.ParsePin(c.FirstLayer); err != nil {
		return policy, fmt.Errorf("--first-layer: %w", err)
	}
	if policy.Last, err = quant.ParsePin(c.LastLayer); err != nil {
		return policy, fmt.Errorf("--last-layer: %w", err)
	}
	return policy, nil
}

// Splits cuts the training images in two: those that are trained on and those that children are selected by. Test
// images select nothing. Those of super-resolution are trained on as patches.
func Splits(c Config, set *data.Set) (train, val data.Split) {
	all := set.Train
	if c.TrainImages > 0 && c.TrainImages < all.Len() {
		_, all = all.Holdout(float64(c.TrainImages)/float64(all.Len()), c.Settings.Seed)
	}
	train, val = all.Holdout(c.Settings.HoldOut, c.Settings.Seed)
	return train.Patches(), val
}
