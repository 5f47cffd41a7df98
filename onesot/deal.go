package onesot

import (
	"fmt"
	"strconv"
	"strings"

	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
)

// deal shares the micro-batches of a training's steps out among the ranks of a job and adds up their gradients: N ranks of g
// micro-batches are one process of N*g. A training with one micro-batch a step is repeated by every rank.
//
// On the host the sum is ((g0+g1)+g2)+... over the micro-batches in their order, the same bits for any number of ranks. On GPUs each rank
// adds up its own, and NCCL those of the ranks.
type deal struct {
	world        *job.World
	micros       int // of a step, over all ranks
	first, count int // those of this rank
	strata       *strata
	grads        []*cuda.Tensor // flat
	zero         *cuda.Graph    // of grads
	terms        [][][]float32  // [of grads][of count]: what waits for the sum; nil where the device adds up
	gpus         *gpuSum        // nil where there is one rank, and on the host
}

// CheckShare tells why a job of so many processes cannot share steps of so many micro-batches; flag sets their number.
func CheckShare(flag string, micros, processes int) error {
	if micros%processes == 0 {
		return nil
	}
	var fits []string
	for n := 1; n <= micros; n++ {
		if micros%n == 0 {
			fits = append(fits, strconv.Itoa(n))
		}
	}
	return fmt.Errorf("%d processes cannot share %s %d equally: start %s, or give a multiple of %d", processes, flag, micros, strings.Join(fits, " or "), processes)
}

// newDeal is for the gradients of a net and, beside them, more; flag sets the number of micro-batches.
func newDeal(w *job.World, flag string, micros int, p *nn.Params, s *strata, more ...*cuda.Tensor) *deal {
	d := &deal{world: w, micros: micros, count: micros, strata: s}
	if micros == 1 {
		d.world = job.Alone()
		return d
	}
	if err := CheckShare(flag, micros, w.Size()); err != nil {
		panic(cuda.Failure{Err: err})
	}
	d.count = micros / w.Size()
	d.first = w.Rank() * d.count
	for _, g := range p.Groups {
		d.grads = append(d.grads, g.Grad)
	}
	d.grads = append(d.grads, more...)
	if p.Dev.GPU() {
		if w.Size() > 1 {
			d.gpus = newGPUSum(w, p.Dev, d.grads)
		}
		return d
	}
	d.zero = p.Dev.Record(func() {
		for _, g := range d.grads {
			cuda.Zero(g)
		}
	})
	kept := d.count
	if w.Size() == 1 {
		kept = 2 // the sum so far and what is added
	}
	for _, g := range d.grads {
		terms := make([][]float32, kept)
		for i := range terms {
			terms[i] = make([]float32, g.Len())
		}
		d.terms = append(d.terms, terms)
	}
	return d
}

// begin comes before the work of micro-batch number i of this rank, end behind it.
func (d *deal) begin(i int) { d.strata.begin(d.first + i) }

func (d *deal) end(i int) {
	d.strata.end(d.first + i)
	if d.terms == nil {
		return
	}
	for k, g := range d.grads {
		terms := d.terms[k]
		if d.world.Size() > 1 || i == 0 {
			g.Get(terms[i])
			continue
		}
		g.Get(terms[1])
		d.world.SumOrdered(terms, terms[0])
	}
	d.zero.Launch()
}

// sum makes the gradients those of all micro-batches.
func (d *deal) sum() {
	if d.gpus != nil {
		d.gpus.finish()
	}
	for k, terms := range d.terms {
		if d.world.Size() > 1 {
			d.world.SumOrdered(terms, terms[0])
		}
		d.grads[k].Set(terms[0])
	}
}

// step does this rank's micro-batches of a step whose gates do not depend on them, each a launch of micro, and adds up the gradients.
func (d *deal) step(feed *nn.Feed, micro *cuda.Graph, split data.Split, positions []int, from nn.Draw, step int, h *history) {
	size := len(positions) / d.micros
	for i := range d.count {
		j := d.first + i
		feed.Fill(split, positions[j*size:(j+1)*size], nn.Draw{Seed: from.Seed, Batch: from.Batch + uint64(step*d.micros+j)})
		d.launch(i, micro)
		h.keepMicro(j, 0)
	}
	d.sum()
}

// settle makes the net's batch-norm statistics those of all micro-batches.
func (d *deal) settle() { d.strata.settle(d.world, d.first, d.count) }

func (d *deal) free() {
	if d.gpus != nil {
		d.gpus.free()
	}
	if d.zero != nil {
		d.zero.Free()
	}
}
