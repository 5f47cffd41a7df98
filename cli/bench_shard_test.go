package cli

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shardable is an experiment of a few seconds, of two searches and four fine-tunings of children that they find.
const shardable = `name = "shardable"
out = "runs/shardable"
model = "digitsnet"
data = "digits"
train_images = 300
hold_out = 0.3
seeds = [1]
epochs = 4
front_sizes = [1, 3]

[settings]
batch = 64
pretrain-epochs = 4
recalibrate-images = 64

[[method]]
name = "oneshot"
etas = 6

[[method]]
name = "fisher"
budgets = [0.1, 0.3]

[finetune]
epochs = 2
seeds = [3]

[correlation]
along_front = 2
equal_bops = 2
tolerance = 0.05
`

func shardableFile(t *testing.T, replace ...string) string {
	return write(t, filepath.Join(t.TempDir(), "e.toml"), []byte(strings.NewReplacer(replace...).Replace(shardable)))
}

// TestKilledShards kills each stage of each shard with SIGKILL at random moments and repeats it: what is merged in the end is
// the undivided run's.
func TestKilledShards(t *testing.T) {
	file, whole, out := shardableFile(t), filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "out")
	must(t, "bench", "run", "--threads", "2", "--out", whole, file)
	random := rand.New(rand.NewPCG(3, uint64(time.Now().UnixNano())))
	kills := 0
	for _, stage := range [][]string{nil, {"--finetune"}} {
		for i := range 2 {
			args := append([]string{"bench", "run", "--threads", "2", "--save-every", "3", "--out", out, "--shard", fmt.Sprintf("%d/2", i)}, append(stage, file)...)
			for range 3 {
				if runFor(t, time.Duration(20+random.IntN(500))*time.Millisecond, args) {
					kills++
				}
			}
			said := must(t, args...)
			next := fmt.Sprintf("vimps-gpu bench run --out %s --shard %d/2 --finetune %s", out, i, file)
			if stage != nil {
				next = fmt.Sprintf("vimps-gpu bench merge --out %s --shards 2 %s", out, file)
			}
			if !strings.Contains(said, next) {
				t.Errorf("%q does not name %q", said, next)
			}
		}
	}
	if kills == 0 {
		t.Error("nothing was killed")
	}
	if said := must(t, "bench", "merge", "--out", out, file); !strings.Contains(said, "results.md") || !strings.Contains(said, "2 shards") {
		t.Errorf("bench merge: %q", said)
	}
	for _, name := range []string{"results.json", "quality.csv", "fronts.png", "correlation.csv"} {
		if hash(t, filepath.Join(whole, name)) != hash(t, filepath.Join(out, name)) {
			t.Errorf("after %d kills the merged %s is another", kills, name)
		}
	}
}

// TestTerminatedShard: SIGTERM, as Slurm sends it before a job's limit, saves the state and exits with 130.
func TestTerminatedShard(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(program, "bench", "run", "--out", out, "--shard", "1/2", shardableFile(t, "pretrain-epochs = 4", "pretrain-epochs = 100000"))
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	metrics := filepath.Join(out, "shard-1-of-2", "fp32", "metrics.jsonl")
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(5 * time.Millisecond) { // until training has begun
		if data, err := os.ReadFile(metrics); err == nil && bytes.Count(data, []byte("\n")) > 2 {
			break
		}
		if time.Now().After(deadline) {
			cmd.Process.Kill()
			t.Fatalf("%s never came", metrics)
		}
	}
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	line := errorLine(t, stdout.String(), stderr.String())
	if code := cmd.ProcessState.ExitCode(); code != ExitInterrupted || !strings.HasSuffix(line, "the same command goes on") {
		t.Errorf("exit code %d, %q", code, line)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(metrics), "state.safetensors")); err != nil {
		t.Errorf("no state was saved: %v", err)
	}
}

// TestBadInputShards: each is one line, and nothing is written.
func TestBadInputShards(t *testing.T) {
	file, out := shardableFile(t), filepath.Join(t.TempDir(), "out")
	first := "vimps-gpu bench run --out " + out + " --shard 0/2 " + file
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"run", "--shard", "2/2"}, ExitUsage, `--shard: "2/2": want I/N`},
		{[]string{"run", "--shard", "-1/2"}, ExitUsage, "want I/N"},
		{[]string{"run", "--shard", "one"}, ExitUsage, "want I/N"},
		{[]string{"run", "--shard", ""}, ExitUsage, "want I/N"},
		{[]string{"run", "--finetune"}, ExitUsage, "--finetune: only a shard"},
		{[]string{"merge", "--shards", "0"}, ExitUsage, "--shards 0: want 1 or more"},
		{[]string{"merge", "--shards", "two"}, ExitUsage, "--shards"},
		{[]string{"merge"}, ExitFailed, "holds no shards"},
		{[]string{"merge", "--shards", "2"}, ExitFailed, "shard 0/2 is not begun"},
		{[]string{"merge", "--shards", "2"}, ExitFailed, "do: " + first},
	} {
		code, stdout, stderr := call(append(append([]string{"bench"}, c.args...), "--out", out, file)...)
		if line := errorLine(t, stdout, stderr); code != c.code || !strings.Contains(line, c.says) {
			t.Errorf("%v: exit code %d, %q; want %d, %q", c.args, code, line, c.code, c.says)
		}
		if _, err := os.Stat(out); err == nil {
			t.Fatalf("%v: left %s with %q", c.args, out, names(t, out))
		}
	}
	if code, stdout, stderr := call("bench", "merge"); code != ExitUsage || !strings.Contains(errorLine(t, stdout, stderr), "one FILE.toml") {
		t.Errorf("bench merge without a file: exit code %d, %q", code, stderr)
	}
}
