package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method"
)

func searchCommand() *cli.Command {
	flags := netFlags()
	flags = append(flags,
		&cli.StringFlag{Name: "method", Usage: strings.Join(method.Names(), ", ") + "; the defaults below depend on it and on the model", DefaultText: defaultMethod},
		constraintsFlag(),
		&cli.StringFlag{Name: "cost", Usage: "`COST` that children are searched by: " + costUsage, DefaultText: "BOPs"},
		&cli.StringFlag{Name: "out", Usage: "run `DIR`ectory", DefaultText: "runs/MODEL-METHOD-DATA"},
		&cli.BoolFlag{Name: "resume", Usage: "go on with the run in --out; what it was made with need not be given again"},
		&cli.IntFlag{Name: "save-every", Value: 200, Usage: "steps between states on disk: what a kill costs at most"},
		&cli.BoolFlag{Name: "tensorboard", Usage: "write metrics as TensorBoard event files too, into RUN/tensorboard"},
	)
	flags = append(flags, deviceFlags()...)
	flags = append(flags, askedFlags()...)
	flags = append(flags, sweepFlags()...)
	flags = append(flags, settingFlags(settings())...)
	return &cli.Command{
		Name:  "search",
		Usage: "train a supernet, or another search system, and read its accuracy / cost front",
		Description: describe("Trains the supernet, asks it for its best child at each of many hardware penalties (eta), evaluates\n"+
			"those children and writes front.json, report.html and pictures into the run directory.\n"+
			"Ctrl-C saves the state; --resume goes on to the same bits.\n\n"+
			"Processes that mpirun or srun starts share the micro-batches and the children: as many as divide --micro-batches.",
			"vimps-gpu search",
			"vimps-gpu search --model resnet20 --data cifar10:DIR --weights resnet20.safetensors --out runs/r20",
			"vimps-gpu search --out runs/r20 --resume",
			"vimps-gpu search --method edmips --penalties 0.01,0.1,1",
			"mpirun -np 4 vimps-gpu search --micro-batches 4 --out runs/digits"),
		Flags:  append(flags, systemFlags()...),
		Action: search,
	}
}

// costUsage is how costs are written; see quant.CostFile.
const costUsage = "bops, size or a table with layer,weight_bits,input_bits,cost as FILE.csv or NAME:FILE.csv, such as latency:FILE.csv of profile"

func search(c *cli.Context) error {
	if c.Int("save-every") < 1 {
		return usagef("--save-every %d: want 1 or more", c.Int("save-every"))
	}
	sweep, err := sweepFromFlags(c)
	if err != nil {
		return err
	}
	start := newRun
	if c.Bool("resume") {
		start = resumeRun
	}
	s, err := start(c, sweep)
	if err != nil {
		return err
	}
	defer s.close()
	fmt.Fprintf(c.App.ErrWriter, "run: %s\n", s.run.Dir)
	s.world.Advise("go on with: " + goOn(s.system, s.run.Dir))
	defer interruptible(c)()
	began := time.Now()
	result, err := s.sweep(c, sweep, runOptions(c))
	if err != nil {
		return s.howToGoOn(err)
	}
	result.facts = append(result.facts, machineFacts(s)...)
	if err := result.write(s, s.run.Dir); err != nil {
		return err
	}
	result.print(c.App.Writer, c.Bool("all"))
	fmt.Fprintf(c.App.Writer, "\ntook %v; next: vimps-gpu pick --run %s --max-drop 1\n", time.Since(began).Round(time.Second/10), s.run.Dir)
	return nil
}

// runOptions are the flags that do not change what a run computes.
func runOptions(c *cli.Context) onesot.Options {
	return onesot.Options{SaveEvery: c.Int("save-every"), TensorBoard: c.Bool("tensorboard")}
}

// outDir is where a new run goes.
func outDir(c *cli.Context, config onesot.Config) string {
	if c.IsSet("out") {
		return c.String("out")
	}
	kind, _, _ := strings.Cut(config.Data, ":")
	return filepath.Join("runs", fmt.Sprintf("%s-%s-%s", strings.TrimSuffix(filepath.Base(config.Model), ".onnx"), config.Settings.Method, kind))
}
