//go:build cuda

package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// simulated is the program built for the GPU, for tests on the simulated one; they skip where there is none.
func simulated(t *testing.T) string {
	t.Helper()
	if os.Getenv("VIMPS_LIBCUDA") == "" {
		t.Skip("needs VIMPS_LIBCUDA, the simulator's libcuda.so.1: make test-sim sets it")
	}
	path, err := buildSimulated()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var buildSimulated = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(program), "vimps-gpu-cuda")
	return path, exec.Command("go", "build", "-tags", "cuda", "-o", path, "./vimps-gpu").Run()
})

// TestSimDevices: what devices says of every kind of machine.
func TestSimDevices(t *testing.T) {
	program := simulated(t)
	for env, want := range map[string]string{
		"VIMPS_SIM_CC=9.0":                         "gpu:0: Simulated GPU sm_90, compute capability 9.0, 132 SMs, 4.0 GiB\n--device auto takes gpu:0\n",
		"VIMPS_SIM_DEVICES=2 VIMPS_SIM_CC=7.5,8.6": "; cannot be used: Simulated GPU sm_75 has compute capability 7.5, the kernels need 8.0 or newer\ngpu:1: ",
		"VIMPS_SIM_DEVICES=0":                      "gpu: none: cuInit: no CUDA-capable device is detected (CUDA_ERROR_NO_DEVICE, 100)\n--device auto takes host\n",
		"VIMPS_LIBCUDA=/none/libcuda.so.1":         "gpu: none: /none/libcuda.so.1 cannot be loaded: /none/libcuda.so.1: cannot open shared object file: No such file or directory\n--device auto takes host\n",
	} {
		devices := exec.Command(program, "devices")
		devices.Env = append(os.Environ(), strings.Fields(env)...)
		if got, err := devices.CombinedOutput(); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s: %v\n%s\nwant ...%s", env, err, got, want)
		}
	}
}
