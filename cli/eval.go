package cli

import (
	"fmt"
	"os"
	"strconv"

	"github.com/urfave/cli/v2"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

func evalCommand() *cli.Command {
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "run", Usage: "run `DIR`ectory of a trained supernet"},
		&cli.Float64Flag{Name: "child", Usage: "the child at this hardware penalty (eta)"},
		&cli.StringFlag{Name: "assignment", Usage: "the child whose bits are in this `FILE`.json"},
		&cli.StringFlag{Name: "uniform", Usage: "weight/input bits in every searched layer, such as 4/4"},
		&cli.IntFlag{Name: "point", Usage: "the child with this number in the run's front.json"},
		&cli.BoolFlag{Name: "fp32", Usage: "the fp32 net of --model in --weights on --data, no run"},
		&cli.BoolFlag{Name: "no-recalibrate", Usage: "take batch-norm statistics as trained (the default with --fp32)"},
		&cli.BoolFlag{Name: "recalibrate", Usage: "re-estimate batch-norm statistics (the default for children)"},
		&cli.BoolFlag{Name: "integer", Usage: "also evaluate the child by exact integer arithmetic, as a deployed net computes"},
		jsonFlag(),
	}, netFlags()...)
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
	for _, name := range []string{"child", "assignment", "uniform", "point", "fp32"} {
		if c.IsSet(name) {
			asked++
		}
	}
	if asked != 1 {
		return usagef("eval: give exactly one of --child, --assignment, --uniform, --point and --fp32")
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

// evaluated is an evaluation of a child as JSON.
type evaluated struct {
	Run         string `json:"run"`
	Recalibrate bool   `json:"recalibrated"`
	onesot.Point
	Integer *integerScore `json:"integer,omitempty"` // with --integer
}

// integerScore is how the child does by exact integer arithmetic.
type integerScore struct {
	Val     float64 `json:"accuracy_val"`
	Test    float64 `json:"accuracy_test"`
	LossVal float64 `json:"loss_val"`
}

func (s *session) evaluate(child quant.Assignment, eta float64, integer bool) evaluated {
	judge := s.search.Judge()
	defer judge.Free()
	e := evaluated{Run: s.run.Dir, Recalibrate: s.search.Net.Settings.Recalibrate, Point: judge.Child(child, eta)}
	if integer {
		val, test := judge.Integer(child)
		e.Integer = &integerScore{val.Accuracy(), test.Accuracy(), val.Loss}
	}
	return e
}

func evalChild(c *cli.Context) error {
	run, err := onesot.ViewRun(c.String("run"))
	if err != nil {
		return err
	}
	s := &session{run: run}
	if s.dev, err = openDevice(c, c.App.ErrWriter); err != nil {
		return err
	}
	defer s.close()
	if run.Config, err = asRecorded(c)(s); err != nil {
		return err
	}
	if err := s.build(nil); err != nil {
		return err
	}
	if err := s.search.LoadTrained(); err != nil {
		return err
	}
	settings := &s.search.Net.Settings
	settings.Recalibrate = (settings.Recalibrate || c.Bool("recalibrate")) && !c.Bool("no-recalibrate")
	child, eta, err := s.child(c)
	if err != nil {
		return err
	}
	var e evaluated
	err = cuda.Guard(func() error {
		e = s.evaluate(child, eta, c.Bool("integer"))
		return nil
	})
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, e)
	}
	w := c.App.Writer
	fmt.Fprintf(w, "accuracy: val %s %%, test %s %%; %s\n", percent(e.AccuracyVal), percent(e.AccuracyTest), recalibrated(*settings))
	if e.Integer != nil {
		fmt.Fprintf(w, "by integer arithmetic: val %s %%, test %s %%\n", percent(e.Integer.Val), percent(e.Integer.Test))
	}
	fmt.Fprintf(w, "costs: %s BOPs (%.4f of the all-maximum child's), %s\n", onesot.HumanCount(e.BOPs), e.RelativeBOPs, humanBytes(e.SizeBytes))
	return table(w, bitRows(child))
}

// child is the one that the flags name.
func (s *session) child(c *cli.Context) (a quant.Assignment, eta float64, err error) {
	switch {
	case c.IsSet("child"):
		eta = c.Float64("child")
		if err := (sweepPlan{etas: []float64{eta}}).fits(s.run.Config.Settings); err != nil {
			return a, 0, usagef("--child %g: want %g to %g, where the run was trained, of a oneshot run", eta, s.run.Config.Settings.Eta0, s.run.Config.Settings.Eta1)
		}
		return s.search.Net.Predict([]float64{eta})[0].Child, eta, nil
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
}

func evalFP32(c *cli.Context) error {
	if c.IsSet("run") {
		return usagef("--fp32: give --model, --weights and --data instead of --run; a run's front.json tells its fp32 accuracy")
	}
	if !c.IsSet("weights") {
		return usagef("--fp32: give the net by --weights FILE.safetensors")
	}
	config, err := newConfig(c)
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
	fmt.Fprintf(c.App.Writer, "accuracy: val %s %%, test %s %% (%d of %d right)\n", percent(out.Val), percent(out.Test), out.TestRight, out.TestImages)
	return nil
}

func scoreFP32(c *cli.Context, dev *cuda.Device, config onesot.Config, set *data.Set) (evaluatedFP32, error) {
	out := evaluatedFP32{Model: config.Model, Data: config.Data, Weights: config.Weights, Recalibrate: c.Bool("recalibrate")}
	m, err := model.Find(config.Model)
	if err != nil {
		return out, asUsage(err)
	}
	g, err := m.Graph(set.Train.H(), set.Train.W(), set.Train.C(), len(set.Classes))
	if err != nil {
		return out, asUsage(err)
	}
	p := nn.NewParams(dev, g, nn.Config{})
	unused, err := loadWeights(p, config.Weights)
	if err != nil {
		return out, err
	}
	if len(unused) > 0 {
		fmt.Fprintf(c.App.ErrWriter, "note: %s has %d tensors that %s has no place for, %s first\n", config.Weights, len(unused), config.Model, strconv.Quote(unused[0]))
	}
	train, val := onesot.Splits(config, set)
	e := nn.NewEvaluator(p, nil, set, m.Augment)
	defer e.Free()
	if out.Recalibrate {
		e.Recalibrate(train, config.Settings.RecalibrateSize, config.Settings.Seed)
	}
	test := e.Score(set.Test)
	out.Val, out.Test, out.TestRight, out.TestImages = e.Score(val).Accuracy(), test.Accuracy(), test.Right, test.Images
	return out, nil
}
