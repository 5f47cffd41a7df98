package compare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// tiny is the small experiment made smaller, with results in dir.
func tiny(t *testing.T, c *calls, dir string, replace ...string) *Experiment {
	t.Helper()
	e := experiment(t, c, "runs/small", append(replace, "train_images = 200", "train_images = 100", "epochs = 2", "epochs = 1",
		"budgets = [0.1, 0.2, 0.3, 0.5]", "budgets = [0.1, 0.3, 0.5]", "along_front = 4", "along_front = 3", "equal_bops = 5", "equal_bops = 3", "seeds = [5, 6]", "seeds = [5]")...)
	e.Out = dir
	return e
}

// cancelling is a log that calls stop when it has begun so many units; 0: never.
type cancelling struct {
	lines
	at   int
	stop func()
}

func (l *cancelling) Write(p []byte) (int, error) {
	n, err := l.lines.Write(p)
	if l.units() == l.at {
		l.stop()
	}
	return n, err
}

// runShard does a stage of a shard, or as much of it as begins stopAt units; it tells how many were begun.
func runShard(t *testing.T, e *Experiment, s Shard, finetune bool, stopAt int) int {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	log := &cancelling{at: stopAt, stop: cancel}
	o := options(t, nil)
	o.Log, o.Shard, o.Finetune = log, s, finetune
	err := Run(ctx, e, o)
	if stopAt > 0 && errors.Is(err, onesot.ErrInterrupted) {
		return log.units()
	}
	if err != nil {
		t.Fatalf("shard %v: %v", s, err)
	}
	return log.units()
}

func merge(t *testing.T, e *Experiment, shards int) error {
	o := options(t, nil)
	o.Machine = ""
	return Merge(e, o, shards)
}

// TestShards: an experiment in 1, 2 and 3 shards, merged, leaves every file of the undivided one, byte for byte when both
// have the same times; no unit but the fp32 net is done twice. Of the three shards each is stopped in a random unit of
// either stage and repeated.
func TestShards(t *testing.T) {
	var c calls
	var log lines
	whole := t.TempDir()
	run(t, tiny(t, &c, whole), &log)
	searches := c.searches
	for _, n := range []int{1, 2, 3} {
		c.searches = 0
		out := t.TempDir()
		e := tiny(t, &c, out)
		if !e.Waits() {
			t.Fatal("the experiment has no second stage")
		}
		begun := doShards(t, e, n, n == 3)
		if n < 3 && begun != log.units()+n-1 || c.searches != searches {
			t.Errorf("%d shards: %d units and %d searches were begun, undivided %d and %d", n, begun, c.searches, log.units(), searches)
		}
		if err := merge(t, e, n); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, &c, whole, out)
		if n == 2 {
			t.Run("refused", func(t *testing.T) { testMergeRefuses(t, &c, out) })
		}
	}
}

// doShards does all shards in both stages; where disturbed, each stage of each is stopped once. It wants every other
// shard's directory as it was before.
func doShards(t *testing.T, e *Experiment, n int, disturbed bool) (begun int) {
	random := rand.New(rand.NewPCG(7, uint64(time.Now().UnixNano())))
	for _, finetune := range []bool{false, true} {
		for _, i := range random.Perm(n) {
			s := Shard{i, n}
			before := others(t, e.Out, s)
			if disturbed {
				at := 1 + random.IntN(3)
				t.Logf("shard %v, finetune %v: stopped in unit %d", s, finetune, at)
				runShard(t, e, s, finetune, at)
			}
			begun += runShard(t, e, s, finetune, 0)
			if after := others(t, e.Out, s); before != after {
				t.Errorf("shard %v changed another's directory:\n%s\nnow\n%s", s, before, after)
			}
		}
	}
	return begun
}

