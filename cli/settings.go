package cli

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"vimps-gpu/nn"
	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method/oneshot"
)

// setting ties a flag to a field of a configuration.
type setting struct {
	name  string
	usage string
	field func(*onesot.Config) any // pointer to the field
}

// settings are the flags that decide what a search computes, in the order of the help.
func settings() []setting {
	type config = onesot.Config
	return []setting{
		{"epochs", "epochs of training", func(c *config) any { return &c.Settings.Epochs }},
		{"pretrain-epochs", "epochs of the fp32 net before it, where no --weights are given", func(c *config) any { return &c.Settings.PretrainEpochs }},
		{"batch", "images a step", func(c *config) any { return &c.Settings.Batch }},
		{"micro-batches", "parts of a batch, each with an eta, a gate sample and batch statistics of its own; the processes of a job share them", func(c *config) any { return &c.Settings.MicroBatches }},
		{"pretrain-micro-batches", "parts of a batch in the training of the fp32 net, which the processes of a job share", func(c *config) any { return &c.Settings.PretrainMicros }},
		{"tune-micro-batches", "parts of a batch where one child is trained at a time (fine-tuning, haq, spos, bitmixer, fn3), which the processes of a job share", func(c *config) any { return &c.Settings.TuneMicros }},
		{"train-images", "use at most so many training images; 0: all", func(c *config) any { return &c.TrainImages }},
		{"hold-out", "share of the training images that children are selected by", func(c *config) any { return &c.Settings.HoldOut }},
		{"seed", "of everything random", func(c *config) any { return &c.Settings.Seed }},
		{"weight-bits", "candidates of the weights, any of 2 to 8", func(c *config) any { return &c.WeightBits }},
		{"input-bits", "candidates of the inputs, any of 1 to 8", func(c *config) any { return &c.InputBits }},
		{"first-layer", "weight/input bits of the first layer, or search", func(c *config) any { return &c.FirstLayer }},
		{"last-layer", "weight/input bits of the last layer, or search", func(c *config) any { return &c.LastLayer }},
		{"norm", "batch norm conditioned on: pair, bn (nothing), gate, eta, or transition (the next layer too)", func(c *config) any { return &c.Settings.Norm }},
		{"shared-weights", "one filter for all bit widths", func(c *config) any { return &c.Settings.SharedWeights }},
		{"eta-min", "lower end of oneshot's hardware penalties", func(c *config) any { return &c.Settings.Eta0 }},
		{"eta-max", "upper end of oneshot's hardware penalties", func(c *config) any { return &c.Settings.Eta1 }},
		{"kappa", "tilt of the logits along eta", func(c *config) any { return &c.Settings.Kappa }},
		{"prior", "term that keeps gates from saturating: kl, entropy or none", func(c *config) any { return &c.Settings.Prior }},
		{"lambda", "weight of the prior", func(c *config) any { return &c.Settings.Lambda }},
		{"mu", "weight of the kernel similarity, falls to 0", func(c *config) any { return &c.Settings.Mu }},
		{"temperature-start", "of the Gumbel-softmax, first", func(c *config) any { return &c.Settings.Temperature0 }},
		{"temperature-end", "of the Gumbel-softmax, last", func(c *config) any { return &c.Settings.Temperature1 }},
		{"hard-from", "share of the steps after which gate samples are one-hot", func(c *config) any { return &c.Settings.HardFrom }},
		{"explore", "share of the micro-batches whose gates are drawn uniformly, so that children off the front are trained too", func(c *config) any { return &c.Settings.Explore }},
		{"warm-up", "share of the steps in which the bit model is frozen", func(c *config) any { return &c.Settings.WarmUp }},
		{"hidden", "units of a layer of the bit model", func(c *config) any { return &c.Settings.Hidden }},
		{"depth", "layers of the bit model", func(c *config) any { return &c.Settings.Depth }},
		{"optimizer", "of filters, norms and biases: sgd (momentum 0.9) or adam", func(c *config) any { return &c.Settings.Optimizer }},
		{"learning-rate", "of filters and norms, falls as a cosine", func(c *config) any { return &c.Settings.LearningRate }},
		{"weight-decay", "of filters", func(c *config) any { return &c.Settings.WeightDecay }},
		{"step-learning-rate", "of the logarithm of quantizer steps", func(c *config) any { return &c.Settings.StepLR }},
		{"code-learning-rate", "of filters in units of their quantizers' steps, with which they then scale and in whose range they stay: adam only; 0: filters are trained as floats, as are those that all bit widths share", func(c *config) any { return &c.Settings.CodeLR }},
		{"theta-learning-rate", "of the bit model or of free logits; 0 for these: as much as lets a logit travel in the training", func(c *config) any { return &c.Settings.ThetaLR }},
		{"pretrain-learning-rate", "of the fp32 net", func(c *config) any { return &c.Settings.PretrainLR }},
		{"recalibrate-images", "images that a child's batch-norm statistics are re-estimated on", func(c *config) any { return &c.Settings.RecalibrateSize }},
	}
}

