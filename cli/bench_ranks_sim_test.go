//go:build cuda

package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSimGPUBenchRanks: the part of bench/gpu.sh for several GPUs, on two simulated ones with the stand-in for NCCL. That bench ranks
// ends well says that both ranks had the same parameters after their steps.
func TestSimGPUBenchRanks(t *testing.T) {
	t.Parallel()
	single := simulated(t)
	if os.Getenv("VIMPS_LIBNCCL") == "" {
		t.Skip("needs VIMPS_LIBNCCL, the stand-in for NCCL: make test-sim sets it")
	}
	for _, needed := range [][]string{{"mpirun", "--version"}, {"pkg-config", "--exists", "ompi-c"}} {
		if err := exec.Command(needed[0], needed[1:]...).Run(); err != nil {
			t.Skipf("needs Open MPI: %v: %v", needed, err)
		}
	}
	bundle := t.TempDir()
	if text, err := exec.Command("go", "build", "-tags", "cuda,mpi", "-o", filepath.Join(bundle, "vimps-gpu-mpi"), "./vimps-gpu").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for name, text := range map[string]string{
		"vimps-gpu": fmt.Sprintf(`[ "$1 $2" != "bench gpu" ] || exit 1; exec %q "$@"`, single), // one GPU is another test's
		"cuda.test": "", "nn.test": "", "onesot.test": "",
	} {
		if err := os.WriteFile(filepath.Join(bundle, name), []byte("#!/bin/bash\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out := t.TempDir()
	script := exec.Command("../bench/gpu.sh", "--quick", "--work", filepath.Join(out, "work"), "--out", out)
	script.Env = append(os.Environ(), "VIMPS_BUNDLE="+bundle, "PYTHON=no-such-python", "VIMPS_SIM_DEVICES=2", "VIMPS_SIM_LOG=/dev/null")
	said, _ := script.CombinedOutput() // fails: this bundle shows no parity
	text, err := os.ReadFile(filepath.Join(out, "simulated-gpu-sm_80-quick.md"))
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, want := range []string{"**SIMULATED: no GPU ran.", "| weak | digitsnet | 1 | 8 | 1 |", "| weak | digitsnet | 2 | 16 | 2 |", "| strong | digitsnet | 1 | 16 | 2 |", "| strong | digitsnet | 2 | 16 | 2 |",
		"weak scaling of resnet18 on 8 GPUs: t1/tN |  | 0.9 | not measured: simulated"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the tables do not say %q:\n%s\n%s", want, text, said)
		}
	}
}