// others lists the files of all shards but one, with size and time.
func others(t *testing.T, out string, s Shard) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(out, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path, s.Dir(out)+"/") {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintln(&b, path, info.Size(), info.ModTime().UnixNano())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// sameFiles gives the units of the undivided run the times of the merged one, has it write again, and compares all files.
func sameFiles(t *testing.T, c *calls, whole, merged string) {
	t.Helper()
	if readFile(t, whole, resultsFile) != readFile(t, merged, resultsFile) {
		t.Fatal("merged shards gave another results.json")
	}
	a, b := &store{dir: whole}, &store{dir: merged}
	ids, err := a.units()
	if err != nil {
		t.Fatal(err)
	}
	if of, _ := b.units(); !slices.Equal(ids, of) {
		t.Fatalf("units %v, merged %v", ids, of)
	}
	for _, id := range ids {
		f, _, err := b.readFile(id)
		if err != nil {
			t.Fatal(err)
		}
		var result json.RawMessage
		if _, _, err := a.read(id, &result); err != nil {
			t.Fatal(err)
		}
		if err := a.writeUnit(unitFile{ID: id, Result: result, Times: f.Times}); err != nil {
			t.Fatal(err)
		}
	}
	var log lines
	run(t, tiny(t, c, whole), &log)
	if log.units() != 0 {
		t.Fatalf("the undivided run did work again:\n%s", log.String())
	}
	pictures := 0
	for _, name := range append(topFiles(t, whole), topFiles(t, merged)...) {
		if readFile(t, whole, name) != readFile(t, merged, name) {
			t.Errorf("merged shards gave another %s", name)
		}
		if strings.HasSuffix(name, ".png") {
			pictures++
		}
	}
	if pictures != 8 {
		t.Errorf("%d pictures in both, want 4 in each", pictures)
	}
}

func topFiles(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// testMergeRefuses spoils one file of two shards at a time. Each is one line that says what and how to repeat it, and no
// results are written.
func testMergeRefuses(t *testing.T, c *calls, out string) {
	for _, name := range []string{resultsFile, unitsFolder} {
		if err := os.RemoveAll(filepath.Join(out, name)); err != nil {
			t.Fatal(err)
		}
	}
	repeat := "do: vimps-gpu bench run --out " + out + " --shard 1/2 small.toml"
	tune := lateTuning(t, c, out)
	cut := func(s string) string { return s[:len(s)/2] }
	instead := func(old, now string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				t.Fatalf("no %q in a file of %d bytes", old, len(s))
			}
			return strings.Replace(s, old, now, 1)
		}
	}
	other := func(id, result string) func(string) string {
		return func(string) string {
			f := unitFile{ID: id, Result: json.RawMessage(result)}
			f.Hash = f.hash()
			data, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			return string(data)
		}
	}
	for _, s := range []struct {
		name, file string
		spoil      func(string) string // nil: the file is gone
		says       []string
	}{
		{"no fp32 net yet", shardFile, nil, []string{"shard 1/2", repeat}},
		{"no search", "units/search-madeup-s2.json", nil, []string{"shard 1/2 is not finished", "search-madeup-s2", repeat}},
		{"no prediction", "units/predict-madeup-s2-on.json", nil, []string{"predict-madeup-s2-on", repeat}},
		{"no fine-tuning", "units/" + tune + ".json", nil, []string{tune, "--shard 1/2 --finetune small.toml"}},
		{"cut", "units/" + tune + ".json", cut, []string{tune + ".json", "delete it", "--shard 1/2 --finetune small.toml"}},
		{"a search cut", "units/search-madeup-s2.json", cut, []string{"search-madeup-s2.json", "delete it", "--shard 1/2 small.toml"}},
		{"a digit", "units/search-madeup-s2.json", instead(`"forward_images": `, `"forward_images": 1`), []string{"search-madeup-s2.json", "its sha256 is another"}},
		{"of another name", "units/search-madeup-s2.json", instead("search-madeup-s2", "search-madeup-s1"), []string{`it is of unit "search-madeup-s1"`}},
		{"in both, otherwise", "units/search-madeup-s1.json", other("search-madeup-s1", `{"fp32":{}}`), []string{"search-madeup-s1", "shards 0/2 and 1/2 have different results"}},
		{"nobody's", "units/search-nobody-s1.json", other("search-nobody-s1", `{}`), []string{"search-nobody-s1", "none of this experiment's"}},
		{"another experiment", experimentFile, instead("batch = 32", "batch = 16"), []string{"shard 1/2", "settings.batch = 16, now 32"}},
		{"another version", inputsFile, instead(`"version": "test"`, `"version": "old"`), []string{"shard 1/2", "version = old, now test"}},
		{"other data", inputsFile, instead(`"data_sha256": "`, `"data_sha256": "0`), []string{"shard 1/2", "data_sha256 = 0"}},
		{"other weights", inputsFile, instead(`"arithmetic"`, `"weights_sha256": "77", "arithmetic"`), []string{"shard 1/2", "weights_sha256 = 77, now none"}},
		{"other arithmetic", inputsFile, instead(`"arithmetic": "`, `"arithmetic": "gpu-`), []string{"shard 1/2 was computed with arithmetic gpu-", "shard 0/2 with ", repeat}},
		{"inputs cut", inputsFile, cut, []string{"shard 1/2", inputsFile, "delete ", repeat}},
		{"no inputs", inputsFile, nil, []string{"shard 1/2", inputsFile + " is gone", repeat}},
		{"no experiment", experimentFile, nil, []string{"shard 1/2", experimentFile, repeat}},
		{"a copy cut", "units/search-madeup-s1.json", func(string) string { return "{" }, []string{"search-madeup-s1.json", "but a copy of a unit of shard 0/2; delete it"}},
		{"another fp32 net", shardFile, instead(`"fp32_sha256": "`, `"fp32_sha256": "0`), []string{"shard 1/2 has another fp32 net than shard 0/2", repeat}},
		{"renamed", shardFile, instead(`"shard": 1`, `"shard": 0`), []string{"is of shard 0/2; the directory has been renamed"}},
	} {
		restore := spoil(t, filepath.Join(Shard{1, 2}.Dir(out), s.file), s.spoil)
		err := merge(t, tiny(t, c, out), 2)
		restore()
		if err == nil {
			t.Errorf("%s: it was merged", s.name)
			continue
		}
		for _, want := range s.says {
			if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %q, want one line with %q", s.name, err, want)
			}
		}
		if _, err := os.Stat(filepath.Join(out, resultsFile)); err == nil {
			t.Fatalf("%s: results.json was written", s.name)
		}
	}
	if err := merge(t, tiny(t, c, out), 3); err == nil || !strings.Contains(err.Error(), "shard 0/3 is not begun") {
		t.Errorf("two shards as three: %v", err)
	}
	if err := merge(t, tiny(t, c, out), 2); err != nil {
		t.Errorf("restored: %v", err)
	}
}

