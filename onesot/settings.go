package onesot

import (
	"fmt"
	"math"

	"vimps-gpu/nn"
)

// Method names a search system. Those below are modes of one Supernet.
type Method string

// The methods.
const (
	OneShot Method = "oneshot" // logits f_theta(eta), Gumbel gates, additive cost, prior
	VIMPS   Method = "vimps"   // free logits, one eta, Gumbel gates, additive cost, entropy
	EdMIPS  Method = "edmips"  // free logits, softmax gates, one filter for all bit widths, additive cost
	DNAS    Method = "dnas"    // free logits, Gumbel gates, multiplicative cost
	// BayesianBits is a residual quantizer a tensor, behind hard-concrete gates, with an additive cost.
	BayesianBits Method = "bayesianbits"
)

// Prior is the term that keeps gate probabilities from saturating.
type Prior string

// The priors.
const (
	PriorKL      Prior = "kl"      // lambda KL(pi || softmax(tilt)): not in the paper (method.md, section 2.1)
	PriorEntropy Prior = "entropy" // - lambda H(pi): the paper's
	PriorNone    Prior = "none"
)

// Settings are the numbers of a search. The defaults are those of method.md, section 3.
type Settings struct {
	Method          Method      `json:"method"`
	Norm            nn.NormKind `json:"norm"`
	SharedWeights   bool        `json:"shared_weights"`
	Epochs          int         `json:"epochs"`
	PretrainEpochs  int         `json:"pretrain_epochs"` // of the fp32 net, where no weights are given
	Batch           int         `json:"batch"`           // images a step
	MicroBatches    int         `json:"micro_batches"`   // G: each has an eta, a gate sample and batch statistics of its own
	Eta             float64     `json:"-"`               // penalty of a Supernet that searches at one
	Eta0            float64     `json:"eta_min"`         // eta is log-uniform in [Eta0, Eta1], stratified over micro-batches
	Eta1            float64     `json:"eta_max"`
	Kappa           float64     `json:"kappa"` // tilt of the logits along eta: not in the paper
	Prior           Prior       `json:"prior"`
	Lambda          float64     `json:"lambda"`
	Mu              float64     `json:"mu"` // kernel similarity weight, falls linearly to 0
	Gamma           float64     `json:"-"`  // exponent of DNAS's cost: its penalty
	Temperature0    float64     `json:"temperature_start"`
	Temperature1    float64     `json:"temperature_end"`
	Explore         float64     `json:"explore"`             // share of the micro-batches whose gates are drawn uniformly: not in the paper
	HardFrom        float64     `json:"hard_from"`           // share of the steps after which samples are one-hot, straight-through
	WarmUp          float64     `json:"warm_up"`             // share of the steps in which theta is frozen
	Hidden          int         `json:"hidden"`              // units of a BitModel layer
	Depth           int         `json:"depth"`               // BitModel layers
	Optimizer       Optimizer   `json:"optimizer,omitempty"` // of filters, norms, biases and slopes
	LearningRate    float64     `json:"learning_rate"`
	WeightDecay     float64     `json:"weight_decay"`
	StepLR          float64     `json:"step_learning_rate"`
	CodeLR          float64     `json:"code_learning_rate,omitempty"` // of filters in units of their quantizers' steps; 0: they are trained as floats
	ThetaLR         float64     `json:"theta_learning_rate"`
	PretrainLR      float64     `json:"pretrain_learning_rate"`
	PretrainMicros  int         `json:"pretrain_micro_batches"` // of the fp32 net's steps, each with batch statistics of its own; 0: one
	TuneMicros      int         `json:"tune_micro_batches"`     // of a step of a Tuner, likewise
	HoldOut         float64     `json:"hold_out"`               // share of the training images kept for validation
	Seed            uint64      `json:"seed"`
	Recalibrate     bool        `json:"recalibrate"`
	RecalibrateSize int         `json:"recalibrate_images"`
}

// Defaults are the settings for a Supernet's mode on a model.
func Defaults(m Method, model string) Settings { return ModelSettings(model).For(m) }

