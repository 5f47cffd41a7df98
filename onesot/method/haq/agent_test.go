package haq

import (
	"math"
	"testing"

	"vimps-gpu/kernels"
)

// draws are numbers in (0, 1) for tests, rounded as a transition's are.
func draws(n int, seed uint32) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = single(float64(kernels.Philox([4]uint32{uint32(i), seed}, [2]uint32{})[0]) / (1 << 32))
	}
	return v
}

// filled is an agent with some transitions of two decisions an episode, its batch drawn.
func filled(t testing.TB) *agent {
	t.Helper()
	a := newAgent(7, 0, 4)
	for e := range uint32(50) {
		v := draws(2*features+3, e)
		first := transition{state: [features]float64(v), next: [features]float64(v[features:]), action: v[2*features], reward: v[2*features+2]}
		last := transition{state: first.next, action: v[2*features+1], reward: first.reward, last: true}
		a.observe([]transition{first, last}, false)
	}
	a.replay.pick(a.picked, a.sample, 0)
	a.updates = 1
	a.fill()
	return a
}

// numeric is the central difference of f along one number.
func numeric(x *float64, f func() float64) float64 {
	const h = 1e-5
	was := *x
	*x = was + h
	up := f()
	*x = was - h
	down := f()
	*x = was
	return (up - down) / (2 * h)
}

// checkGradient compares every so manieth element of a gradient with central differences.
func checkGradient(t *testing.T, n *network, f func() float64) {
	t.Helper()
	got := append([]float64(nil), n.grad...)
	largest, compared := 0.0, 0
	for i := 0; i < len(n.value); i += 997 {
		want := numeric(&n.value[i], f)
		largest = max(largest, math.Abs(want))
		compared++
		if math.Abs(got[i]-want) > 1e-7+1e-4*math.Abs(want) {
			t.Errorf("parameter %d: gradient %g, central difference %g", i, got[i], want)
		}
	}
	for _, i := range []int{len(n.value) - 1, len(n.value) - 2, hidden * (n.sizes[0] - 1), hidden*n.sizes[0] + 3} { // last bias and weight, last input's row, first bias
		if want := numeric(&n.value[i], f); math.Abs(got[i]-want) > 1e-7+1e-4*math.Abs(want) {
			t.Errorf("parameter %d: gradient %g, central difference %g", i, got[i], want)
		}
	}
	if largest == 0 {
		t.Errorf("all of %d gradients are 0", compared)
	}
}

// The critic's objective written out: mean of (Q(s, u) - y)^2.
func TestCriticGradient(t *testing.T) {
	a := filled(t)
	want := draws(batchSize, 99)
	a.criticGradient(want)
	checkGradient(t, a.critic, func() float64 {
		a.critic.forward(a.q)
		sum := 0.0
		for i, q := range a.q.output() {
			sum += (q - want[i]) * (q - want[i]) / batchSize
		}
		return sum
	})
}

// The actor's objective written out: -mean Q(s, mu(s)).
func TestActorGradient(t *testing.T) {
	a := filled(t)
	a.actorGradient()
	checkGradient(t, a.actor, func() float64 {
		sum := 0.0
		for _, at := range a.picked {
			s := a.replay.list[at].state
			b := a.critic.newBatch(1)
			criticInput(b, 0, s, a.best(s))
			a.critic.forward(b)
			sum -= b.output()[0] / batchSize
		}
		return sum
	})
}

// The forward pass against plain sums in another order, with the critic's first layer as two maps.
func TestCriticForward(t *testing.T) {
	a := filled(t)
	a.critic.forward(a.q)
	w1, b1 := a.critic.layer(a.critic.value, 0)
	w2, b2 := a.critic.layer(a.critic.value, 1)
	w3, b3 := a.critic.layer(a.critic.value, 2)
	for i, at := range a.picked {
		tr := a.replay.list[at]
		h1, q := make([]float64, hidden), b3[0]
		for j := range h1 {
			ofState, ofAction := b1[j], w1[(features+1)*hidden+j]+w1[features*hidden+j]*tr.action
			for f, s := range tr.state {
				ofState += w1[f*hidden+j] * s
			}
			h1[j] = max(0, ofState+ofAction)
		}
		for j := range hidden {
			sum := b2[j]
			for k := range h1 {
				sum += h1[k] * w2[k*hidden+j]
			}
			q += max(0, sum) * w3[j]
		}
		if got := a.q.output()[i]; math.Abs(got-q) > 1e-12 {
			t.Fatalf("row %d: Q is %g, want %g", i, got, q)
		}
	}
}

// What the critic is taught: by hand for a last and another decision.
func TestTargets(t *testing.T) {
	a := filled(t)
	got := append([]float64(nil), a.targets()...)
	mean := 0.0
	for _, at := range a.picked {
		mean += a.replay.list[at].reward
	}
	mean /= batchSize
	seen := [2]bool{}
	for i, at := range a.picked {
		tr, kind := a.replay.list[at], 1
		want := tr.reward - mean
		if tr.last {
			kind = 0
		} else {
			b := a.critic.newBatch(1)
			criticInput(b, 0, tr.next, a.best(tr.next)) // targets are still equal to the networks
			a.critic.forward(b)
			want += b.output()[0]
		}
		seen[kind] = true
		if math.Abs(got[i]-want) > 1e-12 {
			t.Fatalf("row %d (last %v): target %g, want %g", i, tr.last, got[i], want)
		}
	}
	if seen != [2]bool{true, true} {
		t.Fatal("the batch has no last or no other decision")
	}
	a.updates = 2
	a.average = 10
	a.targets()
	if want := 10 + 0.5*(mean-10); math.Abs(a.average-want) > 1e-12 {
		t.Errorf("the running mean became %g, want %g", a.average, want)
	}
}

