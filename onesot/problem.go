package onesot

import (
	"fmt"
	"math"
	"slices"
	"syscall"
	"time"

	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
	"vimps-gpu/quant"
)

// Problem is what a System is given: a trained fp32 net, its data, what may be chosen and what it costs.
type Problem struct {
	Dev          *cuda.Device
	World        *job.World // the processes that work on it together
	Model        model.Model
	Graph        *nn.Graph
	Space        *quant.Space
	Cost         *quant.CostTable
	Set          *data.Set
	Train, Val   data.Split // what is trained on, what children are selected by; test images select nothing
	FP32         *nn.Params // read only
	FP32Accuracy Accuracy
	Settings     Settings
	Asked        []float64 // etas, penalties or relative costs, ascending
	Account      *Account
	State        *Checkpoint
	Options      Options
	Memory       StepMemory // of the last supernet that was trained; zero where none was

	bicubic *Accuracy
}

// Metric is what the net's children are compared by.
func (p *Problem) Metric() Metric { return MetricOf(p.Graph) }

// StepMemory is the bytes of device memory that a supernet's training holds.
type StepMemory struct {
	Parameters int64 // filters of every bit width, norms, steps, theta, with gradients and moments
	Forward    int64 // activations kept for the backward pass, mixed inputs (one copy, whatever the bit widths), packed filters
	Backward   int64 // activation gradients, and sums for the parameters' gradients
}

// Options of running that do not change what is computed.
type Options struct {
	SaveEvery   int  // steps between states on disk
	TensorBoard bool // metrics.jsonl as event files too
	Progress    func(Progress)
	Evaluated   func(what string, done, of int) // after each child, episode, generation
	// Trained: the training has ended; that any is left to do is an error.
	Trained bool
}

// MinCost is the least relative cost of any child.
func (p *Problem) MinCost() float64 {
	return p.Cost.Relative(quant.Cheapest(p.Cost))
}

// CheckBudgets refuses relative costs that no child keeps.
func (p *Problem) CheckBudgets() error {
	least := p.MinCost()
	for _, b := range p.Asked {
		if !(b >= least) {
			return fmt.Errorf("budget %g: the cheapest child costs %.4g of the dearest; want %.4g or more", b, least, math.Ceil(least*1e4)/1e4)
		}
	}
	return nil
}

// Account is what a search took. Passes are of one image through the net; a backward pass goes with a forward pass
// that is counted too. Scoring test images, which no search needs, is left out.
type Account struct {
	Forward   int64   `json:"forward_images"`
	Backward  int64   `json:"backward_images"`
	Wall      float64 `json:"wall_seconds"`
	CPU       float64 `json:"cpu_seconds"`
	PeakBytes int64   `json:"peak_bytes"` // of tensors

	began    time.Time // zero while the clock stands
	beganCPU float64
}

// Start lets the clock run.
func (a *Account) Start() { a.began, a.beganCPU = time.Now(), cpuSeconds() }

// Stop lets the clock stand.
func (a *Account) Stop() {
	if !a.began.IsZero() {
		a.Wall += time.Since(a.began).Seconds()
		a.CPU += cpuSeconds() - a.beganCPU
	}
	a.began = time.Time{}
}

// Now is the account with what the running clock has counted so far.
func (a *Account) Now() Account {
	now := *a
	now.Stop()
	return now
}

// cpuSeconds is the CPU time of this process.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it only fails for an unknown argument
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

// uncounted runs f with the clock standing.
func (a *Account) uncounted(f func()) {
	ran := !a.began.IsZero()
	a.Stop()
	f()
	if ran {
		a.Start()
	}
}

// Ascending sorts asked values and drops those that are there twice.
func Ascending(asked []float64) []float64 {
	return slices.Compact(slices.Sorted(slices.Values(asked)))
}