// spoil changes a file, or makes it, or takes it away, until restore is called.
func spoil(t *testing.T, path string, change func(string) string) (restore func()) {
	t.Helper()
	old, err := os.ReadFile(path)
	was := err == nil
	if change == nil {
		err = os.Remove(path)
	} else {
		err = os.WriteFile(path, []byte(change(string(old))), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if was {
			err = os.WriteFile(path, old, 0o666)
		} else {
			err = os.Remove(path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// lateTuning is a fine-tuning of the second stage that shard 1 of 2 has done.
func lateTuning(t *testing.T, c *calls, out string) string {
	t.Helper()
	e := tiny(t, c, out)
	w, err := newWorld(e, options(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	ids, err := (&store{dir: Shard{1, 2}.Dir(out)}).units()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		early := slices.ContainsFunc(w.equal, func(a quant.Assignment) bool { return strings.Contains(id, childID(a)) })
		if strings.HasPrefix(id, "tune-") && !early {
			return id
		}
	}
	t.Fatalf("shard 1/2 fine-tuned nothing late: %v", ids)
	return ""
}

// TestShardsFromSupernet: where fine-tuning starts from each search's own net there is one stage, and --finetune does nothing.
func TestShardsFromSupernet(t *testing.T) {
	start := []string{"[finetune]\n", "[finetune]\nstart = \"supernet\"\n", "seeds = [1, 2]", "seeds = [1]"}
	var c calls
	var log lines
	whole, out := t.TempDir(), t.TempDir()
	run(t, tiny(t, &c, whole, start...), &log)
	e := tiny(t, &c, out, start...)
	if e.Waits() {
		t.Error("fine-tunings from a search's own net wait for other shards")
	}
	if begun := doShards(t, e, 2, false); begun != log.units()+1 {
		t.Errorf("%d units were begun, want %d and one fp32 net more", begun, log.units())
	}
	if err := merge(t, e, 2); err != nil {
		t.Fatal(err)
	}
	if readFile(t, whole, resultsFile) != readFile(t, out, resultsFile) {
		t.Error("merged shards gave another results.json")
	}
}

// TestSecondStageWaits: it names the shard that has not searched, before it trains anything.
func TestSecondStageWaits(t *testing.T) {
	var c calls
	out := t.TempDir()
	o := options(t, &lines{})
	o.Shard, o.Finetune = Shard{1, 2}, true
	err := Run(context.Background(), tiny(t, &c, out), o)
	if err == nil || !strings.HasSuffix(err.Error(), "do: vimps-gpu bench run --out "+out+" --shard 0/2 small.toml") || c.steps > 0 {
		t.Errorf("after %d steps: %v", c.steps, err)
	}
}

func TestParseShard(t *testing.T) {
	for text, want := range map[string]Shard{"0/1": {0, 1}, "0/4": {0, 4}, "3/4": {3, 4}} {
		if got, err := ParseShard(text); err != nil || got != want || got.String() != text {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1", "4/4", "-1/4", "0/0", "1/-2", "a/b", "1/4/2", "0/10001", "1/", "/4", "0 / 4"} {
		if got, err := ParseShard(text); err == nil || !strings.Contains(err.Error(), "I/N") {
			t.Errorf("%q was taken: %v, %v", text, got, err)
		}
	}
}

// TestShardsIn: the directories tell of how many shards there are, whatever else lies there.
func TestShardsIn(t *testing.T) {
	out := filepath.Join(t.TempDir(), "a[b]*")
	for _, step := range []struct {
		dir  string
		want int
		says string
	}{
		{"units", 0, "holds no shards"}, {"shard-1-of-3.old", 0, "holds no shards"}, {"shard-03-of-4", 0, "holds no shards"},
		{"shard-1-of-3", 3, ""}, {"shard-0-of-3", 3, ""}, {"shard-0-of-2", 0, "holds shards of 2 and of 3: say which by --shards"},
	} {
		if err := os.MkdirAll(filepath.Join(out, step.dir), 0o777); err != nil {
			t.Fatal(err)
		}
		n, err := ShardsIn(out)
		if n != step.want || step.says == "" && err != nil || step.says != "" && (err == nil || !strings.Contains(err.Error(), step.says)) {
			t.Errorf("with %s: %d, %v", step.dir, n, err)
		}
	}
}
