package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// program is the built binary, for tests that kill it.
var program string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "vimps-gpu-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "vimps-gpu")
	if out, err := exec.Command("go", "build", "-tags", tags(), "-o", program, "./vimps-gpu").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// tags are those that the tests are built with, and so the program too: what it is made of is then compiled already.
func tags() string {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-tags" {
			return s.Value
		}
	}
	return ""
}

// call runs a command line in this process.
func call(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = Main(context.Background(), append([]string{"vimps-gpu"}, args...), &out, &errs)
	return code, out.String(), errs.String()
}

// must runs a command line that works and returns what it printed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := call(args...)
	if code != ExitOK {
		t.Fatalf("vimps-gpu %s: exit code %d\n%s", strings.Join(args, " "), code, errs)
	}
	return out
}

// short is a search of a second or less.
func short(out string, more ...string) []string {
	args := []string{"search", "--out", out, "--epochs", "3", "--pretrain-epochs", "3", "--batch", "64", "--etas", "8", "--threads", "2"}
	return append(args, more...)
}

// one decodes what must be exactly one JSON object.
func one(t *testing.T, text string, v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	if d.More() || !strings.HasPrefix(text, "{") {
		t.Fatalf("more than one JSON object: %q", text)
	}
}

func hash(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// names lists a folder.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

// errorLine is the one line that a failed command must print: the last of stderr, with nothing on stdout.
func errorLine(t *testing.T, stdout, stderr string) string {
	t.Helper()
	if stdout != "" {
		t.Errorf("a failed command printed %q", stdout)
	}
	lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
	found := 0
	for _, l := range lines {
		if strings.HasPrefix(l, "vimps-gpu: ") {
			found++
		}
	}
	last := lines[len(lines)-1]
	if found != 1 || !strings.HasPrefix(last, "vimps-gpu: ") {
		t.Errorf("want one error line at the end, got %q", stderr)
	}
	return last
}
