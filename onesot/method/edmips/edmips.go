// Package edmips is EdMIPS (Cai and Vasconcelos, CVPR 2020): gates are the softmax of free logits, one filter serves all
// bit widths, and the expected cost is added to the loss.
//
// Its quantizers, batch norm order and space are those of every system here, not the source's; nor do filters start
// from scratch, and logits are Adam's, where the source has SGD at a tenth of the filters' rate. The source's penalty cd is
// 0.786/0.00335 times smaller than eta on ResNet-18: it weighs costs against the first layer's, eta against those of the
// widest child.
package edmips

import (
	"context"

	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method/restart"
)

// System is the search; it has no options of its own.
type System struct{}

// New gives the system.
func New() *System { return &System{} }

// Name is the system's.
func (*System) Name() string { return "edmips" }

// About says what it is.
func (*System) About() string {
	return "a supernet for each hardware penalty: softmax gates, one filter for all bit widths, additive cost (EdMIPS, Cai and Vasconcelos, CVPR 2020)"
}

// Defaults are those of onesot.EdMIPS, with the logits' learning rate, 0, left to the length of the training.
func (*System) Defaults(s onesot.Settings) onesot.Settings {
	s = s.For(onesot.EdMIPS)
	s.ThetaLR = 0
	return s
}

// Options are none.
func (*System) Options() []onesot.Option { return nil }

// Asks says that each penalty eta is a training. The ladder is our own: about equal ratios over what a front spans.
func (*System) Asks() onesot.Asks {
	return onesot.Asks{Kind: onesot.AskPenalties, What: "hardware penalty eta", Default: []float64{0.01, 0.03, 0.1, 0.3, 1, 3}}
}

// Check refuses penalties that cannot be.
func (*System) Check(p *onesot.Problem) error { return restart.Check(p) }

// Search trains a supernet for each eta.
func (*System) Search(ctx context.Context, p *onesot.Problem) (*onesot.Found, error) {
	return restart.Search(ctx, p, func(p *onesot.Problem, eta float64) (*onesot.Supernet, error) {
		s := p.Settings
		s.Eta, s.ThetaLR = eta, restart.GateRate(p, restart.LogitReach)
		return onesot.NewSupernet(p.Dev, p.Graph, p.Space, p.Cost, s)
	})
}
