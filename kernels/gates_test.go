package kernels_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"vimps-gpu/kernels"
)

const row = kernels.MaxBits

var gateModes = map[string]kernels.GateMode{"softmax": kernels.GateSoftmax, "gumbel": kernels.GateGumbel,
	"hard": kernels.GateHard, "fixed": kernels.GateFixed}

// gateSet is the memory of a set of gates; unused columns hold 777.
type gateSet struct {
	bits                                        words[int32]
	logits, logp, pi, z, soft, dz, dpi, dlogits words[float32]
	temperature                                 words[float32]
	mode                                        words[int32]
	noise                                       words[uint32]
}

func newGateSet(t testing.TB, bits []int32, mode kernels.GateMode, temperature float32, noise ...uint32) *gateSet {
	rows := func() words[float32] { return newWords(t, filledWith(len(bits)*row, 777)...) }
	return &gateSet{bits: newWords(t, bits...), logits: rows(), logp: rows(), pi: rows(), z: rows(), soft: rows(),
		dz: rows(), dpi: rows(), dlogits: rows(), temperature: newWords(t, temperature),
		mode: newWords(t, int32(mode)), noise: newWords(t, noise...)}
}

// set writes the used columns of rows, in order.
func (s *gateSet) set(rows words[float32], v []float32) {
	for g, n := range s.bits.v {
		copy(rows.v[g*row:g*row+int(n)], v)
		v = v[n:]
	}
}

func (s *gateSet) sample() {
	runCall(kernels.GateSample(kernels.GateSampleArgs{Gates: len(s.bits.v), Bits: s.bits.p, Logits: s.logits.p, LogP: s.logp.p,
		Pi: s.pi.p, Z: s.z.p, Soft: s.soft.p, Temperature: s.temperature.p, Mode: s.mode.p, Noise: s.noise.p}), 1, 1)
}

func (s *gateSet) grad() {
	runCall(kernels.GateGrad(kernels.GateGradArgs{Gates: len(s.bits.v), Bits: s.bits.p, Pi: s.pi.p, Soft: s.soft.p, DZ: s.dz.p,
		DPi: s.dpi.p, DLogits: s.dlogits.p, Temperature: s.temperature.p, Mode: s.mode.p}), 1, 1)
}

func logSoftmax64(x []float64) []float64 {
	sum, top := 0.0, slices.Max(x)
	for _, v := range x {
		sum += math.Exp(v - top)
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v - top - math.Log(sum)
	}
	return out
}

func softmax64(x []float64) []float64 {
	out := logSoftmax64(x)
	for i, v := range out {
		out[i] = math.Exp(v)
	}
	return out
}

func gumbel64(noise []uint32, gate, i int) float64 {
	word := kernels.Philox([4]uint32{noise[2], noise[3], uint32(gate), uint32(i / 4)}, [2]uint32{noise[0], noise[1]})[i%4]
	u := float32(word>>8) + 0.5 // float32: above 2^23 the half is rounded
	return -math.Log(-math.Log(min(max(float64(u*0x1p-24), 1e-10), float64(float32(1-1e-7)))))
}

// sample64 gives ln pi, pi and the soft sample of one gate (fixed mode: fixed).
func sample64(logits []float64, mode kernels.GateMode, temperature float64, noise []uint32, gate int, fixed []float32) (logp, pi, soft []float64) {
	logp, pi = logSoftmax64(logits), softmax64(logits)
	switch mode {
	case kernels.GateSoftmax:
		return logp, pi, pi
	case kernels.GateFixed:
		return logp, pi, float64s(fixed)
	}
	x := make([]float64, len(logits))
	for i := range x {
		x[i] = (logp[i] + gumbel64(noise, gate, i)) / temperature
	}
	return logp, pi, softmax64(x)
}

var gateBits = []int32{3, 1, 8, 2, 5}

func countBits(bits []int32) (n int) {
	for _, b := range bits {
		n += int(b)
	}
	return n
}

