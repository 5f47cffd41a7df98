package compare

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"path/filepath"

	"gorgonia.org/tensor"

	"vimps-gpu/cuda"
	"vimps-gpu/nn/data"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// world is what all units share: data, net, costs, the fp32 net, the children of equal BOPs.
type world struct {
	e        *Experiment
	dir      string // of the run directories
	dev      *cuda.Device
	set      *data.Set
	config   onesot.Config // of every run but for its system and settings
	variants []*variant
	space    *quant.Space
	cost     *quant.CostTable
	bops     *quant.CostTable
	val      data.Split // held out of the test images; Len 0: of the training images
	fp32     *opened    // its FP32 is there once its unit is done
	equal    []quant.Assignment
}

// newWorld opens the data and checks every method against it. Nothing is written.
func newWorld(e *Experiment, o Options) (*world, error) {
	w := &world{e: e, dir: o.Shard.Dir(e.Out), dev: o.Dev}
	var err error
	if w.variants, err = e.variants(); err != nil {
		return nil, err
	}
	if w.set, err = data.Open(e.Data); err != nil {
		return nil, err
	}
	if e.Noise > 0 {
		addNoise(w.set, e.Noise, e.Seed)
	}
	if e.HoldOutTest > 0 {
		w.holdOutTest()
	}
	w.config = onesot.Config{Version: o.Version, Model: e.Model, Data: e.Data, DataHash: w.set.Hash, Weights: e.Weights,
		WeightBits: e.WeightBits, InputBits: e.InputBits, FirstLayer: e.FirstLayer, LastLayer: e.LastLayer, TrainImages: e.TrainImages,
		Device: o.Dev.Name(), Arithmetic: o.Dev.Arithmetic()}
	if e.Weights != "" {
		if w.config.WeightsHash, err = onesot.HashFile(e.Weights); err != nil {
			return nil, fmt.Errorf("weights: %w", err)
		}
	}
	if w.fp32, err = w.open(nil, e.Seed, "fp32"); err != nil {
		return nil, err
	}
	if m := w.fp32.Metric(); m != onesot.ByAccuracy {
		return nil, fmt.Errorf("model = %q: it restores images, and what is compared here are classifiers; search it by the command search", e.Model)
	}
	w.space, w.cost, w.bops = w.fp32.Space, w.fp32.Cost, quant.BOPs(w.fp32.Space)
	for _, v := range w.variants {
		s, err := w.open(v, e.Seeds[0], searchID(v, e.Seeds[0]))
		if err == nil && s.System.Asks().Kind == onesot.AskBudgets {
			err = s.CheckBudgets()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.label, err)
		}
	}
	if c := e.Correlation; c.EqualBOPs > 0 {
		if w.equal, err = EqualCost(w.bops, c.EqualBOPs, c.At, c.Tolerance, e.Seed); err != nil {
			return nil, fmt.Errorf("correlation.equal_bops: %w", err)
		}
	}
	return w, nil
}

// fp32Only stands for the training of the fp32 net, which every search starts from: it finds nothing.
type fp32Only struct{}

func (fp32Only) Name() string                               { return "fp32" }
func (fp32Only) About() string                              { return "the fp32 net" }
func (fp32Only) Defaults(s onesot.Settings) onesot.Settings { return s }
func (fp32Only) Options() []onesot.Option                   { return nil }
func (fp32Only) Asks() onesot.Asks                          { return onesot.Asks{} }
func (fp32Only) Check(*onesot.Problem) error                { return nil }
func (fp32Only) Search(context.Context, *onesot.Problem) (*onesot.Found, error) {
	return &onesot.Found{Free: func() {}}, nil
}

// opened is a search with its run directory.
type opened struct {
	*onesot.Search
	run *onesot.Run
}

// enter makes the run directory, or opens it where there is one, and locks it.
func (s *opened) enter() error {
	config := s.run.Config
	if _, err := onesot.ReadConfig(s.run.Dir); err != nil {
		return s.run.Create(nil)
	}
	run, err := onesot.OpenRun(s.run.Dir)
	if err != nil {
		return err
	}
	*s.run = *run
	s.run.Config = config // the experiment file has been compared
	return nil
}

