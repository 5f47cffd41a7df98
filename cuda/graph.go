package cuda

import (
	"fmt"

	"vimps-gpu/kernels"
)

// axis is what the units of an op are; on the host only ops over the same axis share a region.
type axis int

const (
	images        axis = iota // of the batch
	channels                  // output channels of a filter
	inputChannels             // of a filter
	blocks                    // of a flat buffer
	serial                    // one unit, done by one worker
)

// op is a call on the queue. units is the length of its parallel dimension, bytes the memory that one unit reads or
// writes at most in one tensor.
type op struct {
	name         string
	axis         axis
	units, bytes int
	call         kernels.Call
}

// place is where tensors lie and ops run.
type place interface {
	name() string
	close()

	alloc(bytes int) (kernels.Ptr, error) // zeroed
	release(p kernels.Ptr)
	available() (bytes int64, known bool)
	// room is host memory for at most bytes bytes that put then brings to dst. Work queued before sees the old
	// values, work queued after it the new ones.
	room(dst kernels.Ptr, bytes int) []byte
	put(dst kernels.Ptr, b []byte)
	copyOut(dst []byte, src kernels.Ptr)        // waits for the queue
	copyWithin(dst, src kernels.Ptr, bytes int) // takes its turn in the queue

	// pinned is host memory that send copies from; waitSent waits until it may be written again.
	pinned(bytes int) []byte
	unpin(b []byte)
	send(parts []part)
	waitSent()

	compile(ops []op) program
}

// program is work that can be launched again and again.
type program interface {
	launch()
	free()
	profile(on bool)
	times() map[string]float64
}

// Graph is recorded work that can be replayed.
type Graph struct {
	dev     *Device
	ops     []op
	program program
}

// Record returns the work that f puts on the queue; nothing runs until Launch. Recordings do not nest.
func (d *Device) Record(f func()) *Graph {
	if d.rec != nil {
		panic("cuda.Record: a recording is under way")
	}
	g := &Graph{dev: d}
	d.rec = g
	defer func() { d.rec = nil }()
	f()
	g.program = d.place.compile(g.ops)
	return g
}

// emit puts a call on the queue: into the graph being recorded, else at once.
func (d *Device) emit(name string, a axis, units, bytes int, c kernels.Call) {
	if units <= 0 {
		panic(fmt.Sprintf("cuda.%s: %d units", name, units))
	}
	o := op{name, a, units, bytes, c}
	if d.rec != nil {
		d.rec.ops = append(d.rec.ops, o)
		return
	}
	if d.sizing {
		c.Free()
		return
	}
	g := &Graph{dev: d, ops: []op{o}}
	g.program = d.place.compile(g.ops)
	g.Launch()
	g.Free()
}

// Launch puts the graph's work on the queue. On the host it runs to its end.
func (g *Graph) Launch() { g.program.launch() }

// Free returns the memory of the graph.
func (g *Graph) Free() {
	g.program.free()
	for _, o := range g.ops {
		o.call.Free()
	}
	g.ops = nil
}

// Profile turns the timing of each op on or off and clears what was counted.
func (g *Graph) Profile(on bool) { g.program.profile(on) }

// OpTimes is the seconds that each op took since Profile(true): of the CPU, all workers together, or of the GPU.
func (g *Graph) OpTimes() map[string]float64 { return g.program.times() }
