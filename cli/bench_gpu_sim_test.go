//go:build cuda

package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vimps-gpu/bench"
)

// TestSimGPUBench: bench/gpu.sh from end to end on the simulated GPU, with tiny shapes: as it should go, and with a GPU that fails.
func TestSimGPUBench(t *testing.T) {
	t.Parallel()
	bundle := t.TempDir()
	if err := os.Symlink(simulated(t), filepath.Join(bundle, "vimps-gpu")); err != nil {
		t.Fatal(err)
	}
	tests := exec.Command("go", "test", "-c", "-tags", "cuda", "-o", bundle+"/", "vimps-gpu/cuda", "vimps-gpu/nn", "vimps-gpu/onesot")
	if text, err := tests.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	run := func(env ...string) (base, text string, err error) {
		out := t.TempDir()
		script := exec.Command("../bench/gpu.sh", "--quick", "--work", filepath.Join(out, "work"), "--out", out)
		script.Env = append(append(os.Environ(), "VIMPS_BUNDLE="+bundle, "VIMPS_BUDGET=1000", "PYTHON=no-such-python", "VIMPS_SIM_LOG=/dev/null"), env...)
		said, err := script.CombinedOutput()
		return filepath.Join(out, "simulated-gpu-sm_80-quick"), string(said), err
	}
	base, text, err := run()
	if err != nil {
		t.Errorf("gpu.sh: %v\n%s", err, text)
	}
	for _, want := range []string{"SIMULATED", "**** NOT MEASURED: torch: there is no no-such-python", "parity with the host: every op"} {
		if !strings.Contains(text, want) {
			t.Errorf("gpu.sh does not say %q:\n%s", want, text)
		}
	}
	checkSimulatedResult(t, base)

	base, text, err = run("VIMPS_SIM_FAIL=cuGraphLaunch:4:719") // the first that training launches
	if err == nil || !strings.Contains(text, "equal bits twice, bf16 NOT MEASURED") {
		t.Errorf("gpu.sh with a GPU that fails: %v\n%s", err, text)
	}
	r := readGPUResult(t, base)
	if len(r.Measured.Copies) == 0 || len(r.Measured.Errors) != 1 || !strings.Contains(r.Measured.Errors[0], "CUDA_ERROR_LAUNCH_FAILED") {
		t.Errorf("what came before the failure, and the failure: %+v, %v", r.Measured.Copies, r.Measured.Errors)
	}
	if status(r)["measure"] != "failed" {
		t.Errorf("parts %+v", r.Parts)
	}
}

// TestSimGPUBenchMemory: a part that finds no memory is told, and all others are measured; without a copy bandwidth nothing has a
// floor by it.
func TestSimGPUBenchMemory(t *testing.T) {
	t.Parallel()
	program := simulated(t)
	for _, c := range []struct{ fail, want string }{
		{"cuMemAlloc_v2:1:2", "copy bandwidth, bf16: out of memory"},
		{"cuMemAlloc_v2:400:2", "equal bits, bf16: out of memory"},
	} {
		out := filepath.Join(t.TempDir(), "measured.json")
		bench := exec.Command(program, "bench", "gpu", "--quick", "--out", out)
		bench.Env = append(os.Environ(), "VIMPS_SIM_FAIL="+c.fail)
		if text, err := bench.CombinedOutput(); err == nil || !strings.Contains(string(text), "1 error, the first: "+c.want) {
			t.Errorf("%s: %v\n%s", c.fail, err, text)
		}
		checkWithoutMemory(t, out, c.want)
	}
}

