package compare

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// calls counts what a made-up system was asked to do, by all its instances.
type calls struct {
	searches int // begun from nothing
	steps    int
	judged   int
	stopAt   int // step at which stop is called; 0: never
	stop     func()
}

// madeUp trains one net under children of random bits and answers each budget with the all-maximum child, its gates
// narrowed from the first on until it fits.
type madeUp struct {
	name   string
	calls  *calls
	kind   onesot.AskKind
	Narrow string // which gates are narrowed first
	Share  float64
}

func (m *madeUp) Name() string                               { return m.name }
func (m *madeUp) About() string                              { return "made up for a test" }
func (m *madeUp) Defaults(s onesot.Settings) onesot.Settings { s.Norm = nn.NormPlain; return s }
func (m *madeUp) Options() []onesot.Option {
	return []onesot.Option{{Name: "narrow-first", Usage: "weights or inputs", Value: &m.Narrow}, {Name: "share", Usage: "nothing", Value: &m.Share}}
}
func (m *madeUp) Asks() onesot.Asks {
	return onesot.Asks{Kind: m.kind, What: "relative cost", Default: []float64{0.1, 0.15, 0.2, 0.3, 0.5}}
}
func (m *madeUp) Check(p *onesot.Problem) error {
	if m.kind == onesot.AskBudgets {
		return p.CheckBudgets()
	}
	return nil
}

func (m *madeUp) Search(ctx context.Context, p *onesot.Problem) (*onesot.Found, error) {
	q := onesot.NewQuantized(p, nn.Config{Norm: nn.NormPlain})
	var note onesot.TrainingNote
	found, err := p.State.Read(&note, q.State)
	if err != nil {
		return nil, err
	}
	if !found {
		m.calls.searches++
	}
	train := &onesot.Training{Phase: onesot.PhaseSearch, Epochs: p.Settings.Epochs, TrainingNote: note}
	train.Save = func() error { return p.State.Write(train.TrainingNote, q.State()) }
	tuner := onesot.NewTuner(p, q, func(step, _ int) quant.Assignment {
		m.calls.steps++
		if m.calls.steps == m.calls.stopAt {
			m.calls.stop()
		}
		list, err := EqualCost(p.Cost, 1, 0.3, 0.2, p.Settings.Seed<<20+uint64(step))
		if err != nil {
			panic(err)
		}
		return list[0]
	})
	train.Trainer = tuner
	err = p.Run(ctx, train)
	tuner.Free()
	if err != nil {
		q.Free()
		return nil, err
	}
	judge := onesot.NewJudge(p, q)
	out := &onesot.Found{Free: func() { judge.Free(); q.Free() }}
	out.Judge = func(context.Context, quant.Assignment) (*onesot.Judge, error) { m.calls.judged++; return judge, nil }
	for i, b := range p.Asked {
		out.Points = append(out.Points, judge.Child(m.within(p, b), b))
		p.Options.Evaluated("children", i+1, len(p.Asked))
	}
	onesot.MarkFront(out.Points)
	return out, nil
}

func (m *madeUp) within(p *onesot.Problem, budget float64) quant.Assignment {
	var w, x []int
	for k := range p.Space.Layers {
		w, x = append(w, len(p.Space.Weight[k])-1), append(x, len(p.Space.Input[k])-1)
	}
	order := [][]int{w, x}
	if m.Narrow == "inputs" {
		order = [][]int{x, w}
	}
	for _, list := range order {
		for k := range list {
			for ; list[k] > 0; list[k]-- {
				if a := quant.Choose(p.Space, w, x); p.Cost.Relative(a) <= budget {
					return a
				}
			}
		}
	}
	return quant.Choose(p.Space, w, x)
}

func madeUpSystems(c *calls) func() []onesot.System {
	return func() []onesot.System {
		return []onesot.System{
			&madeUp{name: "madeup", calls: c, kind: onesot.AskBudgets, Narrow: "weights"},
			&madeUp{name: "other", calls: c, kind: onesot.AskPenalties, Narrow: "inputs"},
		}
	}
}

// small is an experiment of a second or two.
const small = `
name = "small"
out = "OUT"
model = "digitsnet"
data = "digits"
train_images = 200
hold_out = 0.2
noise = 0.3
seeds = [1, 2]
epochs = 2
front_sizes = [1, 3, 8]

[settings]
batch = 32
pretrain-epochs = 2
recalibrate-images = 64

[[method]]
name = "madeup"
budgets = [0.1, 0.2, 0.3, 0.5]
learning-rate = 0.01

[[method]]
name = "madeup"
label = "inputs-first"
narrow-first = "inputs"

[[ablation]]
name = "hot"
method = "madeup"
learning-rate = 0.1

[finetune]
epochs = 1
seeds = [5, 6]

[correlation]
along_front = 4
equal_bops = 5
at = 0.25
tolerance = 0.05
`

// experiment reads an experiment with text replaced in it, in pairs.
func experiment(t *testing.T, c *calls, dir string, replace ...string) *Experiment {
	t.Helper()
	e, err := parse("small.toml", []byte(strings.NewReplacer(append([]string{"OUT", dir}, replace...)...).Replace(small)), madeUpSystems(c))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// lines collects what is logged.
type lines struct{ strings.Builder }

func host(t *testing.T) *cuda.Device {
	t.Helper()
	dev, err := cuda.Open(cuda.Options{Device: "host", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

func options(t *testing.T, log *lines) Options {
	return Options{Dev: host(t), Version: "test", Machine: "a machine", Log: log, SaveEvery: 3}
}

func (l *lines) units() (n int) {
	for _, line := range strings.Split(l.String(), "\n") {
		var i, of int
		if _, err := fmt.Sscanf(line, "%d/%d", &i, &of); err == nil {
			n++
		}
	}
	return n
}
