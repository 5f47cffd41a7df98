package haq

import "fmt"

// agentNote is the part of an agent's state that is not tensors.
type agentNote struct {
	Updates int     `json:"updates"`
	Added   int     `json:"added"` // transitions, in all
	Average float64 `json:"average_reward"`
}

func (a *agent) note() agentNote { return agentNote{a.updates, a.replay.added, a.average} }

// vector is a named part of an agent's state; its numbers are float32 values.
type vector struct {
	name   string
	values []float64
}

// networkState lists the networks, their targets and Adam's moments.
func (a *agent) networkState() []vector {
	return []vector{
		{"actor", a.actor.value}, {"actor.target", a.actorTarget.value}, {"actor.moment", a.actorAdam.m1}, {"actor.moment2", a.actorAdam.m2},
		{"critic", a.critic.value}, {"critic.target", a.criticTarget.value}, {"critic.moment", a.criticAdam.m1}, {"critic.moment2", a.criticAdam.m2},
	}
}

// transitionSize is the numbers of a transition: both states, action, reward, whether it is the last.
const transitionSize = 2*features + 3

// replayState is the replay buffer [limit][transitionSize]; rows that hold nothing yet are 0.
func (a *agent) replayState() []float64 {
	all := make([]float64, a.replay.limit*transitionSize)
	for i, t := range a.replay.list {
		row := all[i*transitionSize:][:transitionSize]
		copy(row, t.state[:])
		copy(row[features:], t.next[:])
		row[2*features], row[2*features+1] = t.action, t.reward
		if t.last {
			row[2*features+2] = 1
		}
	}
	return all
}

// restore sets what is not networkState.
func (a *agent) restore(n agentNote, replayed []float64) error {
	if n.Updates < 0 || n.Added < 0 || len(replayed) != a.replay.limit*transitionSize {
		return fmt.Errorf("agent: %d updates, %d transitions, a replay buffer of %d numbers (want %d)",
			n.Updates, n.Added, len(replayed), a.replay.limit*transitionSize)
	}
	a.updates, a.average = n.Updates, n.Average
	a.replay.added, a.replay.list = n.Added, nil
	for i := range min(n.Added, a.replay.limit) {
		row := replayed[i*transitionSize:][:transitionSize]
		t := transition{action: row[2*features], reward: row[2*features+1], last: row[2*features+2] != 0}
		copy(t.state[:], row)
		copy(t.next[:], row[features:])
		a.replay.list = append(a.replay.list, t)
	}
	return nil
}
