package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vimps-gpu/onesot"
)

// rules writes a constraints file.
func rules(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "bits.toml")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// layers are the names of the default net's layers.
func layers(t *testing.T) (names []string) {
	var s shown
	one(t, must(t, "show", "--json"), &s)
	for _, l := range s.Layers {
		names = append(names, l.Name)
	}
	return names
}

// TestConstrainedSearch: all children of a constrained run keep what the file says, a run resumes with the same rules written
// otherwise and refuses others, and finetune picks by a budget.
func TestConstrainedSearch(t *testing.T) {
	names := layers(t)
	text := "[pin]\n\"" + names[1] + "\" = \"4/8\"\n[forbid]\n\"" + names[2] + "\" = { input = [8] }\n"
	tie := "[[tie]]\nlayers = [\"" + names[2] + "\", \"" + names[3] + "\"]\nkinds = [\"weight\"]\n"
	run := filepath.Join(t.TempDir(), "run")
	must(t, short(run, "--constraints", rules(t, text+tie))...)
	front, err := onesot.ReadRunFront(run)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range front.Points {
		w1, x1 := p.Assignment.Bits(1)
		w2, x2 := p.Assignment.Bits(2)
		w3, _ := p.Assignment.Bits(3)
		if w1 != 4 || x1 != 8 || x2 == 8 || w2 != w3 || p.MemoryBytes <= 0 {
			t.Errorf("%s, memory %v", p.Assignment, p.MemoryBytes)
		}
	}
	must(t, "search", "--out", run, "--resume", "--constraints", rules(t, "# the same\n"+text+tie), "--etas", "8")
	code, _, errs := call("search", "--out", run, "--resume", "--constraints", rules(t, text))
	if code != ExitUsage || !strings.Contains(errs, "constraints_sha256: ") {
		t.Errorf("other rules: exit code %d, %s", code, errs)
	}
	code, _, errs = call("eval", "--run", run, "--uniform", "4/4")
	if code != ExitOK {
		t.Errorf("uniform bits: exit code %d, %s", code, errs)
	}
	tuned := filepath.Join(t.TempDir(), "tuned")
	must(t, "finetune", "--run", run, "--budget", "memory=1MB", "--budget", "bops=1", "--epochs", "1", "--batch", "64", "--out", tuned)
	code, _, errs = call("eval", "--run", run, "--budget", "memory=1B", "--budget", "bops=0.9")
	if code != ExitNothingFits || !strings.Contains(errs, "the least that any child reaches: relative BOPs") {
		t.Errorf("nothing fits: exit code %d, %s", code, errs)
	}
}

// TestTiesOfSystems: a system either works with layers tied or says in one line why it cannot.
func TestTiesOfSystems(t *testing.T) {
	names := layers(t)
	file := rules(t, "[[tie]]\nlayers = [\""+names[1]+"\", \""+names[2]+"\"]\n")
	for _, args := range [][]string{{"--method", "fisher"}, {"--method", "bitmixer"}, {"--method", "dnas", "--space", "pairs"}, {"--method", "bayesianbits", "--prune"}} {
		code, out, errs := call(append([]string{"search", "--out", filepath.Join(t.TempDir(), "run"), "--constraints", file}, args...)...)
		if line := errorLine(t, out, errs); code != ExitUsage || !strings.Contains(line, "leave [[tie]] out") {
			t.Errorf("%v: exit code %d, %q", args, code, line)
		}
	}
	for _, args := range [][]string{{"--method", "haq", "--episodes", "3", "--warmup-episodes", "1", "--finetune-epochs", "0"}, {"--method", "spos", "--generations", "1", "--population", "4", "--parents", "2"},
		{"--method", "fn3"}, {"--method", "edmips"}, {"--method", "bayesianbits"}, {"--method", "dnas"}, {"--method", "vimps"}} {
		run := filepath.Join(t.TempDir(), "run")
		flags := []string{"search", "--out", run, "--epochs", "1", "--pretrain-epochs", "1", "--batch", "64", "--threads", "2", "--train-images", "256", "--constraints", file}
		code, _, errs := call(append(flags, args...)...)
		if code != ExitOK {
			t.Errorf("%v: exit code %d, %s", args, code, errs)
			continue
		}
		front, err := onesot.ReadRunFront(run)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range front.Points {
			w1, x1 := p.Assignment.Bits(1)
			if w2, x2 := p.Assignment.Bits(2); w1 != w2 || x1 != x2 {
				t.Errorf("%v: %s", args, p.Assignment)
			}
		}
	}
}

// TestConstraintsOfUnknownLayer: the file and the nearest name are told before anything runs.
func TestConstraintsOfUnknownLayer(t *testing.T) {
	names := layers(t)
	file := rules(t, "[pin]\n\"x"+names[1]+"\" = \"8/8\"\n")
	code, out, errs := call(short(filepath.Join(t.TempDir(), "run"), "--constraints", file)...)
	if line := errorLine(t, out, errs); code != ExitUsage || !strings.Contains(line, file) || !strings.Contains(line, "the nearest name is \""+names[1]+"\"") {
		t.Errorf("exit code %d, %q", code, line)
	}
}

// TestProfile: the table that profile writes is one that search reads, and pick bounds by it.
func TestProfile(t *testing.T) {
	dir := t.TempDir()
	file, run := filepath.Join(dir, "lat.csv"), filepath.Join(dir, "run")
	must(t, "profile", "--device", "host", "--rounds", "3", "--out", file)
	text := mustRead(t, file)
	if !strings.HasPrefix(text, "# milliseconds") || !strings.Contains(text, "\n# device: host") || !strings.Contains(text, "\nlayer,weight_bits,input_bits,cost_ms\n") {
		t.Errorf("%s", text)
	}
	must(t, short(run, "--cost", "latency:"+file)...)
	front, err := onesot.ReadRunFront(run)
	if err != nil {
		t.Fatal(err)
	}
	if front.Cost.Name != "latency" || front.Cost.Unit != "ms" {
		t.Errorf("cost %+v", front.Cost)
	}
	for _, budget := range []string{"latency=1s", "latency:" + file + "=1s", "latency=100%"} {
		out := must(t, "pick", "--run", run, "--budget", budget, "--budget", "memory=1MB")
		if !strings.Contains(out, "latency: ") || !strings.Contains(out, "memory: ") {
			t.Errorf("%s:\n%s", budget, out)
		}
	}
	code, _, errs := call("pick", "--run", run, "--budget", "latency=1ns", "--budget", "size=1K")
	if code != ExitNothingFits || !strings.Contains(errs, "the least that any child reaches: size ") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}
