package quant

import (
	"testing"

	"pgregory.net/rapid"
)

// drawMemory draws values of a space's layers with lives of their own.
func drawMemory(t *rapid.T, s *Space) *Memory {
	m := &Memory{Steps: rapid.IntRange(1, 6).Draw(t, "steps")}
	for range rapid.IntRange(0, 8).Draw(t, "values") {
		from := rapid.IntRange(0, m.Steps-1).Draw(t, "from")
		m.Stored = append(m.Stored, Stored{
			Elements: rapid.Int64Range(1, 1000).Draw(t, "elements"),
			Layer:    rapid.IntRange(Float, len(s.Layers)-1).Draw(t, "layer"),
			From:     from, To: rapid.IntRange(from, m.Steps-1).Draw(t, "to"),
		})
	}
	return m
}

// The peak is the greatest sum over the values that are alive in a step, step by step.
func TestPeakAgainstDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t)
		m, a := drawMemory(t, s), drawAssignment(t, s, "child")
		want := 0.0
		for step := range m.Steps {
			sum := 0.0
			for _, v := range m.Stored {
				if v.From <= step && step <= v.To {
					bits := int64(32)
					if v.Layer != Float {
						_, x := a.Bits(v.Layer)
						bits = int64(x)
					}
					sum += float64((v.Elements*bits + 7) / 8)
				}
			}
			want = max(want, sum)
		}
		if got := m.Peak(a); got != want {
			t.Fatalf("%+v of %s: %v, want %v", m, a, got, want)
		}
	})
}

// Fewer input bits never need more memory, and weight bits need none.
func TestPeakFallsWithInputBits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t)
		m, a := drawMemory(t, s), drawAssignment(t, s, "child")
		w, x := make([]int, len(s.Layers)), make([]int, len(s.Layers))
		for k := range s.Layers {
			_, j := s.Choice(a, k)
			w[k] = rapid.IntRange(0, len(s.Weight[k])-1).Draw(t, "weight")
			x[k] = rapid.IntRange(0, j).Draw(t, "input")
		}
		b := Choose(s, w, x)
		if m.Peak(b) > m.Peak(a) {
			t.Fatalf("%v at %s, %v at %s", m.Peak(b), b, m.Peak(a), a)
		}
		for k := range s.Layers {
			_, x[k] = s.Choice(a, k)
		}
		if c := Choose(s, w, x); m.Peak(c) != m.Peak(a) {
			t.Fatalf("weight bits change the peak: %v at %s, %v at %s", m.Peak(c), c, m.Peak(a), a)
		}
	})
}
