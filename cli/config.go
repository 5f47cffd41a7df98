package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/urfave/cli/v2"

	"vimps-gpu/cuda"
	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method"
	"vimps-gpu/quant"
)

const (
	defaultModel  = "digitsnet"
	defaultData   = "digits"
	defaultMethod = string(onesot.OneShot)
)

// defaultConfig is what a search does where no flag says otherwise.
func defaultConfig(system onesot.System, model string) onesot.Config {
	p := quant.DefaultPolicy()
	config := onesot.Config{
		Version: Version, Model: model, Data: defaultData,
		WeightBits: p.WeightBits, InputBits: p.InputBits, FirstLayer: p.First.String(), LastLayer: p.Last.String(),
		Settings: system.Defaults(onesot.ModelSettings(model)), Asked: system.Asks().Default,
	}
	config.Settings.Method = onesot.Method(system.Name())
	return config
}

// netFlags choose the net, its data and its weights.
func netFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "model", Usage: "the net, see vimps-gpu models, or `FILE`.onnx", DefaultText: defaultModel},
		&cli.StringFlag{Name: "data", Usage: "the images, see vimps-gpu data", DefaultText: defaultData},
		&cli.StringFlag{Name: "weights", Usage: "`FILE`.safetensors or .onnx with the fp32 net; without it that of --model FILE.onnx is taken, or the fp32 net is trained first"},
	}
}

// spaceSettings are the settings that decide what is searched.
func spaceSettings() []setting {
	var out []setting
	for _, s := range settings() {
		if strings.HasSuffix(s.name, "-bits") || strings.HasSuffix(s.name, "-layer") {
			out = append(out, s)
		}
	}
	return out
}

func settingFlags(list []setting) []cli.Flag {
	var flags []cli.Flag
	for _, s := range list {
		flags = append(flags, s.flag())
	}
	return flags
}

// newConfig is the configuration that the flags ask for, without what the data and the device add.
func newConfig(c *cli.Context) (onesot.Config, onesot.System, error) {
	system, err := method.Find(cmp.Or(c.String("method"), defaultMethod))
	if err != nil {
		return onesot.Config{}, nil, asUsage(fmt.Errorf("--%w", err))
	}
	config := defaultConfig(system, cmp.Or(c.String("model"), defaultModel))
	config.Weights = modelFile(config.Model) // which holds them; --weights may name others
	if config.Weights != "" && strings.HasPrefix(c.String("data"), "sr:") {
		config.Settings = system.Defaults(onesot.ModelSettings("espcn")) // a net of one's own that makes images larger
		config.Settings.Method = onesot.Method(system.Name())
	}
	if err := applyFlags(c, &config); err != nil {
		return config, nil, err
	}
	return config, system, applySystemFlags(c, system, &config)
}

// applyFlags overwrites what flags were given for, and checks the outcome.
func applyFlags(c *cli.Context, config *onesot.Config) error {
	for name, field := range map[string]*string{"model": &config.Model, "data": &config.Data, "weights": &config.Weights, "cost": &config.Cost} {
		if c.IsSet(name) {
			*field = c.String(name)
		}
	}
	if path := c.String("constraints"); path != "" {
		if err := readConstraints(path, config); err != nil {
			return err
		}
	}
	if c.Bool("no-recalibrate") {
		config.Settings.Recalibrate = false
	}
	for _, s := range settings() {
		if c.IsSet(s.name) {
			if err := s.apply(c, config); err != nil {
				return err
			}
		}
	}
	if config.TrainImages < 0 {
		return usagef("--train-images %d: want 0 or more", config.TrainImages)
	}
	return asUsage(config.Settings.Check())
}

func constraintsFlag() cli.Flag {
	return &cli.StringFlag{Name: "constraints", Usage: "`FILE`.toml that pins, forbids or ties the bits of layers by their names"}
}

func readConstraints(path string, config *onesot.Config) error {
	rules, err := quant.ReadConstraints(path)
	if err == nil {
		config.RulesHash, err = onesot.HashFile(path)
	}
	if err != nil {
		return wrapFlag("constraints", err)
	}
	config.Constraints, config.Rules = path, &rules
	return nil
}

// parseBits reads candidate bit widths in the range of their kind.
func parseBits(flag, text string) ([]int, error) {
	if flag == "weight-bits" {
		return quant.ParseBits(text, quant.MinWeightBits, quant.MaxBits)
	}
	return quant.ParseBits(text, quant.MinInputBits, quant.MaxBits)
}

