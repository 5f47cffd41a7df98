package compare

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"

	"vimps-gpu/nn"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// Passes are images through the net, as onesot.Account counts them.
type Passes struct {
	Forward  int64 `json:"forward_images"`
	Backward int64 `json:"backward_images"`
}

func passesOf(a onesot.Account) Passes { return Passes{a.Forward, a.Backward} }

func timesOf(a onesot.Account) Times { return Times{Wall: a.Wall, CPU: a.CPU, PeakBytes: a.PeakBytes} }

// Searched is what the search of one method under one seed gave.
type Searched struct {
	FP32   onesot.Accuracy `json:"fp32"`
	Points []onesot.Point  `json:"points"`
	Passes Passes          `json:"passes"`
	// Fixed is the part of Passes up to the first child, episode or generation, which is spent however many points are
	// asked for: the training of a supernet. Nothing, of a system that trains once a penalty.
	Fixed Passes `json:"fixed_passes"`
}

// Cost is image passes and the seconds that they took.
type Cost struct {
	Passes
	Times
}

// Scores are how a child does. Losses are mean cross-entropies in nats.
type Scores struct {
	AccuracyVal  float64 `json:"accuracy_val"`
	AccuracyTest float64 `json:"accuracy_test"`
	LossVal      float64 `json:"loss_val"`
	LossTest     float64 `json:"loss_test"`
}

// Predicted is what a method's net says of a child before it is fine-tuned.
type Predicted struct {
	Child string `json:"child"` // its id
	Scores
	// Divergence is the mean Kullback-Leibler divergence of the net's answers on validation images from those of the fp32
	// net, in nats: how much of what the fp32 net says is lost. It needs no labels, and is far less noisy than a loss.
	Divergence float64 `json:"divergence_val"`
	// Rank, of a method that scores children without evaluating them, takes the place of the scores; lower is better.
	Rank *float64 `json:"rank,omitempty"`
}

// Tuned is a child after its fine-tuning.
type Tuned struct {
	Child        string           `json:"child"`
	Assignment   quant.Assignment `json:"assignment"`
	RelativeBOPs float64          `json:"relative_bops"`
	Scores
	Passes Passes `json:"passes"`
}

// perPoint are the evaluations, as systems tell of them, that a search does more of for more points. Others, such as
// batches scored once, are part of what is fixed.
var perPoint = []string{"children", "episodes", "generations"}

// fixedFile, in a search's run directory, is what had been spent when the first of them was told of. A process that
// goes on after that has it from there.
const fixedFile = "fixed.json"

// search does a method's search, or goes on with it, or, where it is done, makes what it found again.
func (r *runner) search(ctx context.Context, s *opened) error {
	if err := s.enter(); err != nil {
		return err
	}
	fixed := filepath.Join(s.run.Dir, fixedFile)
	_, err := os.Stat(fixed)
	known := err == nil
	var failed error
	o := onesot.Options{SaveEvery: r.o.SaveEvery, Progress: r.log.step}
	o.Evaluated = func(what string, done, of int) {
		if !known && slices.Contains(perPoint, what) {
			a := s.Account.Now()
			failed = writeJSON(fixed, Cost{passesOf(a), timesOf(a)})
			known = true
		}
		r.log.evaluated(what, done, of)
	}
	if err := s.Execute(ctx, o); err != nil {
		return err
	}
	return failed
}

// searched sums up a search that has ended.
func searched(s *opened) (Searched, Times, error) {
	a := s.Account.Now()
	u := Searched{FP32: s.FP32Accuracy, Points: s.Found.Points, Passes: passesOf(a)}
	if s.System.Asks().Kind == onesot.AskPenalties {
		return u, timesOf(a), nil
	}
	fixed, err := readFixed(s.run.Dir)
	u.Fixed = fixed.Passes
	t := timesOf(a)
	t.FixedWall = fixed.Wall
	return u, t, err
}

func readFixed(dir string) (c Cost, err error) {
	data, err := os.ReadFile(filepath.Join(dir, fixedFile))
	if os.IsNotExist(err) {
		return c, nil // nothing was evaluated apart from the points
	}
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	return c, err
}

