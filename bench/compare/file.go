package compare

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"vimps-gpu/onesot"
)

// Experiment is what an experiment file declares.
type Experiment struct {
	Name        string  `toml:"name"`
	Out         string  `toml:"out"` // directory of the results
	Model       string  `toml:"model"`
	Data        string  `toml:"data"`    // as --data; ${NAME} is replaced by the environment's
	Weights     string  `toml:"weights"` // of the fp32 net, as --weights; without it the net is trained, once
	TrainImages int     `toml:"train_images"`
	HoldOut     float64 `toml:"hold_out"`      // share of the training images that children are selected by
	HoldOutTest float64 `toml:"hold_out_test"` // share of the test images that children are selected by instead, and that are test images no more
	Noise       float64 `toml:"noise"`         // standard deviation of what is added to every pixel, black 0, white 1
	WeightBits  []int   `toml:"weight_bits"`
	InputBits   []int   `toml:"input_bits"`
	FirstLayer  string  `toml:"first_layer"`
	LastLayer   string  `toml:"last_layer"`
	Cost        string  `toml:"cost"` // bops, size or FILE.csv

	Seed      uint64    `toml:"seed"`        // of the split, the noise, the fp32 net, the children of equal BOPs and the bootstrap
	Seeds     []uint64  `toml:"seeds"`       // of the searches
	Schedule  string    `toml:"schedule"`    // equalised or published
	Epochs    int       `toml:"epochs"`      // of every training, where the schedule is equalised
	Fronts    []int     `toml:"front_sizes"` // points of the fronts whose search time is told
	Reference []float64 `toml:"reference"`   // of the hypervolume: relative cost, accuracy

	Settings    map[string]any   `toml:"settings"` // shared settings of all methods, by their flags' names
	Methods     []map[string]any `toml:"method"`
	Ablations   []map[string]any `toml:"ablation"`
	Finetune    Finetune         `toml:"finetune"`
	Correlation Correlation      `toml:"correlation"`
	ImageNet    map[string]Step  `toml:"imagenet"`

	text    []byte
	path    string
	data    string // as the file says it, without the environment: what results name
	ownOut  string // Out as the file says it
	systems func() []onesot.System
}

// Finetune says how children are fine-tuned, all alike.
type Finetune struct {
	Epochs       int      `toml:"epochs"`
	Seeds        []uint64 `toml:"seeds"`
	Start        string   `toml:"start"` // supernet or fp32
	LearningRate float64  `toml:"learning_rate"`
}

// Correlation says of which children the order is compared.
type Correlation struct {
	AlongFront    int      `toml:"along_front"` // of each method's own points
	EqualBOPs     int      `toml:"equal_bops"`  // random children of about the same BOPs, the same for all methods
	At            float64  `toml:"at"`          // their relative BOPs
	Tolerance     float64  `toml:"tolerance"`   // share of it
	Recalibration []string `toml:"recalibration"`
}

// Step is the time of one image of a net on ImageNet, seconds, as it was measured.
type Step struct {
	Train   float64 `toml:"train"`   // forward and backward
	Forward float64 `toml:"forward"` // forward only
	Source  string  `toml:"source"`  // where it was measured
}

// Load reads an experiment file and checks everything that can be checked without its data.
func Load(path string) (*Experiment, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("experiment: %w", err)
	}
	return parse(path, text, systems)
}

func parse(path string, text []byte, systems func() []onesot.System) (*Experiment, error) {
	e := &Experiment{text: text, path: path, systems: systems, FirstLayer: "8/8", LastLayer: "8/8", Cost: "bops", Schedule: "equalised",
		WeightBits: []int{2, 4, 8}, InputBits: []int{2, 4, 8}, Fronts: []int{1, 5, 10, 20},
		Finetune:    Finetune{Start: "fp32", LearningRate: 0.01},
		Correlation: Correlation{At: 0.25, Tolerance: 0.03, Recalibration: []string{"on", "off"}}}
	meta, err := toml.Decode(string(text), e)
	if err == nil {
		err = unknownKey(meta)
	}
	e.data = e.Data
	if err == nil {
		err = e.check()
	}
	e.ownOut = e.Out
	if err != nil {
		return nil, fmt.Errorf("experiment %s: %w", path, plain(err))
	}
	return e, nil
}

// plain is the parser's error with the line that it is on.
func plain(err error) error {
	var p toml.ParseError
	if errors.As(err, &p) {
		text := strings.TrimPrefix(p.Error(), "toml: ")
		return errors.New(strings.Join(strings.Fields(text), " "))
	}
	return err
}

// unknownKey names the first key that no field took, and the nearest that one would have taken.
func unknownKey(meta toml.MetaData) error {
	undecoded := meta.Undecoded()
	if len(undecoded) == 0 {
		return nil
	}
	key := undecoded[0].String()
	return unknown("key", key, keys())
}

// keys lists every key of an experiment file outside the open tables.
func keys() []string {
	var out []string
	for _, t := range []struct {
		table string
		of    any
	}{{"", Experiment{}}, {"finetune", Finetune{}}, {"correlation", Correlation{}}} {
		for _, name := range tags(t.of, "toml") {
			out = append(out, strings.TrimPrefix(t.table+"."+name, "."))
		}
	}
	for _, net := range imageNetNames() {
		for _, name := range tags(Step{}, "toml") {
			out = append(out, "imagenet."+net+"."+name)
		}
	}
	slices.Sort(out)
	return out
}
