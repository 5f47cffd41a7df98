package nn

import (
	"math"
	"slices"

	"vimps-gpu/cuda"
	"vimps-gpu/nn/data"
)

// Score is how a net does on a split.
type Score struct {
	Loss   float64 // mean cross-entropy, nats; of a restoring net mean pixel loss
	Right  int     // images whose largest logit is the label's
	PSNR   float64 // of a restoring net: mean over the images, dB
	Images int
}

// MaxPSNR stands for the infinite PSNR of an image that is restored without an error.
const MaxPSNR = 100

// Accuracy is the share of right answers, 0 to 1.
func (s Score) Accuracy() float64 { return float64(s.Right) / float64(s.Images) }

// Batch sizes of evaluation and of re-estimating statistics (method.md, section 5), and the bytes that the values of a batch may come
// to: large nets take smaller batches.
const (
	evalBatch        = 250
	recalibrateBatch = 256
	passBytes        = 1 << 30
)

// passBatch is a batch of `most` images, or as many as there are, or as passBytes allow.
func passBatch(g *Graph, most, images int) int {
	image := 0
	for _, n := range g.Nodes {
		image += 4 * n.H * n.W * n.C
	}
	return max(1, min(most, images, passBytes/image))
}

// Evaluator runs a net over whole splits, under whatever its gates hold.
type Evaluator struct {
	params  *Params
	gates   *Gates
	set     *data.Set
	augment Augment      // of the images that statistics are re-estimated on
	eval    pass         // not of a restoring net, which reads images of any size
	integer pass         // likewise; compiled when first wanted
	recal   pass         // not of a net without norms; compiled when first wanted
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
	e := &Evaluator{params: params, gates: gates, set: set, augment: augment, stats: params.Dev.New(cuda.Float32, params.Stats.Len())}
	if !params.Graph.Restores() {
		e.eval = newPass(params, gates, set, PlanOptions{Batch: e.batch()}, Augment{})
	}
	return e
}

// batch is how many images are evaluated at a time.
func (e *Evaluator) batch() int {
	return passBatch(e.params.Graph, evalBatch, max(e.set.Train.Len(), e.set.Test.Len()))
}

// Free returns the evaluator's memory; the parameters stay.
func (e *Evaluator) Free() {
	e.eval.release()
	e.integer.release()
	e.recal.release()
	e.stats.Free()
}

// Score evaluates the net with its running statistics on every image of a split.
func (e *Evaluator) Score(s data.Split) Score {
	if e.params.Graph.Restores() {
		return e.restored(s, false)
	}
	return e.eval.score(s)
}

// Answers are a classifier's log-probabilities of the classes, f32 [images][classes], with its running statistics.
func (e *Evaluator) Answers(s data.Split) []float32 {
	var out []float32
	e.eval.each(s, func(images int) {
		logits := e.eval.plan.Logits.Get(nil)
		classes := len(logits) / e.eval.plan.Options.Batch
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
	if e.params.Graph.Restores() {
		return e.restored(s, true)
	}
	if e.integer.plan == nil {
		e.integer = newPass(e.params, e.gates, e.set, PlanOptions{Batch: e.batch(), Integer: true}, Augment{})
	}
	return e.integer.score(s)
}

func (p *pass) score(s data.Split) Score {
	score := Score{Images: s.Len()}
	rows := make([]float32, 2*p.plan.Options.Batch)
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
	batch := p.plan.Options.Batch
	positions := make([]int, 0, batch)
	for from := 0; from < s.Len(); from += batch {
		positions = positions[:0]
		for i := from; i < min(from+batch, s.Len()); i++ {
			positions = append(positions, i)
		}
		p.feed.Fill(s, positions, Draw{})
		p.graph.Launch()
		after(len(positions))
	}
}

// Recalibrate sets the running statistics to the plain average of the batches' over about `images` training
// images, drawn by seed; a last partial batch is dropped. It returns how many images were seen. Restore brings the old
// statistics back. A net without norms has none.
func (e *Evaluator) Recalibrate(train data.Split, images int, seed uint64) (seen int) {
	if len(e.params.Norms) == 0 {
		return 0
	}
	e.stats.CopyFrom(e.params.Stats)
	order := make([]int, train.Len())
	Order(order, seed, recalibrationEpoch)
	if e.recal.plan == nil {
		most := recalibrateBatch
		if e.params.Graph.Restores() {
			most = restoreBatch
		}
		most = passBatch(e.params.Graph, most, train.Len())
		e.recal = newPass(e.params, e.gates, e.set, PlanOptions{Batch: most, BatchStats: true}, e.augment)
	}
	batch := e.recal.plan.Options.Batch
	batches := max(1, min(images, train.Len())/batch)
	for b := range batches {
		e.recal.scalars.Momentum.Set([]float32{1 / float32(b+1)})
		to := min((b+1)*batch, len(order))
		e.recal.feed.Fill(train, order[b*batch:to], Draw{Seed: seed, Batch: 1<<40 + uint64(b)})
		e.recal.graph.Launch()
		seen += to - b*batch
	}
	return seen
}

// recalibrationEpoch sets the order of recalibration images apart from that of any training epoch.
const recalibrationEpoch = 1 << 30

// Restore undoes the last Recalibrate.
func (e *Evaluator) Restore() {
	if len(e.params.Norms) > 0 {
		e.params.Stats.CopyFrom(e.stats)
	}
}
