package haq

import (
	"context"
	"fmt"

	"vimps-gpu/nn"
	"vimps-gpu/onesot"
)

// System is the search; its fields are its options.
type System struct {
	Episodes       int // for each budget
	WarmUp         int // the last episode that is at random, from 0; the agent learns after it
	FinetuneEpochs int // of a child; 0: calibrated, not trained
	FinetuneImages int // training images that children are fine-tuned on, 0: all
}

// New gives the defaults, for small nets. The authors' are 600 episodes, 20 of them warm-up, and one epoch over 20000
// images.
func New() *System {
	return &System{Episodes: 120, WarmUp: 20, FinetuneEpochs: 1, FinetuneImages: 4096}
}

// Name is the system's.
func (s *System) Name() string { return "haq" }

// About says what it is.
func (s *System) About() string {
	return "reinforcement learning (DDPG) of the bits within each budget, rewarded by short fine-tunes (HAQ, Wang et al., CVPR 2019)"
}

// Defaults: one filter for all bit widths and one batch norm, since one child at a time is trained.
func (s *System) Defaults(d onesot.Settings) onesot.Settings {
	d.SharedWeights, d.Norm = true, nn.NormPlain
	return d
}

// Options are its own numbers.
func (s *System) Options() []onesot.Option {
	return []onesot.Option{
		{Name: "episodes", Usage: "children that are tried for each budget (paper: 600)", Value: &s.Episodes},
		{Name: "warmup-episodes", Usage: "episodes at random before the agent learns", Value: &s.WarmUp},
		{Name: "finetune-epochs", Usage: "epochs that each child is fine-tuned before it is scored; 0: none", Value: &s.FinetuneEpochs},
		{Name: "finetune-images", Usage: "training images of these epochs, 0: all (paper: 20000)", Value: &s.FinetuneImages},
	}
}

// Asks says that children are asked for by their relative costs, each by a search of its own.
func (s *System) Asks() onesot.Asks {
	return onesot.Asks{Kind: onesot.AskBudgets, What: "relative cost", Default: []float64{0.1, 0.15, 0.25, 0.5}}
}

// Check refuses numbers that cannot be, and budgets that no child keeps.
func (s *System) Check(p *onesot.Problem) error {
	switch batch := min(p.Settings.Batch, p.Train.Len()); {
	case s.Episodes < 2 || s.Episodes > 1e6:
		return fmt.Errorf("--episodes %d: want 2 to 1000000", s.Episodes)
	case s.WarmUp < 0 || s.WarmUp > s.Episodes-2: // one more is at random
		return fmt.Errorf("--warmup-episodes %d: want 0 to %d, so that one of --episodes %d is left to the agent", s.WarmUp, s.Episodes-2, s.Episodes)
	case s.FinetuneEpochs < 0 || s.FinetuneEpochs > 1e6:
		return fmt.Errorf("--finetune-epochs %d: want 0 to 1000000", s.FinetuneEpochs)
	case s.FinetuneImages != 0 && s.FinetuneImages < batch:
		return fmt.Errorf("--finetune-images %d: want 0 (all) or a batch of %d or more", s.FinetuneImages, batch)
	case len(p.Space.Gates()) == 0:
		return fmt.Errorf("haq: every gate is pinned, there is nothing to decide")
	}
	return p.CheckBudgets()
}

// Search runs the episodes that are left, budget by budget.
func (s *System) Search(ctx context.Context, p *onesot.Problem) (*onesot.Found, error) {
	r := s.newSearch(p)
	if err := r.run(ctx); err != nil {
		r.free()
		return nil, err
	}
	return &onesot.Found{Points: r.points(), Judge: r.judgeOf, Free: r.free}, nil
}
