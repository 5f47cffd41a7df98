package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/model"
	"vimps-gpu/nn/weights"
)

// walk is the indented block below a heading of README.md, a command line each.
func walk(t *testing.T, heading string) (commands []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("README.md has no heading %q", heading)
	}
	for line := range strings.Lines(after) {
		command, indented := strings.CutPrefix(line, "    ")
		if indented {
			commands = append(commands, strings.TrimSpace(command))
		} else if len(commands) > 0 {
			break
		}
	}
	return commands
}

// README's six commands, as they stand there, take a checkpoint with timm's names and a folder of images to an ONNX file that
// verify finds equal to the child in the run.
func TestReadmeWalk(t *testing.T) {
	commands := walk(t, "From a checkpoint to ONNX in six commands")
	if len(commands) != 6 {
		t.Fatalf("README.md has %d commands, want 6:\n%s", len(commands), strings.Join(commands, "\n"))
	}
	t.Chdir(t.TempDir())
	const classes = 2
	for k := range classes {
		pictures(t, filepath.Join("photos", fmt.Sprintf("class%d", k)), 24)
	}
	writeCheckpoint(t, "mobilenetv2_100.safetensors", classes)
	var last string
	for _, command := range commands {
		words := strings.Fields(command)
		if words[0] != "bin/vimps-gpu" {
			t.Fatalf("%q is no command of the program", command)
		}
		last = must(t, words[1:]...)
	}
	if info, err := os.Stat("photos.onnx"); err != nil || info.Size() < 500<<10 {
		t.Errorf("photos.onnx: %v, %v", info, err)
	}
	if !strings.Contains(last, "same class on 8 of 8 images") {
		t.Errorf("verify says %q", last)
	}
}

// writeCheckpoint writes a MobileNet-v2 with random filters, as timm names its tensors.
func writeCheckpoint(t *testing.T, path string, classes int) {
	t.Helper()
	dev, err := cuda.Open(cuda.Options{Device: "host"})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	m, err := model.Find("mobilenetv2")
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Graph(model.Input{H: 64, W: 64, C: 3, Classes: classes})
	if err != nil {
		t.Fatal(err)
	}
	p := nn.NewParams(dev, g, nn.Config{})
	defer p.Free()
	p.Init(1)
	named := p.Export()
	for i := range named {
		for _, n := range g.Nodes {
			if rest, found := strings.CutPrefix(named[i].Name, n.Name+"."); found && n.Alias != "" && !strings.Contains(rest, ".") {
				named[i].Name = n.Alias + "." + rest
				break
			}
		}
	}
	if !slices.ContainsFunc(named, func(n weights.Named) bool { return n.Name == "blocks.0.0.conv_dw.weight" }) {
		t.Fatal("these are not timm's names")
	}
	if err := weights.WriteFile(path, named, nil); err != nil {
		t.Fatal(err)
	}
}
