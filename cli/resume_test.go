package cli

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vimps-gpu/kernels"
)

// results are the files of a run whose bits must not depend on how it was run.
func results(t *testing.T, run string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range []string{"state.safetensors", "metrics.jsonl", "front.json", "predictions.json"} {
		out[name] = hash(t, filepath.Join(run, name))
	}
	return out
}

func mustEqual(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for name, h := range want {
		if got[name] != h {
			t.Errorf("%s: %s has other bits (%.12s, want %.12s)", what, name, got[name], h)
		}
	}
}

// TestEqualBits: the same seed gives the same bits, twice, whatever the number of threads and on AVX2 as on AVX-512;
// another seed does not.
func TestEqualBits(t *testing.T) {
	at := func(more ...string) map[string]string {
		run := filepath.Join(t.TempDir(), "run")
		must(t, short(run, more...)...)
		return results(t, run)
	}
	want := at()
	mustEqual(t, "the same again", at(), want)
	mustEqual(t, "one thread", at("--threads", "1"), want)
	mustEqual(t, "three threads", at("--threads", "3"), want)
	if kernels.AVX512.Supported() {
		mustEqual(t, "avx2", at("--isa", "avx2"), want)
	} else {
		t.Log("this machine has no AVX-512: AVX2 was not compared with it")
	}
	if got := at("--seed", "1"); got["state.safetensors"] == want["state.safetensors"] {
		t.Error("seed 1 gave the bits of seed 0")
	}
}

// killed is a search long enough to be killed within: two seconds or so.
func killed(out string) []string {
	return []string{"search", "--out", out, "--epochs", "30", "--pretrain-epochs", "10", "--batch", "64", "--etas", "8", "--threads", "2", "--save-every", "5"}
}

// TestKillAndResume kills a run with SIGKILL at 20 random moments. Each time --resume goes on, and what comes out in
// the end has the bits of an undisturbed run.
func TestKillAndResume(t *testing.T) {
	undisturbed := filepath.Join(t.TempDir(), "run")
	must(t, killed(undisturbed)...)
	want := results(t, undisturbed)
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	run := filepath.Join(t.TempDir(), "run")
	for kills, finished := 0, 0; kills < 20 || finished == 0; {
		args := killed(run)
		if _, err := os.Stat(filepath.Join(run, "run.json")); err == nil {
			args = []string{"search", "--out", run, "--resume", "--etas", "8", "--save-every", "5"}
		}
		limit := time.Duration(20+random.IntN(400)) * time.Millisecond
		if kills == 20 {
			limit = time.Minute
		}
		if runFor(t, limit, args) {
			kills++
			continue
		}
		mustEqual(t, "after kills", results(t, run), want)
		samePasses(t, run, undisturbed)
		finished++
		run = filepath.Join(t.TempDir(), "run")
	}
}

// runFor runs the program and kills it after limit; false where it had ended well by itself.
func runFor(t *testing.T, limit time.Duration, args []string) (killed bool) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(limit, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
		return true
	}
	t.Fatalf("%v: %v\n%s", args, err, stderr.String())
	return false
}

// TestInterrupt: SIGINT and SIGTERM save the state, say how to go on and exit with 130.
func TestInterrupt(t *testing.T) {
	undisturbed := filepath.Join(t.TempDir(), "run")
	must(t, killed(undisturbed)...)
	for _, signal := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		run := filepath.Join(t.TempDir(), "run")
		var stdout, stderr bytes.Buffer
		cmd := exec.Command(program, append(killed(run), "--save-every", "100000")...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for { // until training has begun
			if data, err := os.ReadFile(filepath.Join(run, "metrics.jsonl")); err == nil && bytes.Count(data, []byte("\n")) > 2 {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		cmd.Process.Signal(signal)
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != ExitInterrupted {
			t.Errorf("%v: exit code %d", signal, code)
		}
		goOn := "vimps-gpu search --out " + run + " --resume"
		if line := errorLine(t, stdout.String(), stderr.String()); !strings.HasSuffix(line, goOn) {
			t.Errorf("%v: %q does not end in %q", signal, line, goOn)
		}
		must(t, "search", "--out", run, "--resume", "--etas", "8")
		mustEqual(t, signal.String(), results(t, run), results(t, undisturbed))
	}
}

// TestResumeRefusesOtherSettings by naming every one that differs, and changes nothing.
func TestResumeRefusesOtherSettings(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")
	must(t, short(run)...)
	before := results(t, run)
	for _, c := range []struct {
		flags []string
		says  string
	}{
		{[]string{"--epochs", "4", "--lambda", "0.5"}, "epochs: 3, now 4; lambda: 0.003, now 0.5"},
		{[]string{"--method", "edmips"}, "method: oneshot, now edmips"},
		{[]string{"--model", "resnet20"}, "model: digitsnet, now resnet20"},
		{[]string{"--isa", "portable"}, "arithmetic: fused, now portable"},
		{[]string{"--weight-bits", "2,4"}, "weight_bits: [2,4,8], now [2,4]"},
		{[]string{"--data", "folder:" + twoClasses(t)}, "data_sha256: "},
	} {
		code, out, errs := call(append([]string{"search", "--resume", "--out", run}, c.flags...)...)
		if line := errorLine(t, out, errs); code != ExitUsage || !strings.Contains(line, c.says) || !strings.Contains(line, run) {
			t.Errorf("%v: exit code %d, %q; want %q in it", c.flags, code, line, c.says)
		}
	}
	mustEqual(t, "refused", results(t, run), before)
	must(t, "search", "--resume", "--out", run, "--etas", "8", "--epochs", "3")
	mustEqual(t, "resumed after its end", results(t, run), before)
}

// TestDiverged: training that diverges names the step and the place, gives advice and keeps the last good state.
func TestDiverged(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")
	code, out, errs := call(short(run, "--learning-rate", "1e6", "--save-every", "1")...)
	line := errorLine(t, out, errs)
	if code != ExitDiverged {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"diverged at search step ", "conv", "--learning-rate", "good one"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q lacks %q", line, want)
		}
	}
	t.Log(line)
	if _, err := os.Stat(filepath.Join(run, "state.safetensors")); err != nil {
		t.Error(err)
	}
}
