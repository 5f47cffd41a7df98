package compare

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vimps-gpu/onesot"
)

func run(t *testing.T, e *Experiment, log *lines) {
	t.Helper()
	if err := Run(context.Background(), e, options(t, log)); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, parts ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestRun: an experiment gives what was asked for; run again, it does nothing and gives the same; in another directory,
// everything and the same; interrupted at any step, what is left and the same.
func TestRun(t *testing.T) {
	var c calls
	var log lines
	one := t.TempDir()
	run(t, experiment(t, &c, one), &log)
	results := readFile(t, one, resultsFile)
	checkResults(t, results)
	checkTables(t, one)
	if c.searches != 6 { // two methods and an ablation, two seeds
		t.Errorf("%d searches, want 6", c.searches)
	}
	whole := log.units()
	if whole < 1+6+12+2*5 {
		t.Errorf("%d units were begun:\n%s", whole, log.String())
	}

	before := c
	var again lines
	run(t, experiment(t, &c, one), &again)
	if c.steps != before.steps || c.judged != before.judged || again.units() != 0 {
		t.Errorf("a second run began %d units, %d steps", again.units(), c.steps-before.steps)
	}
	if readFile(t, one, resultsFile) != results {
		t.Error("a second run changed results.json")
	}

	var fresh calls
	two := t.TempDir()
	run(t, experiment(t, &fresh, two), &again)
	if readFile(t, two, resultsFile) != results {
		t.Error("the same experiment in another directory gave another results.json")
	}

	t.Run("interrupted", func(t *testing.T) { testInterrupted(t, results, whole, before) })
}

// testInterrupted stops an experiment in its first search, in its fourth, and at a unit's end, and resumes it.
func testInterrupted(t *testing.T, results string, whole int, undisturbed calls) {
	dir, begun, stops := t.TempDir(), 0, 0
	var c calls
	for _, at := range []int{4, undisturbed.steps/2 + 4, 0} {
		ctx, cancel := context.WithCancel(context.Background())
		c.stop, c.stopAt = cancel, at
		var log lines
		err := Run(ctx, experiment(t, &c, dir), options(t, &log))
		cancel()
		begun += log.units()
		if at == 0 {
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		stops++
		if !errors.Is(err, onesot.ErrInterrupted) {
			t.Fatalf("stopped at step %d: %v, want %v", at, err, onesot.ErrInterrupted)
		}
		if _, err := os.Stat(filepath.Join(dir, resultsFile)); err == nil {
			t.Error("an interrupted experiment has results.json")
		}
	}
	if readFile(t, dir, resultsFile) != results {
		t.Error("an interrupted and resumed experiment gave another results.json")
	}
	if begun != whole+stops {
		t.Errorf("%d units were begun in all, want %d and %d that were interrupted", begun, whole, stops)
	}
	if c.searches != undisturbed.searches || c.steps > undisturbed.steps+2*stops {
		t.Errorf("%d searches and %d steps, undisturbed %d and %d: finished work was repeated", c.searches, c.steps, undisturbed.searches, undisturbed.steps)
	}
}

func checkResults(t *testing.T, text string) {
	var out Results
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Methods) != 2 || len(out.Ablations) != 1 || len(out.EqualBOPs) != 5 {
		t.Fatalf("%d methods, %d ablations, %d children of equal BOPs", len(out.Methods), len(out.Ablations), len(out.EqualBOPs))
	}
	if out.Ablations[0].Settings.LearningRate != 0.1 || len(out.Ablations[0].Asked) != 4 {
		t.Errorf("the ablation has learning rate %g and asks %v: want its own and its method's", out.Ablations[0].Settings.LearningRate, out.Ablations[0].Asked)
	}
	for _, m := range out.Methods {
		if len(m.Seeds) != 2 || len(m.Correlation) != 12 {
			t.Fatalf("%s: %d seeds, %d correlations", m.Label, len(m.Seeds), len(m.Correlation))
		}
		for _, s := range m.Seeds {
			checkSeed(t, &out, m, s)
		}
		for _, c := range m.Correlation {
			if c.Set == equalBOPs && c.Metric != byAccuracy && (c.Tau == nil || c.Trivial == nil || c.Difference == nil) {
				t.Errorf("%s: %+v, want every tau", m.Label, c)
			}
			if c.Set == equalBOPs && c.Children[0] != 5 {
				t.Errorf("%s: %d children of equal BOPs were compared", m.Label, c.Children[0])
			}
		}
	}
}

func checkSeed(t *testing.T, out *Results, m *Method, s *Seed) {
	if s.Fixed.Backward == 0 || s.Fixed.Backward != s.Passes.Backward || s.Fixed.Forward >= s.Passes.Forward {
		t.Errorf("%s: fixed %+v of %+v: want all training, and not all evaluations", m.Label, s.Fixed, s.Passes)
	}
	if last := s.Fronts[2]; !last.Extrapolated || last.Points != len(s.Points) || last.Passes.Forward <= s.Passes.Forward {
		t.Errorf("%s: a front of 8: %+v, want an extrapolation", m.Label, last)
	}
	if s.Fronts[0].Hypervolume > s.Fronts[1].Hypervolume || s.Fronts[0].TunedPoints != 1 || s.Fronts[1].TunedPoints != 3 {
		t.Errorf("%s: fronts %+v", m.Label, s.Fronts)
	}
	if o := s.Quality.Overshoot; o == nil || *o != 0 {
		t.Errorf("%s: overshoot %v, want 0", m.Label, o)
	}
	if m.System == "madeup" && (s.Quality.TunedHypervolume == nil || s.Quality.Children != len(s.Points)) {
		t.Errorf("%s: quality %+v", m.Label, s.Quality)
	}
	for _, child := range s.AlongOwn {
		if len(out.Tuned[child.ID]) != 2 {
			t.Errorf("%s: child %s has %d fine-tunings, want 2", m.Label, child.ID, len(out.Tuned[child.ID]))
		}
	}
	on, off := s.Predicted["on"], s.Predicted["off"]
	if len(on) != len(off) || len(on) < len(out.EqualBOPs) || on[0].Child != off[0].Child || on[0].Scores == off[0].Scores {
		t.Errorf("%s: %d predictions with recalibration, %d without; they must be of the same children and differ", m.Label, len(on), len(off))
	}
}

func checkTables(t *testing.T, dir string) {
	page := readFile(t, dir, "results.md")
	for _, want := range []string{"## Pareto search time", "## Correlation, along the front", "## Correlation, equal BOPs", "## Quality", "## Ablations", "computed, not run", "| inputs-first |", "| hot |",
		"8*", "extrapolated", "Fine-tuning is taken as 30 epochs", "0.25 +-5 %", "a machine", "noise of deviation 0.3", "fp32 net", "correlation-equal-bops.png"} {
		if !strings.Contains(page, want) {
			t.Errorf("results.md has no %q", want)
		}
	}
	for _, name := range []string{"search-time", "correlation", "correlation-along-front", "correlation-equal-bops", "quality", "ablations", "imagenet"} {
		rows, err := csv.NewReader(strings.NewReader(readFile(t, dir, name+".csv"))).ReadAll() // checks that all rows are as long
		if err != nil || len(rows) < 3 {
			t.Errorf("%s.csv: %d rows, %v", name, len(rows), err)
		}
	}
	for _, name := range []string{"search-time.png", "fronts.png", "correlation-along-front.png", "correlation-equal-bops.png"} {
		if png := readFile(t, dir, name); !strings.HasPrefix(png, "\x89PNG") || len(png) < 5000 {
			t.Errorf("%s: %d bytes", name, len(png))
		}
	}
	var times allTimes
	if err := json.Unmarshal([]byte(readFile(t, dir, timesFile)), &times); err != nil || times.Machine != "a machine" || times.Units["search-madeup-s1"].Wall <= 0 {
		t.Errorf("times.json: %+v, %v", times, err)
	}
}
