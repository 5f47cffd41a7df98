package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method"
)

// quick are options that make a system's search on the digits a matter of a second.
var quick = map[string][]string{
	"haq":  {"--episodes", "4", "--warmup-episodes", "2", "--finetune-images", "256"},
	"spos": {"--generations", "2", "--population", "6", "--parents", "3", "--search-images", "100"},
	"fn3":  {"--search-images", "100"},
}

// shortSearch is a search of a system that takes seconds.
func shortSearch(s onesot.System, out string, more ...string) []string {
	args := []string{"search", "--method", s.Name(), "--out", out, "--epochs", "2", "--pretrain-epochs", "3", "--batch", "64", "--threads", "2", "--save-every", "3"}
	switch s.Asks().Kind {
	case onesot.AskEtas:
		args = append(args, "--etas", "6")
	case onesot.AskPenalties:
		args = append(args, "--penalties", "0.1,3")
	case onesot.AskBudgets:
		args = append(args, "--budgets", "0.12,0.3")
	}
	return append(append(args, quick[s.Name()]...), more...)
}

// TestEverySystem: each system's search ends in a front, whose children keep the budgets; resumed once it has ended it
// trains nothing and finds the same; any child of it can be evaluated and fine-tuned.
func TestEverySystem(t *testing.T) {
	for _, s := range method.All() {
		t.Run(s.Name(), func(t *testing.T) {
			run := filepath.Join(t.TempDir(), "run")
			must(t, shortSearch(s, run)...)
			first, err := os.ReadFile(filepath.Join(run, "front.json"))
			if err != nil {
				t.Fatal(err)
			}
			front, err := onesot.ReadRunFront(run)
			if err != nil {
				t.Fatal(err)
			}
			if s.Asks().Kind == onesot.AskBudgets && s.Name() != "fn3" && s.Name() != "bitmixer" { // these two show the whole path
				for _, p := range front.Points {
					if p.RelativeBOPs > 0.3 {
						t.Errorf("a child of %.3f relative BOPs, the largest budget is 0.3", p.RelativeBOPs)
					}
				}
			}
			must(t, "search", "--out", run, "--resume", "--threads", "2")
			again, err := os.ReadFile(filepath.Join(run, "front.json"))
			if err != nil || s.Asks().Kind != onesot.AskEtas && string(again) != string(first) {
				t.Errorf("resumed after its end (%v):\n%s\nfirst\n%s", err, again, first)
			}
			var e evaluated
			one(t, must(t, "eval", "--run", run, "--uniform", "4/4", "--json"), &e)
			if e.RelativeBOPs < 0.2 || e.RelativeBOPs > 0.4 || e.AccuracyTest < 0.05 {
				t.Errorf("W4A4 evaluates to %+v", e.Point)
			}
			tuned := filepath.Join(t.TempDir(), "tuned")
			var f onesot.Front
			one(t, must(t, "finetune", "--run", run, "--point", "0", "--epochs", "2", "--out", tuned, "--json"), &f)
			if p := front.Points[0]; len(f.Points) != 1 || f.Points[0].RelativeBOPs != p.RelativeBOPs || f.Points[0].AccuracyVal < p.AccuracyVal-0.2 {
				t.Errorf("fine-tuned %+v from %+v", f.Points, p)
			}
			checkAccount(t, run)
		})
	}
}

func checkAccount(t *testing.T, run string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(run, "account.json"))
	if err != nil {
		t.Fatal(err)
	}
	var a onesot.Account
	if err := json.Unmarshal(data, &a); err != nil || a.Forward <= 0 || a.Backward > a.Forward || a.Wall <= 0 || a.CPU <= 0 || a.PeakBytes <= 0 {
		t.Errorf("account %+v (%v)", a, err)
	}
}

// TestSystemFlags: what a system cannot be asked or told is one line that says why.
func TestSystemFlags(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--method", "sops"}, `--method "sops": unknown; the nearest is spos`},
		{[]string{"--method", "haq", "--budgets", "0.001"}, "the cheapest child costs"},
		{[]string{"--method", "fisher", "--budgets", "0.01,0.5"}, "the cheapest child costs"},
		{[]string{"--method", "haq", "--budgets", "much"}, `--budgets: "much" is not a number above 0`},
		{[]string{"--method", "edmips", "--budgets", "0.5"}, "edmips is asked by --penalties"},
		{[]string{"--method", "oneshot", "--penalties", "0.5"}, "oneshot is asked by --etas"},
		{[]string{"--method", "edmips", "--episodes", "5"}, "--episodes: is of --method haq"},
		{[]string{"--method", "haq", "--episodes", "-5"}, "--episodes"},
		{[]string{"--method", "bayesianbits", "--weight-bits", "2,3,8"}, "[2 3 8]"},
	} {
		out := filepath.Join(t.TempDir(), "run")
		code, _, errs := call(append([]string{"search", "--out", out}, test.args...)...)
		if code != ExitUsage || !strings.Contains(errs, test.want) || strings.Count(errs, "vimps-gpu: ") != 1 {
			t.Errorf("%v: exit code %d, %q; want 2 and %q", test.args, code, errs, test.want)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%v left a run directory", test.args)
		}
	}
}

// TestFineTuneBadInput: what cannot be fine-tuned is one line that says why.
func TestFineTuneBadInput(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")
	must(t, short(run)...)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--point", "0"}, "say which run by --run"},
		{[]string{"--run", run}, "give exactly one of"},
		{[]string{"--run", run, "--point", "999"}, "--point 999"},
		{[]string{"--run", run, "--point", "0", "--from", "scratch"}, "want supernet or fp32"},
		{[]string{"--run", run, "--uniform", "5/5"}, "--uniform 5/5"},
		{[]string{"--run", run, "--point", "0", "--epochs", "0"}, "--epochs"},
		{[]string{"--run", run, "--point", "0", "--out", run}, "holds a run already"},
	} {
		code, _, errs := call(append([]string{"finetune"}, test.args...)...)
		if code == ExitOK || !strings.Contains(errs, test.want) {
			t.Errorf("%v: exit code %d, %q; want %q", test.args, code, errs, test.want)
		}
	}
}

// searchByTable: a system that keeps budgets keeps those of a table of one's own; a run remembers the table, and does not
// go on with another.
func searchByTable(t *testing.T, like string) {
	csv, run := weightTable(t, like), filepath.Join(t.TempDir(), "run")
	haq, err := findSystem("haq")
	if err != nil {
		t.Fatal(err)
	}
	must(t, shortSearch(haq, run, "--cost", csv, "--budgets", "0.5,0.8")...)
	front, err := onesot.ReadRunFront(run)
	if err != nil {
		t.Fatal(err)
	}
	checkWeightCosts(t, front)
	for _, p := range front.Points {
		if p.Cost > 0.8*front.Cost.Max {
			t.Errorf("a child costs %v of %v, the largest budget is 0.8", p.Cost, front.Cost.Max)
		}
	}
	if err := os.WriteFile(csv, []byte(strings.ReplaceAll(mustRead(t, csv), ",8\n", ",9\n")), 0o666); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := call("search", "--out", run, "--resume"); code != ExitUsage || !strings.Contains(errs, "cost_sha256: ") {
		t.Errorf("resumed with another table: exit code %d, %s", code, errs)
	}
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
