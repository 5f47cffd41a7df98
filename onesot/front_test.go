package onesot

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"vimps-gpu/quant"
)

// smallFront has three searched layers' worth of children with made-up accuracies.
func smallFront(t testing.TB) *Front {
	t.Helper()
	layers := []quant.Layer{
		{Name: "conv1", MACs: 1000, Weights: 90, OutChannels: 10, SignedInput: true},
		{Name: "conv2", MACs: 4000, Weights: 900, OutChannels: 10},
		{Name: "fc", MACs: 100, Weights: 100, OutChannels: 10, PerTensor: true},
	}
	s, err := quant.NewSpace(layers, quant.DefaultPolicy())
	if err != nil {
		t.Fatal(err)
	}
	bops, size := quant.BOPs(s), quant.SizeBytes(s)
	f := &Front{Method: "oneshot", Model: "small", Data: "made up",
		Cost: CostInfo{bops.Name, bops.Unit, bops.Definition, bops.Max()}}
	for i, c := range []struct {
		eta         float64
		w, x        int
		accuracyVal float64
	}{{0.001, 8, 8, 0.9231}, {0.1, 4, 8, 0.9300}, {0.3, 8, 4, 0.9000}, {1, 4, 4, 0.9131}, {10, 2, 2, 0.5}} {
		a, err := quant.Uniform(s, c.w, c.x)
		if err != nil {
			t.Fatal(err)
		}
		f.Points = append(f.Points, Point{Eta: c.eta, BOPs: bops.Cost(a), RelativeBOPs: bops.Relative(a), SizeBytes: size.Cost(a),
			Cost: bops.Cost(a), AccuracyVal: c.accuracyVal, AccuracyTest: c.accuracyVal - 0.01, LossVal: float64(i), Assignment: a})
	}
	MarkFront(f.Points)
	return f
}

func TestMarkFront(t *testing.T) {
	f := smallFront(t)
	var marks []bool
	for _, p := range f.Points {
		marks = append(marks, p.OnFront)
	}
	// 4/8 and 8/4 cost the same; 8/8 costs more than 4/8 and is less accurate.
	if diff := cmp.Diff([]bool{false, true, false, true, true}, marks); diff != "" {
		t.Errorf("marks (-want +got):\n%s", diff)
	}
	ties := []Point{{Cost: 2, AccuracyVal: 0.5}, {Cost: 1, AccuracyVal: 0.5}, {Cost: 1, AccuracyVal: 0.5}}
	MarkFront(ties)
	if ties[0].OnFront || !ties[1].OnFront || ties[2].OnFront {
		t.Errorf("of equal accuracy the first of the cheapest must stay, and only it: %+v", ties)
	}
}

// drawPlaces draws points on a coarse grid, so that ties happen.
func drawPlaces(t *rapid.T) []CostAccuracy {
	place := rapid.Custom(func(t *rapid.T) CostAccuracy {
		return CostAccuracy{float64(rapid.IntRange(0, 12).Draw(t, "cost")) / 10, float64(rapid.IntRange(0, 10).Draw(t, "accuracy")) / 10}
	})
	return rapid.SliceOfN(place, 0, 12).Draw(t, "places")
}

func TestMarkFrontAgainstDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var points []Point
		for _, p := range drawPlaces(t) {
			points = append(points, Point{Cost: p.Cost, AccuracyVal: p.Accuracy})
		}
		MarkFront(points)
		for i, p := range points {
			want := true
			for j, q := range points {
				noWorse := q.Cost <= p.Cost && q.AccuracyVal >= p.AccuracyVal
				better := q.Cost < p.Cost || q.AccuracyVal > p.AccuracyVal || j < i
				want = want && !(noWorse && better)
			}
			if p.OnFront != want {
				t.Fatalf("point %d of %+v: on front %v, want %v", i, points, p.OnFront, want)
			}
		}
	})
}

// The area is counted cell by cell on the grid that the points lie on.
func TestHypervolumeAgainstCells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		places := drawPlaces(t)
		const refCost, refAccuracy = 10, 1 // tenths
		cells := 0
		for c := range refCost {
			for a := refAccuracy; a < 10; a++ {
				for _, p := range places {
					if p.Cost*10 <= float64(c)+0.5 && p.Accuracy*10 >= float64(a)+0.5 {
						cells++
						break
					}
				}
			}
		}
		got := Hypervolume(places, CostAccuracy{refCost / 10.0, refAccuracy / 10.0})
		if math.Abs(got-float64(cells)/100) > 1e-12 {
			t.Fatalf("%v: hypervolume %g, want %g", places, got, float64(cells)/100)
		}
	})
}

func TestHypervolumeOfOnePoint(t *testing.T) {
	ref := CostAccuracy{1, 0.1}
	if got := Hypervolume([]CostAccuracy{{0.25, 0.9}}, ref); math.Abs(got-0.6) > 1e-15 {
		t.Errorf("got %g, want 0.6", got)
	}
	if got := Hypervolume([]CostAccuracy{{0.5, math.NaN()}, {2, 0.9}, {0.5, 0.05}}, ref); got != 0 {
		t.Errorf("points outside: got %g, want 0", got)
	}
}

func writeTemp(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "front.json")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFrontFileRoundTrip(t *testing.T) {
	f := smallFront(t)
	f.FP32 = &Accuracy{Val: 0.95, Test: 0.94}
	data, err := f.JSON()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ReadFront(writeTemp(t, data))
	if err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	if diff := cmp.Diff(f, back); diff != "" {
		t.Errorf("wrote, read (-want +got):\n%s", diff)
	}
	if lines := strings.Count(string(data), "\n"); lines > 25 {
		t.Errorf("front.json of 5 points has %d lines, want a line a point", lines)
	}
}

func TestReadFrontRefuses(t *testing.T) {
	data, err := smallFront(t).JSON()
	if err != nil {
		t.Fatal(err)
	}
	good := string(data)
	cut := func(s string) string { return good[:strings.Index(good, s)] }
	for name, c := range map[string]struct{ data, want string }{
		"empty":        {"", "unexpected end"},
		"truncated":    {cut(`"accuracy_test"`), "unexpected end"},
		"no points":    {`{"cost":{"name":"bops","max":1},"points":[]}`, "no points"},
		"null point":   {`{"cost":{"name":"bops","max":1},"points":[null]}`, "point 0: no eta"},
		"no field":     {strings.Replace(good, `"accuracy_val"`, `"accuracy"`, 1), "point 0: no accuracy_val"},
		"no max":       {strings.Replace(good, `"max"`, `"most"`, 1), "cost: want a name and a max"},
		"accuracy":     {strings.Replace(good, "0.9231", "92.31", 1), "point 0: accuracy_val 92.31"},
		"bops":         {strings.Replace(good, `"bops":3`, `"bops":-3`, 1), "point 0: bops -3"},
		"bits":         {strings.Replace(good, `"weight":8`, `"weight":16`, 1), "16 is outside 2 to 8"},
		"layer":        {strings.Replace(good, `"conv2"`, `"conv9"`, 1), "point 1: its layers"},
		"mark":         {strings.Replace(good, `"on_front":true`, `"on_front":false`, 1), "point 1: on_front is false"},
		"same child":   {sameChild(good), "point 2: the same child as point 1"},
		"no such type": {strings.Replace(good, `"eta":0.001`, `"eta":"low"`, 1), "eta"},
	} {
		_, err := ReadFront(writeTemp(t, []byte(c.data)))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "front.json") {
			t.Errorf("%s: error %v, want the file and %q", name, err, c.want)
		}
	}
}

// sameChild gives the third child the bits of the second.
func sameChild(front string) string {
	return strings.Replace(front, `"conv2":{"weight":8,"input":4}`, `"conv2":{"weight":4,"input":8}`, 1)
}

func FuzzFront(f *testing.F) {
	data, err := smallFront(f).JSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"points":[{"assignment":{}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		front, err := parseFront(data)
		if err != nil {
			return
		}
		if _, err := front.Pick(Budget{}); err != nil {
			t.Fatalf("read a front that nothing can be picked from: %v", err)
		}
		again, err := front.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseFront(again); err != nil {
			t.Fatalf("wrote what it cannot read: %v\n%s", err, again)
		}
	})
}
