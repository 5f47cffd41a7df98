package nn

import (
	"vimps-gpu/cuda"
	"vimps-gpu/nn/data"
)

// CalibrationImages is how many training images the first input steps are fitted to.
const CalibrationImages = 256

// Start gives a quantized net the values of the fp32 net it comes from: filters (a copy for each bit width),
// biases, norms, slopes, and the quantizers' steps by MSE search over the filters and over the fp32 activations of the first
// CalibrationImages images, not augmented (method.md, section 5, "Steps"), or of as many fewer as fit 1 GiB. It returns how many.
func (p *Params) Start(fp32 *Params, set *data.Set, train data.Split) (images int) {
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
	p.TakeSlopes(fp32)
	batch := passBatch(fp32.Graph, CalibrationImages, train.Len())
	calibration := newPass(fp32, nil, set, PlanOptions{Batch: batch, KeepValues: true}, Augment{})
	defer calibration.release()
	positions := make([]int, batch)
	for i := range positions {
		positions[i] = i
	}
	calibration.feed.Fill(train, positions, Draw{})
	calibration.graph.Launch()
	p.fitSteps(calibration.plan.value)
	return batch
}

// fitSteps searches every step, the layers shared out over the device's workers; values are the fp32
// activations by node. Only this goroutine touches the device.
func (p *Params) fitSteps(values []*cuda.Tensor) {
	type task struct {
		layer *LayerParams
		x, w  cuda.Values
	}
	type steps struct {
		layer           *LayerParams
		inputs, weights []float32
	}
	convs := p.Graph.Convs()
	tasks, found := make(chan task), make(chan steps, len(convs))
	for range p.Dev.Threads() {
		go func() {
			for t := range tasks {
				inputs, weights := t.layer.searchSteps(t.x, t.w)
				t.x.Free()
				t.w.Free()
				found <- steps{t.layer, inputs, weights}
			}
		}()
	}
	defer close(tasks)
	for i, node := range convs {
		l := &p.Layers[i]
		tasks <- task{l, values[p.Graph.Nodes[node].In[0]].Values(), l.W.Values()}
	}
	for range convs {
		s := <-found
		s.layer.XStep.Set(s.inputs)
		s.layer.WStep.Set(s.weights)
	}
}

// searchSteps is the steps of the inputs [B] and of the filters [B,K] or [B]; of a nested quantizer the parameter that the step of
// the widest width gives.
func (l *LayerParams) searchSteps(x, w cuda.Values) (inputs, weights []float32) {
	lo, hi, factor := l.Quantizer.searched(l.InputBits, l.Signed)
	for b := range lo {
		inputs = append(inputs, factor*x.StepMSE(lo[b], hi[b]))
	}
	lo, hi, factor = l.Quantizer.searched(l.WeightBits, true)
	k, n := l.W.Dim(1), l.W.Len()/l.W.Dim(0)
	rows := k // a step a channel
	if len(l.WStep.Shape()) == 1 {
		rows = 1
	}
	for b := range lo {
		from := min(b, l.W.Dim(0)-1) * n
		for r := range rows {
			weights = append(weights, factor*w.Part(from+r*n/rows, n/rows).StepMSE(lo[b], hi[b]))
		}
	}
	return inputs, weights
}
