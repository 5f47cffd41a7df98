package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vimps-gpu/nn/onnx"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// A child goes from a search, and from its fine-tuning, into every format; what is written is what the run holds.
func TestExportAndVerify(t *testing.T) {
	dir := t.TempDir()
	run, tuned := filepath.Join(dir, "run"), filepath.Join(dir, "tuned")
	must(t, short(run)...)
	front, err := onesot.ReadRunFront(run)
	if err != nil {
		t.Fatal(err)
	}
	must(t, "finetune", "--run", run, "--point", "0", "--epochs", "1", "--out", tuned)
	for i, source := range [][]string{{"--run", run, "--point", "0"}, {"--run", run, "--uniform", "2/4"}, {"--run", tuned}} {
		formats := exportFormats()
		if i > 0 {
			formats = formats[:1]
		}
		for _, format := range formats {
			file := filepath.Join(dir, format)
			var e exported
			one(t, must(t, append([]string{"export", "--format", format, "--out", file, "--json"}, source...)...), &e)
			info, err := os.Stat(file)
			if err != nil || info.Size() != e.Bytes || e.Format != format {
				t.Fatalf("%v: %+v, %v", source, e, err)
			}
			if strings.HasPrefix(format, "onnx") {
				var c onnx.Comparison
				one(t, must(t, "verify", "--file", file, "--json", source[0], source[1]), &c)
				if c.Images != 355 || c.Layers == 0 || c.Worst > onnx.MaxRounding || c.SameClass < c.Images-1 {
					t.Errorf("%v, %s: %+v", source, format, c)
				}
			}
			checkExtra(t, e, front.Points[0].Assignment.Len())
		}
	}
	sameBits(t, filepath.Join(dir, formatJSON), front.Points[0].Assignment)
	exportErrors(t, dir, run, tuned)
}

// checkExtra holds a file to the cost table's promise: beyond codes that lie in wider types, names and structure are 1100 bytes a layer at
// most.
func checkExtra(t *testing.T, e exported, layers int) {
	t.Helper()
	if e.Promised == 0 {
		return
	}
	if extra := float64(e.Bytes-e.Padding) - e.Promised; extra < 0 || extra > 1100*float64(layers)+1500 {
		t.Errorf("%s: %d bytes for a promise of %.0f", e.Format, e.Bytes, e.Promised)
	}
}

func sameBits(t *testing.T, file string, want quant.Assignment) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var a quant.Assignment
	if err := json.Unmarshal(data, &a); err != nil || !a.Equal(want) {
		t.Errorf("the bits in %s: %v, %v, want %v", file, a, err, want)
	}
}

func exportErrors(t *testing.T, dir, run, tuned string) {
	t.Helper()
	file := filepath.Join(dir, "onnx") // of tuned
	broken := filepath.Join(dir, "broken")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(broken, data[:len(data)-9], 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"export", "--run", run, "--out", file}, ExitUsage, "exactly one of"},
		{[]string{"export", "--run", run, "--point", "0", "--out", file, "--format", "tflite"}, ExitUsage, "onnx-exact"},
		{[]string{"export", "--run", run, "--point", "0"}, ExitUsage, "--out"},
		{[]string{"export", "--run", run, "--point", "0", "--out", filepath.Join(dir, "none", "x.onnx")}, ExitFailed, "cannot write"},
		{[]string{"verify", "--file", broken, "--run", tuned}, ExitFailed, "--file"},
		{[]string{"verify", "--file", filepath.Join(dir, formatSafetensors), "--run", tuned}, ExitFailed, "--file"},
		{[]string{"verify", "--file", file, "--run", run}, ExitFailed, "are not the child's"}, // tuned since
		{[]string{"verify", "--run", run}, ExitUsage, "--file"},
	} {
		code, _, errs := call(c.args...)
		if code != c.code || !strings.Contains(errs, c.text) {
			t.Errorf("%v: exit code %d, %s; want %d and %q", c.args, code, errs, c.code, c.text)
		}
	}
}
