package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// session is a run that a command works on: its device, data and nets.
type session struct {
	world  *job.World
	dev    *cuda.Device
	set    *data.Set
	run    *onesot.Run
	system onesot.System
	search *onesot.Search
}

func (s *session) close() {
	if s.search != nil {
		s.search.Close()
	}
	if s.run != nil {
		s.run.Close()
	}
	s.dev.Close()
}

// newRun makes a run directory for what the flags ask, after everything that could be wrong has been looked at.
func newRun(c *cli.Context, sweep sweepPlan) (*session, error) {
	config, system, err := newConfig(c)
	if err == nil {
		err = sweep.fits(c, system, config)
	}
	if err != nil {
		return nil, err
	}
	s := &session{world: worldOf(c), system: system}
	if err := checkShare(s.world, system.Name(), config, config.Weights != "", c.App.ErrWriter); err != nil {
		return nil, err
	}
	if s.dev, err = openDevice(c, c.App.ErrWriter); err != nil {
		return nil, err
	}
	if s.set, err = data.Open(config.Data); err == nil {
		err = describeInputs(&config, s.dev, s.set, false)
	}
	if err == nil {
		err = checkNet(c.App.ErrWriter, s.dev, config, s.set)
	}
	if err == nil {
		s.run = &onesot.Run{Dir: outDir(c, config), Config: config, World: s.world}
		err = asFlagError(s.build(nil))
	}
	if err == nil {
		err = s.run.Create(nil)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// asFlagError blames the flags for everything but the device.
func asFlagError(err error) error {
	var oom cuda.OutOfMemory
	var failure cuda.Failure
	if errors.As(err, &oom) || errors.As(err, &failure) {
		return err
	}
	return asUsage(err)
}

// checkNet finds mistakes in what is searched, which flags caused, and in the weights file, and says what that file held.
func checkNet(notes io.Writer, dev *cuda.Device, config onesot.Config, set *data.Set) error {
	g, _, err := onesot.NetAndSpace(config, set)
	if err != nil {
		return asUsage(err)
	}
	if config.Weights == "" {
		return nil
	}
	return cuda.Guard(func() error {
		p := nn.NewParams(dev, g, nn.Config{})
		defer p.Free()
		report, err := loadWeights(p, config.Weights)
		if err == nil {
			fmt.Fprintf(notes, "note: %s\n", loaded(report, config.Weights, config.Model))
		}
		return err
	})
}

func loadWeights(p *nn.Params, path string) (report nn.LoadReport, err error) {
	f, err := model.ReadWeights(path, p.Graph)
	if err == nil {
		report, err = p.Load(f)
	}
	if err != nil {
		return report, wrapFlag("weights", err)
	}
	return report, nil
}

// loaded says what a weight file and a net had in common.
func loaded(r nn.LoadReport, path, net string) string {
	text := fmt.Sprintf("%s: %d tensors with %d parameters loaded into %s", path, len(r.Matched), r.Parameters, net)
	if len(r.Unused) > 0 {
		text += fmt.Sprintf("; %d that it has no place for: %s", len(r.Unused), strings.Join(r.Unused, ", "))
	}
	return text
}

// resumeRun opens the run that --out names.
func resumeRun(c *cli.Context, sweep sweepPlan) (*session, error) {
	if !c.IsSet("out") {
		return nil, usagef("--resume: say which run by --out DIR")
	}
	return openRun(c, c.String("out"), func(s *session) (onesot.Config, error) {
		config, system, set, err := resumedConfig(c, s.run.Dir, s.dev)
		if err == nil {
			err = sweep.fits(c, system, config)
		}
		if err == nil {
			_, statErr := os.Stat(s.run.FP32File())
			err = checkShare(s.world, system.Name(), config, config.Weights != "" || statErr == nil, c.App.ErrWriter)
		}
		s.set, s.system = set, system
		return config, err
	}, nil)
}

// openRun locks a run and builds its nets; configure gives its configuration and opens its data.
func openRun(c *cli.Context, dir string, configure func(*session) (onesot.Config, error), cost func(*quant.Space) (*quant.CostTable, error)) (*session, error) {
	w := worldOf(c)
	run, err := onesot.OpenShared(w, dir)
	if err != nil {
		return nil, err
	}
	s := &session{world: w, run: run}
	if s.dev, err = openDevice(c, c.App.ErrWriter); err != nil {
		run.Close()
		return nil, err
	}
	if run.Config, err = configure(s); err == nil {
		err = s.build(cost)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// asRecorded opens the data that a finished run names, or that --data says instead.
func asRecorded(c *cli.Context) func(*session) (onesot.Config, error) {
	return func(s *session) (onesot.Config, error) {
		config := s.run.Config
		if c.IsSet("data") {
			config.Data = c.String("data")
		}
		var err error
		if s.system, err = recordedSystem(s.run.Dir, config); err != nil {
			return config, err
		}
		if !c.IsSet("cost") {
			if err := sameCost(config); err != nil {
				return config, err
			}
		}
		s.set, err = data.Open(config.Data)
		return config, err
	}
}

// sameCost refuses a run whose cost table has changed: its children would be given other costs than they were found by.
func sameCost(config onesot.Config) error {
	_, file := quant.CostFile(config.Cost)
	if file == "" {
		return nil
	}
	hash, err := onesot.HashFile(file)
	if err != nil {
		return fmt.Errorf("the run's cost table: %w", err)
	}
	if hash != config.CostHash {
		return fmt.Errorf("cost table %s is not what the run was made with (sha256 %.12s..., then %.12s...)", file, hash, config.CostHash)
	}
	return nil
}

func (s *session) build(cost func(*quant.Space) (*quant.CostTable, error)) error {
	return cuda.Guard(func() (err error) {
		s.search, err = onesot.NewSearch(s.dev, s.run, s.set, s.system, cost)
		return err
	})
}
