package cli

import (
	"encoding/binary"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vimps-gpu/onesot"
)

func write(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// twoClasses is a folder of 64 pictures in two classes.
func twoClasses(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for i := range 64 {
		img := image.NewGray(image.Rect(0, 0, 8, 8))
		img.Set(i%8, i/8, color.White)
		path := filepath.Join(dir, []string{"a", "b"}[i%2], string(rune('A'+i))+".png")
		writePNG(t, path, img)
	}
	return dir
}

// cifarFolder writes the six files of CIFAR-10 with 10,000 records each, then spoils one.
func cifarFolder(t *testing.T, spoil func([]byte) []byte) string {
	t.Helper()
	dir := t.TempDir()
	good := make([]byte, 10000*3073)
	for i := range 10000 {
		good[i*3073] = byte(i % 10)
	}
	for _, name := range []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"} {
		write(t, filepath.Join(dir, name), good)
	}
	write(t, filepath.Join(dir, "data_batch_3.bin"), spoil(append([]byte(nil), good...)))
	return dir
}

// idxFolder writes four IDX files whose image header claims count images of 8x8 where there are 20.
func idxFolder(t *testing.T, count uint32) string {
	t.Helper()
	dir := t.TempDir()
	for _, part := range []string{"train", "t10k"} {
		head := []byte{0, 0, 8, 3}
		for _, n := range []uint32{count, 8, 8} {
			head = binary.BigEndian.AppendUint32(head, n)
		}
		write(t, filepath.Join(dir, part+"-images-idx3-ubyte"), append(head, make([]byte, 20*64)...))
		labels := binary.BigEndian.AppendUint32([]byte{0, 0, 8, 1}, 20)
		write(t, filepath.Join(dir, part+"-labels-idx1-ubyte"), append(labels, make([]byte, 20)...))
	}
	return dir
}

// weightsFile is a safetensors file with the given header and as many data bytes.
func weightsFile(t *testing.T, header string, data int) string {
	t.Helper()
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return write(t, filepath.Join(t.TempDir(), "w.safetensors"), append(append(file, header...), make([]byte, data)...))
}

