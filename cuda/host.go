package cuda

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"vimps-gpu/kernels"
)

// hostChunks is into how many parts a batch is cut, whatever the number of workers: sums over images
// (filter gradients) are made a part at a time, so it fixes their order.
const hostChunks = 16

// hostChunk is the images of one chunk of n.
func hostChunk(n int) int { return (n + hostChunks - 1) / hostChunks }

// host is this machine's CPUs and memory.
type host struct {
	isa     kernels.ISA
	threads int
	pool    *pool
}

func newHost(isa kernels.ISA, threads int) *host {
	return &host{isa: isa, threads: threads, pool: newPool(threads)}
}

func (h *host) name() string { return "host" }

func (h *host) close() { h.pool.stop() }

func (h *host) alloc(bytes int) (kernels.Ptr, error) { return kernels.Alloc(bytes) }

func (h *host) release(p kernels.Ptr) { kernels.Free(p) }

// available is not known: the system promises more memory than it has.
func (h *host) available() (bytes int64, known bool) { return 0, false }

func (h *host) room(dst kernels.Ptr, bytes int) []byte { return unsafe.Slice((*byte)(dst), bytes) }

func (h *host) put(kernels.Ptr, []byte) {}

func (h *host) copyOut(dst []byte, src kernels.Ptr) { copy(dst, unsafe.Slice((*byte)(src), len(dst))) }

func (h *host) copyWithin(dst, src kernels.Ptr, bytes int) {
	copy(unsafe.Slice((*byte)(dst), bytes), unsafe.Slice((*byte)(src), bytes))
}

func (h *host) pinned(bytes int) []byte { return make([]byte, bytes) }

func (h *host) unpin([]byte) {}

func (h *host) waitSent() {}

func (h *host) send(parts []part) {
	for _, p := range parts {
		copy(unsafe.Slice((*byte)(p.dst), len(p.src)), p.src)
	}
}

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

// hostProgram is work cut into regions.
type hostProgram struct {
	host    *host
	regions []*region
}

func (h *host) compile(ops []op) program {
	p := &hostProgram{host: h}
	for _, o := range ops {
		p.add(o)
	}
	for _, r := range p.regions {
		chunk := hostChunk(r.units)
		r.job.region, r.job.chunk, r.job.chunks = r, chunk, (r.units+chunk-1)/chunk
	}
	return p
}

func (p *hostProgram) add(o op) {
	var r *region
	if n := len(p.regions); n > 0 && p.regions[n-1].axis == o.axis && p.regions[n-1].units == o.units && o.axis != serial {
		r = p.regions[n-1]
	} else {
		r = &region{axis: o.axis, units: o.units}
		p.regions = append(p.regions, r)
	}
	r.calls = append(r.calls, o.call.Host())
	r.names = append(r.names, o.name)
	r.bytes = max(r.bytes, o.bytes)
}

func (p *hostProgram) launch() {
	for _, r := range p.regions {
		if r.job.chunks == 1 {
			r.run(0, 0, r.units)
			continue
		}
		p.host.pool.do(&r.job)
	}
}

func (r *region) run(worker, begin, end int) {
	var ns []int64
	if r.ns != nil {
		ns = r.ns[worker]
	}
	kernels.Run(r.calls, begin, end, r.block(), ns)
}

func (p *hostProgram) free() {}

func (p *hostProgram) profile(on bool) {
	for _, r := range p.regions {
		r.ns = nil
		if on {
			r.ns = make([][]int64, p.host.threads)
			for w := range r.ns {
				r.ns[w] = make([]int64, len(r.calls))
			}
		}
	}
}

func (p *hostProgram) times() map[string]float64 {
	t := map[string]float64{}
	for _, r := range p.regions {
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