// Adam's first step is the rate, whatever the gradient; the targets follow by a hundredth.
func TestUpdateMovesTargets(t *testing.T) {
	a := filled(t)
	a.updates = 0
	before := append([]float64(nil), a.critic.value...)
	a.update()
	moved := 0
	for i, v := range a.critic.value {
		if step := math.Abs(v - before[i]); step > 1.001*criticRate {
			t.Fatalf("parameter %d moved by %g", i, step)
		} else if step > 0.99*criticRate {
			moved++
		}
		want := before[i] + targetRate*(v-before[i])
		if math.Abs(a.criticTarget.value[i]-want) > 1e-7 {
			t.Fatalf("target %d is %g, want %g", i, a.criticTarget.value[i], want)
		}
	}
	if moved < len(before)/4 {
		t.Errorf("only %d of %d parameters moved by the rate", moved, len(before))
	}
}

// bandit is an episode of decisions that are best at known actions: reward 1 there.
func bandit(a *agent, states [][features]float64, best []float64, e, warmUp int) {
	t := make([]transition, len(states))
	reward := 1.0
	for i, s := range states {
		u := a.act(s, e, warmUp, i)
		reward -= 4 * (u - best[i]) * (u - best[i])
		t[i] = transition{state: s, action: u, last: i == len(states)-1}
		if i > 0 {
			t[i-1].next = s
		}
	}
	for i := range t {
		t[i].reward = single(reward)
	}
	a.observe(t, e > warmUp)
}

func banditStates() (states [][features]float64, best []float64) {
	best = []float64{0.2, 0.8, 0.5, 0.9}
	for i := range best {
		s := [features]float64{previousAction: 0.5, weightFlag: float64(i % 2)}
		s[7] = single(float64(i) / 3)
		states = append(states, s)
	}
	return states, best
}

// The agent finds the actions that are rewarded, of which it is told only the sum.
func TestAgentLearnsABandit(t *testing.T) {
	states, best := banditStates()
	a := newAgent(3, 0, len(states))
	far := func() float64 {
		sum := 0.0
		for i, s := range states {
			sum += math.Abs(a.best(s)-best[i]) / float64(len(states))
		}
		return sum
	}
	start := far()
	for e := range 150 {
		bandit(a, states, best, e, 20)
	}
	t.Logf("mean distance from the best actions: %.3f at first, %.3f at last", start, far())
	if end := far(); end > 0.1 || end > start/2 {
		t.Errorf("the actions are %.3f from the best ones (at first %.3f)", end, start)
	}
}

// An agent that was written down and read again goes on bit for bit as one that was not.
func TestAgentResumes(t *testing.T) {
	states, best := banditStates()
	run := func(a *agent, from, to int) {
		for e := from; e < to; e++ {
			bandit(a, states, best, e, 4)
		}
	}
	whole := newAgent(5, 1, 1) // a buffer of 128: it wraps
	run(whole, 0, 40)
	half := newAgent(5, 1, 1)
	run(half, 0, 36)
	read := newAgent(5, 1, 1)
	for i, v := range half.networkState() {
		copy(read.networkState()[i].values, throughFloat32(v.values))
	}
	if err := read.restore(half.note(), throughFloat32(half.replayState())); err != nil {
		t.Fatal(err)
	}
	run(read, 36, 40)
	if read.note() != whole.note() {
		t.Errorf("notes %+v and %+v", read.note(), whole.note())
	}
	for i, v := range whole.networkState() {
		for j, x := range v.values {
			if got := read.networkState()[i].values[j]; got != x {
				t.Fatalf("%s[%d] is %v after resuming, %v without", v.name, j, got, x)
			}
		}
	}
	if other := newAgent(5, 2, 1); other.actor.value[0] == newAgent(5, 1, 1).actor.value[0] {
		t.Error("the agents of two budgets start alike")
	}
}

// throughFloat32 is what a state file does to numbers.
func throughFloat32(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(float32(x))
	}
	return out
}

// Without warm-up's end nothing is learnt, and actions are uniform.
func TestWarmUp(t *testing.T) {
	states, best := banditStates()
	a := newAgent(1, 0, len(states))
	before := append([]float64(nil), a.actor.value...)
	sum, n := 0.0, 0
	for e := range 101 {
		bandit(a, states, best, e, 100)
	}
	for _, tr := range a.replay.list {
		sum, n = sum+tr.action, n+1
	}
	if a.updates != 0 || before[0] != a.actor.value[0] {
		t.Errorf("%d updates in the warm-up", a.updates)
	}
	if mean := sum / float64(n); n != 404 || math.Abs(mean-0.5) > 0.05 {
		t.Errorf("%d actions of mean %.3f, want 404 of about 0.5", n, mean)
	}
	bandit(a, states, best, 101, 100)
	if a.updates != len(states) {
		t.Errorf("%d updates after an episode of %d decisions", a.updates, len(states))
	}
}

// Each transition once in a batch where there are enough.
func TestReplayPicksEachOnce(t *testing.T) {
	a := filled(t)
	first := map[int]bool{}
	for n := range 50 {
		a.replay.pick(a.picked, a.sample, n)
		seen := map[int]bool{}
		for _, i := range a.picked {
			if seen[i] || i < 0 || i >= len(a.replay.list) {
				t.Fatalf("update %d picks %v", n, a.picked)
			}
			seen[i], first[i] = true, true
		}
	}
	if len(first) != len(a.replay.list) {
		t.Errorf("%d of %d transitions were ever picked", len(first), len(a.replay.list))
	}
}

// What the updates of an episode of a net of 18 layers take.
func BenchmarkEpisodeOf36Decisions(b *testing.B) {
	a := filled(b)
	for b.Loop() {
		for range 36 {
			a.update()
		}
	}
}
