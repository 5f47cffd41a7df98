package bench

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"vimps-gpu/cuda"
)

// GPUOptions says what `bench gpu` measures.
type GPUOptions struct {
	Device string        // gpu:N
	Commit string        // of the program, for the record
	Quick  bool          // tiny shapes: they exercise the measuring, the numbers mean nothing
	Budget time.Duration // what has not begun by then is left out
}

// GPUReport is what was measured on one card. Times are seconds; each ratio is of two times of this process.
type GPUReport struct {
	Simulated bool        `json:"simulated"` // no GPU was measured
	Quick     bool        `json:"quick"`
	Card      cuda.Card   `json:"card"`
	Commit    string      `json:"commit"`
	Copies    []CopyTime  `json:"copies"`
	Rates     []Rates     `json:"rates"`
	Fused     []FusedTime `json:"fused"`
	Conv      []ConvTime  `json:"conv"`
	Steps     []GPUStep   `json:"steps"`
	Repeats   []Repeat    `json:"repeats"`
	LeftOut   []string    `json:"left_out"` // for lack of time
	Errors    []string    `json:"errors"`
}

// gpuPrecisions are those of a GPU's convolutions; a claim rests on both.
func gpuPrecisions() []string { return []string{"bf16", "tf32"} }

// gpuRun measures one precision on an open device.
type gpuRun struct {
	o        GPUOptions
	r        *GPUReport
	rates    Rates
	dev      *cuda.Device
	deadline time.Time
	values   []float32 // that tensors are filled with
	live     []*cuda.Tensor
	note     func(string)
}

// GPU measures a card in both precisions, bf16 first. What fails is told in the report's errors, and what came before it
// is kept; an error is returned only where there is nothing to report. note is called as parts begin.
func GPU(o GPUOptions, note func(string)) (*GPUReport, error) {
	r := &GPUReport{Quick: o.Quick, Commit: o.Commit, LeftOut: []string{}, Errors: []string{}}
	deadline := time.Now().Add(o.Budget)
	var values []float32
	for i, precision := range gpuPrecisions() {
		dev, err := cuda.Open(cuda.Options{Device: o.Device, Precision: precision})
		if err == nil && !dev.GPU() {
			err = fmt.Errorf("device %s is not a GPU", dev.Name())
		}
		if err != nil && i == 0 {
			return nil, err
		}
		if err != nil {
			r.Errors = append(r.Errors, err.Error())
			break
		}
		r.Card, _ = dev.Card()
		r.Simulated = r.Card.Replacement
		g := &gpuRun{o: o, r: r, dev: dev, rates: nominal(r.Card, precision), deadline: deadline, values: values, note: note}
		alive := g.all()
		r.Rates = append(r.Rates, g.rates)
		values = g.values
		dev.Close()
		if !alive {
			break
		}
	}
	return r, nil
}

// all runs every part; it is false when the GPU failed, after which nothing can be had from it.
func (g *gpuRun) all() bool {
	return g.part("copy bandwidth", g.copies) && g.part("fused mixes", g.fused) && g.part("equal bits", g.repeat) &&
		g.part("training steps", g.steps) && g.part("convolutions", g.convs)
}

// part runs one part unless the time is up.
func (g *gpuRun) part(name string, f func() error) (alive bool) {
	name += ", " + g.dev.Precision()
	if g.late(name) {
		return true
	}
	g.note(name)
	return g.failed(name, cuda.Guard(func() error {
		defer g.free()
		return f()
	}))
}

// late tells whether the time is up, and records what is left out for it.
func (g *gpuRun) late(name string) bool {
	if time.Now().Before(g.deadline) {
		return false
	}
	g.r.LeftOut = append(g.r.LeftOut, name)
	return true
}

// failed records an error; it is false where the GPU itself failed.
func (g *gpuRun) failed(name string, err error) (alive bool) {
	if err == nil {
		return true
	}
	g.r.Errors = append(g.r.Errors, name+": "+err.Error())
	var failure cuda.Failure
	return !errors.As(err, &failure)
}

// clock paces by how much a result is worth. On a simulated GPU each thing is done once.
func (g *gpuRun) clock(window time.Duration, rounds int) *clock {
	if g.o.Quick {
		return g.keepClock(newClock(g.dev, pace{inner: 2, rounds: 1}))
	}
	return g.keepClock(newClock(g.dev, pace{window: window, inner: 10, rounds: rounds}))
}

func (g *gpuRun) keepClock(c *clock) *clock {
	g.live = append(g.live, c.one)
	return c
}

// some is n values in [-1,1), the same at every call.
func (g *gpuRun) some(n int) []float32 {
	state := uint32(len(g.values))*2654435761 + 1
	g.values = slices.Grow(g.values, max(0, n-len(g.values)))
	for len(g.values) < n {
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		g.values = append(g.values, float32(int32(state))/(1<<31))
	}
	return g.values[:n]
}

// act is an activation tensor of values.
func (g *gpuRun) act(border, n, h, w, c int) *cuda.Tensor {
	t := g.room(border, n, h, w, c)
	dense := g.dev.New(cuda.Float32, n, h, w, c)
	dense.Set(g.some(n * h * w * c))
	cuda.CopyAct(t, dense)
	dense.Free()
	return t
}

// room is an activation tensor of zeros.
func (g *gpuRun) room(border, n, h, w, c int) *cuda.Tensor {
	t := g.dev.NewAct(border, n, h, w, c)
	g.live = append(g.live, t)
	return t
}

// vector is a f32 tensor of values.
func (g *gpuRun) vector(shape ...int) *cuda.Tensor {
	t := g.dev.New(cuda.Float32, shape...)
	t.Set(g.some(t.Len()))
	g.live = append(g.live, t)
	return t
}

func (g *gpuRun) free() {
	for _, t := range g.live {
		t.Free()
	}
	g.live = nil
}
