package cli

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"vimps-gpu/onesot"
)

func finetuneCommand() *cli.Command {
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "run", Usage: "run `DIR`ectory of the search that found the child"},
		&cli.StringFlag{Name: "from", Value: "supernet", Usage: "start from the child's weights in the supernet, or from the fp32 net: supernet or fp32"},
		&cli.StringFlag{Name: "out", Usage: "run `DIR`ectory", DefaultText: "RUN-finetune"},
		&cli.BoolFlag{Name: "resume", Usage: "go on with the fine-tuning in --out"},
		&cli.IntFlag{Name: "save-every", Value: 200, Usage: "steps between states on disk: what a kill costs at most"},
		&cli.BoolFlag{Name: "tensorboard", Usage: "write metrics as TensorBoard event files too, into RUN/tensorboard"},
		&cli.StringFlag{Name: "points", Usage: "several children by their numbers in the run's front.json, such as 0,3,7, or front for all that no other beats; each into a directory below --out"},
		jsonFlag(),
	}, childFlags()...)
	return &cli.Command{
		Name:  "finetune",
		Usage: "train one child further",
		Description: describe("Quantization-aware training of a child that a search found: SGD with momentum, LogAdam on quantizer steps,\n"+
			"learning rates falling as a cosine. Writes a run directory of its own; Ctrl-C, then --resume.\n\n"+
			"Processes that mpirun or srun starts share the children of --points, or the --tune-micro-batches of one child.",
			"vimps-gpu pick --run runs/r20 --max-bops 0.25 --save child.json",
			"vimps-gpu finetune --run runs/r20 --assignment child.json --epochs 20 --out runs/r20-025",
			"vimps-gpu finetune --run runs/r20 --budget bops=0.25 --budget size=100K --epochs 20",
			"vimps-gpu finetune --run runs/r20 --points front --epochs 20; the same command goes on after an interrupt"),
		Flags:  append(append(flags, deviceFlags()...), tuneFlags()...),
		Action: finetune,
	}
}

// tuneFlags are the flags of the settings that a fine-tuning has; those of the search are its defaults.
func tuneFlags() []cli.Flag {
	names := []string{"epochs", "batch", "tune-micro-batches", "train-images", "seed", "learning-rate", "weight-decay", "step-learning-rate", "code-learning-rate", "recalibrate-images"}
	var flags []cli.Flag
	for _, s := range settings() {
		if slices.Contains(names, s.name) {
			flags = append(flags, s.flagWithDefault("that of --run"))
		}
	}
	return flags
}

// childFlags name one child of a run.
func childFlags() []cli.Flag {
	return []cli.Flag{
		&cli.Float64Flag{Name: "child", Usage: "the child at this hardware penalty (eta)"},
		&cli.StringFlag{Name: "assignment", Usage: "the child whose bits are in this `FILE`.json"},
		&cli.StringFlag{Name: "uniform", Usage: "weight/input bits in every searched layer, such as 4/4"},
		&cli.IntFlag{Name: "point", Usage: "the child with this number in the run's front.json"},
		budgetFlag(),
	}
}

func finetune(c *cli.Context) error {
	if c.Int("save-every") < 1 {
		return usagef("--save-every %d: want 1 or more", c.Int("save-every"))
	}
	if from := c.String("from"); from != "supernet" && from != onesot.FromFP32 {
		return usagef("--from %q: want supernet or fp32", from)
	}
	if c.IsSet("points") {
		return finetunePoints(c)
	}
	start := newFineTune
	if c.Bool("resume") {
		start = resumeFineTune
	}
	s, err := start(c)
	if err != nil {
		return err
	}
	defer s.close()
	fmt.Fprintf(c.App.ErrWriter, "run: %s\n", s.run.Dir)
	s.world.Advise("go on with: " + goOn(s.system, s.run.Dir))
	defer interruptible(c)()
	result, err := s.sweep(c, sweepPlan{}, runOptions(c))
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

// resumeFineTune opens the run that --out names.
func resumeFineTune(c *cli.Context) (*session, error) {
	for _, f := range append(childFlags(), runFlag()) {
		if name := f.Names()[0]; c.IsSet(name) {
			return nil, usagef("--resume: the run in --out knows what it fine-tunes; leave --%s out", name)
		}
	}
	return resumeRun(c, sweepPlan{})
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
	s, err := source.fineTuneOf(c)
	if err != nil {
		source.close()
		return nil, err
	}
	source.search.Close() // the device stays open
	return s, nil
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
	s := &session{world: worldOf(c), run: run}
	run.World = s.world
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
	if err := describeInputs(&config, s.dev, s.set, false); err != nil {
		return nil, err
	}
	if err := checkShare(s.world, system.Name(), config, true, c.App.ErrWriter); err != nil {
		return nil, err
	}
	dir := c.String("out")
	if dir == "" {
		dir = filepath.Clean(s.run.Dir) + "-finetune"
	}
	t := &session{world: s.world, dev: s.dev, set: s.set, system: system, run: &onesot.Run{Dir: dir, Config: config, World: s.world}}
	if err := asFlagError(t.build(nil)); err != nil {
		return nil, err
	}
	if system.From == onesot.FromFP32 {
		return t, t.run.Create(nil)
	}
	judge, err := s.search.Found.Judge(c.Context, child)
	if err != nil {
		return nil, err
	}
	net, err := judge.Net.Extract(s.search.Problem, child)
	if err != nil {
		return nil, usagef("--from supernet: %w", err)
	}
	defer net.Free()
	return t, t.run.Create(func() error { return t.search.StartFrom(net) })
}
