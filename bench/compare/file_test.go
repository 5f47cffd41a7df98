package compare

import (
	"context"
	"strings"
	"testing"

	"vimps-gpu/onesot"
)

// TestBadExperiments: each mistake is one line that names what is wrong and, where a name is, the nearest valid one.
func TestBadExperiments(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"key":                 {"hold_out =", "hold_outs =", `key "hold_outs" is unknown; the nearest is "hold_out"`},
		"key in a table":      {"[finetune]\nepochs", "[finetune]\nepoch", `key "finetune.epoch" is unknown; the nearest is "finetune.epochs"`},
		"table":               {"[correlation]", "[corelation]", `key "corelation" is unknown; the nearest is "correlation"`},
		"method":              {`name = "madeup"` + "\nlabel", `name = "made-up"` + "\nlabel", `method 2: method "made-up" is unknown; the nearest is "madeup"`},
		"setting":             {"learning-rate = 0.01", "lerning-rate = 0.01", `method 1: setting "lerning-rate" is unknown; the nearest is "learning-rate"`},
		"own option":          {"narrow-first", "narow-first", `setting "narow-first" is unknown; the nearest is "narrow-first"`},
		"option's type":       {`narrow-first = "inputs"`, "narrow-first = 3", "narrow-first = 3: want a text in quotes"},
		"setting's type":      {"learning-rate = 0.01", `learning-rate = "fast"`, "learning-rate = fast: want a number"},
		"setting's range":     {"learning-rate = 0.01", "learning-rate = -1", "learning-rate -1: want"},
		"shared setting":      {"batch = 32", "bach = 32", `setting "bach" is unknown; the nearest is "batch"`},
		"fixed setting":       {"batch = 32", "seed = 32", `setting "seed" is unknown`},
		"asked otherwise":     {"budgets = [0.1, 0.2, 0.3, 0.5]", "penalties = [1, 2]", "penalties: madeup is asked by budgets"},
		"no budgets":          {"budgets = [0.1, 0.2, 0.3, 0.5]", "budgets = []", "budgets: want a list of numbers that is not empty"},
		"negative budget":     {"budgets = [0.1,", "budgets = [-0.1,", "want numbers above 0"},
		"own epochs":          {"learning-rate = 0.01", "epochs = 9", `"equalised"`},
		"no epochs":           {"epochs = 2\nfront", "front", "epochs = 0: want 1 or more"},
		"schedule":            {"epochs = 2\nfront", "epochs = 2\nschedule = \"equalized\"\nfront", `schedule "equalized" is unknown; the nearest is "equalised"`},
		"start":               {"[finetune]\n", "[finetune]\nstart = \"super\"\n", `finetune.start "super" is unknown; the nearest is "supernet"`},
		"model":               {"digitsnet", "digitnet", `model "digitnet" is unknown; the nearest is "digitsnet"`},
		"no seeds":            {"seeds = [1, 2]", "seeds = []", "seeds: want one or more"},
		"seed twice":          {"seeds = [1, 2]", "seeds = [1, 1]", "seeds = [1 1]: one is there twice"},
		"no tuning seeds":     {"seeds = [5, 6]", "seeds = []", "finetune.seeds: want one or more"},
		"no front sizes":      {"front_sizes = [1, 3, 8]", "front_sizes = []", "front_sizes = []: want one or more"},
		"recalibration":       {"tolerance = 0.05", "tolerance = 0.05\nrecalibration = [\"onn\"]", `correlation.recalibration "onn" is unknown; the nearest is "on"`},
		"no recalibration":    {"tolerance = 0.05", "tolerance = 0.05\nrecalibration = []", "correlation.recalibration: want one or more"},
		"tolerance":           {"tolerance = 0.05", "tolerance = 0", "correlation.tolerance = 0: want"},
		"the same label":      {`label = "inputs-first"`, "", `"madeup" is there twice`},
		"bad label":           {`label = "inputs-first"`, `label = "../x"`, `label "../x": want`},
		"ablation of nothing": {`method = "madeup"`, `method = "inputs"`, `method "inputs" is unknown; the nearest is "inputs-first"`},
		"no name":             {`name = "small"`, "", "no name"},
		"imagenet":            {"[finetune]", "[imagenet.resnet20]\ntrain = 1\n[finetune]", `key "imagenet.resnet20" is unknown`},
		"environment":         {`data = "digits"`, `data = "idx:${VIMPS_NOT_SET}/x"`, "the environment variable VIMPS_NOT_SET is not set"},
		"not TOML":            {"name = \"small\"", "name = small", "line 2"},
		"wrong type":          {"train_images = 200", `train_images = "all"`, "train_images"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(small, c.old) {
				t.Fatalf("%q is not in the experiment", c.old)
			}
			_, err := parse("x.toml", []byte(strings.Replace(small, c.old, c.new, 1)), madeUpSystems(&calls{}))
			if err == nil {
				t.Fatal("it was taken")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "experiment x.toml: ") {
				t.Errorf("%q, want one line with %q", err, c.want)
			}
		})
	}
}

