package cuda

import (
	"cmp"
	"fmt"
	"runtime"

	"vimps-gpu/kernels"
)

// Options says which device to open.
type Options struct {
	Device    string // "auto", "host" or "gpu:N"
	ISA       string // "auto", "avx512", "avx2", "portable": instruction set of the host kernels
	Threads   int    // host workers; 0: one a CPU of this process
	Precision string // of a GPU's convolutions: "tf32" (default) or "bf16", which activations are then stored in
	Sync      bool   // a GPU does op by op and waits for each, so that a failure names its op
}

// Device is one place to compute. It owns memory and a queue of work; it is not safe for use from
// several goroutines at once.
type Device struct {
	place   place
	isa     kernels.ISA
	threads int
	gpu     bool
	storage DType // of activations
	why     string
	bytes   int64 // allocated and not freed
	peak    int64
	sizing  bool   // memory is counted, not allocated; see Reserve
	need    int64  // counted
	rec     *Graph // being recorded, or nil
	scratch [8]byte
}

// Open returns the device that o names. It fails when the device or instruction set is unknown or
// this machine does not have it; only "auto" chooses, and [Device.Why] says what decided.
func Open(o Options) (*Device, error) {
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
	storage, err := parsePrecision(o.Precision)
	if err != nil {
		return nil, err
	}
	d := &Device{isa: isa, threads: threads}
	onGPU := func(number int) (*Device, error) {
		return (&Device{isa: isa, threads: threads, gpu: true, storage: storage}).onGPU(number, o.Sync)
	}
	switch o.Device {
	case "host":
	case "", "auto":
		list, why := GPUs()
		for _, g := range list {
			if d.why = g.Why; !g.Usable {
				continue
			}
			on, err := onGPU(g.Number)
			if err == nil {
				on.why = "the first GPU that can be used"
				return on, nil
			}
			why = err.Error()
		}
		d.why = cmp.Or(why, d.why)
	default:
		number, err := gpuNumber(o.Device)
		if err != nil {
			return nil, err
		}
		return onGPU(number)
	}
	d.place = newHost(isa, threads)
	return d, nil
}

// Unavailable is the error of a device that this machine does not have or cannot use.
type Unavailable struct{ error }

// gpuNumber is N of "gpu:N", a GPU that can be used.
func gpuNumber(name string) (number int, err error) {
	if n, _ := fmt.Sscanf(name, "gpu:%d", &number); n != 1 || name != fmt.Sprintf("gpu:%d", number) || number < 0 {
		return 0, fmt.Errorf("device %q: want auto, host or gpu:N", name)
	}
	list, why := GPUs()
	if number < len(list) {
		why = list[number].Why
	} else if len(list) > 0 {
		why = fmt.Sprintf("there are only %d", len(list))
	}
	if why != "" {
		return 0, Unavailable{fmt.Errorf("device %q: %s", name, why)}
	}
	return number, nil
}

// GPUInfo is a GPU of this machine.
type GPUInfo struct {
	Number     int
	Name       string
	Capability [2]int // compute capability
	SMs        int
	Memory     int64 // bytes
	Usable     bool
	Why        string // where it is not usable
}

func parsePrecision(name string) (DType, error) {
	switch name {
	case "", "tf32":
		return Float32, nil
	case "bf16":
		return BFloat16, nil
	}
	return 0, fmt.Errorf("precision %q: want tf32 or bf16", name)
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

// Close stops the device. Its tensors are lost with a GPU; the host's stay valid until they are freed.
func (d *Device) Close() { d.place.close() }

// Name is "host", or "gpu:N" and the card's name.
func (d *Device) Name() string { return d.place.name() }

// Why says what decided, where the device was chosen automatically.
func (d *Device) Why() string { return d.why }

// GPU tells whether the device is a GPU.
func (d *Device) GPU() bool { return d.gpu }

// ISA is the instruction set of the host kernels.
func (d *Device) ISA() string { return d.isa.String() }

// Storage is the type of activations.
func (d *Device) Storage() DType { return d.storage }

// Precision is that of a GPU's convolutions; f32 on the host.
func (d *Device) Precision() string {
	switch {
	case !d.gpu:
		return "f32"
	case d.storage == BFloat16:
		return "bf16"
	}
	return "tf32"
}

// Arithmetic names what decides the bits of a result: avx2 and avx512 both fuse multiply and add, in one order;
// portable does not; a GPU's convolutions round their operands.
func (d *Device) Arithmetic() string {
	switch {
	case d.gpu:
		return "gpu-" + d.Precision()
	case d.isa == kernels.Portable:
		return "portable"
	}
	return "fused"
}

// Threads is the number of host workers.
func (d *Device) Threads() int { return d.threads }

// Bytes is the memory that tensors hold now.
func (d *Device) Bytes() int64 { return d.bytes }

// PeakBytes is the most that tensors held.
func (d *Device) PeakBytes() int64 { return d.peak }

func (d *Device) alloc(bytes int) kernels.Ptr {
	if d.sizing {
		d.need += allocationSize(bytes)
		return nil
	}
	d.bytes += int64(bytes)
	p, err := d.place.alloc(bytes)
	if err != nil {
		d.bytes -= int64(bytes)
		// The machine's fault, but found where no error can be returned; Guard turns it into one.
		free, _ := d.place.available()
		panic(OutOfMemory{Wanted: int64(bytes), Held: d.bytes, Free: free})
	}
	d.peak = max(d.peak, d.bytes)
	return p
}

// Reserve runs build, which allocates tensors and emits nothing, once to count the bytes that it needs, panics with
// [OutOfMemory] where the device has not so much, and runs it again for good. A device that cannot tell how much
// it has, the host, only does the latter.
func (d *Device) Reserve(what string, build func()) {
	free, known := d.place.available()
	if known && !d.sizing {
		d.sizing, d.need = true, 0
		build()
		d.sizing = false
		if d.need > free {
			panic(OutOfMemory{What: what, Wanted: d.need, Held: d.bytes, Free: free})
		}
	}
	build()
}

// allocationSize is what a GPU's driver takes for an allocation: whole pages of 2 MiB for a large one.
func allocationSize(bytes int) int64 {
	page := int64(512)
	if bytes > 1<<20 {
		page = 2 << 20
	}
	return (int64(bytes) + page - 1) / page * page
}

// OutOfMemory is the panic of an allocation that the machine refused; see [Guard]. Bytes; Free where it is known.
type OutOfMemory struct {
	What               string
	Wanted, Held, Free int64
}

func (e OutOfMemory) Error() string {
	what, free := e.What, ""
	if what != "" {
		what = " for " + what
	}
	if e.Free > 0 {
		free = fmt.Sprintf(", %d MiB are free", e.Free>>20)
	}
	return fmt.Sprintf("out of memory: %d MiB wanted%s beside the %d MiB held%s; lower the batch size", mebibytesUp(e.Wanted), what, e.Held>>20, free)
}

func mebibytesUp(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }

// Failure is the panic with an error that [Guard] returns: of a GPU that failed, so that nothing that it holds can be trusted any
// more, or of a user's net or file that work comes upon while it is set up or fed.
type Failure struct{ Err error }

func (e Failure) Error() string { return e.Err.Error() }
func (e Failure) Unwrap() error { return e.Err }

// Guard runs f, which uses devices, and returns the error where one has too little memory or work ends in a Failure.
func Guard(f func() error) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case OutOfMemory:
			err = r
		case Failure:
			err = r
		default:
			panic(r)
		}
	}()
	return f()
}
