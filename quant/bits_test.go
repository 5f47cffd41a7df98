package quant

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestRanges(t *testing.T) {
	for _, c := range []struct{ got, want Range }{
		{Signed(2), Range{-2, 1}}, {Signed(8), Range{-128, 127}},
		{Unsigned(1), Range{0, 1}}, {Unsigned(2), Range{0, 3}}, {Unsigned(8), Range{0, 255}},
	} {
		if c.got != c.want {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
	for name, f := range map[string]func(){
		"signed 1":   func() { Signed(1) },
		"signed 9":   func() { Signed(9) },
		"unsigned 0": func() { Unsigned(0) },
		"unsigned 9": func() { Unsigned(9) },
		"rank 3 / 3": func() { Rank(3, 3) },
	} {
		if !panics(f) {
			t.Errorf("%s did not panic", name)
		}
	}
}

func panics(f func()) (caught bool) {
	defer func() { caught = recover() != nil }()
	f()
	return false
}

func TestParseBits(t *testing.T) {
	got, err := ParseBits(" 8,2, 4", 2, 8)
	if err != nil || !slices.Equal(got, []int{2, 4, 8}) {
		t.Fatalf("got %v, %v", got, err)
	}
	for s, want := range map[string]string{
		"": "not a whole number", "2,,4": "not a whole number", "2;4": "not a whole number", "4.0": "not a whole number",
		"1,2": "1 is outside 2 to 8", "9": "outside", "-2": "outside", "99999999999999999999": "not a whole number",
		"2,4,2": "2 is given twice",
	} {
		_, err := ParseBits(s, 2, 8)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v, want one line with %q", s, err, want)
		}
	}
}

func TestRank(t *testing.T) {
	for _, c := range []struct {
		i, n int
		want float64
	}{{0, 1, 0}, {0, 2, -1}, {1, 2, 1}, {0, 3, -1}, {1, 3, 0}, {2, 3, 1}, {1, 5, -0.5}} {
		if got := Rank(c.i, c.n); got != c.want {
			t.Errorf("Rank(%d, %d) = %g, want %g", c.i, c.n, got, c.want)
		}
	}
}

// TestTiltedDraw: the shares of evenly spaced u are the softmax's, and the ends are reached.
func TestTiltedDraw(t *testing.T) {
	const draws = 100000
	for _, tilt := range []float64{-3, 0, 1.5} {
		var count [3]float64
		for i := range draws {
			count[TiltedDraw(3, tilt, (float64(i)+0.5)/draws)]++
		}
		total := math.Exp(-tilt) + 1 + math.Exp(tilt)
		for i, want := range []float64{math.Exp(-tilt), 1, math.Exp(tilt)} {
			if got := count[i] / draws; math.Abs(got-want/total) > 2.0/draws {
				t.Errorf("tilt %g: candidate %d has share %g, want %g", tilt, i, got, want/total)
			}
		}
	}
	if TiltedDraw(4, 0, math.Nextafter(1, 0)) != 3 || TiltedDraw(1, 2, 0.9) != 0 {
		t.Error("the last candidate is not reached")
	}
}
