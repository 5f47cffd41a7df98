package nn

import (
	"sync"
	"sync/atomic"

	"vimps-gpu/cuda"
	"vimps-gpu/nn/data"
)

// CalibrationImages is how many training images the first input steps are fitted to.
const CalibrationImages = 256

// Start gives a quantized net the values of the fp32 net it comes from: filters (a copy for each bit width),
// biases, norms, and LSQ steps by MSE search over the filters and over the fp32 activations of the first
// CalibrationImages images, not augmented (method.md, section 5, "Steps").
func (p *Params) Start(fp32 *Params, set *data.Set, train data.Split) {
	for i := range p.Layers {
		l, from := &p.Layers[i], &fp32.Layers[i]
		l.SetFilter(from.W.Get(nil))
		if l.Bias != nil {
			l.Bias.Set(from.Bias.Get(nil))
		}
	}
	for i := range p.Norms {
		n, from := &p.Norms[i], &fp32.Norms[i]
		n.SetAffine(from.Gamma.Get(nil), from.Beta.Get(nil))
		n.SetStats(from.Mean.Get(nil), from.Var.Get(nil))
	}
	batch := min(CalibrationImages, train.Len())
	calibration := newPass(fp32, nil, set, PlanOptions{Batch: batch, KeepValues: true}, Augment{})
	defer calibration.release()
	positions := make([]int, batch)
	for i := range positions {
		positions[i] = i
	}
	calibration.feed.Fill(train, positions, Draw{})
	calibration.graph.Launch()
	p.fitSteps(calibration.plan.value)
}

// fitSteps searches every step, the layers shared out over the device's workers; values are the fp32
// activations by node.
func (p *Params) fitSteps(values []*cuda.Tensor) {
	convs := p.Graph.Convs()
	var next atomic.Int32
	var done sync.WaitGroup
	for range p.Dev.Threads() {
		done.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(convs); i = int(next.Add(1)) - 1 {
				p.Layers[i].fitSteps(values[p.Graph.Nodes[convs[i]].In[0]])
			}
		})
	}
	done.Wait()
}

func (l *LayerParams) fitSteps(x *cuda.Tensor) {
	lo, hi := codeRanges(l.InputBits, l.Signed)
	steps := make([]float32, len(l.InputBits))
	for b := range steps {
		steps[b] = cuda.StepMSE(x, lo[b], hi[b])
	}
	l.XStep.Set(steps)

	lo, hi = codeRanges(l.WeightBits, true)
	perTensor := len(l.WStep.Shape()) == 1
	k, n := l.W.Dim(1), l.W.Len()/l.W.Dim(0)
	steps = steps[:0]
	for b := range l.WeightBits {
		w := l.W.View(min(b, l.W.Dim(0)-1)*n, n)
		if perTensor {
			steps = append(steps, cuda.StepMSE(w, lo[b], hi[b]))
			continue
		}
		for c := range k {
			steps = append(steps, cuda.StepMSE(w.View(c*n/k, n/k), lo[b], hi[b]))
		}
	}
	l.WStep.Set(steps)
}