// TestBadInput: each with one line that names the file or flag, an exit code that is not 0, and no run directory.
func TestBadInput(t *testing.T) {
	corrupt := twoClasses(t)
	write(t, filepath.Join(corrupt, "a", "A.png"), []byte("\x89PNG\r\n\x1a\nnot a picture"))
	empty := twoClasses(t)
	if err := os.MkdirAll(filepath.Join(empty, "c"), 0o777); err != nil {
		t.Fatal(err)
	}
	huge := write(t, filepath.Join(t.TempDir(), "huge.safetensors"), binary.LittleEndian.AppendUint64(nil, 1<<60))
	for _, c := range []struct {
		name  string
		flags []string
		code  int
		says  []string
	}{
		{"truncated records", []string{"--data", "cifar10:" + cifarFolder(t, func(b []byte) []byte { return b[:len(b)-1] })}, ExitFailed, []string{"data_batch_3.bin"}},
		{"padded records", []string{"--data", "cifar10:" + cifarFolder(t, func(b []byte) []byte { return append(b, 0) })}, ExitFailed, []string{"data_batch_3.bin"}},
		{"label out of range", []string{"--data", "cifar10:" + cifarFolder(t, func(b []byte) []byte { b[3073] = 10; return b })}, ExitFailed, []string{"data_batch_3.bin", "label"}},
		{"IDX header that lies", []string{"--data", "idx:" + idxFolder(t, 1<<31)}, ExitFailed, []string{"train-images-idx3-ubyte"}},
		{"IDX header of more images", []string{"--data", "idx:" + idxFolder(t, 21)}, ExitFailed, []string{"train-images-idx3-ubyte"}},
		{"corrupt PNG", []string{"--data", "folder:" + corrupt}, ExitFailed, []string{"A.png"}},
		{"empty class folder", []string{"--data", "folder:" + empty}, ExitFailed, []string{filepath.Join(empty, "c")}},
		{"no such folder", []string{"--data", "idx:/nowhere/at/all"}, ExitFailed, []string{"/nowhere/at/all"}},
		{"unknown reader", []string{"--data", "tape:x"}, ExitFailed, []string{"tape"}},
		{"missing tensors", []string{"--weights", weightsFile(t, `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4)}, ExitFailed, []string{"--weights", "w.safetensors", "conv1.weight"}},
		{"wrong shape", []string{"--weights", weightsFile(t, `{"conv1.weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8)}, ExitFailed, []string{"--weights", "conv1.weight", "[2]"}},
		{"header of 2^60 bytes", []string{"--weights", huge}, ExitFailed, []string{"--weights", "huge.safetensors"}},
		{"no weights file", []string{"--weights", "/nowhere.safetensors"}, ExitFailed, []string{"--weights", "/nowhere.safetensors"}},
		{"code units without Adam", []string{"--code-learning-rate", "0.1"}, ExitUsage, []string{"--code-learning-rate 0.1", "--optimizer adam"}},
		{"bits out of range", []string{"--weight-bits", "1,2"}, ExitUsage, []string{"--weight-bits", "1 is outside 2 to 8"}},
		{"input bits out of range", []string{"--input-bits", "4,9"}, ExitUsage, []string{"--input-bits", "9"}},
		{"eta bounds reversed", []string{"--eta-min", "2", "--eta-max", "1"}, ExitUsage, []string{"--eta-min", "--eta-max"}},
		{"batch above the images", []string{"--batch", "1000000"}, ExitUsage, []string{"--batch"}},
		{"threads", []string{"--threads", "0"}, ExitUsage, []string{"--threads"}},
		{"isa", []string{"--isa", "neon"}, ExitUsage, []string{"neon", "avx2"}},
		{"device", []string{"--device", "gpu:99"}, ExitFailed, []string{"gpu:99"}},
		{"no device", []string{"--device", "tpu"}, ExitUsage, []string{"tpu", "gpu:N"}},
		{"model", []string{"--model", "vgg"}, ExitUsage, []string{"vgg", "resnet20"}},
		{"method", []string{"--method", "magic"}, ExitUsage, []string{"--method", "magic"}},
		{"net too small for the images", []string{"--first-layer", "9/8"}, ExitUsage, []string{"--first-layer"}},
		{"unknown flag", []string{"--epoch", "3"}, ExitUsage, []string{"--epoch"}},
		{"not a number", []string{"--epochs", "many"}, ExitUsage, []string{"--epochs", "many"}},
		{"argument", []string{"extra"}, ExitUsage, []string{"extra"}},
		{"eta list", []string{"--eta-list", "1,0.1"}, ExitUsage, []string{"--eta-list"}},
		{"eta outside", []string{"--eta-list", "1,100"}, ExitUsage, []string{"--eta-list"}},
	} {
		run := filepath.Join(t.TempDir(), "run")
		code, out, errs := call(append([]string{"search", "--out", run}, c.flags...)...)
		line := errorLine(t, out, errs)
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d: %s", c.name, code, c.code, line)
		}
		for _, want := range c.says {
			if !strings.Contains(line, want) {
				t.Errorf("%s: %q does not name %q", c.name, line, want)
			}
		}
		if _, err := os.Stat(run); err == nil {
			t.Errorf("%s: left %s with %q", c.name, run, names(t, run))
		}
	}
}

// TestBadFront: pick names what is wrong with a budget or a file.
func TestBadFront(t *testing.T) {
	front := write(t, filepath.Join(t.TempDir(), "front.json"), []byte(`{"points": [{}]}`))
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--run", front, "--max-bops", "0.5"}, ExitFailed, "front.json"},
		{[]string{"--run", t.TempDir(), "--max-bops", "0.5"}, ExitFailed, "front.json"},
		{[]string{"--run", front, "--max-bops", "lots"}, ExitUsage, "--max-bops"},
		{[]string{"--run", front, "--max-size", "0"}, ExitUsage, "--max-size"},
		{[]string{"--run", front, "--max-drop", "-1"}, ExitUsage, "--max-drop"},
		{[]string{"--run", front}, ExitUsage, "--max-bops"},
		{[]string{"--max-bops", "0.5"}, ExitUsage, "--run"},
	} {
		code, out, errs := call(append([]string{"pick"}, c.args...)...)
		if line := errorLine(t, out, errs); code != c.code || !strings.Contains(line, c.says) {
			t.Errorf("%v: exit code %d, %q", c.args, code, line)
		}
	}
}

// TestSecondProcess: a run that is open is refused, and stays as it is.
func TestSecondProcess(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")
	must(t, short(run)...)
	open, err := onesot.OpenRun(run)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	for _, args := range [][]string{{"search", "--out", run, "--resume"}, {"sweep", "--run", run}, short(run)} {
		code, out, errs := call(args...)
		if line := errorLine(t, out, errs); code != ExitFailed || !strings.Contains(line, run) || !strings.Contains(line, "in use") {
			t.Errorf("%v: exit code %d, %q", args, code, line)
		}
	}
	must(t, "eval", "--run", run, "--uniform", "8/8") // only reads
}

// mount gives a small file system of its own, or skips.
func mount(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("needs the right to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// TestFullDisk: a state that does not fit leaves no part of itself, and the one before it whole.
func TestFullDisk(t *testing.T) {
	dir := mount(t, "size=1600k")
	run := filepath.Join(dir, "run")
	code, out, errs := call(short(run, "--save-every", "5")...)
	line := errorLine(t, out, errs)
	if code != ExitFailed || !strings.Contains(line, run) || !strings.Contains(line, "no space left") {
		t.Errorf("exit code %d, %q", code, line)
	}
	if got := names(t, run); strings.Contains(got, "unfinished") {
		t.Errorf("left %s", got)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	must(t, "search", "--out", run, "--resume", "--etas", "8")
	undisturbed := filepath.Join(t.TempDir(), "run")
	must(t, short(undisturbed)...)
	mustEqual(t, "resumed with room", results(t, run), results(t, undisturbed))
}

// TestReadOnly: a run directory that cannot be written is named at once; eval, which only reads, works.
func TestReadOnly(t *testing.T) {
	dir := mount(t, "size=64m")
	run := filepath.Join(dir, "run")
	must(t, short(run)...)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=64m"); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"search", "--out", run, "--resume"}, {"sweep", "--run", run}, short(filepath.Join(dir, "new"))} {
		code, out, errs := call(args...)
		if line := errorLine(t, out, errs); code != ExitFailed || !strings.Contains(line, dir) || !strings.Contains(line, "read-only") {
			t.Errorf("%v: exit code %d, %q", args, code, line)
		}
	}
	must(t, "eval", "--run", run, "--uniform", "4/4")
}
