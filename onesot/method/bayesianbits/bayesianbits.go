// Package bayesianbits is Bayesian Bits (van Baalen et al., NeurIPS 2020): one range a tensor, a residual quantizer whose
// levels double the bits, and hard-concrete gates that open or close the levels. The net and its penalty are
// onesot.NewResidualSupernet.
//
// Of the source: the decomposition, the gates, their start and threshold, the penalty, additive over tensors, and its
// weights mu, and, where Prune is set, its gates of output channels. Our reading: costs count whole layers all the same; ranges are learned as steps in the logarithm, by the optimizer that
// every system here has for them; batch norm is not folded; and the fine-tuning behind the search is fine-tune's.
package bayesianbits

import (
	"context"

	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method/restart"
)

// System is the search.
type System struct {
	Prune bool // a gate for each output channel, too
}

// New gives the system.
func New() *System { return &System{} }

// Name is the system's.
func (*System) Name() string { return "bayesianbits" }

// About says what it is.
func (*System) About() string {
	return "a net for each penalty: residual quantizers behind hard-concrete gates (Bayesian Bits, van Baalen et al., NeurIPS 2020)"
}

// Defaults are those of onesot.BayesianBits, with the gates' learning rate, 0, left to the length of the training.
func (*System) Defaults(s onesot.Settings) onesot.Settings {
	s = s.For(onesot.BayesianBits)
	s.ThetaLR = 0
	return s
}

// Options are whether channels are pruned.
func (s *System) Options() []onesot.Option {
	return []onesot.Option{{Name: "prune", Usage: "hard-concrete gates of output channels too; costs still count whole layers", Value: &s.Prune}}
}

// Asks says that each penalty mu is a training. The ladder is the source's, 0.01 to 0.2, and a
// penalty below.
func (*System) Asks() onesot.Asks {
	return onesot.Asks{Kind: onesot.AskPenalties, What: "penalty mu", Default: []float64{0.003, 0.01, 0.03, 0.07, 0.2}}
}

// Check refuses bits that do not double, norms that need one-hot gates, and penalties that cannot be.
func (y *System) Check(p *onesot.Problem) error {
	if y.Prune {
		if err := p.RefuseTies("bayesianbits that prunes", "the channels of each layer weigh its penalty"); err != nil {
			return err
		}
	}
	if err := onesot.CheckResidual(p.Space, p.Settings.Norm); err != nil {
		return err
	}
	return restart.Check(p)
}

// Search trains a net for each mu.
func (y *System) Search(ctx context.Context, p *onesot.Problem) (*onesot.Found, error) {
	found, err := restart.Search(ctx, p, func(p *onesot.Problem, mu float64) (*onesot.Supernet, error) {
		s := p.Settings
		s.Eta, s.ThetaLR = mu, restart.GateRate(p, reach)
		return onesot.NewResidualSupernet(p.Dev, p.Graph, p.Space, p.Cost, s, y.Prune)
	})
	if err == nil && y.Prune {
		found.Notes = append(found.Notes, "costs count whole layers, pruned channels included")
	}
	return found, err
}

// reach is how far Adam can move a gate's phi in the source's training: 30 epochs of 3336 steps at a rate of 1e-3, a tenth
// of it from the 10th and a hundredth from the 20th epoch on. A gate starts at 6 and closes below -1: in a shorter
// training at the source's rate none would.
const reach = 37
