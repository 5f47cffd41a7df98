package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vimps-gpu/bench"
)

// TestBenchScaling: the tables of one net, and flags that make no sense.
func TestBenchScaling(t *testing.T) {
	out := must(t, "bench", "scaling", "--models", "resnet20,resnet20", "--of-floor", "1")
	if strings.Count(out, "| resnet20 | 3211456 |") != 1 || !strings.Contains(out, "Computed, not measured: passes at 100 %") || strings.Contains(out, "### Input") {
		t.Errorf("bench scaling prints %q", out)
	}
	for _, c := range [][2]string{{"--of-floor=0", "--of-floor 0"}, {"--of-floor=1.1", "--of-floor 1.1"}, {"--of-floor=1e-300", "--of-floor 1e-300"},
		{"--bucket=-1", "--bucket -1"}, {"--bucket=1e-9", "--bucket 1e-09"}, {"--decode=NaN", "--decode NaN"}, {"--models=none", "none"}} {
		code, out, errs := call("bench", "scaling", c[0])
		if line := errorLine(t, out, errs); code != ExitUsage || !strings.Contains(line, c[1]) {
			t.Errorf("%s: exit code %d, %q", c[0], code, line)
		}
	}
}

// TestBenchRanks: one process times its own steps and writes what bench/gpu.sh reads.
func TestBenchRanks(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "r.json")
	var r bench.RanksReport
	one(t, must(t, "bench", "ranks", "--model", "digitsnet", "--batch", "16", "--micro-batches", "4", "--steps", "2", "--windows", "3", "--device", "host", "--threads", "1", "--out", path, "--json"), &r)
	if r.Ranks != 1 || r.Batch != 16 || r.Micros != 4 || r.Threads != 1 || r.Windows != 3 || !(r.Min > 0 && r.Min <= r.Median) || r.ImagesPerSecond != 16/r.Median {
		t.Errorf("%+v", r)
	}
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), `"micro_batches": 4`) {
		t.Errorf("%v: %s", err, text)
	}
	for _, c := range [][2]string{{"--batch=10", "--micro-batches 4"}, {"--steps=0", "--steps 0"}, {"--windows=0", "--windows 0"}, {"--model=none", "none"}, {"--model=espcn", "espcn"}} {
		code, out, errs := call("bench", "ranks", "--micro-batches", "4", c[0])
		if line := errorLine(t, out, errs); code != ExitUsage || !strings.Contains(line, c[1]) {
			t.Errorf("%s: exit code %d, %q", c[0], code, line)
		}
	}
}
