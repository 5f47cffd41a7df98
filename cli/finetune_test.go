package cli

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vimps-gpu/onesot"
)

// fineTuning is long enough to be killed within: a second or so.
func fineTuning(search, out string) []string {
	return []string{"finetune", "--run", search, "--uniform", "4/4", "--out", out, "--epochs", "30", "--batch", "64", "--threads", "2", "--save-every", "5"}
}

// TestKillAndResumeFineTuning: a fine-tuning that is killed and resumed ends in the bits of an undisturbed one, and
// its account counts the same image passes.
func TestKillAndResumeFineTuning(t *testing.T) {
	search, undisturbed, run := filepath.Join(t.TempDir(), "search"), filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
	must(t, short(search)...)
	must(t, fineTuning(search, undisturbed)...)
	random := rand.New(rand.NewPCG(2, uint64(time.Now().UnixNano())))
	for kills := 0; ; {
		args := fineTuning(search, run)
		if _, err := os.Stat(filepath.Join(run, "run.json")); err == nil {
			args = []string{"finetune", "--out", run, "--resume", "--save-every", "5"}
		}
		limit := time.Duration(20+random.IntN(300)) * time.Millisecond
		if kills == 8 {
			limit = time.Minute
		}
		if !runFor(t, limit, args) {
			break
		}
		kills++
	}
	mustEqual(t, "after kills", results(t, run), results(t, undisturbed))
	samePasses(t, run, undisturbed)
	code, out, errs := call("finetune", "--out", run, "--resume", "--learning-rate", "0.5")
	if line := errorLine(t, out, errs); code != ExitUsage || !strings.Contains(line, "learning_rate: 0.02, now 0.5") {
		t.Errorf("another learning rate: exit code %d, %q", code, line)
	}
	mustEqual(t, "refused", results(t, run), results(t, undisturbed))
}

// samePasses compares what two runs count as their image passes.
func samePasses(t *testing.T, run, other string) {
	t.Helper()
	var a, b onesot.Account
	for dir, to := range map[string]*onesot.Account{run: &a, other: &b} {
		if err := json.Unmarshal([]byte(mustRead(t, filepath.Join(dir, "account.json"))), to); err != nil {
			t.Fatal(err)
		}
	}
	if a.Forward != b.Forward || a.Backward != b.Backward || a.Forward <= a.Backward || a.Backward <= 0 {
		t.Errorf("image passes: %d forward and %d backward, then %d and %d", a.Forward, a.Backward, b.Forward, b.Backward)
	}
}

// TestResumeOfAnotherKind: search and finetune go on with their own runs only, and name the command for the other's.
func TestResumeOfAnotherKind(t *testing.T) {
	search, tuned := filepath.Join(t.TempDir(), "search"), filepath.Join(t.TempDir(), "tuned")
	must(t, short(search)...)
	must(t, "finetune", "--run", search, "--point", "0", "--epochs", "1", "--batch", "64", "--out", tuned)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"search", "--out", tuned, "--resume"}, "go on with it by: vimps-gpu finetune --out " + tuned + " --resume"},
		{[]string{"finetune", "--out", search, "--resume"}, "go on with it by: vimps-gpu search --out " + search + " --resume"},
		{[]string{"search", "--out", search, "--resume", "--method", "haq"}, "method: oneshot, now haq"},
		{[]string{"finetune", "--out", tuned, "--resume", "--point", "0"}, "leave --point out"},
		{[]string{"finetune", "--out", tuned, "--resume", "--from", "fp32"}, "from: supernet, now fp32"},
		{[]string{"search", "--method", "finetune", "--out", filepath.Join(t.TempDir(), "run")}, `"finetune": unknown`},
	} {
		code, out, errs := call(test.args...)
		if line := errorLine(t, out, errs); code != ExitUsage || !strings.HasSuffix(line, test.want) && !strings.Contains(line, test.want) {
			t.Errorf("%v: exit code %d, %q; want %q", test.args, code, line, test.want)
		}
	}
	t.Run("the start is gone", func(t *testing.T) {
		for _, name := range []string{"net-start.safetensors", "state.safetensors"} {
			if err := os.Remove(filepath.Join(tuned, name)); err != nil {
				t.Fatal(err)
			}
		}
		code, out, errs := call("finetune", "--out", tuned, "--resume")
		if line := errorLine(t, out, errs); code != ExitFailed || !strings.Contains(line, "lacks net-start.safetensors") || strings.Contains(line, "%!") {
			t.Errorf("exit code %d, %q", code, line)
		}
	})
}

