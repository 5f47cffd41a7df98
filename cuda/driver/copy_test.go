//go:build cuda

package driver

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"
)

// Copies larger than a slot are split, and more of them than the ring has slots keep their order.
func TestCopies(t *testing.T) {
	c := simulated(t)
	for _, n := range []int{1, 3, stagingMin/4 + 1, stagingMax/2 + 5} {
		p := floats(t, c, n)
		want := ramp(n, 7)
		in(t, c, p, want)
		for i, v := range out(t, c, p, n) {
			if v != want[i] {
				t.Fatalf("n %d: [%d] = %g, want %g", n, i, v, want[i])
			}
		}
	}
	p := floats(t, c, 5*stagingSlots)
	for i := range 5 * stagingSlots {
		v := []float32{float32(i)}
		in(t, c, unsafe.Add(p, 4*i), v)
		v[0] = -1 // free again at once
	}
	for i, v := range out(t, c, p, 5*stagingSlots) {
		if v != float32(i) {
			t.Fatalf("[%d] = %g", i, v)
		}
	}
}

func TestGraph(t *testing.T) {
	c := simulated(t)
	const n = 100
	x, y := floats(t, c, n), floats(t, c, n)
	affine(t, c, affineArgs{y: y, x: x, n: n}) // looks the kernel up
	g, err := c.Capture(func() error {
		affine(t, c, affineArgs{y: y, x: x, a: 1, b: 1, n: n})
		return c.CopyOnDevice(x, y, 4*n)
	})
	ok(t, err)
	if g.Nodes() != 2 {
		t.Errorf("%d nodes, want 2", g.Nodes())
	}
	in(t, c, x, ramp(n, 0))
	for range 3 * launchesPerMark {
		ok(t, g.Launch())
	}
	for i, v := range out(t, c, x, n) {
		if v != float32(i+3*launchesPerMark) {
			t.Fatalf("x[%d] = %g", i, v)
		}
	}
	ok(t, g.Free())
}

func TestCaptureThatFails(t *testing.T) {
	c := simulated(t)
	x := floats(t, c, 1)
	var v float32
	for name, f := range map[string]func() error{
		"copy in":     func() error { return c.CopyIn(x, unsafe.Pointer(&v), 4) },
		"copy out":    func() error { return c.CopyOut(unsafe.Pointer(&v), x, 4) },
		"synchronize": c.Synchronize,
		"nested":      func() error { _, err := c.Capture(func() error { return nil }); return err },
		"own":         func() error { return errors.New("the caller's while a graph is captured") },
	} {
		if _, err := c.Capture(f); err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "captur") && !strings.Contains(err.Error(), "capture") {
			t.Errorf("%s: %v", name, err)
		}
		ok(t, c.Synchronize())
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		c.Capture(func() error { panic("in a capture") })
	}()
	in(t, c, x, []float32{5})
	if got := out(t, c, x, 1)[0]; got != 5 {
		t.Errorf("after failed captures: %g", got)
	}
}

// Two batches in flight: each is read before the next is copied over it.
func TestPrefetch(t *testing.T) {
	c := simulated(t)
	const n = 256
	batch, y := floats(t, c, n), floats(t, c, n)
	pinned, err := c.Pinned(4 * n)
	ok(t, err)
	host := unsafe.Slice((*float32)(unsafe.Pointer(&pinned[0])), n)
	for step := range 5 {
		ok(t, c.PrefetchWait())
		copy(host, ramp(n, float32(1000*step)))
		ok(t, c.Prefetch(batch, unsafe.Pointer(&pinned[0]), 4*n))
		ok(t, c.PrefetchDone())
		affine(t, c, affineArgs{y: y, x: batch, a: 1, b: 1, n: n})
		ok(t, c.ConsumedMark())
		if step == 0 { // the second copy must not overtake the first batch's kernel
			ok(t, c.PrefetchWait())
			copy(host, ramp(n, -5000))
			ok(t, c.Prefetch(batch, unsafe.Pointer(&pinned[0]), 4*n))
			ok(t, c.PrefetchDone())
		}
		for i, v := range out(t, c, y, n) {
			if v != float32(1000*step+i+1) {
				t.Fatalf("step %d: y[%d] = %g", step, i, v)
			}
		}
	}
	ok(t, c.FreePinned(pinned))
}

// After a kernel's fault every call returns it, in one line, and Close still ends. A child process does it, for the
// fault outlives the context.
func TestFaultIsSticky(t *testing.T) {
	if os.Getenv("VIMPS_TEST_FAULT") == "" {
		simulated(t)
		child := exec.Command(os.Args[0], "-test.run=TestFaultIsSticky", "-test.v")
		child.Env = append(os.Environ(), "VIMPS_TEST_FAULT=1")
		if text, err := child.CombinedOutput(); err != nil || !strings.Contains(string(text), "--- PASS") {
			t.Fatalf("%v\n%s", err, text)
		}
		return
	}
	c := simulated(t)
	x, err := c.Alloc(64)
	ok(t, err)
	affine(t, c, affineArgs{y: unsafe.Add(x, 1<<30), x: x, n: 16})
	err = c.Synchronize()
	if err == nil || !strings.Contains(err.Error(), "gpu:0 is lost") || !strings.Contains(err.Error(), ", 700)") {
		t.Fatal(err)
	}
	var v float32
	_, allocErr := c.Alloc(4)
	_, captureErr := c.Capture(func() error { return nil })
	for name, later := range map[string]error{"alloc": allocErr, "capture": captureErr, "copy in": c.CopyIn(x, unsafe.Pointer(&v), 4),
		"copy out": c.CopyOut(unsafe.Pointer(&v), x, 4), "synchronize": c.Synchronize(), "prefetch": c.Prefetch(x, unsafe.Pointer(&v), 4)} {
		if later == nil || later.Error() != err.Error() {
			t.Errorf("%s: %v", name, later)
		}
	}
}
