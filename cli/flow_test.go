package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// TestWholeJob goes from nothing to an evaluated child, as a user would.
func TestWholeJob(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")
	out := must(t, short(run, "--random", "4", "--uniform", "--untrained", "--tensorboard")...)
	for _, training := range []string{"fp32", "search"} {
		events, err := filepath.Glob(filepath.Join(run, "tensorboard", training, "events.out.tfevents.*"))
		if err != nil || len(events) != 1 {
			t.Errorf("event files of %s: %v, %v; want one", training, events, err)
		}
	}
	for _, want := range []string{"front: ", "hypervolume of front", "hypervolume of random", "reference: relative cost 1, accuracy 0.1", "next: vimps-gpu pick --run " + run} {
		if !strings.Contains(out, want) {
			t.Errorf("search printed no %q:\n%s", want, out)
		}
	}
	for _, name := range []string{"run.json", "state.safetensors", "metrics.jsonl", "front.json", "predictions.json", "baselines.json", "report.html", "front.png", "bits.png", "pi.png"} {
		if info, err := os.Stat(filepath.Join(run, name)); err != nil || info.Size() == 0 {
			t.Errorf("no %s", name)
		}
	}
	front, err := onesot.ReadRunFront(run)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("sweep again gives the same front", func(t *testing.T) {
		var again struct{ Front onesot.Front }
		one(t, must(t, "sweep", "--run", run, "--etas", "8", "--out", filepath.Join(run, "again"), "--json"), &again)
		a, _ := json.Marshal(front)
		b, _ := json.Marshal(again.Front)
		if string(a) != string(b) {
			t.Errorf("first %s\nthen %s", a, b)
		}
	})
	t.Run("pick keeps the budget", func(t *testing.T) { pickKeepsBudget(t, run, front) })
	t.Run("eval agrees with the front", func(t *testing.T) { evalAgrees(t, run, front) })
	t.Run("eval by integers", func(t *testing.T) { evalByIntegers(t, run) })
	t.Run("sweep by a cost table", func(t *testing.T) { sweepByTable(t, run) })
	t.Run("search by a cost table", func(t *testing.T) { searchByTable(t, run) })
	t.Run("statistics as trained", func(t *testing.T) {
		var e evaluated
		one(t, must(t, "eval", "--run", run, "--point", "0", "--no-recalibrate", "--json"), &e)
		if e.Recalibrate || e.LossVal == front.Points[0].LossVal {
			t.Errorf("the loss is that with re-estimated statistics, %v", e.LossVal)
		}
	})
}

func pickKeepsBudget(t *testing.T, run string, front *onesot.Front) {
	for _, share := range []float64{0.1, 0.2, 0.3, 0.5, 1} {
		code, out, errs := call("pick", "--run", run, "--max-bops", fmt.Sprint(share), "--json")
		var p picked
		one(t, out, &p)
		fits := 0
		for _, q := range front.Points {
			if q.RelativeBOPs <= share {
				fits++
			}
		}
		if p.Fits != (fits > 0) || (code == ExitOK) != p.Fits || !p.Fits && code != ExitNothingFits {
			t.Errorf("share %v: %d children fit, pick says %v with exit code %d (%s)", share, fits, p.Fits, code, errs)
		}
		if p.Fits && p.Point.RelativeBOPs > share {
			t.Errorf("share %v: picked %v", share, p.Point.RelativeBOPs)
		}
	}
}

func evalAgrees(t *testing.T, run string, front *onesot.Front) {
	child := filepath.Join(t.TempDir(), "child.json")
	must(t, "pick", "--run", run, "--max-bops", "1", "--save", child)
	var p picked
	one(t, must(t, "pick", "--run", run, "--max-bops", "1", "--json"), &p)
	want := front.Points[p.Index]
	for _, how := range [][]string{{"--assignment", child}, {"--point", fmt.Sprint(p.Index)}, {"--child", fmt.Sprint(want.Eta)}} {
		var e evaluated
		one(t, must(t, append([]string{"eval", "--run", run, "--json"}, how...)...), &e)
		if !e.Assignment.Equal(want.Assignment) || e.AccuracyVal != want.AccuracyVal || e.AccuracyTest != want.AccuracyTest || e.LossVal != want.LossVal {
			t.Errorf("%v: %+v, the front says %+v", how, e.Point, want)
		}
	}
	var e evaluated
	one(t, must(t, "eval", "--run", run, "--uniform", "4/2", "--json"), &e)
	if w, x := e.Assignment.Bits(1); w != 4 || x != 2 {
		t.Errorf("--uniform 4/2 evaluated %s", e.Assignment)
	}
}

// evalByIntegers: by integer arithmetic a child does as by float, but for codes that rounding moves over a tie.
func evalByIntegers(t *testing.T, run string) {
	var e evaluated
	one(t, must(t, "eval", "--run", run, "--point", "0", "--integer", "--json"), &e)
	if e.Integer == nil || math.Abs(e.Integer.Val-e.AccuracyVal) > 0.02 || math.Abs(e.Integer.Test-e.AccuracyTest) > 0.02 ||
		math.Abs(e.Integer.LossVal-e.LossVal) > 0.01*e.LossVal {
		t.Errorf("by integers %+v, by float %+v", e.Integer, e.Point)
	}
	out := must(t, "eval", "--run", run, "--uniform", "4/2", "--integer")
	if !strings.Contains(out, "by integer arithmetic: val ") {
		t.Errorf("no integer accuracy:\n%s", out)
	}
	if code, _, errs := call("eval", "--fp32", "--integer"); code != ExitUsage || !strings.Contains(errs, "--integer") {
		t.Errorf("--fp32 --integer: exit code %d, %s", code, errs)
	}
}

