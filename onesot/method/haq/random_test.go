package haq

import (
	"math"
	"testing"
)

// The quantiles of a truncated normal: the CDF of what comes out, by numeric integration of the density, is what went in.
func TestTruncatedIsTheQuantile(t *testing.T) {
	for _, c := range []struct{ mu, sigma float64 }{{0.5, 0.5}, {0.03, 0.2}, {0.97, 0.1}, {0.4, 0.01}, {0, 0.5}, {1, 0.3}} {
		density := func(x float64) float64 { return math.Exp(-(x - c.mu) * (x - c.mu) / (2 * c.sigma * c.sigma)) }
		integral := func(to float64) float64 {
			const n = 20000
			sum := 0.0
			for i := range n {
				sum += density(to*(float64(i)+0.5)/n) * to / n
			}
			return sum
		}
		for _, u := range []float64{0.001, 0.2, 0.5, 0.77, 0.999} {
			x := truncated(c.mu, c.sigma, u)
			if x < 0 || x > 1 {
				t.Fatalf("mu %g sigma %g: quantile %g is %g", c.mu, c.sigma, u, x)
			}
			if got := integral(x) / integral(1); math.Abs(got-u) > 1e-4 {
				t.Errorf("mu %g sigma %g: below the quantile %g (%g) lies %g", c.mu, c.sigma, u, x, got)
			}
		}
	}
	if got := truncated(0.3, 0, 0.9); got != 0.3 {
		t.Errorf("without noise %g, want the mean", got)
	}
}

// Noise falls by a hundredth an episode, from the first that is not warm-up (the authors' 0.5*0.99^(episode-20)).
func TestSigma(t *testing.T) {
	for episode, want := range map[int]float64{20: 0.5, 21: 0.495, 22: 0.49005, 120: 0.18301617} {
		if got := sigma(episode, 20); math.Abs(got-want) > 1e-8 {
			t.Errorf("sigma of episode %d is %.8f, want %.8f", episode, got, want)
		}
	}
}