func checkWithoutMemory(t *testing.T, path, want string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r bench.GPUReport
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Errors) != 1 || !strings.HasPrefix(r.Errors[0], want) || len(r.LeftOut) > 0 {
		t.Errorf("errors %v, left out %v, want one error of %q", r.Errors, r.LeftOut, want)
	}
	copies, repeats := 4, 1
	if strings.HasPrefix(want, "copy") {
		copies, repeats = 2, 2
	}
	if len(r.Copies) != copies || len(r.Repeats) != repeats || len(r.Fused) != 16 || len(r.Steps) != 4 || len(r.Conv) != 16 {
		t.Errorf("%s: %d copies, %d repeats, %d fused, %d steps, %d convolutions", want, len(r.Copies), len(r.Repeats), len(r.Fused), len(r.Steps), len(r.Conv))
	}
	for _, f := range r.Fused {
		if known := copies == 4 || f.Precision == "tf32"; f.Seconds <= 0 || known != (f.Floor > 0) || known != (f.OfCopy > 0) {
			t.Errorf("%s: %+v", want, f)
		}
	}
}

func readGPUResult(t *testing.T, base string) *bench.GPUResult {
	t.Helper()
	data, err := os.ReadFile(base + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(bytes.TrimLeft(data, "{ \n"), []byte(`"simulated": true,`)) {
		t.Errorf("the result does not begin by saying that it is simulated: %.60s", data)
	}
	r := &bench.GPUResult{}
	if err := json.Unmarshal(data, r); err != nil {
		t.Fatal(err)
	}
	if r.Measured == nil {
		t.Fatal("nothing was measured")
	}
	return r
}

func status(r *bench.GPUResult) map[string]string {
	parts := map[string]string{}
	for _, p := range r.Parts {
		parts[p.Name] = p.Status
	}
	return parts
}

func checkSimulatedResult(t *testing.T, base string) {
	t.Helper()
	r := readGPUResult(t, base)
	g := r.Measured
	if !g.Simulated || len(g.Errors)+len(g.LeftOut) > 0 || g.Card.SMs == 0 || g.Card.ClockMHz == 0 {
		t.Errorf("measured: simulated %t, card %+v, errors %v, left out %v", g.Simulated, g.Card, g.Errors, g.LeftOut)
	}
	// Two precisions of: 2 copies; 3 of a unit, 3 of a residual one, 2 of a mix; 3 layers in 3 passes but for one dgrad; 2 steps.
	if len(g.Copies) != 4 || len(g.Fused) != 16 || len(g.Conv) != 16 || len(g.Steps) != 4 || len(g.Repeats) != 2 {
		t.Errorf("%d copies, %d fused, %d convolutions, %d steps, %d repeats", len(g.Copies), len(g.Fused), len(g.Conv), len(g.Steps), len(g.Repeats))
	}
	for _, c := range g.Conv {
		if !(c.Seconds > 0 && c.Floor > 0 && c.TFLOPS > 0 && c.FloorBy != "") {
			t.Errorf("convolution %+v", c)
		}
	}
	for _, p := range g.Repeats {
		if !p.Equal || len(p.GPU) != p.Steps || !(p.First <= p.Allowed) {
			t.Errorf("repeat %+v", p)
		}
	}
	for _, v := range r.Verdicts {
		if strings.Contains(v.Name, "bandwidth") || strings.Contains(v.Name, "cuDNN") || strings.Contains(v.Name, "PyTorch") || strings.Contains(v.Name, "sanitizer") {
			if v.Met != nil || !strings.Contains(v.Why, "simulated") {
				t.Errorf("a simulated GPU was judged by what only a GPU can show: %v", v)
			}
		}
	}
	for name, want := range map[string]string{"parity cuda": "ok", "parity nn": "ok", "parity onesot": "ok", "measure": "ok", "torch": "left out", "ranks": "left out", "search cifar10": "left out"} {
		if got := status(r)[name]; got != want {
			t.Errorf("part %s: %q, want %q", name, got, want)
		}
	}
	if text, err := os.ReadFile(base + ".md"); err != nil || !bytes.Contains(text, []byte("**SIMULATED: no GPU ran.")) {
		t.Errorf("the tables do not say that nothing ran on a GPU: %v", err)
	}
}