// ModelSettings are the settings for a model, as they stand in method.md, section 3.
func ModelSettings(model string) Settings {
	s := Settings{
		Method: OneShot, Norm: nn.NormPair, Epochs: 20, PretrainEpochs: 20, Batch: 128, MicroBatches: 2, PretrainMicros: 1, TuneMicros: 1,
		Eta: 1, Eta0: 1e-3, Eta1: 30, Kappa: 3, Prior: PriorKL, Lambda: 1e-3, Mu: 1e-3, Gamma: 1,
		Temperature0: 1, Temperature1: 0.3, HardFrom: 0.5, WarmUp: 0.1, Hidden: 64, Depth: 2,
		LearningRate: 0.02, WeightDecay: 1e-4, StepLR: 2e-3, ThetaLR: 5e-3, PretrainLR: 0.1,
		HoldOut: 0.1, Recalibrate: true, RecalibrateSize: 2048,
	}
	switch model {
	case "digitsnet":
		s.Epochs, s.Eta1, s.Lambda, s.HoldOut = 30, 10, 3e-3, 0.2
	case "espcn":
		s = s.restoring()
		// Far from trained after as many epochs with 16 patches a step: bench/results/espcn-set5-x3.md.
		s.Batch, s.PretrainEpochs, s.LearningRate, s.CodeLR = 4, 240, 1e-3, 0.02
	case "srresnet":
		s = s.restoring()
		s.PretrainLR, s.LearningRate = 2e-4, 1e-4
	}
	return s
}

// restoring changes settings to those of a net that restores images. Its loss, a mean difference of pixels, is a hundredth of a
// cross-entropy, and so are the terms that are weighed against it; without norms Adam trains far faster than SGD.
func (s Settings) restoring() Settings {
	s.Optimizer, s.WeightDecay, s.PretrainLR, s.LearningRate = Adam, 0, 2e-3, 5e-4
	s.Batch, s.PretrainEpochs, s.Epochs = 16, 60, 60
	s.Eta0, s.Eta1, s.Lambda, s.Mu = 3e-4, 1, 1e-5, 1e-5
	s.RecalibrateSize = 512
	return s
}

// For changes a model's settings to those of a Supernet's mode.
func (s Settings) For(m Method) Settings {
	s.Method = m
	switch m {
	case VIMPS:
		s.Kappa, s.Prior, s.MicroBatches = 0, PriorEntropy, 1
	case EdMIPS:
		s.Kappa, s.Prior, s.Mu, s.MicroBatches, s.SharedWeights, s.Norm, s.HardFrom = 0, PriorNone, 0, 1, true, nn.NormPlain, 1
	case DNAS:
		s.Kappa, s.Prior, s.Mu, s.MicroBatches, s.Norm, s.HardFrom = 0, PriorNone, 0, 1, nn.NormPlain, 1
	case BayesianBits:
		s.Kappa, s.Prior, s.Mu, s.MicroBatches, s.SharedWeights, s.Norm, s.HardFrom = 0, PriorNone, 0, 1, true, nn.NormPlain, 1
		s.WarmUp, s.ThetaLR, s.Eta = 0, 1e-3, 0.01
	}
	return s
}

