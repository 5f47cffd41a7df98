package haq

import "math"

// The agent of the authors' code (mit-han-lab/haq, rl_quantize.py and lib/rl/ddpg.py at 8228d12).
const (
	features    = 10 // of a state
	hidden      = 300
	actorRate   = 1e-4
	criticRate  = 1e-3
	targetRate  = 0.01 // tau
	batchSize   = 64
	replayLayer = 128 // transitions kept for each layer
	sigma0      = 0.5
	sigmaDecay  = 0.99 // an episode
	averageRate = 0.5  // of the running mean of rewards, alpha
)

// transition is one decision of an episode. Its numbers are float32 values.
type transition struct {
	state, next [features]float64
	action      float64 // u in [0, 1]
	reward      float64 // of the whole episode
	last        bool    // decision of the episode: no next
}

// agent is DDPG (Lillicrap et al., ICLR 2016) for one action in [0, 1]: an actor mu(s), sigmoid at its end, and a critic
// Q(s, u), whose first layer is the sum of a linear map of the state and one of the action, each with a bias. The
// discount is 1.
type agent struct {
	actor, critic             *network
	actorTarget, criticTarget *network
	actorAdam, criticAdam     adam
	replay                    replay
	updates                   int
	average                   float64 // of the rewards in the batches; 0 before the first
	explore, sample           random

	one          *batch // of the actor: one state
	mu, q, qNext *batch // of a training batch
	muNext       *batch
	picked       []int
	dMu, dQ      []float64
}

// criticInputs are the state, the action and a constant 1, whose weights are the action map's bias.
const criticInputs = features + 2

// newAgent starts agent number k of a run (each budget has its own) that decides about layers.
func newAgent(seed uint64, k, layers int) *agent {
	network := func() [2]*network {
		return [2]*network{newNetwork(features, hidden, hidden, 1), newNetwork(criticInputs, hidden, hidden, 1)}
	}
	nets, targets := network(), network()
	a := &agent{actor: nets[0], critic: nets[1], actorTarget: targets[0], criticTarget: targets[1],
		actorAdam: newAdam(actorRate, nets[0]), criticAdam: newAdam(criticRate, nets[1]),
		replay:  replay{limit: replayLayer * layers},
		explore: newRandom(seed, k, philoxExplore), sample: newRandom(seed, k, philoxReplay),
		picked: make([]int, batchSize), dMu: make([]float64, batchSize), dQ: make([]float64, batchSize)}
	a.actor.start(newRandom(seed, k, philoxActor))
	a.critic.start(newRandom(seed, k, philoxCritic))
	copy(a.actorTarget.value, a.actor.value)
	copy(a.criticTarget.value, a.critic.value)
	a.one = a.actor.newBatch(1)
	a.mu, a.muNext = a.actor.newBatch(batchSize), a.actor.newBatch(batchSize)
	a.q, a.qNext = a.critic.newBatch(batchSize), a.critic.newBatch(batchSize)
	return a
}

func newAdam(rate float64, n *network) adam {
	return adam{rate: rate, m1: make([]float64, len(n.value)), m2: make([]float64, len(n.value))}
}

// sigma is the deviation of the noise in an episode after warmUp.
func sigma(episode, warmUp int) float64 {
	return sigma0 * math.Pow(sigmaDecay, float64(episode-warmUp))
}

// act is decision number i of an episode: at random in the episodes up to and with warmUp, as in the authors' code, then
// around the actor's.
func (a *agent) act(state [features]float64, episode, warmUp, i int) float64 {
	u := a.explore.uniform(uint32(episode), uint32(i))
	if episode <= warmUp {
		return single(u)
	}
	return single(truncated(a.best(state), sigma(episode, warmUp), u))
}

// best is the actor's action, without noise.
func (a *agent) best(state [features]float64) float64 {
	copy(a.one.rows[0], state[:])
	a.actor.forward(a.one)
	return sigmoid(a.one.output()[0])
}

// observe takes in the transitions of an episode, one after the other, each followed by an update where learn is set.
func (a *agent) observe(episode []transition, learn bool) {
	for _, t := range episode {
		a.replay.add(t)
		if learn {
			a.update()
		}
	}
}

// update trains critic and actor on one batch of the replay buffer, then moves the targets.
func (a *agent) update() {
	a.replay.pick(a.picked, a.sample, a.updates)
	a.updates++
	a.fill()
	a.learnCritic(a.targets())
	a.learnActor()
	follow(a.actorTarget, a.actor)
	follow(a.criticTarget, a.critic)
}

// fill sets the inputs of the batches from the transitions picked.
func (a *agent) fill() {
	for i, at := range a.picked {
		t := &a.replay.list[at]
		copy(a.mu.rows[0][i*features:], t.state[:])
		copy(a.muNext.rows[0][i*features:], t.next[:])
		criticInput(a.q, i, t.state, t.action)
		criticInput(a.qNext, i, t.next, 0)
	}
}

func criticInput(b *batch, i int, state [features]float64, action float64) {
	row := b.rows[0][i*criticInputs:][:criticInputs]
	copy(row, state[:])
	row[features], row[features+1] = action, 1
}

func setActions(q *batch, mu *batch) {
	for i, v := range mu.output() {
		q.rows[0][i*criticInputs+features] = sigmoid(v)
	}
}

// targets are what the critic shall say of the batch: the reward above its running mean and, but for the last decision,
// what the target networks say of the next state.
func (a *agent) targets() []float64 {
	mean := 0.0
	for _, at := range a.picked {
		mean += a.replay.list[at].reward / batchSize
	}
	if a.updates == 1 {
		a.average = mean
	} else {
		a.average += averageRate * (mean - a.average)
	}
	a.actorTarget.forward(a.muNext)
	setActions(a.qNext, a.muNext)
	a.criticTarget.forward(a.qNext)
	want := a.qNext.output()
	for i, at := range a.picked {
		t := &a.replay.list[at]
		if t.last {
			want[i] = 0
		}
		want[i] += t.reward - a.average
	}
	return want
}

// learnCritic is one step down the mean squared error of Q(s, u).
func (a *agent) learnCritic(want []float64) {
	a.criticGradient(want)
	a.criticAdam.step(a.critic.value, a.critic.grad, a.updates)
}

func (a *agent) criticGradient(want []float64) {
	a.critic.forward(a.q)
	for i, q := range a.q.output() {
		a.dQ[i] = 2 * (q - want[i]) / batchSize
	}
	a.critic.backward(a.q, a.dQ, true, false)
}

// learnActor is one step up the mean of Q(s, mu(s)).
func (a *agent) learnActor() {
	a.actorGradient()
	a.actorAdam.step(a.actor.value, a.actor.grad, a.updates)
}

func (a *agent) actorGradient() {
	a.actor.forward(a.mu)
	setActions(a.q, a.mu)
	a.critic.forward(a.q)
	for i := range a.dQ {
		a.dQ[i] = -1.0 / batchSize
	}
	a.critic.backward(a.q, a.dQ, false, true)
	for i := range a.dMu {
		u := a.q.rows[0][i*criticInputs+features]
		a.dMu[i] = a.q.back[0][i*criticInputs+features] * u * (1 - u)
	}
	a.actor.backward(a.mu, a.dMu, true, false)
}

// follow moves a target network towards the one that learns.
func follow(target, source *network) {
	for i, v := range source.value {
		target.value[i] = single(target.value[i]*(1-targetRate) + v*targetRate)
	}
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