func TestGateSample(t *testing.T) {
	r := rand.New(rand.NewPCG(20, 21))
	for name, mode := range gateModes {
		for _, scale := range []float64{0, 1, 100} {
			s := newGateSet(t, gateBits, mode, 0.6, 0xdeadbeef, 42, 1234567, 1)
			n := countBits(gateBits)
			s.set(s.logits, gaussians(r, n, scale))
			s.set(s.z, gaussians(r, n, 1))
			fixed := slices.Clone(s.z.v)
			s.sample()
			for g, b := range gateBits {
				at, to := g*row, g*row+int(b)
				logp, pi, soft := sample64(float64s(s.logits.v[at:to]), mode, float64(float32(0.6)), s.noise.v, g, fixed[at:to])
				near(t, name+" logp", s.logp.v[at:to], logp, 1e-6)
				near(t, name+" pi", s.pi.v[at:to], pi, 1e-6)
				near(t, name+" soft", s.soft.v[at:to], soft, 3e-6*(1+scale))
				z := soft
				if mode == kernels.GateHard {
					z = make([]float64, b)
					z[slices.Index(soft, slices.Max(soft))] = 1
				}
				near(t, name+" z", s.z.v[at:to], z, 3e-6*(1+scale))
			}
			for _, rows := range [][]float32{s.logp.v, s.pi.v, s.z.v, s.soft.v} {
				wantUntouched(t, name, rows, gateBits, 777)
			}
		}
	}
}

// Equal soft samples: the first wins. An enormous temperature makes all of them 1/3.
func TestGateHardTakesTheFirstOfEquals(t *testing.T) {
	s := newGateSet(t, []int32{3}, kernels.GateHard, 1e30, 1, 2, 3, 4)
	s.set(s.logits, []float32{0, 0, 0})
	s.sample()
	if z := s.z.v[:3]; s.soft.v[0] != s.soft.v[2] || !slices.Equal(z, []float32{1, 0, 0}) {
		t.Errorf("z is %v for %v, want the first", z, s.soft.v[:3])
	}
}

// Gumbel-max: the argmax of a sample is distributed as pi, whatever the temperature; and every word of
// the counter and of the key matters.
func TestGateNoise(t *testing.T) {
	const draws = 4000
	s := newGateSet(t, []int32{3, 3}, kernels.GateGumbel, 0.5, 7, 8, 0, 0)
	s.set(s.logits, []float32{0.5, -1, 1, 0.5, -1, 1})
	var count [3]float64
	equal := 0.0
	for step := range draws {
		s.noise.v[2], s.noise.v[3] = uint32(step/2), uint32(step%2)
		s.sample()
		first := slices.Index(s.z.v[:3], slices.Max(s.z.v[:3]))
		second := slices.Index(s.z.v[row:row+3], slices.Max(s.z.v[row:row+3]))
		count[first]++
		if first == second {
			equal++
		}
	}
	both := 0.0
	for i, p := range s.pi.v[:3] {
		q := float64(p)
		both += q * q
		if d := math.Abs(count[i]/draws - q); d > 4*math.Sqrt(q*(1-q)/draws) {
			t.Errorf("candidate %d was drawn %.4f of the time, pi is %.4f", i, count[i]/draws, q)
		}
	}
	if d := math.Abs(equal/draws - both); d > 4*math.Sqrt(both*(1-both)/draws) {
		t.Errorf("two gates agree %.4f of the time, want %.4f: not independent", equal/draws, both)
	}
	s.sample()
	again := slices.Clone(s.z.v)
	s.sample()
	sameBits(t, "the same draw twice", s.z.v, again)
	for i := range 4 {
		s.noise.v[i]++
		s.sample()
		if s.z.v[0] == again[0] {
			t.Errorf("noise word %d changes nothing", i)
		}
		s.noise.v[i]--
	}
}

func TestGateGrad(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 23))
	n := countBits(gateBits)
	for name, mode := range gateModes {
		s := newGateSet(t, gateBits, mode, 0.7, 5, 6, 7, 8)
		s.set(s.logits, gaussians(r, n, 1))
		s.set(s.z, gaussians(r, n, 1))
		s.set(s.dz, gaussians(r, n, 1))
		s.set(s.dpi, gaussians(r, n, 1))
		fixed := slices.Clone(s.z.v)
		s.sample()
		s.grad()
		wantUntouched(t, name, s.dlogits.v, gateBits, 777)
		for g, b := range gateBits {
			at, to := g*row, g*row+int(b)
			logits := float64s(s.logits.v[at:to])
			want := centralDifference(func() (sum float64) {
				_, pi, soft := sample64(logits, mode, float64(float32(0.7)), s.noise.v, g, fixed[at:to])
				for i := range logits {
					sum += float64(s.dz.v[at+i])*soft[i] + float64(s.dpi.v[at+i])*pi[i]
				}
				return sum
			}, logits)
			near(t, name+" dlogits", s.dlogits.v[at:to], want, 3e-6)
		}
	}
}
