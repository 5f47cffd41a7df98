//go:build cuda

package cli

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method"
)

// leastOf is a system's least search: what it is asked, and options, so that few children are trained and evaluated.
var leastOf = map[string][]string{
	"dnas":     {"--space", "pairs"},
	"haq":      {"--budgets", "0.12,0.3", "--episodes", "2", "--warmup-episodes", "0", "--finetune-images", "32"},
	"spos":     {"--budgets", "0.12,0.3", "--generations", "1", "--population", "2", "--parents", "1", "--search-images", "16"},
	"bitmixer": {"--budgets", "0.12,0.3", "--hessian-images", "16", "--hessian-products", "1"},
	"fn3":      {"--budgets", "0.6,0.9", "--search-images", "16", "--remeasure", "1", "--path-points", "2", "--weight-bits", "4,8", "--input-bits", "8"},
	"fisher":   {"--budgets", "0.12,0.3", "--score-images", "16", "--score-batch", "16"},
}

// kernelsOf are kernels that a system's search must run. Every search runs those of augmentation, convolution, norm, unit,
// pool, loss and SGD too, as TestSimSearch does; mix kernels stand for one-hot or mixed candidates, nested ones for
// residual (bayesianbits) or truncated (fn3) ones. No search of digitsnet runs depthwise convolutions, and integers are
// TestSimChild's.
var kernelsOf = map[string][]string{
	"oneshot":      slices.Concat(mixKernels, []string{"gate_sample", "gate_grad", "cost", "prior", "adam", "similarity"}),
	"vimps":        slices.Concat(mixKernels, []string{"gate_sample", "gate_grad", "cost", "prior", "adam", "similarity"}),
	"edmips":       slices.Concat(mixKernels, []string{"gate_sample", "gate_grad", "cost", "adam"}),
	"dnas":         slices.Concat(mixKernels, []string{"gate_sample", "gate_grad", "pair_marginals", "pair_marginals_grad", "cost_factor", "cost_factor_grad"}),
	"bayesianbits": slices.Concat(nestedKernels, []string{"hard_concrete", "hard_concrete_grad", "cost", "prior", "adam"}),
	"haq":          mixKernels,
	"spos":         mixKernels,
	"bitmixer":     slices.Concat(mixKernels, []string{"norm_bwd_sets", "norm_coef_bwd"}), // a norm a transition
	"fn3":          nestedKernels,
	"fisher":       mixKernels,
}

var (
	mixKernels    = []string{"mix_input_fwd_f32", "mix_input_bwd_f32", "mix_weight_fwd", "mix_weight_bwd", "mix_reduce"}
	nestedKernels = []string{"nested_input_fwd_f32", "nested_input_bwd_f32", "nested_weight_fwd", "nested_weight_bwd", "nested_reduce"}
)

func leastSearch(s onesot.System, out string) []string {
	args := []string{"search", "--method", s.Name(), "--device", "gpu:0", "--out", out, "--model", "digitsnet", "--data", "digits", "--epochs", "1",
		"--pretrain-epochs", "1", "--train-images", "64", "--batch", "16", "--no-recalibrate", "--save-every", "2"}
	switch s.Asks().Kind {
	case onesot.AskEtas:
		args = append(args, "--etas", "2")
	case onesot.AskPenalties:
		args = append(args, "--penalties", "0.1,3")
	}
	return append(args, leastOf[s.Name()]...)
}

// TestSimEverySystem: each system's search on the GPU ends in a front, leaks nothing and breaks no rule of the driver's; a
// second one, whose copies are as early as nothing keeps them back, has its bits. Two are also killed, and resumed.
func TestSimEverySystem(t *testing.T) {
	for _, s := range method.All() {
		t.Run(s.Name(), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "run")
			trace := filepath.Join(t.TempDir(), "trace")
			onGPUCleanly(t, leastSearch(s, dir), "VIMPS_SIM_TRACE="+trace)
			front, err := onesot.ReadRunFront(dir)
			if err != nil || len(front.Points) == 0 {
				t.Fatalf("a front of %+v (%v)", front, err)
			}
			checkKernels(t, trace, kernelsOf[s.Name()])
			checkAccount(t, dir)
			if s.Name() == "fisher" || s.Name() == "oneshot" {
				return // the one trains nothing, the other is TestSimSearch's
			}
			want := stateOf(t, dir)
			again := filepath.Join(t.TempDir(), "run")
			onGPUCleanly(t, leastSearch(s, again), "VIMPS_SIM_ORDER=early")
			mustEqual(t, "with copies as early as nothing keeps them back", stateOf(t, again), want)
			if s.Name() == "bayesianbits" || s.Name() == "haq" {
				mustEqual(t, "killed twice", stateOf(t, killedAtStates(t, leastSearch(s, filepath.Join(t.TempDir(), "run")))), want)
			}
		})
	}
}

// onGPUCleanly runs the program, which must end well and without a word of the simulated driver's.
func onGPUCleanly(t *testing.T, args []string, env string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	if code, _, errs := onGPU(t, []string{env, "VIMPS_SIM_LOG=" + log, "VIMPS_SIM_LEAKS=1"}, args...); code != ExitOK {
		t.Fatalf("%s %v: exit code %d\n%s", env, args, code, errs)
	}
	if text, err := os.ReadFile(log); err == nil && len(text) > 0 {
		t.Errorf("%s %v: the simulated driver says %s", env, args, text)
	}
}

// stateOf are the files whose bits a search must give again.
func stateOf(t *testing.T, run string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"*.safetensors", "metrics.jsonl", "front.json"} {
		paths, err := filepath.Glob(filepath.Join(run, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s has no %s (%v)", run, pattern, err)
		}
		for _, path := range paths {
			out[filepath.Base(path)] = hash(t, path)
		}
	}
	return out
}

var function = regexp.MustCompile(`cuModuleGetFunction\(.*"(\w+)"\)`)

// checkKernels wants kernels among those that a trace says were loaded, which is before their first launch.
func checkKernels(t *testing.T, trace string, want []string) {
	t.Helper()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var loaded []string
	for _, m := range function.FindAllSubmatch(text, -1) {
		loaded = append(loaded, string(m[1]))
	}
	for _, name := range want {
		if !slices.Contains(loaded, name) {
			t.Errorf("the search did not run %s, only %v", name, loaded)
		}
	}
}

// killedAtStates runs a search, kills it as soon as it has written a state, twice, and lets it end; it gives the run.
func killedAtStates(t *testing.T, args []string) string {
	t.Helper()
	run := args[slices.Index(args, "--out")+1]
	for range 2 {
		c := exec.Command(simulated(t), args...)
		var errs strings.Builder
		c.Stderr = &errs
		was, _ := os.Stat(filepath.Join(run, "state.safetensors"))
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		for written := false; !written; {
			select {
			case err := <-ended:
				t.Fatalf("it ended before it could be killed: %v\n%s", err, errs.String())
			case <-time.After(2 * time.Millisecond):
				is, err := os.Stat(filepath.Join(run, "state.safetensors"))
				written = err == nil && otherFile(was, is)
			}
		}
		_ = c.Process.Signal(syscall.SIGKILL)
		<-ended
		args = []string{"search", "--device", "gpu:0", "--out", run, "--resume", "--no-recalibrate", "--save-every", "2"}
	}
	onGPUCleanly(t, args, "A=")
	return run
}

// otherFile tells whether a file was replaced.
func otherFile(was, is fs.FileInfo) bool {
	return was == nil || !os.SameFile(was, is) || !was.ModTime().Equal(is.ModTime())
}