// weightTable writes a cost table for the layers of a run that charges a millisecond a weight bit.
func weightTable(t *testing.T, run string) (path string) {
	run1, err := onesot.ViewRun(run)
	if err != nil {
		t.Fatal(err)
	}
	front, err := onesot.ReadRunFront(run)
	if err != nil {
		t.Fatal(err)
	}
	text := "layer,weight_bits,input_bits,cost_ms\n"
	child := front.Points[0].Assignment
	for k := range child.Len() {
		for _, w := range run1.Config.WeightBits {
			for _, x := range run1.Config.InputBits {
				text += fmt.Sprintf("%s,%d,%d,%d\n", child.Name(k), w, x, w)
			}
		}
	}
	path = filepath.Join(t.TempDir(), "latency.csv")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// sweepByTable: with a table that charges weights only, the costs in the front are of that table.
func sweepByTable(t *testing.T, run string) {
	var r struct{ Front onesot.Front }
	one(t, must(t, "sweep", "--run", run, "--etas", "8", "--cost", weightTable(t, run), "--out", t.TempDir(), "--json"), &r)
	checkWeightCosts(t, &r.Front)
}

func checkWeightCosts(t *testing.T, f *onesot.Front) {
	t.Helper()
	if f.Cost.Name != "latency" || f.Cost.Unit != "ms" {
		t.Errorf("cost %+v", f.Cost)
	}
	for _, p := range f.Points {
		if p.Cost != sumOfWeightBits(p.Assignment) {
			t.Errorf("cost %v of %s", p.Cost, p.Assignment)
		}
	}
}

func sumOfWeightBits(a quant.Assignment) (sum float64) {
	for k := range a.Len() {
		w, _ := a.Bits(k)
		sum += float64(w)
	}
	return sum
}

// TestSpacesAndNorms: other candidates, pins and norms end in a front.
func TestSpacesAndNorms(t *testing.T) {
	for _, more := range [][]string{{"--norm", "bn"}, {"--norm", "gate"}, {"--norm", "eta"},
		{"--weight-bits", "2,3,8", "--input-bits", "1,4", "--first-layer", "search", "--last-layer", "4/8"}} {
		run := filepath.Join(t.TempDir(), "run")
		must(t, short(run, more...)...)
		if _, err := onesot.ReadRunFront(run); err != nil {
			t.Errorf("%v: %v", more, err)
		}
	}
}

// TestJSONAlone: --json prints one object on standard output and nothing else.
func TestJSONAlone(t *testing.T) {
	for _, args := range [][]string{{"show", "--model", "resnet20"}, {"data"}, {"data", "--data", "digits"}, {"devices"},
		{"bench", "step", "--model", "digitsnet", "--batch", "8", "--steps", "2"}} {
		var v map[string]any
		one(t, must(t, append(args, "--json")...), &v)
		if len(v) == 0 {
			t.Errorf("%v: an empty object", args)
		}
	}
}

// TestShow: the multiply-accumulates of ResNet-20 on CIFAR-10 are known.
func TestShow(t *testing.T) {
	var s shown
	one(t, must(t, "show", "--model", "resnet20", "--json"), &s)
	if s.MACs != 40_551_040 || len(s.Layers) != 20 || s.Gates != 36 {
		t.Errorf("%d MACs, %d layers, %d gates; want 40551040, 20, 36", s.MACs, len(s.Layers), s.Gates)
	}
}

// TestHelp: every command has examples and the exit codes in its help.
func TestHelp(t *testing.T) {
	for _, c := range App(nil, nil).Commands {
		args := []string{c.Name, "--help"}
		if c.Subcommands != nil {
			args = []string{c.Name, c.Subcommands[0].Name, "--help"}
		}
		out := must(t, args...)
		for _, want := range []string{"Examples:", "vimps-gpu " + c.Name, "Exit codes: 0"} {
			if !strings.Contains(out, want) {
				t.Errorf("%v: no %q in the help", args, want)
			}
		}
	}
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (e *evaluated) UnmarshalJSON(text []byte) error {
	var head struct {
		Run         string          `json:"run"`
		Recalibrate bool            `json:"recalibrated"`
		Integer     json.RawMessage `json:"integer"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return err
	}
	e.Run, e.Recalibrate = head.Run, head.Recalibrate
	if err := json.Unmarshal(text, &e.Point); err != nil || head.Integer == nil {
		return err
	}
	e.Integer = new(integerScore)
	if err := json.Unmarshal(head.Integer, &e.Integer.Accuracy); err != nil {
		return err
	}
	var loss struct {
		Val float64 `json:"loss_val"`
	}
	err := json.Unmarshal(head.Integer, &loss)
	e.Integer.LossVal = loss.Val
	return err
}
