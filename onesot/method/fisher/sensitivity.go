package fisher

import (
	"context"
	"slices"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// sensitivity is what every candidate of every gate harms, in nats: twice the expected rise of the loss against the
// widest candidate, [layer][candidate], at least 0, not rising with the bits; 0 where pinned.
type sensitivity struct {
	Weight [][]float64 `json:"weight"`
	Input  [][]float64 `json:"input"`
}

func newSensitivity(s *quant.Space) sensitivity {
	var v sensitivity
	for k := range s.Layers {
		v.Weight = append(v.Weight, make([]float64, len(s.Weight[k])))
		v.Input = append(v.Input, make([]float64, len(s.Input[k])))
	}
	return v
}

func (v sensitivity) row(g quant.Gate) []float64 {
	if g.Kind == quant.Weight {
		return v.Weight[g.Layer]
	}
	return v.Input[g.Layer]
}

// of is a child's sum.
func (v sensitivity) of(s *quant.Space, a quant.Assignment) (sum float64) {
	for k := range s.Layers {
		w, x := s.Choice(a, k)
		sum += v.Weight[k][w] + v.Input[k][x]
	}
	return sum
}

// scoreEpoch keeps the order of the scored images apart from that of any training epoch.
const scoreEpoch = 1 << 29

// scorer runs batches forward and backward through a net. It moves neither parameters nor running statistics. Batch
// statistics normalise, as in every plan with a backward pass: the change of the mean and the scale of a channel, which
// re-estimated statistics undo, then counts for nothing.
type scorer struct {
	q       *onesot.Quantized
	plan    *nn.Plan
	feed    *nn.Feed
	scalars *nn.Scalars
	step    *cuda.Graph
	dz      []float32
}

// newScorer sets every gate to its widest candidate.
func newScorer(p *onesot.Problem, q *onesot.Quantized, batch int) *scorer {
	s := &scorer{q: q, scalars: nn.NewScalars(q.Dev), dz: make([]float32, q.Gates.DZ.Len())}
	s.scalars.Momentum.Set([]float32{0})
	s.scalars.GradScale.Set([]float32{0}) // of the parameters; not of the gates
	s.plan = nn.NewPlan(q.Params, q.Gates, s.scalars, nn.PlanOptions{Batch: batch, Train: true})
	s.feed = nn.NewFeed(s.plan, p.Set.Mean, p.Set.Std, nn.Augment{})
	s.step = q.Dev.Record(func() {
		cuda.Zero(q.Gates.DZ)
		s.feed.Emit()
		s.plan.PackFilters()
		s.plan.Forward()
		s.plan.Backward()
	})
	q.Gates.SetChild(q.Space, quant.MaxAssignment(q.Space))
	return s
}

func (s *scorer) free() {
	s.step.Free()
	s.feed.Free()
	s.plan.Free()
	for _, t := range []*cuda.Tensor{s.scalars.Momentum, s.scalars.GradScale, s.scalars.U} {
		t.Free()
	}
}

// run gives the gates' gradients of the mean loss of images, good until the next call.
func (s *scorer) run(images data.Split, positions []int) []float32 {
	s.feed.Fill(images, positions, nn.Draw{})
	s.step.Launch()
	return s.q.Gates.DZ.Get(s.dz)
}

// score is the sensitivities by about `images` training images in batches.
func score(ctx context.Context, p *onesot.Problem, q *onesot.Quantized, images, batch int) (sensitivity, error) {
	s := newScorer(p, q, batch)
	defer s.free()
	order := make([]int, p.Train.Len())
	nn.Order(order, p.Settings.Seed, scoreEpoch)
	v, batches := newSensitivity(q.Space), max(1, min(images, len(order))/batch)
	for b := range batches {
		if err := p.Stopped(ctx); err != nil {
			return v, err
		}
		v.addSquares(q, s.run(p.Train, order[b*batch:(b+1)*batch]), float64(batch)/float64(batches))
		p.Account.Forward += int64(batch)
		p.Account.Backward += int64(batch)
		p.Options.Evaluated("batches scored", b+1, batches)
	}
	v.makeMonotone()
	return v, nil
}

// addSquares adds scale * (dL/dz_b - dL/dz_widest)^2 of every gate.
func (v sensitivity) addSquares(q *onesot.Quantized, dz []float32, scale float64) {
	for _, gate := range q.Space.Gates() {
		row := dz[q.Gates.Row(gate.Layer, gate.Kind)*cuda.MaxBits:]
		widest := float64(row[len(gate.Bits)-1])
		for i := range gate.Bits {
			d := float64(row[i]) - widest
			v.row(gate)[i] += scale * d * d
		}
	}
}

// makeMonotone raises what more bits harm more than fewer: that is noise of few batches.
func (v sensitivity) makeMonotone() {
	for _, row := range slices.Concat(v.Weight, v.Input) {
		for i := len(row) - 2; i >= 0; i-- {
			row[i] = max(row[i], row[i+1])
		}
	}
}
