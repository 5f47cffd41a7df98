package cli

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"vimps-gpu/cuda/job"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// sweepPlan is which children a sweep evaluates.
type sweepPlan struct {
	etas      []float64 // as listed; nil: count of them, evenly on the logarithmic scale
	count     int
	random    int // random children to compare with
	uniform   bool
	untrained bool
}

func sweepFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "etas", Value: 40, Usage: "hardware penalties that are asked for a child"},
		&cli.StringFlag{Name: "eta-list", Usage: "these penalties instead, such as 0.01,0.1,1"},
		&cli.BoolFlag{Name: "no-recalibrate", Usage: "take batch-norm statistics as trained instead of re-estimating them for each child"},
		&cli.IntFlag{Name: "random", Usage: "compare with so many random children of the same supernet"},
		&cli.BoolFlag{Name: "uniform", Usage: "compare with uniform bits, every pair of candidates"},
		&cli.BoolFlag{Name: "untrained", Usage: "compare with the children that the bit model names before training"},
		&cli.BoolFlag{Name: "all", Usage: "print the dominated children too"},
	}
}

func sweepCommand() *cli.Command {
	flags := append([]cli.Flag{
		runFlag(),
		&cli.StringFlag{Name: "data", Usage: "where the images of the run lie now", DefaultText: "where they lay"},
		&cli.StringFlag{Name: "cost", Usage: "`COST` that replaces the run's: " + costUsage},
		&cli.StringFlag{Name: "out", Usage: "`DIR`ectory for what is written", DefaultText: "the run directory"},
		jsonFlag(),
	}, deviceFlags()...)
	return &cli.Command{
		Name:  "sweep",
		Usage: "read the front off a trained supernet again, with other penalties or costs",
		Description: describe("Trains nothing. Writes front.json, report.html and pictures anew. With baselines (--random, --uniform,\n"+
			"--untrained) it writes baselines.json and tells the hypervolume of each beside that of the front.\n"+
			"Processes that mpirun or srun starts share the children.",
			"vimps-gpu sweep --run runs/r20 --etas 20 --random 40 --uniform",
			"vimps-gpu sweep --run runs/r20 --cost latency.csv --out runs/r20-latency"),
		Flags:  append(flags, sweepFlags()...),
		Action: sweep,
	}
}

func runFlag() cli.Flag { return &cli.StringFlag{Name: "run", Usage: "run `DIR`ectory"} }

func sweep(c *cli.Context) error {
	if !c.IsSet("run") {
		return usagef("sweep: say which run by --run DIR")
	}
	plan, err := sweepFromFlags(c)
	if err != nil {
		return err
	}
	var cost func(*quant.Space) (*quant.CostTable, error)
	if path := c.String("cost"); path != "" {
		cost = func(s *quant.Space) (*quant.CostTable, error) { return quant.OpenCost(path, s) }
	}
	s, err := openRun(c, c.String("run"), asRecorded(c), cost)
	if err != nil {
		return err
	}
	defer s.close()
	if err := plan.fits(c, s.system, s.run.Config); err != nil {
		return err
	}
	if c.Bool("no-recalibrate") {
		s.search.Settings.Recalibrate = false
	}
	out := s.run.Dir
	if c.IsSet("out") {
		out = c.String("out")
		if err := os.MkdirAll(out, 0o777); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
	}
	defer interruptible(c)()
	began := time.Now()
	result, err := s.sweep(c, plan, onesot.Options{Trained: true})
	if err != nil {
		return nothingWritten(err)
	}
	result.facts = append(result.facts, machineFacts(s)...)
	if err := result.write(s, out); err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, result.json(out, time.Since(began)))
	}
	result.print(c.App.Writer, c.Bool("all"))
	return nil
}

// sweepFromFlags reads the flags of sweepFlags.
func sweepFromFlags(c *cli.Context) (sweepPlan, error) {
	p := sweepPlan{count: c.Int("etas"), random: c.Int("random"), uniform: c.Bool("uniform"), untrained: c.Bool("untrained")}
	if p.count < 1 || p.count > 10000 {
		return p, usagef("--etas %d: want 1 to 10000", p.count)
	}
	if p.random < 0 || p.random > 10000 {
		return p, usagef("--random %d: want 0 to 10000", p.random)
	}
	if !c.IsSet("eta-list") {
		return p, nil
	}
	for _, field := range strings.Split(c.String("eta-list"), ",") {
		eta, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
		if err != nil || !(eta > 0) || math.IsInf(eta, 0) {
			return p, usagef("--eta-list: %q is not a number above 0; write a list such as 0.01,0.1,1", field)
		}
		if n := len(p.etas); n > 0 && eta <= p.etas[n-1] {
			return p, usagef("--eta-list: %g does not ascend after %g", eta, p.etas[n-1])
		}
		p.etas = append(p.etas, eta)
	}
	return p, nil
}

