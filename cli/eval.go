package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

func evalCommand() *cli.Command {
	flags := append(childFlags(),
		&cli.StringFlag{Name: "run", Usage: "run `DIR`ectory of a search or a fine-tuning"},
		&cli.BoolFlag{Name: "fp32", Usage: "the fp32 net of --model in --weights on --data, no run"},
		&cli.BoolFlag{Name: "no-recalibrate", Usage: "take batch-norm statistics as trained (the default with --fp32)"},
		&cli.BoolFlag{Name: "recalibrate", Usage: "re-estimate batch-norm statistics (the default for children)"},
		&cli.BoolFlag{Name: "integer", Usage: "also evaluate the child by exact integer arithmetic, as a deployed net computes"},
		jsonFlag())
	flags = append(flags, netFlags()...)
	return &cli.Command{
		Name:  "eval",
		Usage: "measure the accuracy of one child, or of an fp32 net",
		Description: describe("Evaluates on the validation and the test split. Writes nothing.",
			"vimps-gpu eval --run runs/r20 --uniform 4/4",
			"vimps-gpu eval --run runs/r20 --child 0.1 --no-recalibrate",
			"vimps-gpu eval --run runs/r20 --point 3 --integer",
			"vimps-gpu eval --fp32 --model resnet20 --weights resnet20.safetensors --data cifar10:DIR"),
		Flags:  append(flags, deviceFlags()...),
		Action: eval,
	}
}

func eval(c *cli.Context) error {
	if c.Bool("recalibrate") && c.Bool("no-recalibrate") {
		return usagef("--recalibrate and --no-recalibrate exclude each other")
	}
	asked := 0
	for _, name := range []string{"child", "assignment", "uniform", "point", "budget", "fp32"} {
		if c.IsSet(name) {
			asked++
		}
	}
	if asked != 1 {
		return usagef("eval: give exactly one of --child, --assignment, --uniform, --point, --budget and --fp32")
	}
	if c.Bool("fp32") && c.Bool("integer") {
		return usagef("--integer: an fp32 net has no codes; it goes with a child")
	}
	if c.Bool("fp32") {
		return evalFP32(c)
	}
	if !c.IsSet("run") {
		return usagef("eval: say which run by --run DIR")
	}
	for _, name := range []string{"model", "weights"} {
		if c.IsSet(name) {
			return usagef("--%s: the run has its own; it goes with --fp32", name)
		}
	}
	return evalChild(c)
}

// evaluated is an evaluation of a child.
type evaluated struct {
	Run         string
	Recalibrate bool
	onesot.Point
	Integer *integerScore // with --integer
}

// integerScore is how the child does by exact integer arithmetic.
type integerScore struct {
	onesot.Accuracy
	LossVal float64
}

// MarshalJSON is the fields of all parts side by side.
func (e evaluated) MarshalJSON() ([]byte, error) {
	parts := []any{struct {
		Run         string `json:"run"`
		Recalibrate bool   `json:"recalibrated"`
	}{e.Run, e.Recalibrate}, e.Point}
	if e.Integer != nil {
		parts = append(parts, struct {
			Integer *integerScore `json:"integer"`
		}{e.Integer})
	}
	return joinObjects(parts...)
}

// MarshalJSON is like that of evaluated.
func (s integerScore) MarshalJSON() ([]byte, error) {
	return joinObjects(s.Accuracy, struct {
		LossVal float64 `json:"loss_val"`
	}{s.LossVal})
}

func (s *session) evaluate(ctx context.Context, child quant.Assignment, eta float64, integer bool) (evaluated, error) {
	judge, err := s.search.Found.Judge(ctx, child)
	if err != nil {
		return evaluated{}, err
	}
	e := evaluated{Run: s.run.Dir, Recalibrate: s.search.Settings.Recalibrate, Point: judge.Child(child, eta)}
	if integer {
		val, test, err := judge.Integer(child)
		if err != nil {
			return e, usagef("--integer: %w", err)
		}
		m := s.search.Metric()
		e.Integer = &integerScore{onesot.Accuracy{Metric: m, Val: m.Of(val), Test: m.Of(test)}, val.Loss}
	}
	return e, nil
}

