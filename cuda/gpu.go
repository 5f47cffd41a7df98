//go:build cuda

package cuda

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"vimps-gpu/cuda/driver"
	"vimps-gpu/kernels"
)

// leastCapability is the oldest compute capability that the kernels run on: they need cp.async and bf16 mma.
var leastCapability = [2]int{8, 0}

// GPUs lists the GPUs of this machine; where there is none, why says so.
func GPUs() (list []GPUInfo, why string) {
	infos, err := driver.Devices()
	if err != nil {
		return nil, err.Error()
	}
	for n, i := range infos {
		g := GPUInfo{Number: n, Name: i.Name, Capability: i.ComputeCapability, SMs: i.SMs, Memory: i.Memory, Usable: true}
		if i.ComputeCapability[0] < leastCapability[0] {
			g.Usable = false
			g.Why = fmt.Sprintf("%s has compute capability %d.%d, the kernels need %d.%d or newer",
				i.Name, i.ComputeCapability[0], i.ComputeCapability[1], leastCapability[0], leastCapability[1])
		}
		list = append(list, g)
	}
	if len(list) == 0 {
		why = "the driver sees no GPU"
	}
	return list, why
}

// gpu is one NVIDIA GPU.
type gpu struct {
	number int
	ctx    *driver.Context
	sync   bool // wait for each op
	failed bool // a Failure has been told
	live   map[kernels.Ptr]bool
	buffer []byte // room for values on their way to the staging memory
}

const bufferBytes = 1 << 20

// onGPU makes a GPU the place of d.
func (d *Device) onGPU(number int, sync bool) (*Device, error) {
	images := kernels.Fatbins()
	if len(images) == 0 {
		return nil, Unavailable{errors.New("device gpu: this program carries no kernels: it was built before `make kernels`")}
	}
	ctx, err := driver.Open(number, images)
	if err != nil {
		return nil, Unavailable{fmt.Errorf("device %w", err)}
	}
	d.place = &gpu{number: number, ctx: ctx, sync: sync, buffer: make([]byte, bufferBytes), live: map[kernels.Ptr]bool{}}
	return d, nil
}

// must panics with a Failure; see [Guard].
func (g *gpu) must(err error) {
	if err != nil {
		g.failed = true
		if driver.Lost(err) && !g.sync {
			err = fmt.Errorf("%w; --sync would name the op", err)
		}
		panic(Failure{err})
	}
}

// tidied is must for what is done on the way out as well, where the failure that led there is the one to tell.
func (g *gpu) tidied(err error) {
	if !g.failed {
		g.must(err)
	}
}

func (g *gpu) name() string { return fmt.Sprintf("gpu:%d (%s)", g.number, g.ctx.Name) }

// close says nothing of errors: either one was told when it happened, or nothing is lost. Tensors that nobody freed,
// those of a whole run, go with the device.
func (g *gpu) close() {
	for p := range g.live {
		_ = g.ctx.Free(p)
	}
	_ = g.ctx.Close()
}

func (g *gpu) alloc(bytes int) (kernels.Ptr, error) {
	p, err := g.ctx.Alloc(int64(bytes))
	if err != nil && !driver.OutOfMemory(err) {
		g.must(err)
	}
	if err == nil {
		g.live[p] = true
	}
	return p, err
}

func (g *gpu) release(p kernels.Ptr) {
	delete(g.live, p)
	g.tidied(g.ctx.Free(p))
}

func (g *gpu) available() (bytes int64, known bool) {
	free, _, err := g.ctx.MemInfo()
	g.must(err)
	return free, true
}

func (g *gpu) room(_ kernels.Ptr, bytes int) []byte { return g.buffer[:min(bytes, len(g.buffer))] }

func (g *gpu) put(dst kernels.Ptr, b []byte) {
	if len(b) > 0 {
		g.must(g.ctx.CopyIn(dst, unsafe.Pointer(&b[0]), len(b)))
	}
}

func (g *gpu) copyOut(dst []byte, src kernels.Ptr) {
	if len(dst) > 0 {
		g.must(g.ctx.CopyOut(unsafe.Pointer(&dst[0]), src, len(dst)))
	}
}

