package bench

import (
	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// Where in a run the timed steps lie: after the warm-up, so that theta is trained, and before samples are one-hot.
const (
	firstStep = 300_000
	allSteps  = 1_000_000
)

// every is all positions of a split.
func every(s data.Split) []int {
	positions := make([]int, s.Len())
	for i := range positions {
		positions[i] = i
	}
	return positions
}

// supernetStep is a whole step of the search, as onesot takes it.
func supernetStep(dev *cuda.Device, g *nn.Graph, o StepOptions, fp32 *nn.Params, set *data.Set, a nn.Augment) (*stepper, error) {
	n, err := newSupernet(dev, g, o, fp32, set, a)
	if err != nil {
		return nil, err
	}
	positions := every(set.Train)
	return &stepper{
		kind:    "supernet",
		step:    func(i int) { n.Step(firstStep+i, allSteps, set.Train, positions) },
		profile: n.Profile, ops: n.OpTimes,
		free: func() { n.FinishTraining(); n.Params.Free() },
	}, nil
}

// newSupernet is a supernet that starts from a net in fp32 and is ready for steps.
func newSupernet(dev *cuda.Device, g *nn.Graph, o StepOptions, fp32 *nn.Params, set *data.Set, a nn.Augment) (*onesot.Supernet, error) {
	space, err := quant.NewSpace(g.Layers(), o.Policy)
	if err != nil {
		return nil, err
	}
	n, err := onesot.NewSupernet(dev, g, space, quant.BOPs(space), o.Settings)
	if err != nil {
		return nil, err
	}
	n.World = o.World
	n.Params.Start(fp32, set, set.Train)
	n.PrepareTraining(set, a)
	return n, nil
}

// childStep is a step of the child of 4 bits (or the widest below) inside the supernet: one-hot gates through the same
// plan, which still holds every candidate.
func childStep(dev *cuda.Device, g *nn.Graph, o StepOptions, fp32 *nn.Params, set *data.Set, a nn.Augment) (*stepper, error) {
	space, err := quant.NewSpace(g.Layers(), o.Policy)
	if err != nil {
		return nil, err
	}
	return quantizedStep(dev, g, o, space, fp32, set, a, "child in the supernet")
}

// fixedStep is a step of a net that has 4 bits only, as in training one child further.
func fixedStep(dev *cuda.Device, g *nn.Graph, o StepOptions, fp32 *nn.Params, set *data.Set, a nn.Augment) (*stepper, error) {
	policy := o.Policy
	policy.WeightBits, policy.InputBits = []int{fixedBits}, []int{fixedBits}
	space, err := quant.NewSpace(g.Layers(), policy)
	if err != nil {
		return nil, err
	}
	return quantizedStep(dev, g, o, space, fp32, set, a, "fixed bits")
}

const fixedBits = 4

// nearest is the widest candidate of at most fixedBits, else the narrowest.
func nearest(bits []int) (at int) {
	for i, b := range bits {
		if b <= fixedBits {
			at = i
		}
	}
	return at
}

func quantizedStep(dev *cuda.Device, g *nn.Graph, o StepOptions, space *quant.Space, fp32 *nn.Params, set *data.Set, a nn.Augment, kind string) (*stepper, error) {
	w, x := make([]int, len(space.Layers)), make([]int, len(space.Layers))
	for k := range space.Layers {
		w[k], x[k] = nearest(space.Weight[k]), nearest(space.Input[k])
	}
	params := nn.NewParams(dev, g, nn.Config{Space: space, Norm: o.Settings.Norm, SharedWeights: o.Settings.SharedWeights})
	params.Start(fp32, set, set.Train)
	gates := nn.NewGates(dev, space)
	gates.SetChild(space, quant.Choose(space, w, x))
	plan := nn.NewPlan(params, gates, nn.NewScalars(dev), nn.PlanOptions{Batch: o.Settings.Batch, Train: true})
	feed := nn.NewFeed(plan, set.Mean, set.Std, a)
	rate, bias := dev.From([]float32{1e-3}, 1), dev.From([]float32{0.1, 0.01}, 2)
	graph := dev.Record(func() {
		cuda.Zero(gates.DZ)
		feed.Emit()
		plan.PackFilters()
		plan.Forward()
		plan.Backward()
		f, n, s := params.Groups[nn.Filters], params.Groups[nn.Affine], params.Groups[nn.Steps]
		cuda.SGD(f.Value, f.Grad, f.M, rate, 0.9, float32(o.Settings.WeightDecay))
		cuda.SGD(n.Value, n.Grad, n.M, rate, 0.9, 0)
		cuda.LogAdam(s.Value, s.Grad, s.M, s.V, rate, bias, 0.9, 0.99, 1e-12)
	})
	positions := every(set.Train)
	return &stepper{
		kind: kind,
		step: func(i int) {
			feed.Fill(set.Train, positions, nn.Draw{Seed: o.Settings.Seed, Batch: uint64(i)})
			graph.Launch()
		},
		profile: graph.Profile, ops: graph.OpTimes,
		free: func() { graph.Free(); plan.Free(); params.Free() },
	}, nil
}

// fp32Step is a training step of the net before quantization.
func fp32Step(o StepOptions, fp32 *nn.Params, set *data.Set, a nn.Augment) *stepper {
	t := onesot.NewPretrainer(job.Alone(), fp32, o.Settings, set, a)
	positions := every(set.Train)
	return &stepper{
		kind:    "fp32",
		step:    func(i int) { t.Step(firstStep+i, allSteps, set.Train, positions) },
		profile: t.Profile, ops: t.OpTimes,
		free: t.Free,
	}
}
