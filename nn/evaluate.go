package nn

import (
	"math"
	"slices"

	"vimps-gpu/cuda"
	"vimps-gpu/nn/data"
)

// Score is how a net does on a split.
type Score struct {
	Loss   float64 // mean cross-entropy, nats
	Right  int     // images whose largest logit is the label's
	Images int
}

// Accuracy is the share of right answers, 0 to 1.
func (s Score) Accuracy() float64 { return float64(s.Right) / float64(s.Images) }

// Batch sizes of evaluation and of re-estimating statistics (method.md, section 5).
const (
	evalBatch        = 250
	recalibrateBatch = 256
)

// Evaluator runs a net over whole splits, under whatever its gates hold.
type Evaluator struct {
	params  *Params
	gates   *Gates
	set     *data.Set
	eval    pass
	integer pass // compiled when first wanted
	recal   pass
	stats   *cuda.Tensor // running statistics put aside
}

// pass is a Plan that only goes forward, ready to launch.
type pass struct {
	plan    *Plan
	feed    *Feed
	scalars *Scalars
	graph   *cuda.Graph
}

func newPass(params *Params, gates *Gates, set *data.Set, o PlanOptions, a Augment) pass {
	p := pass{scalars: NewScalars(params.Dev)}
	p.plan = NewPlan(params, gates, p.scalars, o)
	p.feed = NewFeed(p.plan, set.Mean, set.Std, a)
	p.graph = params.Dev.Record(func() {
		p.feed.Emit()
		p.plan.PackFilters()
		p.plan.Forward()
	})
	return p
}

func (p *pass) release() {
	if p.plan != nil {
		p.graph.Free()
		p.feed.Free()
		p.plan.Free()
		p.scalars.Free()
	}
	*p = pass{}
}

// NewEvaluator compiles the net for evaluation on a data set. augment is what training images go through;
// statistics are re-estimated on images treated the same (method.md, trap 4).
func NewEvaluator(params *Params, gates *Gates, set *data.Set, augment Augment) *Evaluator {
	e := &Evaluator{params: params, gates: gates, set: set, stats: params.Dev.New(cuda.Float32, params.Stats.Len())}
	e.eval = newPass(params, gates, set, PlanOptions{Batch: evalBatch}, Augment{})
	e.recal = newPass(params, gates, set, PlanOptions{Batch: recalibrateBatch, BatchStats: true}, augment)
	return e
}

// Free returns the evaluator's memory; the parameters stay.
func (e *Evaluator) Free() {
	e.eval.release()
	e.integer.release()
	e.recal.release()
	e.stats.Free()
}

// Score evaluates the net with its running statistics on every image of a split.
func (e *Evaluator) Score(s data.Split) Score { return e.eval.score(s) }

// Answers are the net's log-probabilities of the classes, f32 [images][classes], with its running statistics.
func (e *Evaluator) Answers(s data.Split) []float32 {
	var out []float32
	e.eval.each(s, func(images int) {
		logits := e.eval.plan.Logits.Get(nil)
		classes := len(logits) / evalBatch
		for i := range images {
			row := logits[i*classes:][:classes]
			total := logSum(row)
			for _, v := range row {
				out = append(out, float32(float64(v)-total))
			}
		}
	})
	return out
}

// logSum is ln sum_c exp(v_c).
func logSum(row []float32) float64 {
	most, sum := float64(slices.Max(row)), 0.0
	for _, v := range row {
		sum += math.Exp(float64(v) - most)
	}
	return most + math.Log(sum)
}

// ScoreInteger is Score by the exact integer arithmetic of the child that the gates hold: one-hot rows of a quantized
// net.
func (e *Evaluator) ScoreInteger(s data.Split) Score {
	if e.integer.plan == nil {
		e.integer = newPass(e.params, e.gates, e.set, PlanOptions{Batch: evalBatch, Integer: true}, Augment{})
	}
	return e.integer.score(s)
}

func (p *pass) score(s data.Split) Score {
	score := Score{Images: s.Len()}
	rows := make([]float32, 2*evalBatch)
	p.each(s, func(images int) {
		p.plan.lossRows.Get(rows)
		for i := range images {
			score.Loss += float64(rows[2*i])
			score.Right += int(rows[2*i+1])
		}
	})
	score.Loss /= float64(score.Images)
	return score
}

// each runs the net over a split, a batch at a time; after is told how many of its images are the split's.
func (p *pass) each(s data.Split, after func(images int)) {
	positions := make([]int, 0, evalBatch)
	for from := 0; from < s.Len(); from += evalBatch {
		positions = positions[:0]
		for i := from; i < min(from+evalBatch, s.Len()); i++ {
			positions = append(positions, i)
		}
		p.feed.Fill(s, positions, Draw{})
		p.graph.Launch()
		after(len(positions))
	}
}

// Recalibrate sets the running statistics to the plain average of the batches' over about `images` training
// images, drawn by seed; a last partial batch is dropped. It returns how many images were seen. Restore brings the old
// statistics back.
func (e *Evaluator) Recalibrate(train data.Split, images int, seed uint64) (seen int) {
	e.stats.CopyFrom(e.params.Stats)
	order := make([]int, train.Len())
	Order(order, seed, recalibrationEpoch)
	batches := max(1, min(images, train.Len())/recalibrateBatch)
	for b := range batches {
		e.recal.scalars.Momentum.Set([]float32{1 / float32(b+1)})
		to := min((b+1)*recalibrateBatch, len(order))
		e.recal.feed.Fill(train, order[b*recalibrateBatch:to], Draw{Seed: seed, Batch: 1<<40 + uint64(b)})
		e.recal.graph.Launch()
		seen += to - b*recalibrateBatch
	}
	return seen
}

// recalibrationEpoch sets the order of recalibration images apart from that of any training epoch.
const recalibrationEpoch = 1 << 30

// Restore undoes the last Recalibrate.
func (e *Evaluator) Restore() { e.params.Stats.CopyFrom(e.stats) }