func (g *gpu) copyWithin(dst, src kernels.Ptr, bytes int) {
	g.must(g.ctx.CopyOnDevice(dst, src, bytes))
}

func (g *gpu) pinned(bytes int) []byte {
	b, err := g.ctx.Pinned(bytes)
	if driver.OutOfMemory(err) {
		panic(OutOfMemory{What: "a batch on its way to the GPU, in host memory", Wanted: int64(bytes)})
	}
	g.must(err)
	return b
}

func (g *gpu) unpin(b []byte) { g.tidied(g.ctx.FreePinned(b)) }

func (g *gpu) waitSent() { g.must(g.ctx.PrefetchWait()) }

// send copies on the second stream to where batches arrive, and from there, in the queue, to where it reads them: the
// next batch may then arrive while this one is worked on.
func (g *gpu) send(parts []part) {
	for _, p := range parts {
		g.must(g.ctx.Prefetch(p.arrival, unsafe.Pointer(&p.src[0]), len(p.src)))
	}
	g.must(g.ctx.PrefetchDone())
	for _, p := range parts {
		g.must(g.ctx.CopyOnDevice(p.dst, p.arrival, len(p.src)))
	}
	g.must(g.ctx.ConsumedMark())
}

// launch is an op made ready: blob is the argument struct with the number of units behind it.
type launch struct {
	name string
	f    *driver.Function
	kernels.Launch
	blob []byte
}

// gpuProgram is a CUDA graph, or, with --sync or while it is timed, its launches one by one.
type gpuProgram struct {
	gpu      *gpu
	launches []launch
	graph    *driver.GraphExec
	ns       []int64 // of each launch, when profiling
}

func (g *gpu) compile(ops []op) program {
	p := &gpuProgram{gpu: g}
	for _, o := range ops {
		p.launches = append(p.launches, g.ready(o))
	}
	if len(ops) > 1 && !g.sync {
		var err error
		p.graph, err = g.ctx.Capture(func() error {
			for _, l := range p.launches {
				if err := g.run(l); err != nil {
					return err
				}
			}
			return nil
		})
		g.must(err)
	}
	return p
}

func (g *gpu) ready(o op) launch {
	l, args, ok := o.call.Launch(o.units)
	if !ok {
		panic(fmt.Sprintf("cuda: no CUDA kernel does %q", o.name))
	}
	f, err := g.ctx.Function(l.Kernel)
	g.must(err)
	return launch{o.name, f, l, binary.NativeEndian.AppendUint32(append([]byte(nil), args...), uint32(o.units))}
}

func (g *gpu) run(l launch) error { return g.ctx.Launch(l.f, l.Grid, l.Block, l.Shared, l.blob) }

func (p *gpuProgram) launch() {
	switch {
	case p.ns != nil:
		p.timed()
	case p.graph != nil:
		p.gpu.must(p.graph.Launch())
	default:
		for _, l := range p.launches {
			err := p.gpu.run(l)
			if err == nil && p.gpu.sync {
				err = p.gpu.ctx.Synchronize()
			}
			if err != nil {
				p.gpu.must(fmt.Errorf("%s (kernel %s): %w", l.name, l.Kernel, err))
			}
		}
	}
}

// timed waits for each launch and takes the time: the launch itself, some microseconds, counts.
func (p *gpuProgram) timed() {
	for i, l := range p.launches {
		p.gpu.must(p.gpu.ctx.Synchronize())
		start := time.Now()
		p.gpu.must(p.gpu.run(l))
		p.gpu.must(p.gpu.ctx.Synchronize())
		p.ns[i] += time.Since(start).Nanoseconds()
	}
}

func (p *gpuProgram) profile(on bool) {
	p.ns = nil
	if on {
		p.ns = make([]int64, len(p.launches))
	}
}

func (p *gpuProgram) times() map[string]float64 {
	t := map[string]float64{}
	for i, ns := range p.ns {
		t[p.launches[i].name] += float64(ns) * 1e-9
	}
	return t
}

func (p *gpuProgram) free() {
	if p.graph != nil {
		p.gpu.tidied(p.graph.Free())
	}
}