// predict asks a method's net for each child. Of a system with a net for each penalty, children of equal are all asked
// of one, that of the first of them: what two nets say of two children is not comparable. own keep their own.
func predict(ctx context.Context, s *opened, own, equal []quant.Assignment, recalibrate bool) ([]Predicted, error) {
	var out []Predicted
	e := evaluator{fp32: fp32Answers(s.Problem)}
	defer e.free()
	for i, a := range distinct(slices.Concat(own, equal)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p, netOf := Predicted{Child: childID(a)}, a
		if i >= len(own) && s.System.Asks().Kind == onesot.AskPenalties {
			netOf = equal[0]
		}
		if s.Found.Score != nil {
			rank := s.Found.Score(a)
			p.Rank = &rank
		} else {
			judge, err := s.Found.Judge(ctx, netOf)
			if err != nil {
				return nil, err
			}
			p.Scores = e.score(s.Problem, judge.Net, a, recalibrate)
			p.Divergence = e.divergence
		}
		out = append(out, p)
	}
	return out, nil
}

// evaluator scores children of one net after the other, compiled once for each net.
type evaluator struct {
	net        *onesot.Quantized
	eval       *nn.Evaluator
	fp32       []float32 // nn.Evaluator.Answers of the fp32 net on the validation split; nil: no divergence
	divergence float64   // of the child scored last
}

func fp32Answers(p *onesot.Problem) []float32 {
	e := nn.NewEvaluator(p.FP32, nil, p.Set, p.Model.Augment)
	defer e.Free()
	return e.Answers(p.Val)
}

// divergence is the mean over rows of sum_c p_c ln(p_c/q_c), of log-probabilities [rows][classes].
func divergence(lnP, lnQ []float32, classes int) float64 {
	sum := 0.0
	for i, p := range lnP {
		sum += math.Exp(float64(p)) * float64(p-lnQ[i])
	}
	return sum / float64(len(lnP)/classes)
}

func (e *evaluator) free() {
	if e.eval != nil {
		e.eval.Free()
	}
}

// score evaluates a child in a net on both splits.
func (e *evaluator) score(p *onesot.Problem, q *onesot.Quantized, a quant.Assignment, recalibrate bool) Scores {
	if e.net != q {
		e.free()
		e.net, e.eval = q, nn.NewEvaluator(q.Params, q.Gates, p.Set, p.Model.Augment)
	}
	q.Gates.SetChild(q.Space, a)
	if recalibrate {
		e.eval.Recalibrate(p.Train, p.Settings.RecalibrateSize, p.Settings.Seed)
		defer e.eval.Restore()
	}
	val, test := e.eval.Score(p.Val), e.eval.Score(p.Set.Test)
	if e.fp32 != nil {
		e.divergence = divergence(e.fp32, e.eval.Answers(p.Val), len(p.Set.Classes))
	}
	return Scores{val.Accuracy(), test.Accuracy(), val.Loss, test.Loss}
}

// tune fine-tunes a child: from the net of found, or from the fp32 net of the problem where found is nil. The
// statistics of its norms are re-estimated at the end.
func (r *runner) tune(ctx context.Context, p *onesot.Problem, found *onesot.Found, a quant.Assignment, seed uint64) (Tuned, Times, error) {
	s, f := r.e.base(), r.e.Finetune
	s, err := applySettings(s, r.e.Settings, nil)
	if err != nil {
		return Tuned{}, Times{}, err
	}
	s.Epochs, s.LearningRate, s.Seed = f.Epochs, f.LearningRate, seed
	own := p.With(s)
	own.Account.Start()
	child, err := r.start(ctx, own, found, a)
	if err != nil {
		return Tuned{}, Times{}, err
	}
	defer child.Free()
	var note onesot.TrainingNote
	if err := own.FineTune(ctx, child, &note, nil); err != nil {
		return Tuned{}, Times{}, err
	}
	own.Account.Stop()
	t := Tuned{Child: childID(a), Assignment: a, RelativeBOPs: r.w.bops.Relative(a), Passes: passesOf(*own.Account)}
	var e evaluator
	defer e.free()
	t.Scores = e.score(own, child, a, true)
	return t, timesOf(*own.Account), nil
}

func (r *runner) start(ctx context.Context, p *onesot.Problem, found *onesot.Found, a quant.Assignment) (*onesot.Quantized, error) {
	if found == nil {
		return onesot.NewChild(p, a), nil
	}
	judge, err := found.Judge(ctx, a)
	if err != nil {
		return nil, err
	}
	return judge.Net.Extract(p, a)
}
