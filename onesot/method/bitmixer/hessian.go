package bitmixer

import (
	"math"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// hessian gives products of a vector with the second derivatives of the training loss by one layer's filter, on a fixed
// batch. The net is the trained one without quantizers, whose loss has no such derivatives: its filters and biases, the
// norms of its widest child, and, as in training, the batch's own statistics.
type hessian struct {
	p       *onesot.Problem
	params  *nn.Params
	scalars *nn.Scalars
	plan    *nn.Plan
	feed    *nn.Feed
	pass    *cuda.Graph
	images  int
}

// hessianEpoch sets the order that the batch is drawn by apart from that of any epoch.
const hessianEpoch = 1<<30 + 1

func newHessian(p *onesot.Problem, q *onesot.Quantized, images int) (*hessian, error) {
	widest, err := q.Extract(p, quant.MaxAssignment(p.Space))
	if err != nil {
		return nil, err
	}
	defer widest.Free()
	h := &hessian{p: p, params: nn.NewParams(p.Dev, p.Graph, nn.Config{}), images: min(images, p.Train.Len())}
	for i := range h.params.Layers {
		to, from := &h.params.Layers[i], &widest.Params.Layers[i]
		to.SetFilter(from.W.Get(nil))
		if to.Bias != nil {
			to.Bias.CopyFrom(from.Bias)
		}
	}
	for i := range h.params.Norms {
		from := &widest.Params.Norms[i]
		h.params.Norms[i].SetAffine(from.Gamma.Get(nil), from.Beta.Get(nil))
	}
	h.params.TakeSlopes(widest.Params)
	h.scalars = nn.NewScalars(p.Dev)
	h.plan = nn.NewPlan(h.params, nil, h.scalars, nn.PlanOptions{Batch: h.images, Train: true})
	h.feed = nn.NewFeed(h.plan, p.Set.Mean, p.Set.Std, nn.Augment{})
	order := make([]int, p.Train.Len())
	nn.Order(order, p.Settings.Seed, hessianEpoch)
	h.feed.Fill(p.Train, order[:h.images], nn.Draw{})
	h.pass = p.Dev.Record(func() {
		h.feed.Emit()
		for _, g := range h.params.Groups {
			cuda.Zero(g.Grad)
		}
		h.plan.PackFilters()
		h.plan.Forward()
		h.plan.Backward()
	})
	return h, nil
}

func (h *hessian) free() {
	h.pass.Free()
	h.feed.Free()
	h.plan.Free()
	h.scalars.Free()
	h.params.Free()
}

// relativeStep is r / ||w|| of the central difference Hv ~ (g(w + r v) - g(w - r v)) / 2r, ||v|| = 1, by the arithmetic's
// rounding e. The difference carries a rounding error of about e |g| / r and a truncation error of about r^2 |g”'|.
// Batch norm makes the loss independent of a filter's scale, so that |g”'| is about |g| / ||w||^3, and the errors are
// equal near r / ||w|| = e^(1/3), .005 in float32. But where a ReLU switches, the gradient jumps, and a small r meets few
// jumps: products are noise in part, |Hv| above |v.Hv| for the v that power iteration ends with. Measured on digitsnet's
// conv5, 256 images: |Hv| / v.Hv = 2.3 at r / ||w|| = .001, 1.28 at .005, 1.03 at .02, 1.2 at .05. Hence .02 at least.
func relativeStep(precision string) float64 {
	e := map[string]float64{"tf32": 1.0 / (1 << 11), "bf16": 1.0 / (1 << 8)}[precision]
	return max(0.02, math.Cbrt(e))
}

// product returns v -> Hv for the filter of a layer, and its length. The filter is as before when done is called.
func (h *hessian) product(layer int) (n int, product func(out, v []float64), done func()) {
	w := h.params.Layers[layer].W
	at := w.Get(nil)
	moved, grad := make([]float32, len(at)), make([]float32, len(at))
	norm := 0.0
	for _, x := range at {
		norm += float64(x) * float64(x)
	}
	r := relativeStep(h.p.Dev.Precision()) * math.Sqrt(norm)
	if r == 0 {
		r = relativeStep(h.p.Dev.Precision()) // a filter of zeros has no length of its own
	}
	add := func(out, v []float64, step float64) {
		for i := range at {
			moved[i] = float32(float64(at[i]) + step*v[i])
		}
		w.Set(moved)
		h.pass.Launch()
		h.p.Account.Forward += int64(h.images)
		h.p.Account.Backward += int64(h.images)
		for i, g := range h.params.Layers[layer].DW.Get(grad) {
			out[i] += float64(g) / (2 * step)
		}
	}
	product = func(out, v []float64) {
		clear(out)
		add(out, v, r)
		add(out, v, -r)
	}
	return len(at), product, func() { w.Set(at) }
}
