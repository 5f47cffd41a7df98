// Package oneshot is One-Shot MPS (Koryakovskiy et al., CVPR 2023): one supernet is trained for all hardware penalties
// of a range, with a BitModel that predicts the bit widths from the penalty. The mathematics is onesot's.
package oneshot

import (
	"context"

	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// System is the search; its numbers are all in onesot.Settings.
type System struct{}

// New gives the system.
func New() *System { return &System{} }

// Name is the system's.
func (*System) Name() string { return "oneshot" }

// About says what it is.
func (*System) About() string {
	return "one supernet and a BitModel for all hardware penalties (One-Shot MPS, Koryakovskiy et al., CVPR 2023)"
}

// Defaults are those of onesot.OneShot.
func (*System) Defaults(s onesot.Settings) onesot.Settings { return s.For(onesot.OneShot) }

// Options are none.
func (*System) Options() []onesot.Option { return nil }

// Asks says that one training answers every penalty eta.
func (*System) Asks() onesot.Asks {
	return onesot.Asks{Kind: onesot.AskEtas, What: "hardware penalty eta"}
}

// Check refuses nothing.
func (*System) Check(*onesot.Problem) error { return nil }

// Search trains the supernet, or goes on with it, and evaluates the children that the BitModel predicts for p.Asked.
func (*System) Search(ctx context.Context, p *onesot.Problem) (*onesot.Found, error) {
	net, err := onesot.NewSupernet(p.Dev, p.Graph, p.Space, p.Cost, p.Settings)
	if err != nil {
		return nil, err
	}
	found := &onesot.Found{Free: net.Free}
	if err := search(ctx, p, net, found); err != nil {
		found.Free()
		return nil, err
	}
	return found, nil
}

func search(ctx context.Context, p *onesot.Problem, net *onesot.Supernet, found *onesot.Found) error {
	var note onesot.TrainingNote
	resumed, err := p.State.Read(&note, net.State)
	if err != nil {
		return err
	}
	if !resumed {
		net.Start(p)
	}
	if err := net.Train(ctx, p, 0, 1, &note, func() error { return p.State.Write(note, net.State()) }); err != nil {
		return err
	}
	judge := onesot.NewJudge(p, net.Quantized)
	found.Free = func() { judge.Free(); net.Free() }
	found.Judge = func(context.Context, quant.Assignment) (*onesot.Judge, error) { return judge, nil }
	found.Predictions = net.Predict(p.Asked)
	found.Points, err = judge.Children(ctx, found.Predictions, func(done, of int, _ onesot.Point) { p.Options.Evaluated("children", done, of) })
	return err
}
