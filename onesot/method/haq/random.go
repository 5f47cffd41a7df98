package haq

import (
	"math"

	"vimps-gpu/kernels"
)

// The streams of random numbers, apart from each other and from others under the same seed.
const (
	philoxActor   = 0x4A51
	philoxCritic  = 0x4A52
	philoxExplore = 0x4A53 // by episode and decision
	philoxReplay  = 0x4A54 // by update and row of the batch
)

// random draws by counter, so that a number depends on its place alone and a resumed search draws the same.
type random struct {
	key           [2]uint32
	agent, stream uint32
}

func newRandom(seed uint64, agent int, stream uint32) random {
	return random{[2]uint32{uint32(seed), uint32(seed >> 32)}, uint32(agent), stream}
}

// uniform is a number in (0, 1).
func (r random) uniform(i, j uint32) float64 {
	return (float64(kernels.Philox([4]uint32{i, j, r.agent, r.stream}, r.key)[0]) + 0.5) / (1 << 32)
}

// below is a whole number from 0 to n-1.
func (r random) below(n int, i, j uint32) int { return int(r.uniform(i, j) * float64(n)) }

// truncated is the quantile u in (0, 1) of the normal distribution of mean mu in [0, 1] and deviation sigma, confined to
// [0, 1].
func truncated(mu, sigma, u float64) float64 {
	if sigma <= 0 {
		return mu
	}
	cdf := func(x float64) float64 { return math.Erfc((mu-x)/(sigma*math.Sqrt2)) / 2 }
	lo, hi := cdf(0), cdf(1)
	x := mu - sigma*math.Sqrt2*math.Erfcinv(2*(lo+u*(hi-lo)))
	return min(max(x, 0), 1)
}
