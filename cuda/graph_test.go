package cuda

import (
	"strings"
	"testing"

	"vimps-gpu/kernels"
)

func open(t *testing.T, o Options) *Device {
	t.Helper()
	d, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// mustPanic runs f and wants a panic that names every word.
func mustPanic(t *testing.T, f func(), words ...string) {
	t.Helper()
	defer func() {
		t.Helper()
		text, _ := recover().(string)
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Errorf("panic %q does not name %q", text, w)
			}
		}
	}()
	f()
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Device: "gpu:99"}, `"gpu:99"`}, {Options{Device: "gpu:-1"}, `"gpu:-1"`}, {Options{Device: "gpu0"}, `"gpu0"`}, {Options{Precision: "fp8"}, `"fp8"`}, {Options{ISA: "sse9"}, `"sse9"`}, {Options{Threads: -1}, "-1"}, {Options{Threads: 5000}, "5000"},
	} {
		if _, err := Open(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v does not name %s", c.o, err, c.want)
		}
	}
}

// Consecutive ops over the same images share a region; another axis, other units or a serial op begin a new one,
// even where the numbers of units are equal.
func TestRegions(t *testing.T) {
	d := open(t, Options{Device: "host", Threads: 2})
	x, y := d.NewAct(0, 16, 2, 2, 16), d.NewAct(0, 16, 2, 2, 16)
	wide := d.NewAct(0, 8, 2, 2, 16)
	f := d.NewFilter(ConvGeom{C: 16, K: 16, R: 1, S: 1, Stride: 1, Dilation: 1, Groups: 1}, 2, 2, true, false)
	w, sum := d.New(Float32, 16, 1, 1, 16), d.New(Float32, 16)
	g := d.Record(func() {
		ConvPack(f, w) // 16 output channels
		MixInput(y, x, nil)
		Conv(x, y, f, nil)          // with the copy before it: 16 images
		SumRows(sum, x, nil, false) // serial
		MixInput(y, x, nil)
		MixInput(wide, wide, nil) // 8 images
	})
	defer g.Free()
	var got []string
	for _, r := range g.program.(*hostProgram).regions {
		got = append(got, strings.Join(r.names, "+"))
	}
	want := []string{"filter pack", "input mix+conv", "sum rows", "input mix", "input mix"}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("regions %q, want %q", got, want)
	}
}

// A recording runs nothing until it is launched, and again with each launch; outside a recording an op runs at once.
func TestRecordAndLaunch(t *testing.T) {
	d := open(t, Options{Device: "host", Threads: 3})
	one, total := d.From([]float32{1, 2, 3}, 3), d.New(Float32, 3)
	g := d.Record(func() { AddScaled(total, one, nil) })
	defer g.Free()
	if total.At(2) != 0 {
		t.Error("recording ran the op")
	}
	g.Launch()
	g.Launch()
	AddScaled(total, one, nil)
	if got := total.Get(nil); got[0] != 3 || got[1] != 6 || got[2] != 9 {
		t.Errorf("two launches and one call gave %v", got)
	}
	mustPanic(t, func() { d.Record(func() { d.Record(func() {}) }) }, "Record")
}

// Every unit is done exactly once for any number of units and workers.
func TestEachUnitOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 7} {
		d := open(t, Options{Device: "host", Threads: threads})
		for _, n := range []int{1, 2, 15, 16, 17, 33, 100} {
			x, sum := d.NewAct(1, n, 3, 1, 1), d.NewAct(0, n, 3, 1, 1)
			ones := make([]float32, 3*n)
			for i := range ones {
				ones[i] = 1
			}
			x.Set(ones)
			g := d.Record(func() { MixInputGrad(sum, nil, x, x, nil, true) }) // sum += x
			g.Launch()
			g.Launch()
			for i, v := range sum.Get(nil) {
				if v != 2 {
					t.Fatalf("%d units on %d workers: value %d is %g after two launches", n, threads, i, v)
				}
			}
			g.Free()
		}
	}
}

func TestTensors(t *testing.T) {
	d := open(t, Options{Device: "host"})
	before := d.Bytes()
	x := d.NewAct(2, 2, 3, 4, 5)
	values := make([]float32, x.Len())
	for i := range values {
		values[i] = float32(i + 1)
	}
	x.Set(values)
	for i, v := range x.Get(nil) {
		if v != values[i] {
			t.Fatalf("value %d came back as %g", i, v)
		}
	}
	if want := 2 * 7 * 8 * 5 * 4; x.Bytes() != want {
		t.Errorf("%d bytes with a border of 2, want %d", x.Bytes(), want)
	}
	x.Free()
	if d.Bytes() != before || d.PeakBytes() <= before {
		t.Errorf("%d bytes before, %d after, %d at most", before, d.Bytes(), d.PeakBytes())
	}
	flat := d.From([]float32{0, 1, 2, 3, 4, 5}, 6)
	if v := flat.View(2, 2, 2).Get(nil); v[0] != 2 || v[3] != 5 {
		t.Errorf("a view of 2..5 holds %v", v)
	}
	mustPanic(t, func() { flat.View(4, 3) }, "View", "[3]", "[6]")
	mustPanic(t, func() { flat.Set(make([]float32, 5)) }, "5 values", "[6]")
	mustPanic(t, func() { flat.SetInt32(make([]int32, 6)) }, "i32", "f32")
}

// A refusal of the machine's memory becomes an error that says what to do.
func TestGuardReportsMemory(t *testing.T) {
	d := open(t, Options{Device: "host"})
	err := Guard(func() error { d.alloc(1 << 60); return nil })
	if err == nil || !strings.Contains(err.Error(), "out of memory") || !strings.Contains(err.Error(), "batch") {
		t.Errorf("error %v", err)
	}
	if kernels.MaxBits != MaxBits {
		t.Error("rows of gate matrices differ")
	}
}
