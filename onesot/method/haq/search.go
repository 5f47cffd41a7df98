package haq

import (
	"context"
	"fmt"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/onesot"
)

// search is the work under way.
type search struct {
	*tuner
	system    *System
	decisions []decision
	note      note
	agent     *agent // of budget note.Budget; nil where none has begun or all are done
	kept      []*cuda.Tensor
}

// note is where the work stands: Episode episodes of budget number Budget are done.
type note struct {
	Budget  int            `json:"budget"`
	Episode int            `json:"episode"`
	Agent   agentNote      `json:"agent"`
	Best    []onesot.Point `json:"best"` // of each budget begun, after its short fine-tune; without layers: none yet
}

func (s *System) newSearch(p *onesot.Problem) *search {
	return &search{tuner: newTuner(p, s.FinetuneEpochs, s.FinetuneImages), system: s, decisions: decisions(p.Graph, p.Space)}
}

func (r *search) free() {
	for _, t := range r.kept {
		t.Free()
	}
	r.tuner.free()
}

// run does the episodes that are left.
func (r *search) run(ctx context.Context) error {
	if err := r.load(); err != nil {
		return err
	}
	for total := len(r.p.Asked) * r.system.Episodes; r.note.Budget < len(r.p.Asked); {
		if r.p.Options.Trained {
			return fmt.Errorf("the search has not ended (episode %d of %d); go on with it by search --resume", r.done(), total)
		}
		if r.p.Stopped(ctx) != nil {
			return onesot.ErrInterrupted
		}
		if r.agent == nil {
			r.agent = r.newAgent()
			r.note.Best = append(r.note.Best, onesot.Point{})
		}
		if err := r.episode(ctx, total); err != nil {
			return err
		}
		if r.note.Episode++; r.note.Episode == r.system.Episodes {
			if err := r.nextBudget(); err != nil {
				return err
			}
		}
		if err := r.save(); err != nil {
			return err
		}
		r.p.Options.Evaluated("episodes", r.done(), total)
	}
	return nil
}

// done is the number of episodes done, of all budgets.
func (r *search) done() int { return r.note.Budget*r.system.Episodes + r.note.Episode }

func (r *search) newAgent() *agent {
	return newAgent(r.p.Settings.Seed, r.note.Budget, len(r.p.Space.Searched()))
}

// nextBudget ends the search for one.
func (r *search) nextBudget() error {
	if r.note.Best[r.note.Budget].Assignment.IsZero() {
		return fmt.Errorf("%w: the fine-tune of every one of %d children within budget %g; lower the learning rates (--learning-rate, --step-learning-rate)",
			onesot.ErrDiverged, r.system.Episodes, r.p.Asked[r.note.Budget])
	}
	r.agent = nil
	r.note.Budget, r.note.Episode, r.note.Agent = r.note.Budget+1, 0, agentNote{}
	return nil
}

// episode decides a child, has it fine-tuned, and lets the agent learn from how accurate it is.
func (r *search) episode(ctx context.Context, total int) error {
	n, warmUp := r.note.Episode, r.system.WarmUp
	steps, weight, input := episode(r.decisions, r.p.Space, func(state [features]float64, i int) float64 {
		return r.agent.act(state, n, warmUp, i)
	})
	child := wall{r.p.Cost, r.p.Asked[r.note.Budget]}.lower(weight, input)
	accuracy, err := r.score(ctx, child, r.done(), total)
	if err != nil {
		return err
	}
	for i := range steps {
		steps[i].reward = reward(r.p.Metric(), accuracy, r.p.FP32Accuracy.Val)
	}
	r.agent.observe(steps, n > warmUp)
	if best := &r.note.Best[r.note.Budget]; accuracy > best.AccuracyVal {
		*best = r.judge.Child(child, 0)
	}
	return nil
}

// reward is the authors': a tenth of the points of percent that are won over the fp32 net; of the dB, where PSNR is the metric.
func reward(m onesot.Metric, value, fp32 float64) float64 {
	return single(0.1 * m.Scale() * (value - fp32))
}

// points are the best children of the budgets, each once.
func (r *search) points() []onesot.Point {
	var points []onesot.Point
	seen := map[string]bool{}
	for _, p := range r.note.Best {
		if !seen[p.Assignment.Key()] {
			seen[p.Assignment.Key()] = true
			points = append(points, p)
		}
	}
	onesot.MarkFront(points)
	return points
}

// save writes the state after an episode.
func (r *search) save() error {
	if r.agent == nil {
		return r.p.State.Write(r.note, nil)
	}
	r.note.Agent = r.agent.note()
	tensors := r.tensors()
	for i, v := range append(r.agent.networkState(), vector{values: r.agent.replayState()}) {
		values := make([]float32, len(v.values))
		for j, x := range v.values {
			values[j] = float32(x)
		}
		tensors[i].T.Set(values)
	}
	return r.p.State.Write(r.note, tensors)
}

// load goes on from the state on disk, if there is one.
func (r *search) load() error {
	began := false
	found, err := r.p.State.Read(&r.note, func() []nn.NamedTensor {
		if began = r.note.Budget < len(r.p.Asked) && r.note.Episode > 0; !began {
			return nil
		}
		r.agent = r.newAgent()
		return r.tensors()
	})
	if !found || !began || err != nil {
		return err
	}
	read := func(t *cuda.Tensor) []float64 {
		v := make([]float64, t.Len())
		for i, x := range t.Get(nil) {
			v[i] = float64(x)
		}
		return v
	}
	for i, v := range r.agent.networkState() {
		copy(v.values, read(r.kept[i]))
	}
	return r.agent.restore(r.note.Agent, read(r.kept[len(r.kept)-1]))
}

// tensors are room on the device for the agent's state, which a state file is written from.
func (r *search) tensors() []nn.NamedTensor {
	state := append(r.agent.networkState(), vector{"replay", r.agent.replayState()})
	list := make([]nn.NamedTensor, len(state))
	for i, v := range state {
		if len(r.kept) == i {
			r.kept = append(r.kept, r.p.Dev.New(cuda.Float32, len(v.values)))
		}
		list[i] = nn.NamedTensor{Name: v.name, T: r.kept[i]}
	}
	return list
}