func evalChild(c *cli.Context) error {
	s, err := viewTrained(c)
	if err != nil {
		return err
	}
	defer s.close()
	settings := &s.search.Settings
	child, eta, err := s.child(c)
	if err != nil {
		return err
	}
	e, err := s.evaluate(c.Context, child, eta, c.Bool("integer"))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, e)
	}
	w := c.App.Writer
	fmt.Fprintf(w, "%s: %s; %s\n", e.Metric.Name(), valAndTest(e.Point.Accuracy()), recalibrated(*settings))
	if e.Integer != nil {
		fmt.Fprintf(w, "by integer arithmetic: %s\n", valAndTest(e.Integer.Accuracy))
	}
	fmt.Fprintf(w, "costs: %s BOPs (%.4f of the all-maximum child's), %s, activations %s\n", onesot.HumanCount(e.BOPs), e.RelativeBOPs, humanBytes(e.SizeBytes), humanBytes(e.MemoryBytes))
	return table(w, bitRows(child))
}

// open loads what a run trained. Of a System that can be asked for any eta, it evaluates the child at --child only.
func (s *session) open(c *cli.Context) error {
	if s.system.Asks().Kind == onesot.AskEtas {
		if s.search.Asked = nil; c.IsSet("child") {
			eta := c.Float64("child")
			if err := (sweepPlan{etas: []float64{eta}}).fits(c, s.system, s.run.Config); err != nil {
				return usagef("--child %g: want %g to %g, where the run was trained, of a oneshot run", eta, s.run.Config.Settings.Eta0, s.run.Config.Settings.Eta1)
			}
			s.search.Asked = []float64{eta}
		}
	} else if c.IsSet("child") {
		return usagef("--child: %s cannot be asked for the child at an eta; it goes with a oneshot run", s.system.Name())
	}
	settings := &s.search.Settings
	settings.Recalibrate = (settings.Recalibrate || c.Bool("recalibrate")) && !c.Bool("no-recalibrate")
	return s.search.Execute(c.Context, onesot.Options{Trained: true, Evaluated: func(string, int, int) {}})
}

// child is the one that the flags name.
func (s *session) child(c *cli.Context) (a quant.Assignment, eta float64, err error) {
	switch {
	case c.IsSet("child"):
		p := s.search.Found.Points[0]
		return p.Assignment, p.Eta, nil
	case c.IsSet("assignment"):
		data, err := os.ReadFile(c.String("assignment"))
		if err == nil {
			a, err = quant.ParseAssignment(s.search.Space, data)
		}
		if err != nil {
			err = fmt.Errorf("--assignment %s: %w", c.String("assignment"), err)
		}
		return a, 0, err
	case c.IsSet("uniform"):
		pin, err := quant.ParsePin(c.String("uniform"))
		if err == nil {
			a, err = quant.Uniform(s.search.Space, pin.Weight, pin.Input)
		}
		if err != nil {
			err = asUsage(fmt.Errorf("--uniform %s: %w", c.String("uniform"), err))
		}
		return a, 0, err
	}
	f, err := onesot.ReadRunFront(s.run.Dir)
	if err != nil {
		return a, 0, err
	}
	if c.IsSet("budget") {
		p, err := pickPoint(c, f)
		if err == nil {
			a, err = s.search.Space.Fit(p.Assignment)
		}
		return a, p.Eta, err
	}
	n := c.Int("point")
	if n < 0 || n >= len(f.Points) {
		return a, 0, usagef("--point %d: the front of %s has points 0 to %d", n, s.run.Dir, len(f.Points)-1)
	}
	a, err = s.search.Space.Fit(f.Points[n].Assignment)
	return a, f.Points[n].Eta, err
}

