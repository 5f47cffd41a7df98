package onesot

import (
	"encoding/binary"
	"math"

	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
	"vimps-gpu/nn"
)

// strata are the batch-norm running statistics of a net whose steps have several micro-batches: each micro-batch of a step moves a
// copy of its own, and the net's are their mean. A copy depends on its own micro-batches alone, whichever rank does them, and the
// mean of exponential averages is the exponential average of the means.
type strata struct {
	stats *cuda.Tensor   // of the net
	all   *cuda.Tensor   // f32 [micro-batches, len(stats)]; nil where there is one micro-batch or no norm
	rows  []*cuda.Tensor // of all
}

func newStrata(p *nn.Params, micros int) strata {
	s := strata{stats: p.Stats}
	if micros == 1 || len(p.Norms) == 0 {
		return s
	}
	s.all = p.Dev.New(cuda.Float32, micros, p.Stats.Len())
	for j := range micros {
		s.rows = append(s.rows, s.all.View(j*p.Stats.Len(), p.Stats.Len()))
	}
	s.start()
	return s
}

// start gives every micro-batch the net's statistics.
func (s *strata) start() {
	for _, row := range s.rows {
		row.CopyFrom(s.stats)
	}
}

// begin makes the statistics those of micro-batch j, end takes them back.
func (s *strata) begin(j int) {
	if s.all != nil {
		s.stats.CopyFrom(s.rows[j])
	}
}

func (s *strata) end(j int) {
	if s.all != nil {
		s.rows[j].CopyFrom(s.stats)
	}
}

// settle brings the copies of all ranks together, of which each has done count from first on, and sets the net's statistics to their mean.
func (s *strata) settle(w *job.World, first, count int) {
	if s.all == nil {
		return
	}
	n := s.stats.Len()
	values := s.all.Get(nil)
	for rank, b := range w.Gather(floatBytes(values[first*n : (first+count)*n])) {
		if rank != w.Rank() {
			readFloats(values[rank*count*n:][:count*n], b)
		}
	}
	mean := make([]float32, n)
	for i := range mean {
		sum := 0.0
		for j := range s.rows {
			sum += float64(values[j*n+i])
		}
		mean[i] = float32(sum / float64(len(s.rows)))
	}
	s.all.Set(values)
	s.stats.Set(mean)
}

// state is what a training goes on from.
func (s *strata) state() []nn.NamedTensor {
	if s.all == nil {
		return nil
	}
	return []nn.NamedTensor{{Name: "running_strata", T: s.all}}
}

func (s *strata) free() {
	if s.all != nil {
		s.all.Free()
	}
}

// floatBytes are values as ranks send them, little-endian.
func floatBytes(values []float32) []byte {
	b := make([]byte, 0, 4*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func readFloats(to []float32, b []byte) {
	for i := range to {
		to[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
}
