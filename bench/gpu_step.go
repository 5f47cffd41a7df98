package bench

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"time"

	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
	"vimps-gpu/nn"
	"vimps-gpu/nn/model"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// GPUStep is the time of a whole training step, from made-up images in the host's memory on.
type GPUStep struct {
	Net             string  `json:"net"` // supernet or fp32
	Model           string  `json:"model"`
	Precision       string  `json:"precision"`
	Batch           int     `json:"batch"`
	Min             float64 `json:"min_seconds"`
	Median          float64 `json:"median_seconds"`
	ImagesPerSecond float64 `json:"images_per_second"` // at the median
	Floor           float64 `json:"floor_seconds"`     // of convolutions and units, see stepWork
	FloorBy         string  `json:"floor_by"`
	OfFloor         float64 `json:"of_floor"`
}

// Repeat is a short training, done twice on the GPU and once on the host.
type Repeat struct {
	Model     string    `json:"model"`
	Precision string    `json:"precision"`
	Steps     int       `json:"steps"`
	Hashes    []string  `json:"sha256"` // of the parameters after each run on the GPU
	Equal     bool      `json:"equal_bits"`
	GPU       []float64 `json:"gpu_losses"`
	Host      []float64 `json:"host_losses"`
	First     float64   `json:"first_loss_relative_difference"`
	Allowed   float64   `json:"allowed"` // of First: the operands' rounding, through a net
}

// firstLossAllowed is how far the first step's loss may be from the host's, relatively. It is the loss before any update, so
// that only the precision of the convolutions and of the steps that were calibrated with them tells.
func firstLossAllowed(precision string) float64 {
	if precision == "bf16" {
		return 0.05
	}
	return 0.01
}

// training is a net that can be trained a step at a time without waiting for it.
type training struct {
	step func(i int) // puts step i on the queue
	full func() bool // the next step finds no room before wait
	wait func() []onesot.Terms
	hash func() string // of parameters and running statistics
	net  *nn.Params
	free func()
}

// waitEvery is the steps between waits on a GPU: fewer than its history of losses has room for.
const waitEvery = 8

func (t *training) run(from, steps int) (terms []onesot.Terms) {
	for i := range steps {
		t.step(from + i)
		if (i+1)%waitEvery == 0 || i+1 == steps || t.full() {
			terms = append(terms, t.wait()...)
		}
	}
	return terms
}

func (g *gpuRun) stepOptions(batch int) StepOptions {
	name, h, c := "resnet20", 32, 3
	if g.o.Quick {
		name, h, c, batch = "digitsnet", 8, 1, 8
	}
	o := StepOptions{Model: name, H: h, W: h, C: c, Classes: 10, Policy: quant.DefaultPolicy(), Settings: onesot.Defaults(onesot.OneShot, name)}
	o.Settings.Batch = batch
	return o
}

// train calls use with the supernet, or the fp32 net it starts from, on a device that is opened for it: what the net
// holds beside its parameters, and all that a failure leaves, goes with the device.
func train(where cuda.Options, o StepOptions, net string, use func(*training, *nn.Graph) error) error {
	dev, err := cuda.Open(where)
	if err != nil {
		return err
	}
	defer dev.Close()
	t, graph, err := newTraining(dev, o, net)
	if err != nil {
		return err
	}
	defer t.free()
	return use(t, graph)
}

// here is the device that is measured.
func (g *gpuRun) here() cuda.Options {
	return cuda.Options{Device: g.o.Device, Precision: g.dev.Precision()}
}

func newTraining(dev *cuda.Device, o StepOptions, net string) (*training, *nn.Graph, error) {
	m, err := model.Find(o.Model)
	if err != nil {
		return nil, nil, err
	}
	graph, err := m.Graph(model.Input{H: o.H, W: o.W, C: o.C, Classes: o.Classes})
	if err != nil {
		return nil, nil, err
	}
	set := synthetic(o)
	positions := every(set.Train)
	fp32 := nn.NewParams(dev, graph, nn.Config{})
	fp32.Init(o.Settings.Seed)
	if net == "fp32" {
		t := onesot.NewPretrainer(job.Alone(), fp32, o.Settings, set, m.Augment)
		return &training{
			step: func(i int) { t.Enqueue(firstStep+i, allSteps, set.Train, positions) },
			full: t.Full, wait: t.Report, hash: func() string { return hashOf(fp32.Groups[:], fp32.Stats) }, net: fp32,
			free: func() { t.Free(); fp32.Free() },
		}, graph, nil
	}
	n, err := newSupernet(dev, graph, o, fp32, set, m.Augment)
	fp32.Free()
	if err != nil {
		return nil, nil, err
	}
	return &training{
		step: func(i int) { n.Enqueue(firstStep+i, allSteps, set.Train, positions) },
		full: n.Full, wait: n.Report, hash: func() string { return hashOf(n.Params.Groups[:], n.Params.Stats) }, net: n.Params,
		free: func() { n.FinishTraining(); n.Params.Free(); n.Gates.Z.Free(); n.Gates.DZ.Free() },
	}, graph, nil
}

