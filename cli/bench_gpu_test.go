package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBenchGPUDevice: a --device that can be no GPU is wrong use, and nothing is written.
func TestBenchGPUDevice(t *testing.T) {
	for _, device := range []string{"host", "auto", "gpu", "gpu:x", "gpu:-1"} {
		dir := t.TempDir()
		code, out, errs := call("bench", "gpu", "--device", device, "--out", filepath.Join(dir, "out.json"))
		if line := errorLine(t, out, errs); code != ExitUsage || !strings.Contains(line, device) || !strings.Contains(line, "gpu:N") {
			t.Errorf("--device %s: exit code %d, %q", device, code, line)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("--device %s: left %v, %v", device, left, err)
		}
	}
}
