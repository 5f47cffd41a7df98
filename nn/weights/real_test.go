package weights

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// realFile finds a file of real data: under $VIMPS_DATA or, unset, ../shared/data
// beside the repository. The test is skipped where there is none.
func realFile(t *testing.T, folder, name string) string {
	t.Helper()
	root := os.Getenv("VIMPS_DATA")
	if root == "" {
		repo, err := filepath.Abs(".")
		if err != nil {
			t.Fatal(err)
		}
		for ; repo != filepath.Dir(repo); repo = filepath.Dir(repo) {
			if _, err := os.Stat(filepath.Join(repo, "go.mod")); err == nil {
				break
			}
		}
		root = filepath.Join(repo, "..", "shared", "data")
	}
	path := filepath.Join(root, folder, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs %s under VIMPS_DATA (real data not found)", folder)
	}
	return path
}

// The count that the file's authors state for ResNet-20 is 0.27 million; exactly, it
// is 9 pairs of 3x3 convolutions, the stem, their norms and the classifier.
func TestRealResNet20(t *testing.T) {
	f, err := ReadFile(realFile(t, "weights", "resnet20_cifar10.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	trainable := 0
	for _, name := range f.Names() {
		tensor := f.Tensors[name]
		t.Log(name, tensor.Shape())
		if !strings.Contains(name, "running_") {
			trainable += tensor.DataSize()
		}
	}
	if len(f.Tensors) != 97 || trainable != 269722 {
		t.Errorf("%d tensors, %d trainable values, want 97 and 269,722", len(f.Tensors), trainable)
	}
	if err := f.CheckFinite(); err != nil {
		t.Error(err)
	}
	if _, err := f.Float32("layer2.0.conv1.weight", 32, 16, 3, 3); err != nil {
		t.Error(err)
	}
	variance, err := f.Float32("layer3.2.bn2.running_var", 64)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range variance {
		if v <= 0 {
			t.Errorf("running_var[%d] = %v, want a positive value", i, v)
		}
	}
	if f.Metadata["source"] == "" {
		t.Errorf("metadata %v has no source", f.Metadata)
	}
}