// Check tells what is wrong with the settings in one line that names the flag.
func (s Settings) Check() error {
	inside := func(flag string, v, lo, hi float64) error {
		if math.IsNaN(v) || v < lo || v > hi {
			return fmt.Errorf("--%s %g: want %g to %g", flag, v, lo, hi)
		}
		return nil
	}
	switch s.Norm {
	case nn.NormPlain, nn.NormPair, nn.NormGate, nn.NormEta, nn.NormTransition:
	default:
		return fmt.Errorf("--norm %q: want pair, bn, gate, eta or transition", s.Norm)
	}
	switch s.Prior {
	case PriorKL, PriorEntropy, PriorNone:
	default:
		return fmt.Errorf("--prior %q: want kl, entropy or none", s.Prior)
	}
	if s.Optimizer != SGD && s.Optimizer != Adam {
		return fmt.Errorf("--optimizer %q: want sgd or adam", s.Optimizer)
	}
	if s.Optimizer == Adam && s.WeightDecay != 0 {
		return fmt.Errorf("--optimizer adam --weight-decay %g: Adam has no decay; want 0", s.WeightDecay)
	}
	if s.Optimizer != Adam && s.CodeLR != 0 {
		return fmt.Errorf("--code-learning-rate %g: only Adam's steps do not depend on the unit of what it trains; want 0 or --optimizer adam", s.CodeLR)
	}
	if !(s.Eta0 > 0) || !(s.Eta1 > s.Eta0) || math.IsInf(s.Eta1, 1) {
		return fmt.Errorf("--eta-min %g --eta-max %g: want 0 < min < max", s.Eta0, s.Eta1)
	}
	if s.MicroBatches < 1 || s.Batch < 1 || s.Batch%s.MicroBatches != 0 {
		return fmt.Errorf("--batch %d --micro-batches %d: the batch must divide into micro-batches of equal size", s.Batch, s.MicroBatches)
	}
	if s.PretrainMicros < 0 || s.Batch%s.pretrainMicros() != 0 {
		return fmt.Errorf("--batch %d --pretrain-micro-batches %d: the batch must divide into micro-batches of equal size", s.Batch, s.PretrainMicros)
	}
	if s.TuneMicros < 0 || s.Batch%s.tuneMicros() != 0 {
		return fmt.Errorf("--batch %d --tune-micro-batches %d: the batch must divide into micro-batches of equal size", s.Batch, s.TuneMicros)
	}
	for _, c := range []error{
		inside("epochs", float64(s.Epochs), 1, 1e6), inside("pretrain-epochs", float64(s.PretrainEpochs), 0, 1e6),
		inside("kappa", s.Kappa, 0, 100), inside("lambda", s.Lambda, 0, 1e6), inside("mu", s.Mu, 0, 1e6),
		inside("temperature-start", s.Temperature0, 1e-3, 1e3), inside("temperature-end", s.Temperature1, 1e-3, 1e3),
		inside("explore", s.Explore, 0, 1), inside("hard-from", s.HardFrom, 0, 1), inside("warm-up", s.WarmUp, 0, 0.99), inside("hidden", float64(s.Hidden), 1, 256),
		inside("depth", float64(s.Depth), 1, 4), inside("learning-rate", s.LearningRate, 0, 1e6), inside("weight-decay", s.WeightDecay, 0, 1),
		inside("step-learning-rate", s.StepLR, 0, 10), inside("code-learning-rate", s.CodeLR, 0, 10), inside("theta-learning-rate", s.ThetaLR, 0, 10),
		inside("pretrain-learning-rate", s.PretrainLR, 0, 1e6), inside("hold-out", s.HoldOut, 0.001, 0.9),
		inside("recalibrate-images", float64(s.RecalibrateSize), 1, 1e7),
	} {
		if c != nil {
			return c
		}
	}
	return nil
}

// pretrainMicros is the number of micro-batches in a step of the fp32 net's training.
func (s Settings) pretrainMicros() int { return max(1, s.PretrainMicros) }

// tuneMicros is the number of micro-batches in a step of a Tuner.
func (s Settings) tuneMicros() int { return max(1, s.TuneMicros) }

// freeLogits tells whether the logits are parameters of their own instead of f_theta(eta).
func (s Settings) freeLogits() bool { return s.Method != OneShot }

// schedule is what changes along a run, at share p of its steps (method.md, section 5, "Order in a step").
type schedule struct {
	lr, codeLR, stepLR, thetaLR, mu, temperature float64
	theta, hard                                  bool
}

func (s Settings) at(p float64) schedule {
	cosine := (1 + math.Cos(math.Pi*p)) / 2
	after := max(0, (p-s.WarmUp)/(1-s.WarmUp))
	return schedule{
		lr: s.LearningRate * cosine, codeLR: s.CodeLR * cosine, stepLR: s.StepLR * cosine,
		thetaLR:     s.ThetaLR * (0.1 + 0.45*(1+math.Cos(math.Pi*after))),
		mu:          s.Mu * (1 - p),
		temperature: s.Temperature0 * math.Pow(s.Temperature1/s.Temperature0, after),
		theta:       p >= s.WarmUp, hard: p >= s.HardFrom,
	}
}

// u maps eta to [-1, 1], the BitModel's input.
func (s Settings) u(eta float64) float64 {
	return 2*(math.Log(eta)-math.Log(s.Eta0))/(math.Log(s.Eta1)-math.Log(s.Eta0)) - 1
}

// etaAt is the eta at share r of [Eta0, Eta1] on the logarithmic scale.
func (s Settings) etaAt(r float64) float64 {
	return math.Exp(math.Log(s.Eta0) + r*(math.Log(s.Eta1)-math.Log(s.Eta0)))
}
