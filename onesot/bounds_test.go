package onesot

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// latencyFront is smallFront with memory, searched by a latency that is 1 us a weight bit.
func latencyFront(t testing.TB) *Front {
	f := smallFront(t)
	f.Cost = CostInfo{Name: "latency", Unit: "ms", Max: 0.024}
	for i := range f.Points {
		p, sum := &f.Points[i], 0.0
		for k := range p.Assignment.Len() {
			w, x := p.Assignment.Bits(k)
			sum += float64(w) / 1000
			p.MemoryBytes += float64(1000 * x)
		}
		p.Cost = sum
	}
	return f
}

func table(t testing.TB) string {
	text := "layer,weight_bits,input_bits,cost_mJ\n"
	for _, name := range []string{"conv1", "conv2", "fc"} {
		for _, pair := range []string{"2,2,1", "2,8,2", "4,4,2", "4,8,3", "8,4,4", "8,2,3", "2,4,1", "4,2,1", "8,8,5"} {
			text += name + "," + pair + "\n"
		}
	}
	path := filepath.Join(t.TempDir(), "energy.csv")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBudgetsCombine(t *testing.T) {
	f, energy := latencyFront(t), table(t)
	for _, c := range []struct {
		bounds []string
		want   int
		uses   string
	}{
		{[]string{"memory=24K", "bops=1"}, 1, "relative BOPs: 0.6078 of 1, 0.3922 left; memory: 24000 bytes of 24000 bytes, 0 bytes left"},
		{[]string{"memory=20000"}, 3, "memory: 20000 bytes of 20000 bytes, 0 bytes left"},
		{[]string{"latency=20us"}, 1, "latency: 0.02 ms of 0.02 ms, 0 ms left"},
		{[]string{"latency= 19 us"}, 4, "latency: 0.018 ms of 0.019 ms"},
		{[]string{"latency=80%", "memory=20K"}, 4, "latency: 0.018 ms of 0.0192 ms"},
		{[]string{"energy:" + energy + "=12mJ", "memory=23K"}, 3, "energy: 12 mJ of 12 mJ, 0 mJ left"},
		{[]string{energy + "=11"}, 4, "energy: 11 mJ of 11 mJ"},
		{[]string{"drop=1", "memory=20k"}, 3, "drop from the all-maximum child: 1 points of 1 points"},
	} {
		b, err := f.Budget(c.bounds)
		if err != nil {
			t.Errorf("%v: %v", c.bounds, err)
			continue
		}
		got, err := f.Pick(b)
		if err != nil {
			t.Errorf("%v: %v", c.bounds, err)
			continue
		}
		var uses []string
		for _, u := range got.Uses {
			uses = append(uses, u.String())
		}
		if text := strings.Join(uses, "; "); got.Index != c.want || !strings.Contains(text, c.uses) {
			t.Errorf("%v: picked %d (%s), want %d (%s)", c.bounds, got.Index, text, c.want, c.uses)
		}
	}
}

func TestBudgetRefuses(t *testing.T) {
	f, energy := latencyFront(t), table(t)
	for text, want := range map[string]string{
		"bops": "write NAME=VALUE", "bops=x": "not a number", "size=-1": "at least one byte", "memory=": "memory budget", "drop=-1": "0 or more",
		"energy=1": "no such cost, only bops, size, memory, drop, latency; write energy:FILE.csv=VALUE", "latency=1mJ": "the unit is another",
		"latency=x": "not a number", "latency=0": "more than 0", "latency=Inf": "not a number", "latency=1e400ms": "not a number",
		"energy:" + energy + "=50%": "share", "energy:nowhere.csv=1": "nowhere.csv", "size:" + energy + "=1": "name it otherwise",
	} {
		if _, err := f.Budget([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
	if _, err := f.Budget([]string{"size=1K", "size=2K"}); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("the same name twice: %v", err)
	}
	b, err := smallFront(t).Budget([]string{"memory=1K"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := smallFront(t).Pick(b); err == nil || !strings.Contains(err.Error(), "sweep") {
		t.Errorf("a front without memory: %v", err)
	}
}

// Where nothing fits, each bound tells the least that any child takes of it, whatever the others are.
func TestInfeasibleSaysTheLeast(t *testing.T) {
	f := latencyFront(t)
	b, err := f.Budget([]string{"memory=10K", "latency=20us"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Pick(b)
	var none *InfeasibleError
	if !errors.As(err, &none) || !strings.Contains(err.Error(), "the least that any child reaches: memory 18000 bytes, latency 0.018 ms") {
		t.Fatalf("error %v", err)
	}
	rapid.Check(t, func(t *rapid.T) {
		b.MaxMemory = ptr(float64(rapid.IntRange(1, 30).Draw(t, "kilobytes") * 1000))
		b.Measured[0].Value = float64(rapid.IntRange(1, 30).Draw(t, "us")) / 1000
		choice, err := f.Pick(b)
		fits := 0
		for _, p := range f.Points {
			if p.MemoryBytes <= *b.MaxMemory && p.Cost <= b.Measured[0].Value {
				fits++
			}
		}
		if !errors.As(err, &none) {
			if fits == 0 || choice.Point.MemoryBytes > *b.MaxMemory || choice.Point.Cost > b.Measured[0].Value {
				t.Fatalf("%d fit; picked %+v, %v", fits, choice, err)
			}
			return
		}
		if fits > 0 || none.Least[0].Used != 18000 || none.Least[1].Used != f.Points[4].Cost {
			t.Fatalf("%d fit; least %+v", fits, none.Least)
		}
	})
}
