package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vimps-gpu/nn/onnx"
	"vimps-gpu/onesot"
)

// netFile copies a file that nn/onnx is tested with to where a test may move and change it, external data with it.
func netFile(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	from, err := filepath.Glob(filepath.Join("..", "nn", "onnx", "testdata", name+"*"))
	if err != nil || len(from) == 0 {
		t.Fatalf("%s: %v, %v", name, from, err)
	}
	for _, path := range from {
		copyTo(t, path, filepath.Join(dir, filepath.Base(path)))
	}
	return filepath.Join(dir, name)
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A net from a file is searched, exported, verified and resumed where the file has moved; a changed file is refused.
func TestSearchOfONNX(t *testing.T) {
	file := netFile(t, "import_resnet_norms.onnx")
	run := filepath.Join(t.TempDir(), "run")
	must(t, "search", "--model", file, "--data", "digits", "--out", run, "--epochs", "1", "--batch", "128", "--etas", "4", "--train-images", "256")
	front, err := onesot.ReadRunFront(run)
	if err != nil || len(front.Points) == 0 {
		t.Fatalf("%+v, %v", front, err)
	}
	config, err := onesot.ReadConfig(run)
	if err != nil || config.ModelHash == "" || config.ModelHash != config.WeightsHash {
		t.Fatalf("model %q, weights %q, %v", config.ModelHash, config.WeightsHash, err)
	}
	out := filepath.Join(t.TempDir(), "child.onnx")
	must(t, "export", "--run", run, "--point", "0", "--out", out)
	var c onnx.Comparison
	one(t, must(t, "verify", "--run", run, "--file", out, "--json"), &c)
	if c.Images == 0 || c.Check() != nil {
		t.Errorf("%+v: %v", c, c.Check())
	}
	moved := filepath.Join(t.TempDir(), "moved.onnx")
	copyTo(t, file, moved)
	changed := filepath.Join(filepath.Dir(moved), "changed.onnx")
	m, err := onnx.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	m.Producer = "somebody else"
	if err := m.Write(changed); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"--model", moved}, 0, ""},
		{[]string{"--model", changed}, ExitUsage, "model_sha256"},
		{[]string{"--model", "resnet20"}, ExitUsage, "other settings"},
	} {
		code, _, errs := call(append([]string{"search", "--out", run, "--resume", "--etas", "4"}, c.args...)...)
		if code != c.code || !strings.Contains(errs, c.text) {
			t.Errorf("%v: exit code %d, %s; want %d and %q", c.args, code, errs, c.code, c.text)
		}
	}
}

// show says of each layer of a file why it is not searched and what it shares.
func TestShowOfONNX(t *testing.T) {
	file := netFile(t, "import_resnet_legacy.onnx")
	why := func(more ...string) (list []string) {
		var s shown
		one(t, must(t, append([]string{"show", "--model", file, "--json"}, more...)...), &s)
		for _, l := range s.Layers {
			list = append(list, l.Name+": "+searched(l))
		}
		return list
	}
	want := []string{"stem.0: no: first layer", "conv1.0: yes", "conv2.0: yes", "conv3.0: yes", "down: yes; input of conv3.0", "fc: no: last layer"}
	if got := why(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	want[2] = "conv2.0: no: constraints"
	if got := why("--constraints", rules(t, "[pin]\n\"conv2*\" = \"4/4\"\n")); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Speed is measured of nets from files too; one of another task than the data, or that leaves its size open, is refused in one line.
func TestCommandsOnONNX(t *testing.T) {
	classifier, upscaler, open := netFile(t, "import_resnet_legacy.onnx"), netFile(t, "import_upscale_legacy.onnx"), netFile(t, "import_resnet_norms.onnx")
	must(t, "bench", "step", "--model", classifier, "--steps", "1", "--batch", "4")
	table := filepath.Join(t.TempDir(), "latency.csv")
	must(t, "profile", "--model", classifier, "--rounds", "1", "--out", table)
	must(t, "show", "--model", upscaler)
	for _, c := range []struct {
		args []string
		text string
	}{
		{[]string{"bench", "step", "--model", upscaler, "--steps", "1"}, "bench step times nets that classify"},
		{[]string{"search", "--model", upscaler, "--data", "digits"}, "the data set has 10 classes"},
		{[]string{"show", "--model", open}, "leaves the height open"},
		{[]string{"show", "--model", classifier + ".gone.onnx"}, "no such file"},
	} {
		code, _, errs := call(c.args...)
		if _, line, _ := strings.Cut(errs, "vimps-gpu: "); code == 0 || !strings.Contains(line, c.text) || strings.Count(line, "\n") != 1 {
			t.Errorf("%v: exit code %d, %s; want one line with %q", c.args, code, errs, c.text)
		}
	}
}

// A net from a file that makes images larger is trained as ESPCN is.
func TestRestoringONNX(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")
	must(t, "search", "--model", netFile(t, "import_upscale_legacy.onnx"), "--data", "sr:"+smallImages(t)+",scale=2,patch=8", "--out", run,
		"--epochs", "1", "--etas", "4", "--first-layer", "search")
	config, err := onesot.ReadConfig(run)
	if err != nil {
		t.Fatal(err)
	}
	if want := onesot.Defaults(onesot.OneShot, "espcn"); config.Settings.Optimizer != want.Optimizer || config.Settings.Eta1 != want.Eta1 ||
		config.Settings.LearningRate != want.LearningRate {
		t.Errorf("%+v, want %+v", config.Settings, want)
	}
}

// The hash of a model is that of its tensors too, wherever they lie.
func TestHashOfExternalData(t *testing.T) {
	hash := func(file string) string {
		t.Helper()
		h, err := hashOf(file)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	const name = "import_dense_dynamo.onnx"
	a, b := netFile(t, name), netFile(t, name)
	if hash(a) != hash(b) {
		t.Error("the same files have two hashes")
	}
	data, err := os.ReadFile(b + ".data")
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(b+".data", data, 0o666); err != nil {
		t.Fatal(err)
	}
	if hash(a) == hash(b) {
		t.Error("other tensors have the same hash")
	}
}
