package method

import (
	"testing"

	"pgregory.net/rapid"
)

func TestNearest(t *testing.T) {
	names := []string{"oneshot", "vimps", "edmips", "dnas", "bayesianbits", "haq", "spos", "bitmixer", "fn3", "fisher"}
	for name, want := range map[string]string{
		"one-shot": "oneshot", "oneshoot": "oneshot", "vimp": "vimps", "edmip": "edmips", "dans": "dnas", "bayesian-bits": "bayesianbits",
		"hawq": "haq", "bit-mixer": "bitmixer", "FN3": "fn3", "fischer": "fisher", "spos": "spos",
	} {
		if got := Nearest(name, names); got != want {
			t.Errorf("nearest to %q: %q, want %q", name, got, want)
		}
	}
	if got := Nearest("x", nil); got != "" {
		t.Errorf("nearest of none: %q", got)
	}
}

// recursive is the definition of the distance.
func recursive(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	if a[0] == b[0] {
		return recursive(a[1:], b[1:])
	}
	return 1 + min(recursive(a[1:], b), recursive(a, b[1:]), recursive(a[1:], b[1:]))
}

func TestDistanceIsItsDefinition(t *testing.T) {
	word := rapid.StringMatching(`[abc]{0,5}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		if got, want := distance(a, b), recursive(a, b); got != want {
			t.Fatalf("%q to %q: %d, want %d", a, b, got, want)
		}
	})
}
