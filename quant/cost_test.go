package quant

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Counted by hand for ResNet-20, 2/4/8, ends pinned at 8/8.
func TestRelativeBOPsOfResNet20(t *testing.T) {
	s := mustSpace(t, resNet20(), DefaultPolicy())
	bops := BOPs(s)
	if got := bops.Max(); got != 40551040*64 {
		t.Errorf("8/8 costs %.0f, want %d", got, 40551040*64)
	}
	for bits, want := range map[int]string{2: "0.0727", 4: "0.258", 8: "1"} {
		a, err := Uniform(s, bits, bits)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%.3g", bops.Relative(a)); got != want {
			t.Errorf("W%dA%d: relative BOPs %s, want %s", bits, bits, got, want)
		}
	}
}

func TestSizeOfResNet20(t *testing.T) {
	s := mustSpace(t, resNet20(), DefaultPolicy())
	size := SizeBytes(s)
	// Kernel elements, counted by hand from the net's table.
	const searched, pinned = 6*2304 + 4608 + 5*9216 + 18432 + 5*36864, 432 + 640
	const channels = 16 + 6*16 + 6*32 + 6*64
	const steps = channels + 1 // one for each output channel, one for the linear layer
	extra := 4 * (steps + 20 + channels + 10)
	for _, bits := range []int{2, 4, 8} {
		a, err := Uniform(s, bits, 8)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := size.Cost(a), float64(searched*bits/8+pinned+extra); got != want {
			t.Errorf("%d bits: %.0f bytes, want %.0f", bits, got, want)
		}
		b, err := Uniform(s, bits, 2)
		if err != nil {
			t.Fatal(err)
		}
		if size.Cost(a) != size.Cost(b) {
			t.Errorf("size depends on the input bits")
		}
	}
}

func TestNormalisedWidestChildCostsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t)
		bops := BOPs(s)
		h, err := bops.Normalised()
		if len(s.Searched()) == 0 {
			if err == nil {
				t.Fatal("nothing to search, but no error")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		widest, total := 0.0, 0.0
		for n, k := range s.Searched() {
			if len(h[n]) != len(s.Weight[k]) || len(h[n][0]) != len(s.Input[k]) {
				t.Fatalf("layer %d: table %d x %d, want %d x %d", k, len(h[n]), len(h[n][0]), len(s.Weight[k]), len(s.Input[k]))
			}
			widest += float64(h[n][len(h[n])-1][len(h[n][0])-1])
			total += bops.Layers[k][len(h[n])-1][len(h[n][0])-1]
		}
		if math.Abs(widest-1) > 1e-6 {
			t.Fatalf("widest child costs %g, want 1", widest)
		}
		a := drawAssignment(t, s, "choice")
		got, want := 0.0, 0.0
		for n, k := range s.Searched() {
			i, j := s.Choice(a, k)
			got += float64(h[n][i][j])
			want += bops.Layers[k][i][j] / total
		}
		if math.Abs(got-want) > 1e-6 {
			t.Fatalf("%v: normalised cost %g, want %g", a, got, want)
		}
	})
}

const smallCSV = `layer,weight_bits,input_bits,cost_ms
# measured on a made-up device
a,2,2,1
a,2,8,2.5
a,8,2,3
a,8,8,4
a,4,4,7
b,8,8,10
`

func smallSpace(t testing.TB) *Space {
	layers := []Layer{{Name: "a", MACs: 1, Weights: 1, OutChannels: 1}, {Name: "b", MACs: 1, Weights: 1, OutChannels: 1}}
	return mustSpace(t, layers, Policy{WeightBits: []int{2, 8}, InputBits: []int{2, 8}, Last: Pin{8, 8}})
}

func TestCSV(t *testing.T) {
	s := smallSpace(t)
	table, err := parseCSV(strings.NewReader(smallCSV), s)
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAssignment(s, []int{2, 8}, []int{8, 8})
	if err != nil {
		t.Fatal(err)
	}
	if got := table.Cost(a); got != 12.5 || table.Unit != "ms" || table.Max() != 14 {
		t.Errorf("cost %g %s, max %g; want 12.5 ms, 14", got, table.Unit, table.Max())
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"heading":   {"weight_bits", "wbits", "line 1: heading"},
		"layer":     {"a,2,8", "c,2,8", `line 4: layer "c" is not in this net`},
		"bits":      {"a,2,8", "a,1,8", `line 4: weight_bits "1"`},
		"bits text": {"a,2,8", "a,2,x", `line 4: input_bits "x"`},
		"negative":  {"2.5", "-1", `line 4: cost "-1"`},
		"nan":       {"2.5", "NaN", `line 4: cost "NaN"`},
		"infinite":  {"2.5", "1e999", `line 4: cost "1e999"`},
		"twice":     {"a,2,8,", "a,2,2,", `line 4: layer "a" at 2/2 bits stands in line 3 too`},
		"missing":   {"a,2,8,2.5\n", "", `no line for layer "a" at 2/8 bits`},
		"fields":    {"a,2,8,2.5", "a,2,8", "line 4"},
		"empty":     {smallCSV, "", "empty"},
		"all zero":  {"a,8,8,4\na,4,4,7\nb,8,8,10", "a,8,8,0\nb,8,8,0", "costs 0"},
	} {
		_, err := parseCSV(strings.NewReader(strings.Replace(smallCSV, c.old, c.new, 1)), s)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

func TestReadCSVNamesTheFile(t *testing.T) {
	_, err := ReadCSV("no-such-table.csv", smallSpace(t))
	if err == nil || !strings.Contains(err.Error(), "no-such-table.csv") {
		t.Errorf("error %v does not name the file", err)
	}
}

func FuzzCSV(f *testing.F) {
	f.Add(smallCSV)
	f.Add("layer,weight_bits,input_bits,cost\n\"a")
	s := smallSpace(f)
	f.Fuzz(func(t *testing.T, data string) {
		table, err := parseCSV(strings.NewReader(data), s)
		if err == nil && !(table.Max() > 0) {
			t.Fatalf("%q: maximum %g", data, table.Max())
		}
	})
}
