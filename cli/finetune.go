package cli

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"vimps-gpu/cuda"
	"vimps-gpu/onesot"
)

func finetuneCommand() *cli.Command {
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "run", Usage: "run `DIR`ectory of the search that found the child"},
		&cli.StringFlag{Name: "from", Value: "supernet", Usage: "start from the child's weights in the supernet, or from the fp32 net: supernet or fp32"},
		&cli.StringFlag{Name: "out", Usage: "run `DIR`ectory", DefaultText: "RUN-finetune"},
		&cli.BoolFlag{Name: "resume", Usage: "go on with the fine-tuning in --out"},
		&cli.IntFlag{Name: "save-every", Value: 200, Usage: "steps between states on disk: what a kill costs at most"},
		jsonFlag(),
	}, childFlags()...)
	return &cli.Command{
		Name:  "finetune",
		Usage: "train one child further",
		Description: describe("Quantization-aware training of a child that a search found: SGD with momentum, LogAdam on quantizer steps,\n"+
			"learning rates falling as a cosine. Writes a run directory of its own; Ctrl-C, then --resume.",
			"vimps-gpu pick --run runs/r20 --max-bops 0.25 --save child.json",
			"vimps-gpu finetune --run runs/r20 --assignment child.json --epochs 20 --out runs/r20-025"),
		Flags:  append(append(flags, deviceFlags()...), settingFlags(tuneSettings())...),
		Action: finetune,
	}
}

// tuneSettings are the settings that a fine-tuning has.
func tuneSettings() []setting {
	names := []string{"epochs", "batch", "train-images", "seed", "learning-rate", "weight-decay", "step-learning-rate", "recalibrate-images"}
	var out []setting
	for _, s := range settings() {
		for _, name := range names {
			if s.name == name {
				out = append(out, s)
			}
		}
	}
	return out
}

// childFlags name one child of a run.
func childFlags() []cli.Flag {
	return []cli.Flag{
		&cli.Float64Flag{Name: "child", Usage: "the child at this hardware penalty (eta)"},
		&cli.StringFlag{Name: "assignment", Usage: "the child whose bits are in this `FILE`.json"},
		&cli.StringFlag{Name: "uniform", Usage: "weight/input bits in every searched layer, such as 4/4"},
		&cli.IntFlag{Name: "point", Usage: "the child with this number in the run's front.json"},
	}
}

func finetune(c *cli.Context) error {
	if c.Int("save-every") < 1 {
		return usagef("--save-every %d: want 1 or more", c.Int("save-every"))
	}
	if from := c.String("from"); from != "supernet" && from != onesot.FromFP32 {
		return usagef("--from %q: want supernet or fp32", from)
	}
	start := newFineTune
	if c.Bool("resume") {
		start = func(c *cli.Context) (*session, error) { return resumeRun(c, sweepPlan{}) }
	}
	s, err := start(c)
	if err != nil {
		return err
	}
	defer s.close()
	if s.system.Name() != onesot.FineTuneName {
		return usagef("--resume: the run in %s is a search; go on with it by vimps-gpu search --resume", s.run.Dir)
	}
	fmt.Fprintf(c.App.ErrWriter, "run: %s\n", s.run.Dir)
	defer interruptible(c)()
	result, err := s.sweep(c, sweepPlan{}, onesot.Options{SaveEvery: c.Int("save-every")})
	if err != nil {
		return s.howToGoOn(err)
	}
	result.facts = append(result.facts, machineFacts(s)...)
	if err := result.write(s, s.run.Dir); err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, result.front)
	}
	result.print(c.App.Writer, true)
	return nil
}

// newFineTune makes the run of a fine-tuning from that of a search.
func newFineTune(c *cli.Context) (*session, error) {
	if !c.IsSet("run") {
		return nil, usagef("finetune: say which run by --run DIR")
	}
	if err := oneChild(c); err != nil {
		return nil, err
	}
	source, err := viewTrained(c)
	if err != nil {
		return nil, err
	}
	defer source.closeSearch()
	s, err := source.fineTuneOf(c)
	if err != nil {
		source.dev.Close()
	}
	return s, err
}

// oneChild wants exactly one of childFlags.
func oneChild(c *cli.Context) error {
	asked := 0
	var names []string
	for _, f := range childFlags() {
		name := f.Names()[0]
		names = append(names, "--"+name)
		if c.IsSet(name) {
			asked++
		}
	}
	if asked != 1 {
		return usagef("%s: give exactly one of %s", c.Command.Name, strings.Join(names, ", "))
	}
	return nil
}

// viewTrained opens the run that --run names for reading and loads what it trained.
func viewTrained(c *cli.Context) (*session, error) {
	run, err := onesot.ViewRun(c.String("run"))
	if err != nil {
		return nil, err
	}
	s := &session{run: run}
	if s.dev, err = openDevice(c, c.App.ErrWriter); err != nil {
		return nil, err
	}
	if run.Config, err = asRecorded(c)(s); err == nil {
		err = s.build(nil)
	}
	if err == nil {
		err = s.open(c)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// fineTuneOf is a session, on the same device, of a new run that fine-tunes a child of this one.
func (s *session) fineTuneOf(c *cli.Context) (*session, error) {
	child, _, err := s.child(c)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(child)
	if err != nil {
		return nil, err
	}
	system := &onesot.FineTune{Child: string(text), From: c.String("from")}
	config := s.run.Config
	config.Version, config.Asked = Version, nil
	config.Settings.Method, config.Options = onesot.FineTuneName, onesot.OptionValues(system)
	if err := applyFlags(c, &config); err != nil {
		return nil, err
	}
	config.Weights = s.run.FP32File()
	if err := describeInputs(&config, s.dev, s.set); err != nil {
		return nil, err
	}
	dir := c.String("out")
	if dir == "" {
		dir = filepath.Clean(s.run.Dir) + "-finetune"
	}
	t := &session{dev: s.dev, set: s.set, system: system, run: &onesot.Run{Dir: dir, Config: config}}
	if err := asFlagError(t.build(nil)); err != nil {
		return nil, err
	}
	return t, t.run.Create(func() error { return s.handOver(c, t, system.From) })
}

// handOver puts what the fine-tuning starts from into its run directory.
func (s *session) handOver(c *cli.Context, t *session, from string) error {
	if from == onesot.FromFP32 {
		return nil
	}
	child, _, err := s.child(c)
	if err != nil {
		return err
	}
	return cuda.Guard(func() error {
		judge, err := s.search.Found.Judge(c.Context, child)
		if err != nil {
			return err
		}
		net, err := judge.Net.Extract(s.search.Problem, child)
		if err != nil {
			return err
		}
		defer net.Free()
		return t.search.StartFrom(net)
	})
}

// closeSearch frees what the search holds; the device stays open.
func (s *session) closeSearch() {
	if s.search != nil {
		s.search.Close()
	}
}