// flag is the command-line flag of a setting. Its default shows the method's on the model.
func (s setting) flag() cli.Flag {
	defaults := defaultConfig(oneshot.New(), defaultModel)
	text := s.value(&defaults) + " (oneshot on " + defaultModel + ")"
	if strings.HasSuffix(s.name, "-bits") || strings.HasSuffix(s.name, "-layer") || s.name == "seed" || s.name == "train-images" {
		text = s.value(&defaults)
	}
	return s.flagWithDefault(text)
}

// flagWithDefault is the flag where the help is to call its default so.
func (s setting) flagWithDefault(text string) cli.Flag {
	var defaults onesot.Config
	common := cli.StringFlag{Name: s.name, Usage: s.usage, DefaultText: text}
	switch s.field(&defaults).(type) {
	case *bool:
		return &cli.BoolFlag{Name: s.name, Usage: s.usage, DefaultText: common.DefaultText}
	case *int:
		return &cli.IntFlag{Name: s.name, Usage: s.usage, DefaultText: common.DefaultText}
	case *uint64:
		return &cli.Uint64Flag{Name: s.name, Usage: s.usage, DefaultText: common.DefaultText}
	case *float64:
		return &cli.Float64Flag{Name: s.name, Usage: s.usage, DefaultText: common.DefaultText}
	}
	return &common
}

// apply writes the flag's value into the configuration.
func (s setting) apply(c *cli.Context, config *onesot.Config) error {
	switch p := s.field(config).(type) {
	case *bool:
		*p = c.Bool(s.name)
	case *int:
		*p = c.Int(s.name)
	case *uint64:
		*p = c.Uint64(s.name)
	case *float64:
		*p = c.Float64(s.name)
	case *string:
		*p = c.String(s.name)
	case *[]int:
		bits, err := parseBits(s.name, c.String(s.name))
		if err != nil {
			return usagef("--%s: %w", s.name, err)
		}
		*p = bits
	case *onesot.Prior:
		*p = onesot.Prior(c.String(s.name))
	case *onesot.Optimizer:
		if *p = onesot.Optimizer(c.String(s.name)); *p == "sgd" {
			*p = onesot.SGD
		}
	case *nn.NormKind:
		*p = nn.NormKind(c.String(s.name))
	}
	return nil
}

// value shows what the configuration holds, as the flag would be written.
func (s setting) value(config *onesot.Config) string {
	switch p := s.field(config).(type) {
	case *bool:
		return strconv.FormatBool(*p)
	case *int:
		return strconv.Itoa(*p)
	case *uint64:
		return strconv.FormatUint(*p, 10)
	case *float64:
		return fmt.Sprintf("%g", *p)
	case *[]int:
		return bitList(*p)
	case *string:
		return *p
	case *onesot.Prior:
		return string(*p)
	case *onesot.Optimizer:
		return cmp.Or(string(*p), "sgd")
	case *nn.NormKind:
		return string(*p)
	}
	panic("cli: setting " + s.name + " has a type that flags do not know")
}

// bitList writes bit widths as --weight-bits reads them.
func bitList(bits []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(bits), " ", ","), "[]")
}