// TestRecordedOptions: an option in run.json that the system cannot have is an error that names the file and the option.
func TestRecordedOptions(t *testing.T) {
	haq, err := findSystem("haq")
	if err != nil {
		t.Fatal(err)
	}
	run := filepath.Join(t.TempDir(), "run")
	must(t, shortSearch(haq, run)...)
	path := filepath.Join(run, "run.json")
	good := mustRead(t, path)
	for _, test := range []struct{ from, to, want string }{
		{`"episodes": 4`, `"episodes": "4"`, "option episodes"},
		{`"episodes": 4`, `"episodes": 4.5`, "option episodes"},
		{`"episodes": 4`, `"sodes": 4`, "option sodes: haq has no such option"},
		{`"method": "haq"`, `"method": "hag"`, "the nearest is haq"},
	} {
		if !strings.Contains(good, test.from) {
			t.Fatalf("no %s in %s", test.from, good)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(good, test.from, test.to, 1)), 0o666); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"search", "--resume", "--out", run}, {"sweep", "--run", run}, {"eval", "--run", run, "--point", "0"}} {
			code, out, errs := call(args...)
			if line := errorLine(t, out, errs); code != ExitFailed || !strings.Contains(line, path) || !strings.Contains(line, test.want) {
				t.Errorf("%s, %v: exit code %d, %q", test.to, args, code, line)
			}
		}
	}
}

// TestNoIntegersOfNestedNets: a nested quantizer has no integer arithmetic, which is one line and no panic.
func TestNoIntegersOfNestedNets(t *testing.T) {
	bits, err := findSystem("bayesianbits")
	if err != nil {
		t.Fatal(err)
	}
	run := filepath.Join(t.TempDir(), "run")
	must(t, shortSearch(bits, run)...)
	code, out, errs := call("eval", "--run", run, "--point", "0", "--integer")
	if line := errorLine(t, out, errs); code != ExitUsage || !strings.Contains(line, "--integer: ") {
		t.Errorf("exit code %d, %q", code, line)
	}
}

// TestChangedCostTable: a run is not looked at with another table than it was searched by.
func TestChangedCostTable(t *testing.T) {
	like, run := filepath.Join(t.TempDir(), "like"), filepath.Join(t.TempDir(), "run")
	must(t, short(like)...)
	csv := weightTable(t, like)
	must(t, short(run, "--cost", csv)...)
	if err := os.WriteFile(csv, []byte(strings.ReplaceAll(mustRead(t, csv), ",8\n", ",9\n")), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"sweep", "--run", run}, {"eval", "--run", run, "--uniform", "4/4"}} {
		code, out, errs := call(args...)
		if line := errorLine(t, out, errs); code != ExitFailed || !strings.Contains(line, csv) {
			t.Errorf("%v: exit code %d, %q", args, code, line)
		}
	}
	must(t, "sweep", "--run", run, "--cost", csv, "--out", filepath.Join(run, "other")) // said outright
}

// TestFineTuneOfNormsThatKnowEta names the way out, and leaves no directory.
func TestFineTuneOfNormsThatKnowEta(t *testing.T) {
	run, tuned := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "tuned")
	must(t, short(run, "--norm", "eta")...)
	code, out, errs := call("finetune", "--run", run, "--point", "0", "--out", tuned)
	if line := errorLine(t, out, errs); code != ExitUsage || !strings.Contains(line, "--from supernet") || !strings.Contains(line, "start from fp32") {
		t.Errorf("exit code %d, %q", code, line)
	}
	if _, err := os.Stat(tuned); err == nil {
		t.Error("a directory was left")
	}
	must(t, "finetune", "--run", run, "--point", "0", "--from", "fp32", "--epochs", "1", "--out", tuned)
}

// pointsOf fine-tunes two children of a search.
func pointsOf(search, out string) []string {
	return []string{"finetune", "--run", search, "--points", "1,0", "--out", out, "--epochs", "2", "--batch", "64", "--threads", "1"}
}

// TestFineTunePoints: several children at once are what each is alone; the same command goes on where one was begun.
func TestFineTunePoints(t *testing.T) {
	search, out, alone := filepath.Join(t.TempDir(), "search"), filepath.Join(t.TempDir(), "out"), filepath.Join(t.TempDir(), "alone")
	must(t, short(search)...)
	must(t, "finetune", "--run", search, "--point", "0", "--out", alone, "--epochs", "2", "--batch", "64", "--threads", "1")
	if err := os.CopyFS(filepath.Join(out, "point-0"), os.DirFS(alone)); err != nil { // point 0 is done, point 1 is not begun
		t.Fatal(err)
	}
	text := must(t, pointsOf(search, out)...)
	mustEqual(t, "point 0", results(t, filepath.Join(out, "point-0")), results(t, alone))
	if rows := strings.Split(strings.TrimSpace(text), "\n"); len(rows) != 3 || !strings.Contains(rows[1], "point-1") || !strings.Contains(rows[2], "point-0") {
		t.Errorf("want a row for point 1 and one for point 0:\n%s", text)
	}
	again := filepath.Join(t.TempDir(), "again")
	must(t, pointsOf(search, again)...)
	for _, point := range []string{"point-0", "point-1"} {
		mustEqual(t, point, results(t, filepath.Join(again, point)), results(t, filepath.Join(out, point)))
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--points", "0,x"}, `--points: "x" is no point of the front`},
		{[]string{"--points", "99"}, `--points: "99" is no point of the front`},
		{[]string{"--points", "0", "--uniform", "4/4"}, "--points names the children; leave --uniform out"},
	} {
		code, out, errs := call(append([]string{"finetune", "--run", search, "--out", again}, c.args...)...)
		if line := errorLine(t, out, errs); code != ExitUsage || !strings.Contains(line, c.want) {
			t.Errorf("%v: exit code %d, %q", c.args, code, line)
		}
	}
}
