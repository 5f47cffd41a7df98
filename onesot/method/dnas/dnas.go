// Package dnas is DNAS (Wu et al., 2018, "Mixed precision quantization of ConvNets via differentiable neural architecture
// search"): Gumbel gates, a filter for each bit width, and a loss that is multiplied by (log cost)^gamma.
//
// There is no official code. Our reading: each layer's weight and input bits are chosen apart, as by the other systems,
// unless --space pairs asks for the source's joint choice; weights and gates take the same batches from warm-up on, where the paper
// alternates between two parts of the images; and the exponent gamma is the penalty that the front is read along, its
// factor beta being a scale of the loss alone. Ours too: the mixed operands are convolved once, where the source runs a
// convolution, with a batch norm of its own, for each option; quantizers, pinned ends, temperatures and optimizers are
// those of every system here; and the child is the most probable one, where the source trains several that it draws.
package dnas

import (
	"context"
	"fmt"

	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method/restart"
	"vimps-gpu/quant"
)

// System is the search; its fields are its options.
type System struct {
	Space string // "gates" or "pairs"
	Pairs string // weight/input bits, such as "2/4,4/4"; "": onesot.DefaultPairs
}

// New gives the defaults.
func New() *System { return &System{Space: "gates"} }

// Name is the system's.
func (*System) Name() string { return "dnas" }

// About says what it is.
func (*System) About() string {
	return "a supernet for each exponent of the cost: Gumbel gates, multiplicative cost (DNAS, Wu et al. 2018)"
}

// Defaults are those of onesot.DNAS, with the logits' learning rate, 0, left to the length of the training.
func (*System) Defaults(s onesot.Settings) onesot.Settings {
	s = s.For(onesot.DNAS)
	s.ThetaLR = 0
	return s
}

// Options are its own.
func (s *System) Options() []onesot.Option {
	return []onesot.Option{
		{Name: "space", Usage: "gates: a layer's weight and input bits are chosen apart; pairs: together, from --pairs, as in the source", Value: &s.Space},
		{Name: "pairs", Usage: "weight/input bits that a layer may have, such as 2/4,4/4,8/8; none: near pairs of the candidates", Value: &s.Pairs},
	}
}

// Asks says that each exponent gamma is a training. The ladder is our own: the loss that gamma multiplies falls,
// so that from a trained net much more than the paper's 0.9 is wanted.
func (*System) Asks() onesot.Asks {
	return onesot.Asks{Kind: onesot.AskPenalties, What: "exponent gamma of the cost", Default: []float64{1, 3, 10, 30, 100}}
}

// Check refuses penalties that cannot be and pairs that no layer has.
func (s *System) Check(p *onesot.Problem) error {
	switch {
	case s.Space == "pairs":
		if err := p.RefuseTies("dnas --space pairs", "it draws a pair of bits for each layer"); err != nil {
			return err
		}
		list, err := s.pairs(p.Space)
		if err == nil {
			_, err = onesot.AllowedPairs(p.Space, list)
		}
		if err != nil {
			return err
		}
	case s.Space != "gates":
		return fmt.Errorf("--space %q: want gates or pairs", s.Space)
	case s.Pairs != "":
		return fmt.Errorf("--pairs %s: want --space pairs with it", s.Pairs)
	}
	return restart.Check(p)
}

func (s *System) pairs(space *quant.Space) ([][2]int, error) {
	if s.Pairs == "" {
		return onesot.DefaultPairs(space), nil
	}
	return onesot.ParsePairs(s.Pairs)
}

// Search trains a supernet for each gamma.
func (s *System) Search(ctx context.Context, p *onesot.Problem) (*onesot.Found, error) {
	return restart.Search(ctx, p, s.build)
}

func (s *System) build(p *onesot.Problem, gamma float64) (*onesot.Supernet, error) {
	settings := p.Settings
	settings.Gamma, settings.ThetaLR = gamma, restart.GateRate(p, restart.LogitReach)
	if s.Space != "pairs" {
		return onesot.NewSupernet(p.Dev, p.Graph, p.Space, p.Cost, settings)
	}
	list, err := s.pairs(p.Space)
	if err != nil {
		return nil, err
	}
	return onesot.NewPairSupernet(p.Dev, p.Graph, p.Space, p.Cost, settings, list)
}