// evaluatedFP32 is an evaluation of an fp32 net as JSON.
type evaluatedFP32 struct {
	Model       string  `json:"model"`
	Data        string  `json:"data"`
	Weights     string  `json:"weights"`
	Recalibrate bool    `json:"recalibrated"`
	Val         float64 `json:"accuracy_val"`
	Test        float64 `json:"accuracy_test"`
	TestRight   int     `json:"test_right"`
	TestImages  int     `json:"test_images"`

	metric onesot.Metric
}

// MarshalJSON names the values by the metric.
func (e evaluatedFP32) MarshalJSON() ([]byte, error) {
	type plain evaluatedFP32
	if e.metric == onesot.ByAccuracy {
		return json.Marshal(plain(e))
	}
	return joinObjects(struct {
		Model       string `json:"model"`
		Data        string `json:"data"`
		Weights     string `json:"weights"`
		Recalibrate bool   `json:"recalibrated"`
	}{e.Model, e.Data, e.Weights, e.Recalibrate}, onesot.Accuracy{Metric: e.metric, Val: e.Val, Test: e.Test}, struct {
		TestImages int `json:"test_images"`
	}{e.TestImages})
}

func evalFP32(c *cli.Context) error {
	if c.IsSet("run") {
		return usagef("--fp32: give --model, --weights and --data instead of --run; a run's front.json tells its fp32 accuracy")
	}
	if !c.IsSet("weights") && !model.IsFile(c.String("model")) {
		return usagef("--fp32: give the net by --weights FILE.safetensors")
	}
	config, _, err := newConfig(c)
	if err != nil {
		return err
	}
	dev, err := openDevice(c, c.App.ErrWriter)
	if err != nil {
		return err
	}
	defer dev.Close()
	set, err := data.Open(config.Data)
	if err != nil {
		return err
	}
	var out evaluatedFP32
	err = cuda.Guard(func() (err error) {
		out, err = scoreFP32(c, dev, config, set)
		return err
	})
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, out)
	}
	what := valAndTest(onesot.Accuracy{Metric: out.metric, Val: out.Val, Test: out.Test})
	if out.metric == onesot.ByPSNR {
		fmt.Fprintf(c.App.Writer, "%s: %s (%d images)\n", out.metric.Name(), what, out.TestImages)
	} else {
		fmt.Fprintf(c.App.Writer, "%s: %s (%d of %d right)\n", out.metric.Name(), what, out.TestRight, out.TestImages)
	}
	return nil
}

func scoreFP32(c *cli.Context, dev *cuda.Device, config onesot.Config, set *data.Set) (evaluatedFP32, error) {
	out := evaluatedFP32{Model: config.Model, Data: config.Data, Weights: config.Weights, Recalibrate: c.Bool("recalibrate")}
	m, err := model.Find(config.Model)
	if err != nil {
		return out, asUsage(err)
	}
	g, err := m.Graph(model.InputOf(set))
	if err != nil {
		return out, asUsage(err)
	}
	p := nn.NewParams(dev, g, nn.Config{})
	report, err := loadWeights(p, config.Weights)
	if err != nil {
		return out, err
	}
	fmt.Fprintf(c.App.ErrWriter, "note: %s\n", loaded(report, config.Weights, config.Model))
	train, val := onesot.Splits(config, set)
	e := nn.NewEvaluator(p, nil, set, m.Augment)
	defer e.Free()
	if out.Recalibrate {
		e.Recalibrate(train, config.Settings.RecalibrateSize, config.Settings.Seed)
	}
	test := e.Score(set.Test)
	out.metric = onesot.MetricOf(g)
	out.Val, out.Test, out.TestRight, out.TestImages = out.metric.Of(e.Score(val)), out.metric.Of(test), test.Right, test.Images
	return out, nil
}
