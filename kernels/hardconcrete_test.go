package kernels_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"vimps-gpu/kernels"
)

// concreteSet is the memory of a set of hard-concrete gates; unused columns, and phi of the first gates, hold 777.
type concreteSet struct {
	bits                                    words[int32]
	phi, logp, pi, z, slope, dz, cost, dphi words[float32]
	penalty, mu                             words[float32]
	mode                                    words[int32]
	noise                                   words[uint32]
}

func newConcreteSet(t testing.TB, bits []int32, mode kernels.HardConcreteMode, noise ...uint32) *concreteSet {
	rows := func() words[float32] { return newWords(t, filledWith(len(bits)*row, 777)...) }
	return &concreteSet{bits: newWords(t, bits...), phi: rows(), logp: rows(), pi: rows(), z: rows(), slope: rows(), dz: rows(),
		cost: rows(), dphi: rows(), penalty: newWords[float32](t, 777), mu: newWords[float32](t, 0.37), mode: newWords(t, int32(mode)), noise: newWords(t, noise...)}
}

// draw fills the used columns of rows from f, from column first on.
func (s *concreteSet) draw(rows words[float32], first int, f func() float32) {
	for g, n := range s.bits.v {
		for i := first; i < int(n); i++ {
			rows.v[g*row+i] = f()
		}
	}
}

func (s *concreteSet) forward() {
	runCall(kernels.HardConcrete(kernels.HardConcreteArgs{Gates: len(s.bits.v), Bits: s.bits.p, Phi: s.phi.p, LogP: s.logp.p,
		Pi: s.pi.p, Z: s.z.p, Slope: s.slope.p, Mode: s.mode.p, Noise: s.noise.p}), 1, 1)
}

func (s *concreteSet) backward() {
	runCall(kernels.HardConcreteGrad(kernels.HardConcreteGradArgs{Gates: len(s.bits.v), Bits: s.bits.p, Phi: s.phi.p, Cost: s.cost.p,
		DZ: s.dz.p, Slope: s.slope.p, DPhi: s.dphi.p, Penalty: s.penalty.p, Mu: s.mu.p}), 1, 1)
}

