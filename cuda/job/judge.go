package job

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// grace is how long rank 0 waits, when a rank has failed, for the others to fail with the same text, and how long a
// rank does that SIGTERM has reached before a death that it then sees is no longer the reason for that signal.
const grace = time.Second

// place is where a rank is among the collectives.
type place struct {
	Entered, Left uint64 // collectives so far
	Moved         uint64 // exchanges of bytes so far
	Op            string // the collective entered last
}

// verdict is what ends a job.
type verdict struct {
	line string // "": another rank has said why
	code int
}

// judge decides, from what rank 0 hears of the ranks, whether the job is dead. It knows no clock and no connection.
type judge struct {
	hosts      []string // by rank
	patience   time.Duration
	advice     string
	members    []member  // by rank
	terminated time.Time // when SIGTERM reached rank 0; zero: not yet
	slept      time.Time // when rank 0 went on after it had been stopped for long; zero: never
	stuck      []stuck   // in the collective that all have entered; empty: nobody
	since      time.Time // when stuck was last another
}

// member is what is known of a rank.
type member struct {
	heard  time.Time
	place  place
	bye    bool
	closed bool // without goodbye
	failed *failed
}

// failed is a rank's own word that it cannot go on.
type failed struct {
	code int
	text string
	at   time.Time
}

// stuck is a rank that is in a collective.
type stuck struct {
	rank  int
	place place
}

func newJudge(hosts []string, patience time.Duration, now time.Time) *judge {
	j := &judge{hosts: hosts, patience: patience, members: make([]member, len(hosts))}
	j.silenceFrom(now)
	return j
}

// forgive counts silence from now on, where rank 0 itself was stopped for a while: it may not have heard.
func (j *judge) forgive(now time.Time) {
	j.slept = now
	j.silenceFrom(now)
}

func (j *judge) silenceFrom(now time.Time) {
	for r := range j.members {
		j.members[r].heard = now
	}
	j.since = now
}

// gone says whether all ranks but rank 0 have said goodbye.
func (j *judge) gone() bool {
	return !slices.ContainsFunc(j.members[1:], func(m member) bool { return !m.bye })
}

// decide returns nil where there is nothing to complain of. A death comes before a failure: it is what an error of MPI
// on another rank comes of.
func (j *judge) decide(now time.Time) *verdict {
	for r, m := range j.members {
		if m.closed {
			if !j.slept.IsZero() && now.Sub(j.slept) < grace {
				return &verdict{code: 1} // they have given up rank 0, and have said so
			}
			if !j.terminated.IsZero() && now.Sub(j.terminated) > grace/2 {
				return j.dead("the job was ended by a signal (SIGTERM)")
			}
			return j.dead(j.name(r) + " died")
		}
	}
	if v := j.failure(now); v != nil {
		return v
	}
	for r, m := range j.members {
		if r > 0 && !m.bye && now.Sub(m.heard) > j.patience {
			return j.dead(fmt.Sprintf("%s has not been heard of for %s", j.name(r), seconds(j.patience)))
		}
	}
	return j.wedge(now)
}

// failure waits for the other ranks to fail too: an error that is the same on all is the job's, not a rank's.
func (j *judge) failure(now time.Time) *verdict {
	var first *failed
	var rank int
	same := true
	for r, m := range j.members {
		if m.failed != nil && (first == nil || m.failed.at.Before(first.at)) {
			first, rank = m.failed, r
		}
	}
	if first == nil {
		return nil
	}
	all := true
	for _, m := range j.members {
		all = all && m.failed != nil
		same = same && m.failed != nil && m.failed.text == first.text
	}
	switch {
	case same:
		return &verdict{line: "vimps-gpu: " + first.text, code: first.code}
	case all, now.Sub(first.at) > grace:
		v := j.dead(j.name(rank) + ": " + first.text)
		v.code = first.code
		return v
	}
	return nil
}

// wedge finds a collective that every rank has entered and that some have not left, with no byte moving.
func (j *judge) wedge(now time.Time) *verdict {
	entered := j.members[0].place.Entered
	for _, m := range j.members {
		entered = min(entered, m.place.Entered)
	}
	var inside []stuck
	for r, m := range j.members {
		if m.place.Left < entered {
			inside = append(inside, stuck{r, m.place})
		}
	}
	if !slices.Equal(inside, j.stuck) {
		j.stuck, j.since = inside, now
	}
	if len(inside) == 0 || now.Sub(j.since) <= j.patience {
		return nil
	}
	var names []string
	for _, s := range inside {
		names = append(names, j.name(s.rank))
	}
	still := " is still in it"
	if len(names) > 1 {
		still = " are still in it"
	}
	return j.dead(fmt.Sprintf("the %s has been under way for %s; %s%s", inside[0].place.Op, seconds(j.patience), strings.Join(names, ", "), still))
}

func (j *judge) name(rank int) string { return fmt.Sprintf("rank %d on host %s", rank, j.hosts[rank]) }

func (j *judge) dead(what string) *verdict { return &verdict{line: deathLine(what, j.advice), code: 1} }

// deathLine is the one line about a dead job.
func deathLine(what, advice string) string {
	if advice != "" {
		what += "; " + advice
	}
	return "vimps-gpu: " + what
}

func seconds(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }
