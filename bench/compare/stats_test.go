package compare

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"
)

// TestTauBGolden: the values are SciPy's (testdata/gen_tau.py).
func TestTauBGolden(t *testing.T) {
	data, err := os.ReadFile("testdata/tau.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		X, Y []float64
		Tau  *float64
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 10 {
		t.Fatalf("only %d cases", len(cases))
	}
	for i, c := range cases {
		got, ok := TauB(c.X, c.Y)
		if ok != (c.Tau != nil) {
			t.Errorf("case %d: available %v, SciPy says %v", i, ok, c.Tau != nil)
		} else if ok && math.Abs(got-*c.Tau) > 1e-12 {
			t.Errorf("case %d: tau %v, SciPy %v", i, got, *c.Tau)
		}
	}
}

func TestTauBNotAvailable(t *testing.T) {
	for name, c := range map[string][2][]float64{
		"two pairs": {{1, 2}, {1, 2}}, "none": {{}, {}}, "x tied": {{1, 1, 1}, {1, 2, 3}}, "y tied": {{1, 2, 3}, {7, 7, 7}},
		"NaN": {{1, math.NaN(), 3}, {1, 2, 3}},
	} {
		if tau, ok := TauB(c[0], c[1]); ok {
			t.Errorf("%s: %v, want not available", name, tau)
		}
	}
}

// column has n children whose score orders them but for a share of noise.
func column(n int, noise float64, seed uint64) Column {
	c := Column{}
	r := stream{seed: seed, kind: 0xEE}
	for i := range n {
		c.Score = append(c.Score, float64(i)+noise*float64(n)*(r.uniform(uint32(i), 0)-0.5))
		c.Tuned = append(c.Tuned, []float64{float64(i), float64(i) + r.uniform(uint32(i), 1), float64(i) - r.uniform(uint32(i), 2)})
	}
	return c
}

func TestBootstrap(t *testing.T) {
	var samples []Sample
	for seed := range uint64(3) {
		good, bad := column(20, 0.2, seed), column(20, 20, seed)
		bad.Tuned = good.Tuned
		samples = append(samples, Sample{good, bad})
	}
	b := NewBootstrap(samples, false, 1)
	good, bad, diff := b.Tau(0), b.Tau(1), b.Difference(0, 1)
	for name, e := range map[string]*Estimate{"good": good, "bad": bad, "difference": diff} {
		if !(e.Low <= e.Value && e.Value <= e.High && e.Low < e.High) {
			t.Errorf("%s: %+v, want low <= value <= high", name, *e)
		}
	}
	if good.Value < 0.8 || math.Abs(bad.Value) > 0.5 || diff.Low <= 0 {
		t.Errorf("good %+v, bad %+v, difference %+v", *good, *bad, *diff)
	}
	if d := good.Value - bad.Value; math.Abs(d-diff.Value) > 1e-12 {
		t.Errorf("difference %v, want %v", diff.Value, d)
	}
	if again := NewBootstrap(samples, false, 1).Tau(0); *again != *good {
		t.Errorf("the same seed gave %+v, then %+v", *good, *again)
	}
	if other := NewBootstrap(samples, false, 2).Tau(0); *other == *good {
		t.Error("another seed gave the same interval")
	}
	if got := b.Difference(0, 0); got.Low != 0 || got.High != 0 {
		t.Errorf("a column less itself: %+v, want nothing but 0: the replicates are not paired", *got)
	}
}

// TestBootstrapCovers: of many samples of a population whose tau is known, about 95 % have it in their interval.
func TestBootstrapCovers(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of CPU time")
	}
	// For normal pairs of correlation r, tau is 2/pi asin(r) (Greiner 1909).
	const n, trials, corr = 20, 60, 0.7
	want, covered := 2/math.Pi*math.Asin(corr), 0
	for trial := range uint32(trials) {
		r := stream{seed: 11, kind: 0xEF, item: trial}
		normal := func(i, which uint32) float64 {
			return math.Sqrt(-2*math.Log(1-r.uniform(i, 2*which))) * math.Cos(2*math.Pi*r.uniform(i, 2*which+1))
		}
		var c Column
		for i := range uint32(n) {
			x := normal(i, 0)
			c.Score, c.Tuned = append(c.Score, x), append(c.Tuned, []float64{corr*x + math.Sqrt(1-corr*corr)*normal(i, 1)})
		}
		if e := NewBootstrap([]Sample{{c}}, false, 1).Tau(0); e.Low <= want && want <= e.High {
			covered++
		}
	}
	if covered < 50 {
		t.Errorf("%d of %d intervals hold tau %.3f, want about 57", covered, trials, want)
	}
}

// TestBootstrapSharedChildren: search seeds that judge the same children alike say no more of the children than one does;
// those of children of their own do.
func TestBootstrapSharedChildren(t *testing.T) {
	c := column(20, 0.8, 3)
	one := NewBootstrap([]Sample{{c}}, true, 1).Tau(0)
	three := NewBootstrap([]Sample{{c}, {c}, {c}}, true, 1).Tau(0)
	if math.Abs(three.Low-one.Low) > 1e-9 || math.Abs(three.High-one.High) > 1e-9 {
		t.Errorf("one seed %+v, three that say the same of the same children %+v", *one, *three)
	}
	own := NewBootstrap([]Sample{{c}, {c}, {c}}, false, 1).Tau(0)
	if share := (own.High - own.Low) / (one.High - one.Low); share > 0.8 {
		t.Errorf("the interval of three seeds with children of their own is %.2f of that of one seed; want about 0.58", share)
	}
}

// TestResampleTies: whatever is drawn twice has the same outcome twice.
func TestResampleTies(t *testing.T) {
	for r := range uint32(50) {
		d := resample([]Sample{{column(12, 0.2, 5)}}, false, stream{seed: 1, kind: streamBootstrap, item: r})[0]
		seeds := map[int][]int{}
		for i, child := range d.children {
			if had, ok := seeds[child]; ok && !slices.Equal(had, d.seeds[i]) {
				t.Fatalf("replicate %d: child %d has fine-tuning seeds %v and %v", r, child, had, d.seeds[i])
			}
			seeds[child] = d.seeds[i]
		}
	}
}

func TestBootstrapNotAvailable(t *testing.T) {
	two := column(2, 0, 1)
	tied := column(5, 0, 1)
	for i := range tied.Score {
		tied.Score[i] = 1
	}
	b := NewBootstrap([]Sample{{two}}, false, 1)
	if b.Tau(0) != nil {
		t.Error("two children have a tau")
	}
	b = NewBootstrap([]Sample{{tied, column(5, 0, 1)}}, false, 1)
	if b.Tau(0) != nil || b.Difference(0, 1) != nil || b.Difference(1, 0) != nil || b.Tau(1) == nil {
		t.Error("a column whose scores are all equal has a tau, or a difference")
	}
	if b.Tau(2) != nil || NewBootstrap(nil, false, 1).Tau(0) != nil {
		t.Error("a column that is not there has a tau")
	}
}

func TestQuantile(t *testing.T) {
	sorted := []float64{0, 1, 2, 3, 4}
	for q, want := range map[float64]float64{0: 0, 0.5: 2, 1: 4, 0.125: 0.5} {
		if got := quantile(sorted, q); got != want {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
	if !slices.IsSorted(sorted) {
		t.Error("the input was changed")
	}
}
