package model_test

import (
	"slices"
	"testing"

	"vimps-gpu/nn"
	"vimps-gpu/nn/model"
	"vimps-gpu/quant"
)

// A child inside a supernet with a norm for each pair of widths gives the same bits as the child taken out of it, in nets with
// bottlenecks, PReLUs, shuffles and capped relus.
func TestChildrenOfModels(t *testing.T) {
	dev := openHost(t)
	for _, c := range goldens(t) {
		if len(c.Tensors) == 0 || c.Name == "mobilenetv2, timm" || c.Model == "resnet18" { // the latter's are resnet20's ops and a pool
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			fp32 := nn.NewParams(dev, c.graph(t), nn.Config{})
			defer fp32.Free()
			if _, err := fp32.Load(c.file(t)); err != nil {
				t.Fatal(err)
			}
			space, err := quant.NewSpace(fp32.Graph.Layers(), quant.DefaultPolicy())
			if err != nil {
				t.Fatal(err)
			}
			super := nn.NewParams(dev, fp32.Graph, nn.Config{Space: space, Norm: nn.NormPair})
			defer super.Free()
			fill(super, fp32)
			a := quant.MaxAssignment(space)
			if !c.searched(t, space, &a) {
				t.Fatal("nothing is searched")
			}
			one := space.Only(a)
			child := nn.NewParams(dev, fp32.Graph, nn.Config{Space: one, Norm: nn.NormPlain})
			defer child.Free()
			for i := range child.Layers {
				w, x := space.Choice(a, i)
				child.Layers[i].TakeChild(&super.Layers[i], w, x)
			}
			for i := range child.Norms {
				n := &super.Norms[i]
				w, _ := space.Choice(a, n.Layer)
				_, x := space.Choice(a, n.InputLayer)
				child.Norms[i].TakeChild(n, w, x)
			}
			child.TakeSlopes(super)
			inside, alone := run(super, space, a, c.Input), run(child, one, a, c.Input)
			if !slices.Equal(inside, alone) || inside[0] == inside[1] {
				t.Errorf("inside the supernet %v..., alone %v...", inside[:2], alone[:2])
			}
		})
	}
}

// searched takes the middle candidates where there is a choice.
func (c golden) searched(t *testing.T, s *quant.Space, a *quant.Assignment) (any bool) {
	t.Helper()
	var weights, inputs []int
	for i := range s.Layers {
		weights, inputs = append(weights, s.Weight[i][len(s.Weight[i])/2]), append(inputs, s.Input[i][len(s.Input[i])/2])
		any = any || len(s.Weight[i]) > 1
	}
	var err error
	if *a, err = quant.NewAssignment(s, weights, inputs); err != nil {
		t.Fatal(err)
	}
	return any
}

// fill gives a supernet the fp32 net's values, a different norm for each pair of widths, and steps that use the codes.
func fill(super, fp32 *nn.Params) {
	for i := range super.Layers {
		l := &super.Layers[i]
		l.SetFilter(fp32.Layers[i].W.Get(nil))
		l.WStep.Set(hashed("steps "+l.Name, l.WStep.Len(), 0.02, 0.1))
		l.XStep.Set(hashed("input steps "+l.Name, l.XStep.Len(), 0.05, 0.2))
		if l.Bias != nil {
			l.Bias.CopyFrom(fp32.Layers[i].Bias)
		}
	}
	for i := range super.Norms {
		n := &super.Norms[i]
		n.Gamma.Set(hashed("gamma "+n.Name, n.Gamma.Len(), 0.2, 0.8))
		n.Beta.Set(hashed("beta "+n.Name, n.Beta.Len(), -0.2, 0.2))
		n.Mean.Set(hashed("mean "+n.Name, n.Mean.Len(), -0.3, 0.3))
		n.Var.Set(hashed("var "+n.Name, n.Var.Len(), 0.5, 1.5))
	}
	super.TakeSlopes(fp32)
}

func run(p *nn.Params, s *quant.Space, a quant.Assignment, in model.Input) []float32 {
	gates := nn.NewGates(p.Dev, s)
	defer gates.Free()
	gates.SetChild(s, a)
	scalars := nn.NewScalars(p.Dev)
	defer scalars.Free()
	plan := nn.NewPlan(p, gates, scalars, nn.PlanOptions{Batch: 1})
	defer plan.Free()
	plan.Input.Set(hashed("image", in.H*in.W*in.C, -1, 1))
	graph := p.Dev.Record(func() { plan.PackFilters(); plan.Forward() })
	defer graph.Free()
	graph.Launch()
	return plan.Logits.Get(nil)
}
