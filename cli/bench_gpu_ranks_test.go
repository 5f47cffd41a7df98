package cli

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vimps-gpu/bench"
)

// stubs are what bench/gpu.sh finds in place of programs: a machine of so many GPUs whose program does nothing but devices, the report
// and, under an mpirun that starts it once, bench ranks. A step takes 10 ms, and 1 ms more for each doubling of GPUs.
func stubs(t *testing.T) (bundle, path string) {
	t.Helper()
	bundle, path = t.TempDir(), t.TempDir()
	write := func(file, text string) {
		if err := os.WriteFile(file, []byte("#!/bin/bash\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"cuda.test", "nn.test", "onesot.test"} {
		write(filepath.Join(bundle, name), "echo '--- PASS: TestSimBf16/bf16 tf32'\n")
	}
	write(filepath.Join(bundle, "vimps-gpu"), `case "$1 $2" in
"devices ") for ((i = 0; i < STUB_GPUS; i++)); do echo "gpu:$i: Stub GPU, compute capability 9.0, 132 SMs, 80.0 GiB"; done
	echo "gpu:$i: Old GPU, compute capability 7.0, 80 SMs, 16.0 GiB; cannot be used: too old" ;;
"version ") ;;
"bench gpu-report") exec "`+program+`" "$@" ;;
*) exit 1 ;;
esac
`)
	write(filepath.Join(bundle, "vimps-gpu-mpi"), `[ "$1" = version ] && exit "${STUB_MPI:-0}"
[ "$1 $2" = "bench ranks" ] || exit 1
shift 2
while [ $# -gt 0 ]; do declare "${1#--}"="$2" 2>/dev/null || declare "v_${1//-/_}"="$2"; shift 2; done
[ "$STUB_RANKS" != "$STUB_FAIL" ] || { echo 'vimps-gpu: the all-reduce failed'; exit 3; }
share=$((v___micro_batches / STUB_RANKS)) ms=10
for ((n = 1; n < STUB_RANKS; n *= 2)); do ms=$((ms + 1)); done
echo "{\"model\": \"$model\", \"ranks\": $STUB_RANKS, \"batch\": $batch, \"micro_batches\": $v___micro_batches, \"threads\": $threads, \"median_seconds\": 0.0$((ms * share))}" >"$out"
`)
	write(filepath.Join(path, "mpirun"), `[ "$1 $3 $4" = "-np --bind-to none" ] || exit 1
export STUB_RANKS=$2
shift 4
exec "$@"
`)
	return bundle, path
}

// scale runs bench/gpu.sh on stubs.
func scale(t *testing.T, bundle, path string, env ...string) (*bench.GPUResult, string) {
	t.Helper()
	out := t.TempDir()
	script := exec.Command("../bench/gpu.sh", "--work", filepath.Join(out, "work"), "--out", out)
	script.Env = append(append(os.Environ(), "VIMPS_BUNDLE="+bundle, "PYTHON=no-such-python", "VIMPS_LIBCUDA=", "VIMPS_LIBNCCL=stub", "VIMPS_DATA=", "PATH="+path+":"+os.Getenv("PATH")), env...)
	said, _ := script.CombinedOutput() // fails, as nothing was measured
	data, err := os.ReadFile(filepath.Join(out, "stub-gpu.json"))
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	r := &bench.GPUResult{}
	if err := json.Unmarshal(data, r); err != nil {
		t.Fatal(err)
	}
	return r, string(said)
}

// verdict is the one on weak scaling of ResNet-18.
func verdict(t *testing.T, r *bench.GPUResult) bench.Verdict {
	t.Helper()
	for _, v := range r.Verdicts {
		if strings.HasPrefix(v.Name, "weak scaling of resnet18 on 8 GPUs") {
			return v
		}
	}
	t.Fatalf("no verdict on scaling in %v", r.Verdicts)
	return bench.Verdict{}
}

// TestGPUScriptRanks: bench/gpu.sh times 1, 2, 4 and 8 GPUs, weak and strong, where there are as many, and says of every other machine
// why it does not. Programs are stubs: no GPU is measured.
func TestGPUScriptRanks(t *testing.T) {
	bundle, path := stubs(t)
	r, text := scale(t, bundle, path, "STUB_GPUS=9")
	if len(r.Ranks) != 16 {
		t.Fatalf("%d times of several GPUs, want 2 nets, weak and strong, of 4\n%s", len(r.Ranks), text)
	}
	for _, x := range r.Ranks {
		images, want := 64, map[int]float64{1: 1, 2: 10. / 11, 4: 10. / 12, 8: 10. / 13}[x.Ranks]
		if x.Model == "resnet20" {
			images = 128
		}
		batch := images * x.Ranks
		if x.Kind == "strong" {
			batch = images * 8
		}
		if x.Batch != batch || x.Batch/x.Micros != images || x.Efficiency < want-1e-9 || x.Efficiency > want+1e-9 {
			t.Errorf("%+v: want %d images in micro-batches of %d and an efficiency of %v", x, batch, images, want)
		}
	}
	if v := verdict(t, r); v.Met == nil || *v.Met || v.Bar != 0.9 || v.Value < 0.769 || v.Value > 0.770 {
		t.Errorf("10 ms against 13: %v", v)
	}

	for _, c := range []struct{ env, why string }{
		{"STUB_GPUS=1", "this machine has 1 GPU that can be used"},
		{"STUB_GPUS=4", "0.8333 on 4 GPUs; the bar is for 8"},
		{"STUB_GPUS=8 STUB_FAIL=8", "0.8333 on 4 GPUs; the bar is for 8"},
		{"STUB_GPUS=8 STUB_FAIL=1", "not both one GPU and several were timed"},
		{"STUB_GPUS=8 STUB_MPI=127", "vimps-gpu-mpi does not start here"},
		{"STUB_GPUS=8 VIMPS_LIBNCCL= LD_LIBRARY_PATH=/none", "there is no libnccl.so.2"},
		{"STUB_GPUS=8 VIMPS_BUNDLE=" + without(t, bundle), "the bundle holds no vimps-gpu-mpi"},
	} {
		r, text := scale(t, bundle, path, strings.Fields(c.env)...)
		if v := verdict(t, r); v.Met != nil || !strings.Contains(v.Why, c.why) {
			t.Errorf("%s: %v, want %q\n%s", c.env, v, c.why, text)
		}
	}
}

// without is a bundle that has no program for MPI.
func without(t *testing.T, bundle string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"vimps-gpu", "cuda.test", "nn.test", "onesot.test"} {
		if err := os.Symlink(filepath.Join(bundle, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
