package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// listing is the names in dir.
func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// text writes s.
func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func TestWriteReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "run.json")
	for _, s := range []string{"a long first version", "second", ""} {
		if err := Write(path, text(s)); err != nil {
			t.Fatal(err)
		}
		if got := content(t, path); got != s {
			t.Errorf("holds %q, want %q", got, s)
		}
	}
	if got := listing(t, dir); got != "run.json" {
		t.Errorf("folder holds %s", got)
	}
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	if err := Write(path, text("x")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v, want 0666 less the umask 027", info.Mode(), err)
	}
}

func TestWriteKeepsOldFileOnError(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "run.json")
	if err := Write(path, text("old")); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	err := Write(path, func(w io.Writer) error {
		if err := text(strings.Repeat("new", 100_000))(w); err != nil {
			return err
		}
		if got := content(t, path); got != "old" {
			t.Errorf("while writing, the file holds %.10q", got)
		}
		return stop
	})
	if !errors.Is(err, stop) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = Write(path, func(io.Writer) error { panic("in the writer") })
	}()
	if got := content(t, path) + ", " + listing(t, dir); got != "old, run.json" {
		t.Errorf("file and folder: %s", got)
	}
}

func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	for path, part := range map[string]string{
		dir:                                "not a regular file",
		pipe:                               "not a regular file",
		filepath.Join(dir, "none", "file"): "no such file or directory",
	} {
		err := Write(path, text("x"))
		if err == nil || !strings.Contains(err.Error(), "cannot write "+path+": ") || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), marker) {
			t.Errorf("%s: error %v, want %q", path, err, part)
		}
	}
}

func TestWriteReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	want := error(syscall.EACCES)
	if os.Geteuid() == 0 { // no mode stops root, but a read-only file system does
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_RDONLY, "size=64k"); err != nil {
			t.Skipf("needs a user other than root, or the right to mount a tmpfs: %v", err)
		}
		defer syscall.Unmount(dir, 0)
		want = syscall.EROFS
	} else if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "run.json")
	err := Write(path, text("x"))
	if !errors.Is(err, want) || err.Error() != "cannot write "+path+": "+want.Error() {
		t.Errorf("error %v, want %v", err, want)
	}
}

func TestWriteOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("needs the right to mount a tmpfs: %v", err)
	}
	defer syscall.Unmount(dir, 0)
	path := filepath.Join(dir, "state")
	if err := Write(path, text("old")); err != nil {
		t.Fatal(err)
	}
	err := Write(path, text(strings.Repeat("x", 1<<20)))
	if !errors.Is(err, syscall.ENOSPC) || err.Error() != "cannot write "+path+": no space left on device" {
		t.Errorf("error %v", err)
	}
	if got := content(t, path) + ", " + listing(t, dir); got != "old, state" {
		t.Errorf("file and folder: %s", got)
	}
}

func TestRemoveLeftovers(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"state", ".lock", ".state" + marker + "17", "notes" + marker + "1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := RemoveLeftovers(dir); err != nil {
		t.Fatal(err)
	}
	if got := listing(t, dir); got != ".lock notes"+marker+"1 state" {
		t.Errorf("folder holds %s", got)
	}
}
