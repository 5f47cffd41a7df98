package onesot

import (
	"math"

	"vimps-gpu/cuda"
	"vimps-gpu/kernels"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/quant"
)

// Terms is the objective of one step, its parts apart and unweighted, averaged over the micro-batches.
type Terms struct {
	Task       float64 // cross-entropy, nats an image; of a restoring net the pixel loss
	Accuracy   float64 // of the training images, 0 to 1; of a restoring net their mean squared error
	Eta        float64 // geometric mean
	Hardware   float64 // eta * E[h]
	Expected   float64 // E[h], all-maximum child of the searched layers = 1
	Argmax     float64 // h of the argmax child
	Prior      float64 // lambda * prior term
	Entropy    float64 // sum of H(pi) over the gates, nats
	Similarity float64 // mu * KSL
}

// Total is the objective.
func (t Terms) Total() float64 { return t.Task + t.Hardware + t.Prior + t.Similarity }

// Step trains on one batch: step of steps, the images of split at positions.
func (n *Supernet) Step(step, steps int, split data.Split, positions []int) Terms {
	n.Enqueue(step, steps, split, positions)
	all := n.Report()
	return all[len(all)-1]
}

// Enqueue puts a step on the device's queue; Report tells how it went. history.room steps may wait for that.
func (n *Supernet) Enqueue(step, steps int, split data.Split, positions []int) {
	s := n.Settings
	now := s.at(float64(step) / float64(steps))
	n.setStep(now, step, steps)
	h := &n.history
	for i := range n.deal.count {
		j := n.deal.first + i
		eta := n.setMicro(now, step, j)
		if s.Explore > 0 {
			n.explore(now, step, j)
		}
		size := s.Batch / s.MicroBatches
		n.feed.Fill(split, positions[j*size:(j+1)*size], nn.Draw{Seed: s.Seed, Batch: uint64(step*s.MicroBatches + j)})
		n.deal.launch(i, n.micro)
		h.keepMicro(j, eta)
	}
	n.deal.sum()
	n.update.Launch()
	if now.theta {
		n.theta.Launch()
	} else {
		n.freeze.Launch()
	}
	h.keepStep(now.mu)
}

// Full tells whether the next step finds no room before Report.
func (n *Supernet) Full() bool { return n.history.full() }

// Report is what the steps since the last report came to, in order. It waits for them. The slice is good until the
// next call.
func (n *Supernet) Report() []Terms {
	h := &n.history
	h.read()
	h.terms = h.terms[:0]
	for step := range h.pending {
		var sum Terms
		for j := range h.micros {
			n.addTerms(&sum, h.at(step, j), 1/float64(h.micros))
		}
		sum.Eta = math.Exp(sum.Eta)
		for _, v := range h.similarity(step) {
			sum.Similarity += h.mu[step] * float64(v)
		}
		h.terms = append(h.terms, sum)
	}
	h.pending = 0
	return h.terms
}

func (n *Supernet) setStep(now schedule, step, steps int) {
	c := n.ctl
	for _, v := range [...]struct {
		t     *cuda.Tensor
		value float64
	}{{c.temperature, now.temperature}, {c.mu, now.mu}, {c.stepLR, now.stepLR}, {c.thetaLR, now.thetaLR}} {
		v.t.Set([]float32{float32(v.value)})
	}
	c.descent.set(now.lr, now.codeLR, step)
	setBias(c.stepBias, 0.9, 0.99, step+1)
	setBias(c.thetaBias, 0.9, 0.999, step+1-n.firstThetaStep(steps))
	n.gating.setStep(now)
}

// setBias sets Adam's bias corrections of update t.
func setBias(bias *cuda.Tensor, beta1, beta2 float64, t int) {
	bias.Set([]float32{float32(1 - math.Pow(beta1, float64(t))), float32(1 - math.Pow(beta2, float64(t)))})
}

// firstThetaStep is the first step that is not warm-up.
func (n *Supernet) firstThetaStep(steps int) int {
	first := int(n.Settings.WarmUp * float64(steps))
	for !n.Settings.at(float64(first) / float64(steps)).theta {
		first++
	}
	return first
}

// philoxEta keeps the draws of eta apart from others under the same seed.
const philoxEta = 0xE7

// setMicro draws eta (stratified: micro-batch j of G draws from the j-th of G equal parts of the logarithmic
// range) and sets what depends on it.
func (n *Supernet) setMicro(now schedule, step, j int) (eta float64) {
	s := n.Settings
	eta = s.Eta
	if s.Method == OneShot {
		r := kernels.Philox([4]uint32{uint32(step), uint32(j), 0, philoxEta}, [2]uint32{uint32(s.Seed), uint32(s.Seed >> 32)})
		eta = s.etaAt((float64(j) + (float64(r[0])+0.5)/(1<<32)) / float64(s.MicroBatches))
		n.scalars.U.Set([]float32{float32(s.u(eta))})
	}
	n.ctl.eta.Set([]float32{float32(eta)})
	n.ctl.noise.SetUint32([]uint32{uint32(s.Seed), uint32(s.Seed >> 32), uint32(step), uint32(j)})
	return eta
}

func (n *Supernet) addTerms(sum *Terms, m micro, share float64) {
	images := float64(n.plan.Options.Batch)
	sum.Task += share * float64(m.loss[0]) / images
	sum.Accuracy += share * float64(m.loss[1]) / images
	sum.Expected += share * float64(m.terms[0])
	hardware, prior := n.gating.weighted(m, share)
	sum.Hardware += hardware
	sum.Prior += prior
	if m.eta > 0 {
		sum.Eta += share * math.Log(m.eta)
	}
	sum.Entropy += share * float64(m.terms[2])
	n.gating.child(n.choice, m.law)
	sum.Argmax += share * n.relativeCost(n.choice)
}

// relativeCost is h of a choice for each gate.
func (n *Supernet) relativeCost(choice []int) float64 {
	sum := 0.0
	for k, layer := range n.searched {
		at := [2]int{}
		for _, kind := range []quant.Kind{quant.Weight, quant.Input} {
			if row := n.Gates.Row(layer, kind); row < len(choice) {
				at[kind] = choice[row]
			}
		}
		sum += float64(n.relative[k][at[quant.Weight]][at[quant.Input]])
	}
	return sum
}

// assignment is the child of a choice for each gate.
func (n *Supernet) assignment(choice []int) quant.Assignment {
	return quant.ChooseGates(n.Space, choice)
}
