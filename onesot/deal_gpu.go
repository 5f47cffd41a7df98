package onesot

import (
	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
	"vimps-gpu/nn"
)

// gpuSum sums the gradients of a job's GPUs. A rank's last micro-batch of a step is launched in parts, so that NCCL sums the filter
// gradients of the layers that the backward pass has left behind while it goes on.
type gpuSum struct {
	reducer *cuda.Reducer
	parts   []gpuPart
	filters *cuda.Tensor   // all of them
	rest    []*cuda.Tensor // gradients that are final at the end only
}

// gpuPart is launched, and then the sum of what is final after it is started; filters is nil where nothing is.
type gpuPart struct {
	graph   *cuda.Graph
	filters *cuda.Tensor
}

// newGPUSum joins the ranks; grads are the filters' gradients and the others.
func newGPUSum(w *job.World, dev *cuda.Device, grads []*cuda.Tensor) *gpuSum {
	var id []byte
	if w.Rank() == 0 {
		var err error
		if id, err = cuda.NCCLID(); err != nil {
			panic(cuda.Failure{Err: err})
		}
	}
	r, err := dev.NewReducer(w.Broadcast(id), w.Rank(), w.Size())
	if err != nil {
		panic(cuda.Failure{Err: err})
	}
	return &gpuSum{reducer: r, filters: grads[0], rest: grads[1:]}
}

// SumBytes is what NCCL is given at a time of so many bytes of filter gradients: an eighth, so that small nets have parts too, but no
// more than what keeps a link between machines busy.
func SumBytes(filters int) int { return max(1, min(25<<20, filters/8)) }

// record makes the last micro-batch ready.
func (g *gpuSum) record(p *nn.Plan, before, after func()) {
	parts := p.BackwardParts(SumBytes(g.filters.Bytes()))
	for i, part := range parts {
		graph := p.Params.Dev.Record(func() {
			if i == 0 {
				before()
			}
			part.Emit()
			if i == len(parts)-1 {
				after()
			}
		})
		g.parts = append(g.parts, gpuPart{graph, part.Filters})
	}
}

// launch does the last micro-batch and starts the sums of the filters' gradients.
func (g *gpuSum) launch() {
	for _, part := range g.parts {
		part.graph.Launch()
		if part.filters != nil {
			g.reducer.Start(part.filters)
		}
	}
}

// finish sums the other gradients; what is queued after it sees all sums.
func (g *gpuSum) finish() {
	g.reducer.Start(g.rest...)
	g.reducer.Wait()
}

func (g *gpuSum) free() {
	for _, part := range g.parts {
		part.graph.Free()
	}
	g.reducer.Free()
}

// record makes the work of a micro-batch ready: what comes before the plan's backward pass, that, and what comes after it.
func (d *deal) record(p *nn.Plan, before, after func()) *cuda.Graph {
	if d.gpus != nil {
		d.gpus.record(p, before, after)
	}
	return p.Params.Dev.Record(func() {
		before()
		p.Backward()
		after()
	})
}

// launch does micro-batch number i of this rank.
func (d *deal) launch(i int, micro *cuda.Graph) {
	d.begin(i)
	if d.gpus != nil && i == d.count-1 {
		d.gpus.launch()
	} else {
		micro.Launch()
	}
	d.end(i)
}

// graphs are those that a step launches beside the one of a micro-batch.
func (d *deal) graphs() (list []*cuda.Graph) {
	if d.gpus != nil {
		for _, part := range d.gpus.parts {
			list = append(list, part.graph)
		}
	}
	return list
}
