package onesot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
	"vimps-gpu/nn/weights"
	"vimps-gpu/onesot/tensorboard"
	"vimps-gpu/quant"
)

// Search is a run in memory: a problem, the system that works on it, and, after Run, what it found.
type Search struct {
	*Problem
	System System
	Found  *Found

	run *Run
}

// NewSearch builds what a run needs from its configuration and data. custom, where not nil, makes the cost table that
// replaces the configuration's.
func NewSearch(dev *cuda.Device, run *Run, set *data.Set, system System, custom func(*quant.Space) (*quant.CostTable, error)) (*Search, error) {
	c := run.Config
	if c.DataHash != set.Hash {
		return nil, fmt.Errorf("data %s: its images are not those of the run in %s (sha256 %.12s..., then %.12s...)", c.Data, run.Dir, set.Hash, c.DataHash)
	}
	p := &Problem{Dev: dev, World: run.world(), Set: set, Settings: c.Settings, Asked: c.Asked, Account: &Account{}}
	p.State = &Checkpoint{p: p, run: run}
	var err error
	if p.Model, err = model.Find(c.Model); err != nil {
		return nil, err
	}
	if p.Graph, p.Space, err = NetAndSpace(c, set); err != nil {
		return nil, err
	}
	p.Cost = quant.BOPs(p.Space)
	if custom == nil && c.Cost != "" {
		custom = func(s *quant.Space) (*quant.CostTable, error) { return quant.OpenCost(c.Cost, s) }
	}
	if custom != nil {
		if p.Cost, err = custom(p.Space); err != nil {
			return nil, err
		}
	}
	if _, err := p.Cost.Normalised(); err != nil {
		return nil, err
	}
	p.Train, p.Val = Splits(c, set)
	if p.Val.Len() == 0 {
		return nil, fmt.Errorf("--hold-out %g: no image is left to select children by", c.Settings.HoldOut)
	}
	if p.Graph.Restores() {
		if err := p.checkRestored(); err != nil {
			return nil, err
		}
	}
	if p.Train.Len() < c.Settings.Batch {
		return nil, fmt.Errorf("--batch %d: there are only %d training images", c.Settings.Batch, p.Train.Len())
	}
	return &Search{Problem: p, System: system, run: run}, system.Check(p)
}

// Close returns what the search holds on the device.
func (s *Search) Close() {
	if s.Found != nil {
		s.Found.Free()
	}
	if s.FP32 != nil {
		s.FP32.Free()
	}
}

// Execute runs what is left of the search: the fp32 net, then the system, from the state on disk where there is one.
func (s *Search) Execute(ctx context.Context, o Options) (err error) {
	s.Options = o
	if o.TensorBoard && s.run.leads() {
		s.State.board = &board{run: s.run, writers: map[string]*tensorboard.Writer{}}
		defer func() { err = errors.Join(err, s.State.board.close()) }()
	}
	if err := s.prepareFP32(ctx); err != nil {
		return err
	}
	s.Account.Start()
	defer s.Account.Stop()
	if s.Found, err = s.System.Search(ctx, s.Problem); err != nil {
		return err
	}
	if o.Trained {
		return nil
	}
	return s.State.byLeader(s.State.writeAccount)
}

// prepareFP32 has the fp32 net read, or trained, and evaluated. fp32.safetensors in the run directory marks the end of
// it.
func (s *Search) prepareFP32(ctx context.Context) error {
	p := s.Problem
	p.FP32 = nn.NewParams(p.Dev, p.Graph, nn.Config{Adam: p.Settings.Optimizer == Adam})
	done, err := s.readFP32()
	if done || err != nil {
		return err
	}
	if p.Options.Trained {
		return fmt.Errorf("run directory %s: its training has not ended; go on with it by search --resume", s.run.Dir)
	}
	if err := s.trainFP32(ctx); err != nil {
		return err
	}
	e := nn.NewEvaluator(p.FP32, nil, p.Set, p.Model.Augment)
	m := p.Metric()
	p.FP32Accuracy = Accuracy{m, m.Of(e.Score(p.Val)), m.Of(e.Score(p.Set.Test))}
	e.Free()
	text, err := json.Marshal(p.FP32Accuracy)
	if err != nil {
		return err
	}
	return p.State.byLeader(func() error {
		return weights.WriteFile(s.run.path(fp32File), p.FP32.Export(), map[string]string{"accuracy": string(text)})
	})
}

// readFP32 reads fp32.safetensors, if it is there.
func (s *Search) readFP32() (bool, error) {
	f, err := s.run.readTensors(fp32File)
	if f == nil || err != nil {
		return false, err
	}
	if err := json.Unmarshal([]byte(f.Metadata["accuracy"]), &s.FP32Accuracy); err != nil {
		return false, fmt.Errorf("%s: its accuracy: %w", f.Path, err)
	}
	_, err = s.FP32.Load(f)
	return true, err
}

// trainFP32 reads the fp32 net from the weights file that was given, or trains it.
func (s *Search) trainFP32(ctx context.Context) error {
	p, c := s.Problem, s.run.Config
	if c.Weights != "" {
		f, err := model.ReadWeights(c.Weights, p.Graph)
		if err == nil {
			_, err = p.FP32.Load(f)
		}
		if err != nil {
			return fmt.Errorf("--weights: %w", err)
		}
		return nil
	}
	t := &Training{Phase: PhaseFP32, Epochs: c.Settings.PretrainEpochs}
	trainer := NewPretrainer(p.World, p.FP32, c.Settings, p.Set, p.Model.Augment)
	defer trainer.Free()
	found, err := p.State.read(PhaseFP32, &t.TrainingNote, trainer.State)
	if err != nil {
		return err
	}
	if !found {
		trainer.Start()
	}
	t.Trainer = trainer
	t.Save = func() error { return p.State.write(PhaseFP32, t.TrainingNote, trainer.State()) }
	if err := p.Run(ctx, t); err != nil {
		return err
	}
	p.Account.Forward, p.Account.Backward = 0, 0 // every system starts from the same net
	return nil
}

// Front gathers evaluated children.
func (s *Search) Front(points []Point) *Front {
	c := s.run.Config
	return &Front{Method: s.System.Name(), Model: c.Model, Data: c.Data, Metric: s.Metric(), FP32: &s.FP32Accuracy, Bicubic: s.Bicubic(), Points: points,
		Cost: CostInfo{Name: s.Cost.Name, Unit: s.Cost.Unit, Definition: s.Cost.Definition, Max: s.Cost.Max()}}
}
