package job

import (
	"testing"
	"time"
)

// TestJudge: what ends a job, when, and what is said of it.
func TestJudge(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	inside := func(n, moved uint64) place { return place{Entered: n, Left: n - 1, Moved: moved, Op: "all-reduce"} }
	outside := func(n uint64) place { return place{Entered: n, Left: n, Op: "all-reduce"} }
	for name, c := range map[string]struct {
		happens func(j *judge) (now float64)
		want    string // "": nothing is said
		code    int
	}{
		"nothing": {func(j *judge) float64 { return 9.9 }, "", 0},
		"death": {func(j *judge) float64 { j.members[2].closed = true; return 0.1 },
			"vimps-gpu: rank 2 on host n3 died; go on", 1},
		"death without advice": {func(j *judge) float64 { j.advice = ""; j.members[2].closed = true; return 0.1 },
			"vimps-gpu: rank 2 on host n3 died", 1},
		"death that SIGTERM announced": {func(j *judge) float64 { j.terminated = at(1); j.members[2].closed = true; return 1.4 },
			"vimps-gpu: rank 2 on host n3 died; go on", 1},
		"death long after SIGTERM": {func(j *judge) float64 { j.terminated = at(1); j.members[2].closed = true; return 2 },
			"vimps-gpu: the job was ended by a signal (SIGTERM); go on", 1},
		"silence": {func(j *judge) float64 { j.members[1].heard = at(-0.1); return 10 },
			"vimps-gpu: rank 1 on host n2 has not been heard of for 10 s; go on", 1},
		"silence after goodbye":                     {func(j *judge) float64 { j.members[1].heard, j.members[1].bye = at(-0.1), true; return 10 }, "", 0},
		"silence that this process slept through":   {func(j *judge) float64 { j.members[1].heard = at(-100); j.forgive(at(1)); return 10 }, "", 0},
		"death on waking, since the others gave up": {func(j *judge) float64 { j.forgive(at(20)); j.members[2].closed = true; return 20.1 }, "", 1},
		"death long after waking": {func(j *judge) float64 { j.forgive(at(20)); j.members[2].closed = true; return 22 },
			"vimps-gpu: rank 2 on host n3 died; go on", 1},
		"failure, others asked": {func(j *judge) float64 { j.members[1].failed = &failed{4, "no file", at(1)}; return 2 }, "", 0},
		"failure of one": {func(j *judge) float64 { j.members[1].failed = &failed{4, "no file", at(1)}; return 2.1 },
			"vimps-gpu: rank 1 on host n2: no file; go on", 4},
		"failure of all, the same": {func(j *judge) float64 {
			for r := range j.members {
				j.members[r].failed = &failed{4, "no file", at(1)}
			}
			return 1
		}, "vimps-gpu: no file", 4},
		"failure of all, not the same": {func(j *judge) float64 {
			for r := range j.members {
				j.members[r].failed = &failed{4 + r, "no file " + j.hosts[r], at(1 - 0.1*float64(r))}
			}
			return 1
		}, "vimps-gpu: rank 2 on host n3: no file n3; go on", 6},
		"failure that a death caused": {func(j *judge) float64 {
			j.members[1].failed, j.members[2].closed = &failed{1, "MPI_Bcast: error", at(1)}, true
			return 1.1
		}, "vimps-gpu: rank 2 on host n3 died; go on", 1},
		"one is late": {func(j *judge) float64 {
			j.members[0].place, j.members[1].place, j.members[2].place = inside(5, 0), inside(5, 0), outside(4)
			j.decide(at(0))
			return 9.9
		}, "", 0},
		"nobody leaves": {func(j *judge) float64 {
			for r := range j.members {
				j.members[r].place = inside(5, 0)
			}
			j.decide(at(-0.1))
			return 10
		}, "vimps-gpu: the all-reduce has been under way for 10 s; rank 0 on host n1, rank 1 on host n2, rank 2 on host n3 are still in it; go on", 1},
		"one does not leave": {func(j *judge) float64 {
			j.members[0].place, j.members[1].place, j.members[2].place = inside(6, 0), inside(5, 0), outside(5)
			j.decide(at(-0.1))
			return 10
		}, "vimps-gpu: the all-reduce has been under way for 10 s; rank 1 on host n2 is still in it; go on", 1},
		"bytes move": {func(j *judge) float64 {
			for r := range j.members {
				j.members[r].place = inside(5, 0)
			}
			j.decide(at(-0.1))
			j.members[1].place.Moved++
			j.decide(at(1))
			return 10
		}, "", 0},
		"one leaves, the others do not": {func(j *judge) float64 {
			for r := range j.members {
				j.members[r].place = inside(5, 0)
			}
			j.decide(at(-0.1))
			j.members[1].place = outside(5)
			j.decide(at(-0.05))
			return 10
		}, "vimps-gpu: the all-reduce has been under way for 10 s; rank 0 on host n1, rank 2 on host n3 are still in it; go on", 1},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJudge([]string{"n1", "n2", "n3"}, 10*time.Second, start)
			j.advice = "go on"
			got, code := "", 0
			if v := j.decide(at(c.happens(j))); v != nil {
				got, code = v.line, v.code
			}
			if got != c.want || code != c.code {
				t.Errorf("got %d %q, want %d %q", code, got, c.code, c.want)
			}
		})
	}
}