// fits refuses penalties that a run's system cannot be asked for.
func (p sweepPlan) fits(c *cli.Context, system onesot.System, config onesot.Config) error {
	s := config.Settings
	if asks := system.Asks(); asks.Kind != onesot.AskEtas {
		for _, name := range []string{"etas", "eta-list"} {
			if c.IsSet(name) {
				return usagef("--%s: %s is asked by --%v", name, system.Name(), asks.Kind)
			}
		}
		return nil
	}
	if len(p.etas) == 0 {
		return nil
	}
	if p.etas[0] < s.Eta0 || p.etas[len(p.etas)-1] > s.Eta1 {
		return usagef("--eta-list: want %g to %g, where the run was trained", s.Eta0, s.Eta1)
	}
	return nil
}

// sweep does what is left of the search, and evaluates what its children are compared with.
func (s *session) sweep(c *cli.Context, plan sweepPlan, o onesot.Options) (*sweepResult, error) {
	if s.system.Asks().Kind == onesot.AskEtas {
		if s.search.Asked = plan.etas; plan.etas == nil {
			s.search.Asked = s.run.Config.Settings.Etas(plan.count)
		}
	}
	show := newProgress(c.App.ErrWriter)
	defer show.finish()
	o.Progress, o.Evaluated = show.step, show.child
	if err := s.search.Execute(c.Context, o); err != nil {
		return nil, err
	}
	found := s.search.Found
	r := &sweepResult{space: s.search.Space, classes: len(s.set.Classes), predictions: found.Predictions, notes: found.Notes}
	r.front = s.search.Front(found.Points)
	r.facts = append(r.facts, s.accountFacts()...)
	for _, b := range baselines(s.search, plan) {
		points, err := found.Evaluate(c.Context, b.children, func(done, of int) { show.child(b.name, done, of) })
		if err != nil {
			return nil, err
		}
		r.baselines = append(r.baselines, baseline{b.name, points, b.labels})
	}
	return r, nil
}

// accountFacts say what the search took, from its start on, whatever happened in between.
func (s *session) accountFacts() [][2]string {
	a := s.search.Account.Now()
	seconds := func(v float64) string {
		return time.Duration(v * float64(time.Second)).Round(time.Second / 10).String()
	}
	children := recalibrated(s.search.Settings)
	if n := len(s.search.Asked); n > 0 {
		children = fmt.Sprintf("%d asked for by %s; %s", n, s.system.Asks().What, children)
	}
	return [][2]string{
		{"search", fmt.Sprintf("%s, CPU time %s%s, test images not counted", seconds(a.Wall), seconds(a.CPU), ofFirst(s.world))},
		{"image passes", fmt.Sprintf("%s forward, %s backward", onesot.HumanCount(float64(a.Forward)), onesot.HumanCount(float64(a.Backward)))},
		{"children", children},
	}
}

// ofFirst says of what a number is that only the first process of a job knows.
func ofFirst(w *job.World) string {
	if w.Size() == 1 {
		return ""
	}
	return fmt.Sprintf(" of the first of %d processes", w.Size())
}

func recalibrated(s onesot.Settings) string {
	if s.Recalibrate {
		return fmt.Sprintf("batch-norm statistics re-estimated on at most %d images", s.RecalibrateSize)
	}
	return "batch-norm statistics as trained"
}

// comparison is a set of children that the front should beat.
type comparison struct {
	name     string
	children []quant.Assignment
	labels   []string
}

// baselines are the comparisons that the plan wants, all with the supernet's own weights.
func baselines(s *onesot.Search, plan sweepPlan) []comparison {
	var out []comparison
	if plan.random > 0 {
		out = append(out, comparison{name: "random", children: onesot.RandomChildren(s.Space, plan.random, s.Settings.Seed)})
	}
	if plan.uniform {
		out = append(out, uniformChildren(s.Space))
	}
	if plan.untrained {
		min := quant.Choose(s.Space, make([]int, len(s.Space.Layers)), make([]int, len(s.Space.Layers)))
		out = append(out, comparison{"untrained bit model", []quant.Assignment{quant.MaxAssignment(s.Space), min}, nil})
	}
	return out
}

// uniformChildren are all pairs of a weight and an input width that every searched gate has as a candidate.
func uniformChildren(s *quant.Space) comparison {
	b := comparison{name: "uniform"}
	seen := map[string]bool{}
	for w := quant.MinWeightBits; w <= quant.MaxBits; w++ {
		for x := quant.MinInputBits; x <= quant.MaxBits; x++ {
			a, err := quant.Uniform(s, w, x)
			if err != nil || seen[a.Key()] {
				continue
			}
			seen[a.Key()] = true
			b.children = append(b.children, a)
			b.labels = append(b.labels, fmt.Sprintf("W%dA%d", w, x))
		}
	}
	return b
}
