package restart

import "vimps-gpu/onesot"

// LogitReach is how far free logits should be able to move, our choice: far enough for any gate to make up its mind
// (10 leaves a share of 5e-5 to a candidate that lost) in a training of whatever length.
const LogitReach = 10

// GateRate is the learning rate of free logits: Settings.ThetaLR or, where that is 0, the one at which Adam can move a
// logit by reach in the training. Adam moves it by the rate a step at most, whose schedule has a mean of 0.55; at a
// fixed rate, gates of a short training stay near where they started, and its child is a coin toss.
func GateRate(p *onesot.Problem, reach float64) float64 {
	if p.Settings.ThetaLR > 0 {
		return p.Settings.ThetaLR
	}
	steps := p.Steps(&onesot.Training{Epochs: p.Settings.Epochs})
	return min(1, reach/(0.55*float64(steps)))
}
