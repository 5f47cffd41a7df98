package cuda

import (
	"fmt"
	"runtime"

	"vimps-gpu/kernels"
)

// Options says which device to open.
type Options struct {
	Device  string // "auto" or "host"
	ISA     string // "auto", "avx512", "avx2", "portable": instruction set of the host kernels
	Threads int    // host workers; 0: one a CPU of this process
}

// Device is one place to compute. It owns memory and a queue of work; it is not safe for use from
// several goroutines at once.
type Device struct {
	isa     kernels.ISA
	pool    *pool
	threads int
	bytes   int64 // allocated and not freed
	peak    int64
	rec     *Graph // being recorded, or nil
}

// Open returns the device that o names. It fails when the device or instruction set is unknown or
// this machine does not have it; only "auto" chooses.
func Open(o Options) (*Device, error) {
	if o.Device != "" && o.Device != "auto" && o.Device != "host" {
		return nil, fmt.Errorf("device %q: this build knows auto and host", o.Device)
	}
	isa, err := parseISA(o.ISA)
	if err != nil {
		return nil, err
	}
	threads := o.Threads
	if threads < 0 || threads > 1024 {
		return nil, fmt.Errorf("threads %d: want 1 to 1024, or 0 for one a CPU", threads)
	}
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return &Device{isa: isa, threads: threads, pool: newPool(threads)}, nil
}

func parseISA(name string) (kernels.ISA, error) {
	if name == "" || name == "auto" {
		return kernels.BestISA(), nil
	}
	for _, isa := range []kernels.ISA{kernels.Portable, kernels.AVX2, kernels.AVX512} {
		if isa.String() != name {
			continue
		}
		if !isa.Supported() {
			return 0, fmt.Errorf("instruction set %q: this CPU does not have it; the best it has is %v", name, kernels.BestISA())
		}
		return isa, nil
	}
	return 0, fmt.Errorf("instruction set %q: want auto, avx512, avx2 or portable", name)
}

// Close stops the workers. Memory of tensors stays valid until they are freed.
func (d *Device) Close() { d.pool.stop() }

// Name is "host".
func (d *Device) Name() string { return "host" }

// ISA is the instruction set of the host kernels.
func (d *Device) ISA() string { return d.isa.String() }

// Arithmetic names what decides the bits of a result: avx2 and avx512 both fuse multiply and add, in one order;
// portable does not.
func (d *Device) Arithmetic() string {
	if d.isa == kernels.Portable {
		return "portable"
	}
	return "fused"
}

// Threads is the number of host workers.
func (d *Device) Threads() int { return d.threads }

// Bytes is the memory that tensors hold now; PeakBytes the most they held.
func (d *Device) Bytes() int64     { return d.bytes }
func (d *Device) PeakBytes() int64 { return d.peak }

func (d *Device) alloc(bytes int) kernels.Ptr {
	p, err := kernels.Alloc(bytes)
	if err != nil {
		// The machine's fault, but found where no error can be returned; Guard turns it into one.
		panic(OutOfMemory{Wanted: int64(bytes), Held: d.bytes})
	}
	d.bytes += int64(bytes)
	d.peak = max(d.peak, d.bytes)
	return p
}

// OutOfMemory is the panic of an allocation that the machine refused; see [Guard].
type OutOfMemory struct{ Wanted, Held int64 } // bytes

func (e OutOfMemory) Error() string {
	return fmt.Sprintf("out of memory: %d MiB wanted beside the %d MiB held; lower the batch size", e.Wanted>>20, e.Held>>20)
}

// Guard runs f, which builds tensors, and returns the error where the device has too little memory.
func Guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			oom, ok := r.(OutOfMemory)
			if !ok {
				panic(r)
			}
			err = oom
		}
	}()
	return f()
}