func sigmoid64(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// open64 is P(z > 0), from the law's own numbers.
func open64(phi float64) float64 {
	const beta, gamma, zeta = 2.0 / 3, -0.1, 1.1
	return sigmoid64(phi - beta*math.Log(-gamma/zeta))
}

// concrete64 is a draw of z.
func concrete64(phi float64, noise []uint32, gate, i int) float64 {
	const beta, gamma, zeta = 2.0 / 3, -0.1, 1.1
	word := kernels.Philox([4]uint32{noise[2], noise[3], uint32(gate), uint32(i / 4)}, [2]uint32{noise[0], noise[1]})[i%4]
	u := min(max(float64((float32(word>>8)+0.5)*0x1p-24), 1e-10), float64(float32(1-1e-7)))
	s := sigmoid64((math.Log(u) - math.Log(1-u) + phi) / beta)
	return min(max(s*(zeta-gamma)+gamma, 0), 1)
}

// penalty64 is the sum of cost times the probability that a level counts.
func penalty64(bits []int32, phi, cost []float64) (sum float64) {
	for g, n := range bits {
		open := 1.0
		for i := range int(n) {
			if i > 0 {
				open *= open64(phi[g*row+i])
			}
			sum += cost[g*row+i] * open
		}
	}
	return sum
}

// The draws, their slopes, the law over the candidates and the penalty with its gradient are those of a float64 reference
// and of central differences.
func TestHardConcrete(t *testing.T) {
	r := rand.New(rand.NewPCG(30, 31))
	normal := func(scale float64) func() float32 { return func() float32 { return float32(scale * r.NormFloat64()) } }
	for _, scale := range []float64{0, 1, 4} {
		t.Run(fmt.Sprintf("scale %g", scale), func(t *testing.T) {
			s := newConcreteSet(t, gateBits, kernels.HardConcreteSample, 0xdeadbeef, 42, 1234567, 1)
			s.draw(s.phi, 1, normal(scale))
			s.draw(s.dz, 0, normal(1))
			s.draw(s.cost, 0, func() float32 { return float32(math.Abs(r.NormFloat64())) })
			s.forward()
			s.backward()
			phi, cost := float64s(s.phi.v), float64s(s.cost.v)
			want := centralDifference(func() float64 {
				sum := float64(float32(0.37)) * penalty64(gateBits, phi, cost)
				for g, n := range gateBits {
					for i := 1; i < int(n); i++ {
						sum += float64(s.dz.v[g*row+i]) * concrete64(phi[g*row+i], s.noise.v, g, i)
					}
				}
				return sum
			}, phi)
			near(t, "penalty", s.penalty.v, []float64{penalty64(gateBits, phi, cost)}, 1e-6)
			for g, n := range gateBits {
				at, to := g*row, g*row+int(n)
				var z, pi []float64
				open := 1.0
				for i := range int(n) {
					if i == 0 {
						z = append(z, 1)
					} else {
						z = append(z, concrete64(phi[at+i], s.noise.v, g, i))
						open *= open64(phi[at+i])
					}
					pi = append(pi, open)
					if i+1 < int(n) {
						pi[i] *= 1 - open64(phi[at+i+1])
					}
				}
				near(t, "z", s.z.v[at:to], z, 2e-5)
				near(t, "pi", s.pi.v[at:to], pi, 1e-6)
				for i, p := range pi {
					near(t, "ln pi", s.logp.v[at+i:at+i+1], []float64{math.Log(p)}, 1e-5)
				}
				near(t, "dphi", s.dphi.v[at:to], want[at:to], 3e-5)
				if s.dphi.v[at] != 0 || s.slope.v[at] != 0 {
					t.Errorf("gate 0 of row %d has a gradient: slope %g, dphi %g", g, s.slope.v[at], s.dphi.v[at])
				}
			}
			for _, rows := range [][]float32{s.logp.v, s.pi.v, s.z.v, s.slope.v, s.dphi.v} {
				wantUntouched(t, "unused columns", rows, gateBits, 777)
			}
		})
	}
}

// P(z > 0) = sigmoid(phi - beta ln(-gamma/zeta)), P(z = 1) = 1 - P of -phi by symmetry, and the gates of a row are
// independent.
func TestHardConcreteLaw(t *testing.T) {
	const draws = 20000
	s := newConcreteSet(t, []int32{3, 3, 3}, kernels.HardConcreteSample, 7, 8, 0, 0)
	phis := []float32{-2, -0.5, 0, 0.7, 1.5, 6}
	next := 0
	s.draw(s.phi, 1, func() float32 { next++; return phis[next-1] })
	var open, one [6]float64
	var both [3]float64
	for step := range draws {
		s.noise.v[2], s.noise.v[3] = uint32(step/2), uint32(step%2)
		s.forward()
		for g := range 3 {
			for l := range 2 {
				z := s.z.v[g*row+1+l]
				if z > 0 {
					open[2*g+l]++
				}
				if z == 1 {
					one[2*g+l]++
				}
			}
			if s.z.v[g*row+1] > 0 && s.z.v[g*row+2] > 0 {
				both[g]++
			}
		}
	}
	check := func(what string, count, p float64) {
		t.Helper()
		if d := math.Abs(count/draws - p); d > 4*math.Sqrt(p*(1-p)/draws)+1e-9 {
			t.Errorf("%s %.4f of the time, want %.4f", what, count/draws, p)
		}
	}
	for i, phi := range phis {
		p := open64(float64(phi))
		check(fmt.Sprintf("phi %g: open", phi), open[i], p)
		check(fmt.Sprintf("phi %g: 1", phi), one[i], 1-open64(-float64(phi)))
	}
	for g := range both {
		check(fmt.Sprintf("row %d: both open", g), both[g], open64(float64(phis[2*g]))*open64(float64(phis[2*g+1])))
	}
	s.forward()
	again := slices.Clone(s.z.v)
	s.forward()
	sameBits(t, "the same draw twice", s.z.v, again)
}

// In the child a gate is open where P(z = 0) < 0.34 and no gate below it is closed; nothing has a gradient but the penalty.
func TestHardConcreteChild(t *testing.T) {
	edge := float32(-2.0/3*math.Log(11) - math.Log(0.34/0.66)) // phi where P(z = 0) is 0.34
	s := newConcreteSet(t, []int32{4, 4, 4, 2, 1}, kernels.HardConcreteChild, 1, 2, 3, 4)
	copy(s.phi.v[1:], []float32{6, -6, 6})
	copy(s.phi.v[row+1:], []float32{edge + 1e-3, edge + 1e-3, edge - 1e-3})
	copy(s.phi.v[2*row+1:], []float32{-100, 100, 100})
	copy(s.phi.v[3*row+1:], []float32{100})
	s.draw(s.dz, 0, func() float32 { return 1 })
	s.draw(s.cost, 0, func() float32 { return 0 })
	s.forward()
	s.backward()
	for g, want := range [][]float32{{1, 1, 0, 0}, {1, 1, 1, 0}, {1, 0, 0, 0}, {1, 1}, {1}} {
		if got := s.z.v[g*row:][:len(want)]; !slices.Equal(got, want) {
			t.Errorf("row %d: z is %v, want %v", g, got, want)
		}
		for i := range want {
			if s.slope.v[g*row+i] != 0 || s.dphi.v[g*row+i] != 0 {
				t.Errorf("row %d, gate %d has a gradient: slope %g, dphi %g", g, i, s.slope.v[g*row+i], s.dphi.v[g*row+i])
			}
		}
	}
	near(t, "pi of a gate that is surely closed", s.pi.v[2*row:2*row+4], []float64{1, 0, 0, 0}, 1e-6)
	if lp := s.logp.v[2*row+3]; !(lp < -90) || math.IsInf(float64(lp), 0) {
		t.Errorf("ln pi is %g where pi underflows, want a finite number below -90", lp)
	}
}

// The gates of output channels: draws, what they leave of the cost of their rows, and the gradient of phi by central differences of
// the reference in float64; in the child 1 or 0, without a slope.
func TestChannelGates(t *testing.T) {
	r := rand.New(rand.NewPCG(40, 41))
	first, rows := []int32{0, 1, 34, 104}, []int32{3, 0, 4} // layers of 1, 33 and 70 channels
	s := newConcreteSet(t, gateBits, kernels.HardConcreteSample, 0xdeadbeef, 42, 1234567, 1)
	s.draw(s.phi, 1, func() float32 { return float32(2 * r.NormFloat64()) })
	s.draw(s.cost, 0, func() float32 { return float32(math.Abs(r.NormFloat64())) })
	s.forward() // for pi
	values := func(v float32) words[float32] { return newWords(t, filledWith(int(first[3])+1, v)...) }
	phi, z, slope, dz, dphi := values(777), values(777), values(777), values(777), values(777)
	for k := range int(first[3]) {
		phi.v[k], dz.v[k] = float32(2*r.NormFloat64()), float32(r.NormFloat64())
	}
	shared := newWords(t, filledWith(len(gateBits)*row, 777)...)
	firsts, rowsOf := newWords(t, first...), newWords(t, rows...)
	forward := func() {
		runCall(kernels.ChannelGates(kernels.ChannelGatesArgs{Layers: 3, First: firsts.p, Row: rowsOf.p, Phi: phi.p, Z: z.p, Slope: slope.p,
			Cost: s.cost.p, Shared: shared.p, Mode: s.mode.p, Noise: s.noise.p}), 1, 1)
	}
	backward := func() {
		runCall(kernels.ChannelGatesGrad(kernels.ChannelGatesGradArgs{Layers: 3, First: firsts.p, Row: rowsOf.p, Bits: s.bits.p, Phi: phi.p,
			Slope: slope.p, Cost: s.cost.p, Pi: s.pi.p, DZ: dz.p, DPhi: dphi.p, Mu: s.mu.p}), 1, 1)
	}
	forward()
	backward()
	draw := func(phi float64, k int) float64 {
		const beta, gamma, zeta = 2.0 / 3, -0.1, 1.1
		word := kernels.Philox([4]uint32{1234567, 1, uint32(k), 0xC4}, [2]uint32{0xdeadbeef, 42})[0]
		u := float64((float32(word>>8) + 0.5) * 0x1p-24)
		return min(max(sigmoid64((math.Log(u)-math.Log(1-u)+phi)/beta)*(zeta-gamma)+gamma, 0), 1)
	}
	levels, cost, phis := float64s(s.phi.v), float64s(s.cost.v), float64s(phi.v[:first[3]])
	mean := func(layer int) (sum float64) {
		for k := first[layer]; k < first[layer+1]; k++ {
			sum += open64(phis[k]) / float64(first[layer+1]-first[layer])
		}
		return sum
	}
	want := centralDifference(func() (sum float64) {
		for layer, g := range rows {
			at, n := int(g)*row, int(gateBits[g])
			sum += float64(float32(0.37)) * mean(layer) * penalty64([]int32{int32(n)}, levels[at:at+row], cost[at:at+row])
		}
		for k, p := range phis {
			sum += float64(dz.v[k]) * draw(p, k)
		}
		return sum
	}, phis)
	near(t, "dphi", dphi.v[:first[3]], want, 3e-5)
	var draws []float64
	for k, p := range phis {
		draws = append(draws, draw(p, k))
	}
	near(t, "z", z.v[:first[3]], draws, 2e-5)
	for layer, g := range rows {
		at := int(g) * row
		for i := range int(gateBits[g]) {
			near(t, "shared cost", shared.v[at+i:at+i+1], []float64{mean(layer) * cost[at+i]}, 1e-6)
		}
	}
	for g := range gateBits {
		if !slices.Contains(rows, int32(g)) && shared.v[g*row] != 777 {
			t.Errorf("row %d has no channels, and its cost was written", g)
		}
	}
	s.mode.v[0] = int32(kernels.HardConcreteChild)
	forward()
	for k, p := range phis {
		if open := 1-open64(p) < 0.34; (z.v[k] == 1) != open || (z.v[k] == 0) == open || slope.v[k] != 0 {
			t.Errorf("channel %d of phi %g: z %g, slope %g in the child", k, p, z.v[k], slope.v[k])
		}
	}
	for _, v := range [][]float32{z.v, slope.v, dphi.v} {
		if v[first[3]] != 777 {
			t.Error("written behind the last channel")
		}
	}
}