// hashOf is the SHA-256 of some tensors and a net's parameters.
func hashOf(groups []nn.Flat, tensors ...*cuda.Tensor) string {
	h := sha256.New()
	for _, f := range groups {
		tensors = append(tensors, f.Value)
	}
	for _, t := range tensors {
		if t == nil || t.Len() == 0 {
			continue
		}
		bytes := make([]byte, 0, 4*t.Len())
		for _, v := range t.Get(nil) {
			bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(v))
		}
		h.Write(bytes)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// steps times supernet and fp32 training steps.
func (g *gpuRun) steps() error {
	batches := []int{128, 256}
	if g.o.Quick {
		batches = batches[:1]
	}
	for _, batch := range batches {
		for _, net := range []string{"supernet", "fp32"} {
			if err := g.timeSteps(g.stepOptions(batch), net); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *gpuRun) timeSteps(o StepOptions, net string) error {
	return train(g.here(), o, net, func(t *training, graph *nn.Graph) error {
		seconds := g.timeWindows(t)
		s := GPUStep{Net: net, Model: o.Model, Precision: g.dev.Precision(), Batch: o.Settings.Batch, Min: seconds[0], Median: median(seconds)}
		s.ImagesPerSecond = float64(s.Batch) / s.Median
		flop, bytes := stepWork(graph, s.Batch, g.dev.Storage().Size())
		s.Floor, s.FloorBy = g.rates.floor(bytes, flop, true)
		s.OfFloor = s.Floor / s.Median
		g.r.Steps = append(g.r.Steps, s)
		return nil
	})
}

// timeWindows is the seconds of a step in each of some windows, sorted.
func (g *gpuRun) timeWindows(t *training) (seconds []float64) {
	windows, steps := 9, 2*waitEvery
	if g.o.Quick {
		windows, steps = 1, 2
	}
	at := 0
	if !g.o.Quick {
		t.run(at, waitEvery) // warm-up
		at += waitEvery
	}
	for range windows {
		start := time.Now()
		t.run(at, steps)
		at += steps
		seconds = append(seconds, time.Since(start).Seconds()/float64(steps))
	}
	slices.Sort(seconds)
	return seconds
}

// stepWork is the operations of a step's convolutions and the least bytes of activations that a step moves: each
// convolution reads its input forward and in wgrad and writes its gradient; it writes its output, which the unit after it reads
// forward and in both backward passes, writing its gradient, which dgrad and wgrad read; and the unit before it writes the mixed
// input and reads its gradient twice.
func stepWork(graph *nn.Graph, batch, size int) (flop, bytes float64) {
	for _, i := range graph.Convs() {
		n := graph.Nodes[i]
		x := graph.Nodes[n.In[0]]
		bytes += float64(batch) * float64(size) * float64(6*x.H*x.W*x.C+7*n.H*n.W*n.C)
	}
	return 1e9 * convGFLOP(graph, batch), bytes
}

// repeat trains twice from the same seed on the GPU, and once on the host.
func (g *gpuRun) repeat() error {
	o := g.stepOptions(128)
	r := Repeat{Model: o.Model, Precision: g.dev.Precision(), Steps: 6, Allowed: firstLossAllowed(g.dev.Precision())}
	if g.o.Quick {
		r.Steps = 2
	}
	for range 2 {
		losses, hash, err := shortTraining(g.here(), o, r.Steps)
		if err != nil {
			return err
		}
		r.GPU, r.Hashes = losses, append(r.Hashes, hash)
	}
	r.Equal = r.Hashes[0] == r.Hashes[1]
	var err error
	if r.Host, _, err = shortTraining(cuda.Options{Device: "host"}, o, r.Steps); err != nil {
		return fmt.Errorf("on the host: %w", err)
	}
	r.First = math.Abs(r.GPU[0]-r.Host[0]) / math.Abs(r.Host[0])
	g.r.Repeats = append(g.r.Repeats, r)
	return nil
}

// shortTraining fails where a loss is not finite: there is nothing to compare then.
func shortTraining(where cuda.Options, o StepOptions, steps int) (losses []float64, hash string, err error) {
	err = train(where, o, "supernet", func(t *training, _ *nn.Graph) error {
		for i := range steps {
			for _, terms := range t.run(i, 1) {
				losses = append(losses, terms.Total())
			}
		}
		hash = t.hash()
		return finite(losses)
	})
	return losses, hash, err
}

// finite is the error of losses of which one is not: JSON knows no such number.
func finite(losses []float64) error {
	for i, loss := range losses {
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return fmt.Errorf("the loss of step %d of %d is %v", i+1, len(losses), loss)
		}
	}
	return nil
}