// TestRefusedBeforeAnything: what only the data can tell is said before anything is trained or written.
func TestRefusedBeforeAnything(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"budgets = [0.1, 0.2", "budgets = [0.01, 0.2", "budget 0.01: the cheapest child costs"},
		{"at = 0.25", "at = 0.01", "the cheapest child costs"},
		{"equal_bops = 5", "equal_bops = 900", "distinct ones were found, want 900; raise the tolerance"},
		{`data = "digits"`, `data = "digit"`, "unknown reader"},
	} {
		var count calls
		var log lines
		dir := t.TempDir() + "/out"
		replace := []string{c.old, c.new}
		if strings.HasPrefix(c.old, "equal_bops") {
			replace = append(replace, "tolerance = 0.05", "tolerance = 0.00001")
		}
		err := Run(context.Background(), experiment(t, &count, dir, replace...), options(t, &log))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", c.new, err, c.want)
		}
		if count.searches != 0 || log.Len() > 0 {
			t.Errorf("%s: work had begun", c.new)
		}
		if _, err := onesot.ReadConfig(dir); err == nil {
			t.Errorf("%s: a run directory was made", c.new)
		}
	}
}

// TestOtherExperiment: a directory goes on only with the experiment that it was begun with.
func TestOtherExperiment(t *testing.T) {
	dir := t.TempDir()
	e := experiment(t, &calls{}, dir)
	in := inputs{Version: "1", DataHash: "d", Arithmetic: "a"}
	first, err := openStore(e, e.Out, in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(e, e.Out, in); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a second process: %v", err)
	}
	first.close()
	for _, c := range []struct {
		old, new string
		in       inputs
		want     string
	}{
		{"epochs = 1", "epochs = 3", in, "finetune.epochs = 1, now 3"},
		{"learning-rate = 0.01", "", in, "method.1.learning-rate = 0.01, now none"},
		{"batch = 32", "batch = 32\nmu = 1.0", in, "settings.mu = none, now 1"},
		{"", "", inputs{"1", "other", "", "a"}, "data_sha256 = d, now other"},
		{"", "", inputs{"2", "d", "", "a"}, "version = 1, now 2"},
		{"# nothing", "# a comment", in, ""},
	} {
		again := experiment(t, &calls{}, dir, c.old, c.new)
		s, err := openStore(again, again.Out, c.in)
		if err == nil {
			s.close()
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s -> %s: %v, want %q", c.old, c.new, err, c.want)
		}
	}
}

func TestDamagedUnit(t *testing.T) {
	s := &store{dir: t.TempDir()}
	if err := writeFile(s.path("x"), nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	e := experiment(t, &calls{}, dir)
	s, err := openStore(e, e.Out, inputs{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.write("one", Passes{1, 2}, Times{Wall: 3}); err != nil {
		t.Fatal(err)
	}
	var p Passes
	if took, found, err := s.read("one", &p); err != nil || !found || p != (Passes{1, 2}) || took.Wall != 3 {
		t.Errorf("%+v %+v %v %v", p, took, found, err)
	}
	for _, bad := range []string{"", "{", `{"id":"two","result":{}}`, `{"id":"one","result":7}`} {
		if err := s.writeFile(s.unitPath("one"), []byte(bad)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.read("one", &p); err == nil || !strings.Contains(err.Error(), "delete it and the unit is done again") {
			t.Errorf("%q was read: %v", bad, err)
		}
	}
}

// TestCommittedExperiments: the files that the repository carries can be read, with as many systems and children as are
// wanted.
func TestCommittedExperiments(t *testing.T) {
	t.Setenv("VIMPS_DATA", "somewhere")
	for file, methods := range map[string]int{"digits.toml": 10, "cifar10-resnet20.toml": 4} {
		e, err := Load("../experiments/" + file)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if len(e.Methods) < methods || e.Correlation.EqualBOPs < 12 || e.Correlation.AlongFront < 12 || len(e.Finetune.Seeds) < 2 {
			t.Errorf("%s: %d methods, %+v, %+v", file, len(e.Methods), e.Correlation, e.Finetune)
		}
		if strings.Contains(e.data, "somewhere") {
			t.Errorf("%s: results would name the folder %s", file, e.data)
		}
	}
}
