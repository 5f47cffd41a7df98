//go:build mpi

package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vimps-gpu/bench"
)

// TestMPIBenchRanks: two processes time one step that they share, and the first alone speaks; a share that does not come out is refused.
func TestMPIBenchRanks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	args := []string{"bench", "ranks", "--model", "digitsnet", "--batch", "16", "--steps", "2", "--windows", "3", "--device", "host", "--threads", "1", "--out", path, "--json"}
	ranks := mpirun(t, 2, append(args, "--micro-batches", "4")...)
	var said bytes.Buffer
	ranks.Stderr = &said
	out, err := ranks.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	var r bench.RanksReport
	one(t, string(out), &r)
	if r.Ranks != 2 || r.Batch != 16 || r.Micros != 4 || !(r.Min > 0 && r.Min <= r.Median) {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	if out, err := mpirun(t, 2, append(args, "--micro-batches", "1")...).CombinedOutput(); err == nil || strings.Count(string(out), "2 processes cannot share --micro-batches 1") != 1 {
		t.Errorf("%v\n%s", err, out)
	}
}
