// Package bench measures: step.go times training steps, results/ holds what was measured.
package bench

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"gorgonia.org/tensor"

	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
	"vimps-gpu/kernels"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// StepOptions says what to time. Images are made up: no data set is needed.
type StepOptions struct {
	Model            string
	H, W, C, Classes int // of an image
	Policy           quant.Policy
	Settings         onesot.Settings
	Steps            int        // timed, of each kind
	World            *job.World // whose ranks share the supernet's step; nil: this process alone
}

// StepReport is the times of all kinds of step.
type StepReport struct {
	Model       string     `json:"model"`
	Batch       int        `json:"batch"`
	Steps       int        `json:"steps"`
	ISA         string     `json:"isa"`
	Threads     int        `json:"threads"`
	PeakGFLOPS  float64    `json:"peak_gflops"`  // of all workers, multiply-adds on registers
	ConvGFLOP   float64    `json:"conv_gflop"`   // of the convolutions of a step, forward and backward, as direct ones
	TensorBytes int64      `json:"tensor_bytes"` // at most
	Kinds       []StepTime `json:"kinds_of_step"`
}

// StepTime is the time of one kind of step.
type StepTime struct {
	Kind            string   `json:"kind"`
	Min             float64  `json:"min_seconds"`
	Median          float64  `json:"median_seconds"`
	ImagesPerSecond float64  `json:"images_per_second"` // at the median
	ConvGFLOPS      float64  `json:"conv_gflops"`       // that the convolution kernels reach, counted as direct ones, all workers
	Ops             []OpTime `json:"ops"`               // the longest first
}

// OpTime is the CPU time of one op in a step, all workers together.
type OpTime struct {
	Op           string  `json:"op"`
	Milliseconds float64 `json:"cpu_milliseconds"`
}

// stepper is one kind of step, ready to run.
type stepper struct {
	kind    string
	step    func(i int)
	profile func(on bool)
	ops     func() map[string]float64
	free    func()
}

// Steps times the supernet step, the same net at fixed bits and the fp32 step. after is called when a kind is done.
func Steps(dev *cuda.Device, o StepOptions, after func(StepTime)) (*StepReport, error) {
	m, err := model.Find(o.Model)
	if err != nil {
		return nil, err
	}
	g, err := m.Graph(model.Input{H: o.H, W: o.W, C: o.C, Classes: o.Classes})
	if err != nil {
		return nil, err
	}
	set := synthetic(o)
	r := &StepReport{Model: o.Model, Batch: o.Settings.Batch, Steps: o.Steps, ISA: dev.ISA(), Threads: dev.Threads(),
		PeakGFLOPS: dev.PeakFLOPS() / 1e9, ConvGFLOP: convGFLOP(g, o.Settings.Batch)}
	fp32 := nn.NewParams(dev, g, nn.Config{})
	fp32.Init(o.Settings.Seed)
	for _, build := range []func() (*stepper, error){
		func() (*stepper, error) { return supernetStep(dev, g, o, fp32, set, m.Augment) },
		func() (*stepper, error) { return childStep(dev, g, o, fp32, set, m.Augment) },
		func() (*stepper, error) { return fixedStep(dev, g, o, fp32, set, m.Augment) },
		func() (*stepper, error) { return fp32Step(o, fp32, set, m.Augment), nil },
	} {
		s, err := build()
		if err != nil {
			return nil, err
		}
		t := s.time(o, r)
		s.free()
		r.Kinds = append(r.Kinds, t)
		after(t)
	}
	r.TensorBytes = dev.PeakBytes()
	return r, nil
}

// warmUp is steps before the clock starts: caches, page faults, clock speed.
const warmUp = 2

// time measures a step: first the clock alone, then, since timers cost, a few steps by op.
func (s *stepper) time(o StepOptions, r *StepReport) StepTime {
	for i := range warmUp {
		s.step(i)
	}
	seconds := make([]float64, o.Steps)
	for i := range seconds {
		began := time.Now()
		s.step(warmUp + i)
		seconds[i] = time.Since(began).Seconds()
	}
	slices.Sort(seconds)
	t := StepTime{Kind: s.kind, Min: seconds[0], Median: median(seconds)}
	t.ImagesPerSecond = float64(o.Settings.Batch) / t.Median

	profiled := min(o.Steps, 5)
	s.profile(true)
	for i := range profiled {
		s.step(warmUp + o.Steps + i)
	}
	conv := 0.0
	for op, total := range s.ops() {
		if each := total / float64(profiled); each > 0 {
			t.Ops = append(t.Ops, OpTime{op, 1e3 * each})
			if op == "conv" || op == "conv dgrad" || op == "conv wgrad" {
				conv += each
			}
		}
	}
	s.profile(false)
	slices.SortFunc(t.Ops, func(a, b OpTime) int { return cmp.Compare(b.Milliseconds, a.Milliseconds) })
	if conv > 0 {
		t.ConvGFLOPS = r.ConvGFLOP / conv * float64(r.Threads)
	}
	return t
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// convGFLOP counts the convolutions of a training step: forward, filter gradient and, but for the first layer, input
// gradient; a multiply-add is two.
func convGFLOP(g *nn.Graph, batch int) float64 {
	total := 0.0
	for i, l := range g.Layers() {
		passes := 3.0
		if i == 0 {
			passes = 2
		}
		total += 2 * passes * float64(l.MACs)
	}
	return total * float64(batch) / 1e9
}

// synthetic is a data set of noise.
func synthetic(o StepOptions) *data.Set {
	n, size := o.Settings.Batch, o.H*o.W*o.C
	pixels, labels := make([]uint8, n*size), make([]int32, n)
	for i := range pixels {
		pixels[i] = uint8(kernels.Philox([4]uint32{uint32(i), 0, 0, 0}, [2]uint32{uint32(o.Settings.Seed), 0})[0])
	}
	for i := range labels {
		labels[i] = int32(i % o.Classes)
	}
	set := &data.Set{Name: "synthetic", Mean: make([]float32, o.C), Std: make([]float32, o.C)}
	for c := range o.C {
		set.Mean[c], set.Std[c] = 0.5, 0.29
	}
	for k := range o.Classes {
		set.Classes = append(set.Classes, fmt.Sprint(k))
	}
	set.Train = data.Split{Images: tensor.New(tensor.WithShape(n, o.H, o.W, o.C), tensor.WithBacking(pixels)), Labels: labels}
	set.Test = set.Train
	return set
}
