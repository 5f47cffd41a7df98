//go:build cuda

package driver

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// everything makes every driver call that a training run makes, once or more.
func everything() (err error) {
	ptx, err := os.ReadFile("testdata/affine.ptx")
	if err != nil {
		return err
	}
	if _, err := Devices(); err != nil {
		return err
	}
	c, err := Open(0, map[string][]byte{"affine": ptx})
	if err != nil {
		return err
	}
	defer func() {
		if e := c.Close(); err == nil {
			err = e
		}
	}()
	const n = 20000
	var p [2]unsafe.Pointer
	for i := range p {
		if p[i], err = c.Alloc(4 * n); err != nil {
			return err
		}
	}
	f, err := c.Function("reverse")
	if err != nil {
		return err
	}
	launch := func() error {
		a := affineArgs{y: p[1], x: p[0], n: n}
		return c.Launch(f, [3]int{1, 1, 1}, 32, 4*n, a.blob())
	}
	g, err := c.Capture(func() error { return cmp.Or(launch(), c.CopyOnDevice(p[0], p[1], 4*n)) })
	if err != nil {
		return err
	}
	pinned, err := c.Pinned(4 * n)
	if err != nil {
		return err
	}
	_, _, infoErr := c.MemInfo()
	host := unsafe.Pointer(&pinned[0])
	for _, step := range []func() error{
		func() error { return infoErr },
		func() error { return c.CopyIn(p[0], host, 4*n) },
		func() error { return c.Prefetch(p[1], host, 4*n) }, c.PrefetchDone, launch,
		func() error {
			c.marks.launches = launchesPerMark
			return g.Launch()
		},
		c.ConsumedMark, c.PrefetchWait,
		func() error { return c.CopyOut(host, p[0], 4*n) }, c.Synchronize,
		func() error { return c.FreePinned(pinned) }, g.Free,
		func() error { return c.Free(p[0]) }, func() error { return c.Free(p[1]) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// TestEveryCallFails lets each driver call fail in turn: the error comes back in one line that names it. Calls that
// only ask for an error's text are left out.
func TestEveryCallFails(t *testing.T) {
	if os.Getenv("VIMPS_TEST_EVERYTHING") != "" {
		if err := everything(); err != nil {
			fmt.Println(err)
			os.Exit(3)
		}
		return
	}
	if os.Getenv("VIMPS_LIBCUDA") == "" {
		t.Skip("needs VIMPS_LIBCUDA, the simulator's libcuda.so.1: make test-sim sets it")
	}
	run := func(env string) (string, error) {
		child := exec.Command(os.Args[0], "-test.run=TestEveryCallFails")
		child.Env = append(os.Environ(), "VIMPS_TEST_EVERYTHING=1", "GORACE=atexit_sleep_ms=0", env)
		out, err := child.CombinedOutput()
		return string(out), err
	}
	trace := filepath.Join(t.TempDir(), "trace")
	if out, err := run("VIMPS_SIM_TRACE=" + trace); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	called := calledIn(t, trace)
	if len(called) < 30 {
		t.Errorf("only %d driver calls in the trace: %v", len(called), called)
	}
	for _, name := range called {
		if strings.HasPrefix(name, "cuGetError") {
			continue
		}
		out, err := run("VIMPS_SIM_FAIL=" + name + ":1:719")
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 3 || strings.Count(out, "\n") != 1 || !strings.Contains(out, "CUDA_ERROR_LAUNCH_FAILED, 719)") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// calledIn lists the driver calls of a trace, each once.
func calledIn(t *testing.T, trace string) (names []string) {
	t.Helper()
	file, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for s := bufio.NewScanner(file); s.Scan(); {
		if name, _, ok := strings.Cut(s.Text(), "("); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