func (s *opened) close() {
	s.Close()
	s.run.Close()
}

// open builds a search in memory; its run directory is not touched. v nil is that of the fp32 net.
func (w *world) open(v *variant, seed uint64, id string) (*opened, error) {
	config, system := w.config, onesot.System(fp32Only{})
	config.Settings = w.e.base()
	if v == nil {
		shared, err := applySettings(config.Settings, w.e.Settings, nil)
		if err != nil {
			return nil, err
		}
		config.Settings = shared
	} else {
		system = v.system(w.e)
		config.Settings, config.Asked, config.Options = v.settings, v.asked, onesot.OptionValues(system)
		config.Weights, config.WeightsHash = filepath.Join(w.dir, "fp32", "fp32.safetensors"), ""
	}
	config.Settings.Seed = seed
	run := &onesot.Run{Dir: filepath.Join(w.dir, id), Config: config}
	s, err := onesot.NewSearch(w.dev, run, w.set, system, w.custom)
	if err != nil {
		return nil, err
	}
	// One split for all seeds: the fp32 net, which has seen its training images, is the same for all.
	config.Settings.Seed = w.e.Seed
	s.Train, s.Val = onesot.Splits(config, w.set)
	if w.e.HoldOutTest > 0 {
		s.Train, s.Val = w.trainingImages(), w.val
	}
	return &opened{s, run}, nil
}

func (w *world) custom(space *quant.Space) (*quant.CostTable, error) {
	switch w.e.Cost {
	case "bops":
		return quant.BOPs(space), nil
	case "size":
		return quant.SizeBytes(space), nil
	}
	return quant.ReadCSV(w.e.Cost, space)
}

// holdOutTest takes the images that select children from the test images: published fp32 weights have seen every training
// image, so that nothing there is new to them.
func (w *world) holdOutTest() {
	w.set.Test, w.val = w.set.Test.Holdout(w.e.HoldOutTest, w.e.Seed)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s test %g seed %d", w.set.Hash, w.e.HoldOutTest, w.e.Seed))
	w.set.Hash = hex.EncodeToString(sum[:])
}

// trainingImages are all, or as many as the experiment wants.
func (w *world) trainingImages() data.Split {
	all := w.set.Train
	if n := w.e.TrainImages; n > 0 && n < all.Len() {
		_, all = all.Holdout(float64(n)/float64(all.Len()), w.e.Seed)
	}
	return all
}

// reference is the corner that hypervolumes are measured from.
func (w *world) reference() onesot.CostAccuracy {
	if r := w.e.Reference; r != nil {
		return onesot.CostAccuracy{Cost: r[0], Accuracy: r[1]}
	}
	return onesot.CostAccuracy{Cost: 1, Accuracy: 1 / float64(len(w.set.Classes))}
}

// addNoise adds to every pixel of every image a normal number of the given deviation (1 is from black to white), the
// same whenever the image is seen. It keeps small data sets from being solved by every child.
func addNoise(set *data.Set, deviation float64, seed uint64) {
	noisy := map[*tensor.Dense]*tensor.Dense{} // splits may share their storage
	for _, s := range []*data.Split{&set.Train, &set.Test} {
		if noisy[s.Images] == nil {
			noisy[s.Images] = noisyCopy(s.Images, deviation, stream{seed: seed, kind: streamNoise, item: uint32(len(noisy))})
		}
		s.Images = noisy[s.Images]
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s noise %g seed %d", set.Hash, deviation, seed))
	set.Hash = hex.EncodeToString(sum[:])
}

func noisyCopy(images *tensor.Dense, deviation float64, r stream) *tensor.Dense {
	pixels := images.Uint8s()
	out := make([]uint8, len(pixels))
	for i, v := range pixels {
		// Box and Muller, Ann. Math. Stat. 1958.
		a, b := r.uniform(uint32(i), 0), r.uniform(uint32(i), 1)
		normal := math.Sqrt(-2*math.Log(1-a)) * math.Cos(2*math.Pi*b)
		out[i] = uint8(min(255, max(0, math.Round(float64(v)+255*deviation*normal))))
	}
	return tensor.New(tensor.WithShape(images.Shape().Clone()...), tensor.WithBacking(out))
}
