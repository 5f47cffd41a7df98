package compare

import (
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"

	"vimps-gpu/nn"
	"vimps-gpu/nn/model"
	"vimps-gpu/onesot"
)

// check finds what is wrong with an experiment before its data is opened, in one line that names the key.
func (e *Experiment) check() error {
	for _, c := range []func() error{e.checkNames, e.checkNumbers, e.checkFinetune, e.checkCorrelation, e.checkImageNet} {
		if err := c(); err != nil {
			return err
		}
	}
	if len(e.Methods) == 0 {
		return errors.New("no [[method]]: want one or more")
	}
	variants, err := e.variants()
	if err != nil {
		return err
	}
	for _, v := range variants {
		if e.Finetune.Start == startSupernet && v.settings.Norm == nn.NormEta && v.ablates == "" {
			return fmt.Errorf("method %q: with norm = \"eta\" no child can be taken out of the supernet; write finetune.start = \"fp32\"", v.label)
		}
	}
	return nil
}

// The starts of a fine-tuning.
const (
	startSupernet = "supernet"
	startFP32     = "fp32"
)

var label = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,39}$`)

func validLabel(s string) bool { return label.MatchString(s) }

func (e *Experiment) checkNames() error {
	for _, c := range []struct{ key, value string }{{"name", e.Name}, {"out", e.Out}, {"model", e.Model}, {"data", e.Data}} {
		if c.value == "" {
			return fmt.Errorf("no %s", c.key)
		}
	}
	var models []string
	for _, m := range model.All() {
		models = append(models, m.Name)
	}
	if !slices.Contains(models, e.Model) {
		return unknown("model", e.Model, models)
	}
	for _, c := range []struct {
		key, value string
		valid      []string
	}{{"schedule", e.Schedule, []string{"equalised", "published"}}, {"finetune.start", e.Finetune.Start, []string{startSupernet, startFP32}}} {
		if !slices.Contains(c.valid, c.value) {
			return unknown(c.key, c.value, c.valid)
		}
	}
	if e.Cost != "bops" && e.Cost != "size" && !strings.HasSuffix(e.Cost, ".csv") {
		return fmt.Errorf("cost %q: want \"bops\", \"size\" or the name of a .csv file", e.Cost)
	}
	for _, field := range []*string{&e.Data, &e.Weights, &e.Out} {
		expanded, err := expand(*field)
		if err != nil {
			return err
		}
		*field = expanded
	}
	return nil
}

// expand replaces ${NAME} by the environment's NAME.
func expand(s string) (string, error) {
	var missing string
	out := os.Expand(s, func(name string) string {
		v, ok := os.LookupEnv(name)
		if !ok {
			missing = name
		}
		return v
	})
	if missing != "" {
		return "", fmt.Errorf("%q: the environment variable %s is not set", s, missing)
	}
	return out, nil
}

func (e *Experiment) checkNumbers() error {
	if err := checkSeeds("seeds", e.Seeds); err != nil {
		return err
	}
	if e.Schedule == "equalised" && e.Epochs < 1 {
		return fmt.Errorf("epochs = %d: want 1 or more, the length of every training under schedule = \"equalised\"", e.Epochs)
	}
	if e.Schedule != "equalised" && e.Epochs != 0 {
		return fmt.Errorf("epochs = %d: only schedule = \"equalised\" takes it; give each method its own", e.Epochs)
	}
	if e.TrainImages < 0 || e.Noise < 0 || e.Noise > 1 || e.HoldOut < 0 || e.HoldOut > 0.9 {
		return fmt.Errorf("train_images = %d, noise = %g, hold_out = %g: want 0 or more, 0 to 1, 0 to 0.9", e.TrainImages, e.Noise, e.HoldOut)
	}
	if e.HoldOutTest < 0 || e.HoldOutTest > 0.9 || e.HoldOutTest > 0 && e.HoldOut > 0 {
		return fmt.Errorf("hold_out_test = %g, hold_out = %g: want one of them, 0 to 0.9", e.HoldOutTest, e.HoldOut)
	}
	if len(e.Fronts) == 0 || slices.Min(e.Fronts) < 1 {
		return fmt.Errorf("front_sizes = %v: want one or more numbers of points, 1 or more each", e.Fronts)
	}
	if e.Reference != nil && (len(e.Reference) != 2 || !(e.Reference[0] > 0) || !(e.Reference[1] >= 0) || e.Reference[1] >= 1) {
		return fmt.Errorf("reference = %v: want [relative cost, accuracy], such as [1.0, 0.1]", e.Reference)
	}
	return nil
}

func checkSeeds(key string, seeds []uint64) error {
	if len(seeds) == 0 {
		return fmt.Errorf("%s: want one or more", key)
	}
	sorted := slices.Sorted(slices.Values(seeds))
	if len(slices.Compact(sorted)) != len(seeds) {
		return fmt.Errorf("%s = %v: one is there twice", key, seeds)
	}
	return nil
}

// tunes tells whether children are fine-tuned at all.
func (e *Experiment) tunes() bool { return e.Correlation.AlongFront > 0 || e.Correlation.EqualBOPs > 0 }

func (e *Experiment) checkFinetune() error {
	f := e.Finetune
	if !e.tunes() {
		return nil
	}
	if f.Epochs < 1 {
		return fmt.Errorf("finetune.epochs = %d: want 1 or more", f.Epochs)
	}
	if !(f.LearningRate > 0) || f.LearningRate > 10 {
		return fmt.Errorf("finetune.learning_rate = %g: want above 0, 10 at most", f.LearningRate)
	}
	return checkSeeds("finetune.seeds", f.Seeds)
}

func (e *Experiment) checkCorrelation() error {
	c := e.Correlation
	if c.AlongFront < 0 || c.EqualBOPs < 0 || c.AlongFront > 1000 || c.EqualBOPs > 1000 {
		return fmt.Errorf("correlation.along_front = %d, correlation.equal_bops = %d: want 0 to 1000", c.AlongFront, c.EqualBOPs)
	}
	if !(c.At > 0) || c.At > 1 || !(c.Tolerance > 0) || c.Tolerance > 0.5 || math.IsNaN(c.Tolerance) {
		return fmt.Errorf("correlation.at = %g, correlation.tolerance = %g: want above 0 and at most 1, above 0 and at most 0.5", c.At, c.Tolerance)
	}
	if len(c.Recalibration) == 0 {
		return errors.New("correlation.recalibration: want one or more of \"on\" and \"off\"")
	}
	for i, r := range c.Recalibration {
		if r != "on" && r != "off" {
			return unknown("correlation.recalibration", r, []string{"on", "off"})
		}
		if slices.Contains(c.Recalibration[:i], r) {
			return fmt.Errorf("correlation.recalibration = %q: one is there twice", c.Recalibration)
		}
	}
	return nil
}

func (e *Experiment) checkImageNet() error {
	for net, s := range e.ImageNet {
		if !slices.Contains(imageNetNames(), net) {
			return unknown("key", "imagenet."+net, keys())
		}
		if !(s.Train > 0) || !(s.Forward > 0) || s.Source == "" {
			return fmt.Errorf("imagenet.%s: want train and forward, seconds an image above 0, and source, where they were measured", net)
		}
	}
	return nil
}

// base are the settings that a system's defaults start from.
func (e *Experiment) base() onesot.Settings {
	s := onesot.ModelSettings(e.Model)
	s.Seed = e.Seed
	if e.HoldOut > 0 {
		s.HoldOut = e.HoldOut
	}
	return s
}
