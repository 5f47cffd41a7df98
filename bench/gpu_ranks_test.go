package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadRanks: strong scaling divides by the GPUs; a file that holds no time is an error with its name; simulated times judge nothing.
func TestReadRanks(t *testing.T) {
	dir := workFolder(t, "0")
	if err := os.Mkdir(filepath.Join(dir, "ranks"), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, "ranks", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("resnet18-strong-1.json", `{"model":"resnet18","ranks":1,"median_seconds":8}`)
	write("resnet18-strong-8.json", `{"model":"resnet18","ranks":8,"median_seconds":1.25}`)
	write("resnet18-weak-1.json", `{"model":"resnet18","ranks":1,"batch":64,"median_seconds":1}`)
	write("resnet18-weak-8.json", `{"model":"resnet18","ranks":8,"batch":512,"median_seconds":1.0625}`)
	r, err := ReadGPUResult(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, x := range r.Ranks {
		if x.Ranks == 8 {
			got[x.Kind] = x.Efficiency
		}
	}
	if got["strong"] != 0.8 || got["weak"] != 1/1.0625 {
		t.Errorf("efficiencies %v", got)
	}
	v := scalingVerdict(r, "resnet18")
	if v.Met == nil || !*v.Met || v.Bar != 0.9 || v.Value != 1/1.0625 || v.Why != "64 images each" {
		t.Errorf("resnet18: %v", v)
	}
	if v := scalingVerdict(r, "resnet20"); v.Met != nil || v.Why == "" {
		t.Errorf("resnet20, of which there is no time: %v", v)
	}
	var text strings.Builder
	if err := r.WriteMarkdown(&text); err != nil || !strings.Contains(text.String(), "| weak | resnet18 | 8 | 512 |") {
		t.Errorf("%v: %s", err, text.String())
	}

	write("resnet18-weak-8.json", `{"model":"resnet18","ranks":8,"batch":512,"median_seconds":1,"simulated":true}`)
	if r, err = ReadGPUResult(dir); err != nil {
		t.Fatal(err)
	}
	if v := scalingVerdict(r, "resnet18"); !r.Simulated || v.Met != nil || !strings.Contains(v.Why, "simulated") {
		t.Errorf("simulated: %v", v)
	}
	write("resnet18-weak-8.json", `{"model":"resnet18","ranks":8}`)
	if _, err := ReadGPUResult(dir); err == nil || !strings.Contains(err.Error(), "resnet18-weak-8.json: 8 ranks took 0 s") {
		t.Errorf("error %v", err)
	}
}

func scalingVerdict(r *GPUResult, net string) Verdict {
	for _, v := range r.Verdicts {
		if strings.HasPrefix(v.Name, "weak scaling of "+net) {
			return v
		}
	}
	return Verdict{}
}

// TestTogether: ranks that have come apart are told from those that have not.
func TestTogether(t *testing.T) {
	if err := together([][]byte{[]byte("a"), []byte("a"), []byte("a")}); err != nil {
		t.Error(err)
	}
	if err := together([][]byte{[]byte("a"), []byte("a"), []byte("b")}); err == nil || !strings.Contains(err.Error(), "rank 2 has other parameters") {
		t.Errorf("error %v", err)
	}
}
