//go:build cuda

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// onGPU runs the program on the simulated GPU.
func onGPU(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	c := exec.Command(simulated(t), args...)
	c.Env = append(append(os.Environ(), "VIMPS_SIM_LOG="+filepath.Join(t.TempDir(), "log")), env...)
	c.Stdout, c.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := c.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// tiny is a search of a few steps in each phase.
func tiny(out string, more ...string) []string {
	args := []string{"search", "--device", "gpu:0", "--out", out, "--model", "digitsnet", "--data", "digits", "--epochs", "2", "--pretrain-epochs", "1",
		"--train-images", "128", "--batch", "32", "--etas", "3", "--recalibrate-images", "256", "--save-every", "2"}
	return append(args, more...)
}

// least is the least of searches: one child.
func least(out string) []string {
	return []string{"search", "--device", "gpu:0", "--out", out, "--model", "digitsnet", "--data", "digits", "--epochs", "1", "--pretrain-epochs", "1",
		"--train-images", "64", "--batch", "16", "--etas", "1", "--recalibrate-images", "256", "--save-every", "2"}
}

// TestSimSearch: the whole job on the GPU. Equal seeds give equal bits, op by op or as a graph, and after kills; the
// device is named; another precision is another arithmetic, which a run does not change in its middle.
func TestSimSearch(t *testing.T) {
	t.Parallel()
	run := func(env string, more ...string) (string, string) {
		dir := filepath.Join(t.TempDir(), "run")
		log := filepath.Join(t.TempDir(), "log")
		code, _, errs := onGPU(t, []string{env, "VIMPS_SIM_LOG=" + log, "VIMPS_SIM_LEAKS=1"}, tiny(dir, more...)...)
		if code != ExitOK {
			t.Fatalf("%v: exit code %d\n%s", more, code, errs)
		}
		if text, err := os.ReadFile(log); err == nil && len(text) > 0 {
			t.Errorf("%s %v: the simulated driver says %s", env, more, text)
		}
		return dir, errs
	}
	dir, errs := run("A=")
	if want := "device: gpu:0 (Simulated GPU sm_80), tf32"; !strings.Contains(errs, want) {
		t.Errorf("%q does not say %q", errs, want)
	}
	want := results(t, dir)
	again, _ := run("A=", "--sync")
	mustEqual(t, "op by op", results(t, again), want)
	early, _ := run("VIMPS_SIM_ORDER=early")
	mustEqual(t, "with copies as early as nothing keeps them back", results(t, early), want)
	bf16, _ := run("A=", "--precision", "bf16")
	if results(t, bf16)["state.safetensors"] == want["state.safetensors"] {
		t.Error("bf16 gave the bits of tf32")
	}
	code, _, errs := onGPU(t, nil, "search", "--device", "host", "--out", dir, "--resume")
	if code == ExitOK || !strings.Contains(errs, "arithmetic") {
		t.Errorf("resuming a GPU's run on the host: exit code %d, %s", code, errs)
	}
	killedRun(t, want)
}

// killedRun kills a run at random moments, resumes it each time and wants the bits of one that was not.
func killedRun(t *testing.T, want map[string]string) {
	t.Helper()
	random := rand.New(rand.NewPCG(2, uint64(time.Now().UnixNano())))
	dir := filepath.Join(t.TempDir(), "run")
	for kills := 0; ; {
		args := tiny(dir)
		if _, err := os.Stat(filepath.Join(dir, "run.json")); err == nil {
			args = []string{"search", "--device", "gpu:0", "--out", dir, "--resume", "--etas", "3", "--recalibrate-images", "256", "--save-every", "2"}
		}
		c := exec.Command(simulated(t), args...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if kills < 5 {
			time.AfterFunc(time.Duration(200+random.IntN(1500))*time.Millisecond, func() { _ = c.Process.Signal(syscall.SIGKILL) })
		}
		err := c.Wait()
		if c.ProcessState.ExitCode() == ExitOK {
			mustEqual(t, fmt.Sprintf("after %d kills", kills), results(t, dir), want)
			return
		}
		if kills++; kills > 5 {
			t.Fatalf("the last resume: %v", err)
		}
	}
}

var traced = regexp.MustCompile(`^(cu\w+)\(`)

// TestSimFaults: a failure injected at every driver call that a search makes, at its first time and, for those of a
// step, in the middle of the training, ends in a non-zero exit code and one line that says what failed; the run
// directory can be resumed.
func TestSimFaults(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	if code, _, errs := onGPU(t, []string{"VIMPS_SIM_TRACE=" + trace}, least(filepath.Join(t.TempDir(), "run"))...); code != ExitOK {
		t.Fatal(errs)
	}
	lines, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for line := range strings.Lines(string(lines)) {
		if m := traced.FindStringSubmatch(line); m != nil {
			counts[m[1]]++
		}
	}
	if len(counts) < 20 {
		t.Fatalf("the trace names only %d calls", len(counts))
	}
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if strings.HasPrefix(name, "cuGetError") || name == "cuDriverGetVersion" { // they only word things
			continue
		}
		at := []int{1}
		switch strings.TrimSuffix(name, "_v2") {
		case "cuGraphLaunch", "cuLaunchKernel", "cuMemcpyHtoDAsync", "cuMemcpyDtoDAsync", "cuMemcpyDtoHAsync", "cuEventRecord", "cuStreamWaitEvent", "cuEventQuery":
			at = append(at, counts[name]/2)
		}
		for _, n := range at {
			t.Run(fmt.Sprintf("%s %d", name, n), func(t *testing.T) {
				t.Parallel()
				fault(t, name, n)
			})
		}
	}
}

func fault(t *testing.T, name string, at int) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	injected := fmt.Sprintf("VIMPS_SIM_FAIL=%s:%d:%d", name, at, faultCode(name))
	code, _, errs := onGPU(t, []string{injected}, least(dir)...)
	line := lastLine(errs)
	released := strings.Contains(name, "Release") || strings.Contains(name, "Destroy") || strings.Contains(name, "Unload") || strings.Contains(name, "Free")
	switch {
	case code == ExitOK && released:
		return // at the end nothing is lost
	case code == ExitOK:
		t.Errorf("%s: exit code 0\n%s", injected, errs)
		return
	case strings.Contains(errs, "goroutine ") || strings.Contains(errs, "panic"):
		t.Errorf("%s: %s", injected, errs)
		return
	case !strings.HasPrefix(line, "vimps-gpu: ") || !strings.Contains(line, "gpu") && !strings.Contains(line, "GPU") && !strings.Contains(line, "cu"):
		t.Errorf("%s: the last line is %q", injected, line)
	}
	t.Logf("%s: %s", injected, line)
	if _, err := os.Stat(filepath.Join(dir, "state.safetensors")); err != nil || at == 1 {
		return
	}
	resume := []string{"search", "--device", "gpu:0", "--out", dir, "--resume", "--etas", "1", "--recalibrate-images", "256"}
	if code, _, errs := onGPU(t, nil, resume...); code != ExitOK {
		t.Errorf("%s: then resuming: exit code %d, %s", injected, code, errs)
	}
}

