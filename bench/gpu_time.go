package bench

import (
	"math"
	"time"

	"vimps-gpu/cuda"
)

// pace is how long things are timed: rounds windows of at least window each, of which the best counts.
type pace struct {
	window time.Duration
	rounds int
	inner  int // repetitions of an op in one recorded graph, which hide the time of a launch
}

// clock times work on a GPU's queue from the host.
type clock struct {
	dev  *cuda.Device
	pace pace
	one  *cuda.Tensor
}

func newClock(dev *cuda.Device, p pace) *clock {
	return &clock{dev: dev, pace: p, one: dev.New(cuda.Float32, 1)}
}

// wait returns when the queue is empty.
func (c *clock) wait() { c.one.At(0) }

// op is the seconds that the ops which emit puts on the queue take, launched as a graph that repeats them.
func (c *clock) op(emit func()) float64 {
	g := c.dev.Record(func() {
		for range c.pace.inner {
			emit()
		}
	})
	defer g.Free()
	return c.launches(g.Launch) / float64(c.pace.inner)
}

// launches is the seconds of one launch, of the best of some windows; each holds enough launches to fill it. The first
// launches warm up and are not counted.
func (c *clock) launches(launch func()) float64 {
	once := c.run(1, 0, launch)
	once = min(once, c.run(1, 0, launch))
	n := int(math.Ceil(c.pace.window.Seconds() / once))
	n = max(1, min(n, 10000))
	best := math.Inf(1)
	for range c.pace.rounds {
		expected := 0.0
		if !math.IsInf(best, 1) {
			expected = best * float64(n)
		}
		best = min(best, c.run(n, expected, launch)/float64(n))
	}
	return best
}

// run is the seconds of n launches. The driver is asked less and less often whether they are done, so that a long wait
// ends late; where the time is known beforehand most of it is slept through first.
func (c *clock) run(n int, expected float64, launch func()) float64 {
	c.wait()
	start := time.Now()
	for range n {
		launch()
	}
	if rest := 0.9*expected - time.Since(start).Seconds(); rest > 0 {
		time.Sleep(time.Duration(rest * float64(time.Second)))
	}
	c.wait()
	return time.Since(start).Seconds()
}
