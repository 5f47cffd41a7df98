package onesot

import (
	"slices"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
	"vimps-gpu/quant"
)

// gatedRun is a supernet of digitsnet, started from an untrained fp32 net and ready for steps.
type gatedRun struct {
	*Supernet
	set *data.Set
	t   *testing.T
}

// digitsSpace is that of digitsnet with a policy changed by change, nil: the default.
func digitsSpace(t *testing.T, change func(*quant.Policy)) (*nn.Graph, *quant.Space) {
	t.Helper()
	m, err := model.Find("digitsnet")
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Graph(model.Input{H: 8, W: 8, C: 1, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	policy := quant.DefaultPolicy()
	if change != nil {
		change(&policy)
	}
	space, err := quant.NewSpace(g.Layers(), policy)
	if err != nil {
		t.Fatal(err)
	}
	return g, space
}

func newGatedRun(t *testing.T, dev *cuda.Device, build func(g *nn.Graph, space *quant.Space) (*Supernet, error)) gatedRun {
	t.Helper()
	g, space := digitsSpace(t, nil)
	n, err := build(g, space)
	if err != nil {
		t.Fatal(err)
	}
	r := gatedRun{n, digits(t), t}
	fp32 := nn.NewParams(dev, g, nn.Config{})
	fp32.Init(1)
	n.Params.Start(fp32, r.set, r.set.Train)
	n.PrepareTraining(r.set, nn.Augment{})
	return r
}

func twoThreads(t *testing.T) *cuda.Device {
	return openDevice(t, cuda.Options{Device: "host", Threads: 2})
}

// train does all of some steps and calls after with what each came to.
func (r gatedRun) train(steps int, after func(step int, terms Terms)) {
	positions := make([]int, r.Settings.Batch)
	for step := range steps {
		for i := range positions {
			positions[i] = (step*len(positions) + i) % r.set.Train.Len()
		}
		after(step, r.Step(step, steps, r.set.Train, positions))
	}
}

// options gives, for a searched layer, the places of the ones in its rows of z, which must be one-hot; 0 where pinned.
func (r gatedRun) options(z []float32, layer int) (options [2]int) {
	r.t.Helper()
	for kind := range options {
		row := r.Gates.Row(layer, quant.Kind(kind))
		if row == len(r.choice) {
			continue
		}
		values := z[row*cuda.MaxBits:][:len(r.Space.Gate(layer, quant.Kind(kind)).Bits)]
		for i, v := range values {
			if v == 1 {
				options[kind] = i
			} else if v != 0 {
				r.t.Fatalf("layer %d: z is %v, want one 1", layer, values)
			}
		}
		if one := slices.Index(values, 1); one < 0 || slices.Contains(values[one+1:], 1) {
			r.t.Fatalf("layer %d: z is %v, want one 1", layer, values)
		}
	}
	return options
}

// Freeing a supernet of any gating returns all memory that it took.
func TestSupernetFree(t *testing.T) {
	g, space := digitsSpace(t, nil)
	dev := openDevice(t, cuda.Options{Device: "host"})
	cost := quant.BOPs(space)
	before := dev.Bytes()
	for _, m := range []Method{OneShot, DNAS, BayesianBits} {
		var n *Supernet
		var err error
		switch s := Defaults(m, "digitsnet"); m {
		case DNAS:
			n, err = NewPairSupernet(dev, g, space, cost, s, DefaultPairs(space))
		case BayesianBits:
			n, err = NewResidualSupernet(dev, g, space, cost, s, false)
		default:
			n, err = NewSupernet(dev, g, space, cost, s)
		}
		if err != nil {
			t.Fatal(err)
		}
		n.PrepareTraining(digits(t), nn.Augment{})
		n.FinishTraining()
		n.Free()
		if now := dev.Bytes(); now != before {
			t.Errorf("%s: %d bytes before, %d after", m, before, now)
		}
	}
}
