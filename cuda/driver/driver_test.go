//go:build cuda

package driver

import (
	"os"
	"strings"
	"testing"
	"unsafe"
)

// simulated is a context on the simulator, with the kernels of testdata/affine.cu.
func simulated(t *testing.T) *Context {
	t.Helper()
	if os.Getenv("VIMPS_LIBCUDA") == "" {
		t.Skip("needs VIMPS_LIBCUDA, the simulator's libcuda.so.1: make test-sim sets it")
	}
	ptx, err := os.ReadFile("testdata/affine.ptx")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(0, map[string][]byte{"affine": ptx})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// floats is device memory for n floats, freed with the test.
func floats(t *testing.T, c *Context, n int) unsafe.Pointer {
	t.Helper()
	p, err := c.Alloc(4 * int64(n))
	ok(t, err)
	t.Cleanup(func() { c.Free(p) })
	return p
}

type affineArgs struct {
	y, x unsafe.Pointer
	a, b float32
	n    int32
	_    int32
}

// blob is the 28 bytes that a kernel takes.
func (a *affineArgs) blob() []byte { return unsafe.Slice((*byte)(unsafe.Pointer(a)), 28) }

func affine(t *testing.T, c *Context, a affineArgs) {
	t.Helper()
	f, err := c.Function("affine")
	ok(t, err)
	ok(t, c.Launch(f, [3]int{(int(a.n) + 63) / 64, 1, 1}, 64, 0, a.blob()))
}

func ramp(n int, from float32) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = from + float32(i)
	}
	return x
}

func in(t *testing.T, c *Context, dst unsafe.Pointer, x []float32) {
	t.Helper()
	ok(t, c.CopyIn(dst, unsafe.Pointer(unsafe.SliceData(x)), 4*len(x)))
}

func out(t *testing.T, c *Context, src unsafe.Pointer, n int) []float32 {
	t.Helper()
	y := make([]float32, n)
	ok(t, c.CopyOut(unsafe.Pointer(unsafe.SliceData(y)), src, 4*n))
	return y
}

func TestStatusNamesTheDriver(t *testing.T) {
	text, good := Status()
	if os.Getenv("VIMPS_LIBCUDA") == "" {
		t.Skip("needs VIMPS_LIBCUDA, the simulator's libcuda.so.1; here: " + text)
	}
	if !good || !strings.HasPrefix(text, "driver for CUDA ") {
		t.Fatalf("%q, %v", text, good)
	}
}

func TestDevices(t *testing.T) {
	simulated(t)
	list, err := Devices()
	ok(t, err)
	if len(list) == 0 || list[0].Name == "" || list[0].ComputeCapability[0] < 8 || list[0].Memory <= 0 || list[0].SMs <= 0 {
		t.Fatalf("%+v", list)
	}
}

func TestOpenOfAMissingGPU(t *testing.T) {
	simulated(t)
	if _, err := Open(99, nil); err == nil || !strings.HasPrefix(err.Error(), "gpu:99: the driver sees ") {
		t.Fatal(err)
	}
}

func TestLaunch(t *testing.T) {
	c := simulated(t)
	const n = 1003
	x, y := floats(t, c, n), floats(t, c, n)
	in(t, c, x, ramp(n, 0))
	affine(t, c, affineArgs{y: y, x: x, a: 2, b: 1, n: n})
	ok(t, c.CopyOnDevice(x, y, 4*n))
	for i, v := range out(t, c, x, n) {
		if v != 2*float32(i)+1 {
			t.Fatalf("y[%d] = %g", i, v)
		}
	}
}

func TestAllocZeroes(t *testing.T) {
	c := simulated(t)
	for _, v := range out(t, c, floats(t, c, 77), 77) {
		if v != 0 {
			t.Fatal(v)
		}
	}
}

// A kernel that needs more than 48 KB is allowed it at its launch, again where it needs more still.
func TestSharedMemoryOptIn(t *testing.T) {
	c := simulated(t)
	f, err := c.Function("reverse")
	ok(t, err)
	for _, n := range []int{10, 13000, 16000, 20} {
		x, y := floats(t, c, n), floats(t, c, n)
		in(t, c, x, ramp(n, 0))
		a := affineArgs{y: y, x: x, n: int32(n)}
		ok(t, c.Launch(f, [3]int{1, 1, 1}, 256, 4*n, a.blob()))
		for i, v := range out(t, c, y, n) {
			if v != float32(n-1-i) {
				t.Fatalf("n %d: y[%d] = %g", n, i, v)
			}
		}
	}
}

func TestLaunchErrorNamesKernelAndShape(t *testing.T) {
	c := simulated(t)
	f, err := c.Function("affine")
	ok(t, err)
	a := affineArgs{}
	err = c.Launch(f, [3]int{1, 70000, 1}, 64, 0, a.blob())
	if err == nil || !strings.HasPrefix(err.Error(), "launch of affine, grid 1x70000x1, 64 threads, 0 bytes of shared memory, 28 of arguments: ") {
		t.Fatal(err)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
	ok(t, c.Synchronize())
}

func TestUnknownKernel(t *testing.T) {
	c := simulated(t)
	if _, err := c.Function("nosuch"); err == nil || !strings.Contains(err.Error(), "no kernel nosuch in this program") {
		t.Fatal(err)
	}
}

func TestOutOfMemorySaysHowMuchThereIs(t *testing.T) {
	c := simulated(t)
	_, err := c.Alloc(1 << 50)
	if !OutOfMemory(err) || !strings.Contains(err.Error(), "bytes free: cuMemAlloc of 1125899906842624 bytes") {
		t.Fatal(err)
	}
	ok(t, c.Synchronize())
}
