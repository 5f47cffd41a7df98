package cli

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestImportsRunOneWay: cli -> bench -> onesot -> nn -> quant -> cuda -> kernels; a package may skip downward.
func TestImportsRunOneWay(t *testing.T) {
	order := []string{"cli", "bench", "onesot", "nn", "quant", "cuda", "kernels"}
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}} {{join .TestImports " "}} {{join .XTestImports " "}}`, "vimps-gpu/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	level := func(path string) int {
		top, _, _ := strings.Cut(strings.TrimPrefix(path, "vimps-gpu/"), "/")
		return slices.Index(order, top)
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		fields := strings.Fields(line)
		from := level(fields[0])
		if from < 0 {
			t.Errorf("package %s is not in the order %v", fields[0], order)
			continue
		}
		seen[order[from]] = true
		for _, path := range fields[1:] {
			if strings.HasPrefix(path, "vimps-gpu/") && level(path) < from {
				t.Errorf("%s imports %s, which lies above it", fields[0], path)
			}
		}
	}
	for _, name := range order {
		if !seen[name] {
			t.Errorf("no package under %s", name)
		}
	}
}