// faultCode is a result that the call can give: out of memory, or an illegal address, which is the end of a context.
func faultCode(name string) int {
	if strings.Contains(name, "Alloc") {
		return 2
	}
	if strings.Contains(name, "Query") || strings.Contains(name, "Launch") {
		return 700
	}
	return 999
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// TestSimMemory: where the GPU has too little memory the need, what is free and what to lower are told before training.
func TestSimMemory(t *testing.T) {
	code, _, errs := onGPU(t, []string{"VIMPS_SIM_MEMORY=6000000"}, tiny(filepath.Join(t.TempDir(), "run"), "--batch", "64")...)
	if line := lastLine(errs); code == ExitOK || !regexp.MustCompile(`out of memory: \d+ MiB wanted.*MiB are free; lower the batch size`).MatchString(line) {
		t.Errorf("exit code %d, %q", code, line)
	}
}

// TestSimChild: a child evaluated by integers on the GPU and on the host answers alike.
func TestSimChild(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "run")
	if code, _, errs := onGPU(t, nil, tiny(dir)...); code != ExitOK {
		t.Fatal(errs)
	}
	var answers []string
	for _, device := range []string{"gpu:0", "host"} {
		code, out, errs := onGPU(t, nil, "eval", "--run", dir, "--uniform", "4/4", "--integer", "--no-recalibrate", "--json", "--device", device)
		if code != ExitOK {
			t.Fatal(errs)
		}
		answers = append(answers, regexp.MustCompile(`(?s)"integer": \{.*?\}`).FindString(out))
	}
	if answers[0] != answers[1] || answers[0] == "" {
		t.Errorf("gpu:0 says %s, host %s", answers[0], answers[1])
	}
}
