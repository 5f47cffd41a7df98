package cuda

import (
	"fmt"
	"sync"
	"sync/atomic"

	"vimps-gpu/kernels"
)

// hostChunks is into how many parts a batch is cut, whatever the number of workers: sums over images
// (filter gradients) are made a part at a time, so it fixes their order.
const hostChunks = 16

// hostChunk is the images of one chunk of n.
func hostChunk(n int) int { return (n + hostChunks - 1) / hostChunks }

// axis is what the units of a call are; only calls over the same axis share a region.
type axis int

const (
	images        axis = iota // of the batch
	channels                  // output channels of a filter
	inputChannels             // of a filter
	blocks                    // of a flat buffer
	serial                    // one unit, done by one worker
)

// region is a run of calls over the same units that one worker does chunk by chunk.
type region struct {
	axis  axis
	calls []kernels.HostCall
	names []string
	units int
	bytes int       // of one unit's largest tensor: how many units fit in cache together
	ns    [][]int64 // [worker][call], when profiling
	job   job
}

// cacheBytes is how much of one tensor a worker handles before it goes to the next op.
const cacheBytes = 48 << 10

func (r *region) block() int {
	return max(1, min(hostChunk(r.units), cacheBytes/max(1, r.bytes)))
}

// Graph is recorded work that can be replayed.
type Graph struct {
	dev     *Device
	regions []*region
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
	for _, r := range g.regions {
		r.finish()
	}
	return g
}

// emit puts a call on the queue: into the graph being recorded, else at once. units is the length of
// its parallel dimension, bytes the memory that one unit reads or writes at most in one tensor.
func (d *Device) emit(name string, a axis, units, bytes int, c kernels.Call) {
	if d.rec == nil {
		g := &Graph{dev: d}
		g.add(name, a, units, bytes, c)
		g.regions[0].finish()
		g.Launch()
		g.Free()
		return
	}
	d.rec.add(name, a, units, bytes, c)
}

func (g *Graph) add(name string, a axis, units, bytes int, c kernels.Call) {
	if units <= 0 {
		panic(fmt.Sprintf("cuda.%s: %d units", name, units))
	}
	var r *region
	if n := len(g.regions); n > 0 && g.regions[n-1].axis == a && g.regions[n-1].units == units && a != serial {
		r = g.regions[n-1]
	} else {
		r = &region{axis: a, units: units}
		g.regions = append(g.regions, r)
	}
	r.calls = append(r.calls, c.Host())
	r.names = append(r.names, name)
	r.bytes = max(r.bytes, bytes)
}

func (r *region) finish() {
	chunk := hostChunk(r.units)
	r.job.region, r.job.chunk, r.job.chunks = r, chunk, (r.units+chunk-1)/chunk
}

// Launch runs the graph to its end.
func (g *Graph) Launch() {
	for _, r := range g.regions {
		if r.job.chunks == 1 {
			r.run(0, 0, r.units)
			continue
		}
		g.dev.pool.do(&r.job)
	}
}

func (r *region) run(worker, begin, end int) {
	var ns []int64
	if r.ns != nil {
		ns = r.ns[worker]
	}
	kernels.Run(r.calls, begin, end, r.block(), ns)
}

// Free returns the memory of the graph's calls.
func (g *Graph) Free() {
	for _, r := range g.regions {
		for _, c := range r.calls {
			c.Free()
		}
	}
	g.regions = nil
}

// Profile turns the timing of each op on or off and clears what was counted.
func (g *Graph) Profile(on bool) {
	for _, r := range g.regions {
		r.ns = nil
		if on {
			r.ns = make([][]int64, g.dev.threads)
			for w := range r.ns {
				r.ns[w] = make([]int64, len(r.calls))
			}
		}
	}
}

// OpTimes is the CPU seconds that each op took since Profile(true), all workers together.
func (g *Graph) OpTimes() map[string]float64 {
	t := map[string]float64{}
	for _, r := range g.regions {
		for _, ns := range r.ns {
			for i, v := range ns {
				t[r.names[i]] += float64(v) * 1e-9
			}
		}
	}
	return t
}

// job is one region in flight: workers take the next chunk until none is left.
type job struct {
	region *region
	chunk  int // units of one chunk
	chunks int
	next   atomic.Int32
	done   sync.WaitGroup
}

func (j *job) work(worker int) {
	for {
		c := int(j.next.Add(1)) - 1
		if c >= j.chunks {
			return
		}
		j.region.run(worker, c*j.chunk, min((c+1)*j.chunk, j.region.units))
	}
}

// pool is the host's workers; the goroutine that launches is worker 0.
type pool struct {
	wake []chan *job
}

func newPool(threads int) *pool {
	p := &pool{wake: make([]chan *job, threads-1)}
	for i := range p.wake {
		p.wake[i] = make(chan *job, 1)
		go func(ch chan *job, worker int) {
			for j := range ch {
				j.work(worker)
				j.done.Done()
			}
		}(p.wake[i], i+1)
	}
	return p
}

func (p *pool) do(j *job) {
	j.next.Store(0)
	n := min(len(p.wake), j.chunks-1)
	j.done.Add(n)
	for i := range n {
		p.wake[i] <- j
	}
	j.work(0)
	j.done.Wait()
}

func (p *pool) stop() {
	for _, ch := range p.wake {
		close(ch)
	}
}
