//go:build cuda

package driver

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// A case of stubCases runs in a process of its own whose driver is testdata/stub.c, and prints.
var stubCases = map[string]func(){
	"status": func() { fmt.Println(Status()) },
	"devices": func() {
		_, err := Devices()
		fmt.Println(err)
	},
	"open": func() {
		_, err := Open(0, nil)
		fmt.Println(err)
	},
	"no code for the card": func() {
		_, err := Open(0, map[string][]byte{"conv": fatbin(fatbinELF, 80, fatbinPTX, 120)})
		fmt.Println(err)
	},
	"wedged": func() {
		c, err := Open(0, nil)
		if err != nil {
			panic(err)
		}
		c.SetPatience(20 * time.Millisecond)
		fmt.Println(c.Synchronize())
		fmt.Println(c.CopyOnDevice(nil, nil, 4), c.Close())
	},
	"stuck": func() {
		c, err := Open(0, nil)
		if err != nil {
			panic(err)
		}
		c.SetPatience(2 * time.Millisecond)
		_, _, err = c.MemInfo()
		fmt.Println(err)
		fmt.Println(c.Synchronize(), c.Close())
	},
	"hangs": func() {
		const patience = 20 * time.Millisecond
		_, err := open(0, nil, patience)
		fmt.Println(err, Lost(err))
		if _, err = devices(callPatience * patience); err != nil {
			fmt.Println(err, Lost(err))
		}
	},
	"closed": func() {
		before := runtime.NumGoroutine()
		for _, lost := range []bool{false, true} {
			c, err := Open(0, nil)
			if err != nil {
				panic(err)
			}
			if lost {
				c.SetPatience(time.Millisecond)
				fmt.Println(Lost(c.Synchronize()))
			}
			fmt.Println(c.Close(), c.Close(), c.Free(unsafe.Pointer(new(int))), c.Synchronize(), c.Speeds())
		}
		// Neither these nor a failed Open leave a goroutine.
		_, noGPU := Open(7, nil)
		_, noCode := Open(0, map[string][]byte{"conv": fatbin(fatbinPTX, 120)})
		fmt.Println(noGPU != nil, noCode != nil)
		for range 1000 {
			if runtime.NumGoroutine() <= before {
				break
			}
			time.Sleep(time.Millisecond)
		}
		fmt.Println(runtime.NumGoroutine() - before)
	},
	"missing function": func() {
		c, err := Open(0, nil)
		if err != nil {
			panic(err)
		}
		for range 2 {
			_, err = c.Pinned(8)
			fmt.Println(err)
		}
	},
}

// fatbin is a container with entries of kind and architecture and no payload.
func fatbin(kindArch ...uint16) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, fatbinMagic)
	b = le.AppendUint64(le.AppendUint16(le.AppendUint16(b, 1), 16), uint64(len(kindArch)/2*64))
	for pair := range slices.Chunk(kindArch, 2) {
		entry := make([]byte, 64)
		le.PutUint16(entry, pair[0])
		le.PutUint32(entry[4:], 64)
		le.PutUint32(entry[28:], uint32(pair[1]))
		b = append(b, entry...)
	}
	return b
}

func TestWithoutADriver(t *testing.T) {
	if name := os.Getenv("VIMPS_TEST_STUB"); name != "" {
		stubCases[name]()
		return
	}
	const none = "/nonexistent/libcuda.so.1"
	compiler := fmt.Sprintf("%d.%d", headerVersion/1000, headerVersion%1000/10)
	noGPU, wedged := stub(t, 100), stub(t, 0)
	for _, c := range []struct{ driver, name, want string }{
		{none, "status", none + " cannot be loaded: " + none + ": cannot open shared object file: No such file or directory false"},
		{none, "devices", none + " cannot be loaded: "},
		{none, "open", "gpu:0: " + none + " cannot be loaded: "},
		{noGPU, "status", "cuInit: no CUDA-capable device is detected (CUDA_ERROR_NO_DEVICE, 100) false"},
		{noGPU, "open", "gpu:0: cuInit: no CUDA-capable device is detected"},
		{wedged, "status", "driver for CUDA 12.8 true"},
		{wedged, "no code for the card", "gpu:0: no code for S (compute capability 9.9, driver for CUDA 12.8) in this program, which carries compute_120, sm_80, made by CUDA " + compiler + ": loading the kernels of conv: "},
		{wedged, "wedged", "gpu:0: waiting for the GPU: the GPU does not answer: no progress for 20ms\n" +
			"gpu:0: waiting for the GPU: the GPU does not answer: no progress for 20ms <nil>"},
		{wedged, "stuck", "gpu:0: cuMemGetInfo: the GPU does not answer: no progress for 20ms\n" +
			"gpu:0: cuMemGetInfo: the GPU does not answer: no progress for 20ms <nil>"},
		{wedged, "hangs cuInit", "cuInit: the GPU does not answer: no progress for 200ms true\n" +
			"cuInit: the GPU does not answer: no progress for 200ms true\n"},
		{wedged, "hangs cuDeviceGetCount", "cuDeviceGetCount: the GPU does not answer: no progress for 200ms true\n" +
			"cuDeviceGetCount: the GPU does not answer: no progress for 200ms true\n"},
		{wedged, "hangs cuDeviceGetName", "cuDeviceGet and its attributes: the GPU does not answer: no progress for 200ms true\n" +
			"gpu:0: cuDeviceGet and its attributes: the GPU does not answer: no progress for 200ms true\n"},
		{wedged, "hangs cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRetain: the GPU does not answer: no progress for 200ms true\nPASS\n"},
		{wedged, "closed", "<nil> <nil> the GPU has been closed the GPU has been closed {0 0 0 0}\ntrue\n" +
			"<nil> <nil> the GPU has been closed the GPU has been closed {0 0 0 0}\ntrue true\n0\n"},
		{wedged, "missing function", "cuMemHostAlloc of 8 bytes: this driver has no function cuMemHostAlloc; a newer driver has it (CUDA_ERROR_NOT_FOUND, 500)\n" +
			"cuMemHostAlloc of 8 bytes: this driver has no function cuMemHostAlloc; a newer driver has it (CUDA_ERROR_NOT_FOUND, 500)"},
	} {
		child := exec.Command(os.Args[0], "-test.run=TestWithoutADriver")
		name, hangs, _ := strings.Cut(c.name, " cu")
		child.Env = append(os.Environ(), "VIMPS_LIBCUDA="+c.driver, "VIMPS_TEST_STUB="+name, "VIMPS_STUB_HANGS=cu"+hangs, "LD_BIND_NOW=1", "GORACE=atexit_sleep_ms=0")
		got, err := child.CombinedOutput()
		if err != nil || !strings.HasPrefix(string(got), c.want) {
			t.Errorf("%s: %v\n%s\nwant %s", c.name, err, got, c.want)
		}
	}
}

// stub builds testdata/stub.c.
func stub(t *testing.T, init int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "libcuda.so.1")
	if out, err := exec.Command("gcc", "-shared", "-fPIC", fmt.Sprintf("-DINIT=%d", init), "-o", path, "testdata/stub.c").CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return path
}