// describeInputs adds what the data, the weights and the device say of themselves. Weights that are gone keep the hash that they had, where
// they may be gone.
func describeInputs(config *onesot.Config, dev *cuda.Device, set *data.Set, weightsMayBeGone bool) error {
	config.DataHash, config.Device, config.Arithmetic = set.Hash, dev.Name(), dev.Arithmetic()
	_, table := quant.CostFile(config.Cost)
	for _, file := range []struct {
		flag, path string
		hash       *string
	}{{"cost", table, &config.CostHash}, {"weights", config.Weights, &config.WeightsHash}, {"model", modelFile(config.Model), &config.ModelHash}} {
		if file.path == "" {
			*file.hash = ""
			continue
		}
		hash, err := hashOf(file.path)
		if weightsMayBeGone && file.flag == "weights" && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return wrapFlag(file.flag, err)
		}
		*file.hash = hash
	}
	return nil
}

// hashOf is the sha256 of a file; where it is of ONNX, with the tensors outside of it.
func hashOf(path string) (string, error) {
	if model.IsFile(path) {
		return onesot.HashModel(path)
	}
	return onesot.HashFile(path)
}

// modelFile is the file that a model is read from; "" where the program knows it by name.
func modelFile(name string) string {
	if model.IsFile(name) {
		return name
	}
	return ""
}

// resumedConfig is the configuration of the run in dir with the flags given now; the two must agree. Data and
// weights may have moved: their content is compared, not where they lie. A weights file that is gone is missed only
// if it has not been read yet.
func resumedConfig(c *cli.Context, dir string, dev *cuda.Device) (onesot.Config, onesot.System, *data.Set, error) {
	fail := func(err error) (onesot.Config, onesot.System, *data.Set, error) {
		return onesot.Config{}, nil, nil, err
	}
	old, err := onesot.ReadConfig(dir)
	if err != nil {
		return fail(err)
	}
	if m := onesot.Method(c.String("method")); c.IsSet("method") && m != old.Settings.Method {
		return fail(otherSettings(dir, fmt.Sprintf("method: %s, now %s", old.Settings.Method, m)))
	}
	system, err := recordedSystem(dir, old)
	if err != nil {
		return fail(err)
	}
	if err := ofCommand(c, system, dir); err != nil {
		return fail(err)
	}
	now := old
	now.Version = Version
	if err := applyFlags(c, &now); err != nil {
		return fail(err)
	}
	if err := applySystemFlags(c, system, &now); err != nil {
		return fail(err)
	}
	if old.Weights != "" && old.Weights == modelFile(old.Model) && !c.IsSet("weights") {
		now.Weights = modelFile(now.Model) // which holds them, wherever it is now
	}
	set, err := data.Open(now.Data)
	if err != nil {
		return fail(err)
	}
	if err := describeInputs(&now, dev, set, !c.IsSet("weights")); err != nil {
		return fail(err)
	}
	compared := now
	if now.DataHash == old.DataHash {
		compared.Data = old.Data
	}
	if now.WeightsHash == old.WeightsHash {
		compared.Weights = old.Weights
	}
	if now.ModelHash == old.ModelHash && model.IsFile(now.Model) && model.IsFile(old.Model) {
		compared.Model = old.Model
	}
	if sameName := costName(now.Cost) == costName(old.Cost); sameName && now.CostHash == old.CostHash {
		compared.Cost = old.Cost
	}
	if sameRules(now.Rules, old.Rules) {
		compared.Constraints, compared.RulesHash = old.Constraints, old.RulesHash
	}
	compared.Rules = old.Rules // the hash says it
	if diff := old.Differences(compared); len(diff) > 0 {
		return fail(otherSettings(dir, strings.Join(diff, "; ")))
	}
	return now, system, set, nil
}

// sameRules compares what constraints say, not where they lie or how they are written.
func sameRules(a, b *quant.Constraints) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

// costName is what a cost is called, without where its table lies.
func costName(spec string) string {
	name, _ := quant.CostFile(spec)
	return name
}

func otherSettings(dir, differences string) error {
	return usagef("--resume: run directory %s was made with other settings: %s", dir, differences)
}

// ofCommand refuses a fine-tuning that search is to go on with, and the other way round.
func ofCommand(c *cli.Context, system onesot.System, dir string) error {
	if command := commandOf(system); command != c.Command.Name {
		return usagef("--resume: the run in %s is of %s; go on with it by: %s", dir, command, goOn(system, dir))
	}
	return nil
}

// commandOf is the command that a run was made by.
func commandOf(system onesot.System) string {
	if system.Name() == onesot.FineTuneName {
		return "finetune"
	}
	return "search"
}

// goOn is the command line that goes on with a run.
func goOn(system onesot.System, dir string) string {
	return fmt.Sprintf("vimps-gpu %s --out %s --resume", commandOf(system), dir)
}
