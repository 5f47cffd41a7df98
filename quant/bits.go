package quant

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Bit widths that the kernels have codes for.
const (
	MinWeightBits = 2 // signed, two's complement: one bit would hold -1 and 0 only
	MinInputBits  = 1 // unsigned; a signed input needs MinWeightBits
	MaxBits       = 8
)

// Range is the least and the greatest integer code of a quantizer, both
// included (qmin and qmax of LSQ, Esser et al., ICLR 2020).
type Range struct{ Min, Max int }

// Signed is the range of a two's complement code: -2^(bits-1) to 2^(bits-1)-1.
// It panics unless bits is 2 to 8.
func Signed(bits int) Range {
	if bits < MinWeightBits || bits > MaxBits {
		panic(fmt.Sprintf("quant.Signed: %d bits, want %d to %d", bits, MinWeightBits, MaxBits))
	}
	half := 1 << (bits - 1)
	return Range{-half, half - 1}
}

// Unsigned is the range of an unsigned code: 0 to 2^bits-1. It panics unless
// bits is 1 to 8.
func Unsigned(bits int) Range {
	if bits < MinInputBits || bits > MaxBits {
		panic(fmt.Sprintf("quant.Unsigned: %d bits, want %d to %d", bits, MinInputBits, MaxBits))
	}
	return Range{0, 1<<bits - 1}
}

// ParseBits reads a list of bit widths such as "2,4,8" and returns it sorted.
// Every width must lie in lo to hi and stand in the list once.
func ParseBits(s string, lo, hi int) ([]int, error) {
	var bits []int
	for _, field := range strings.Split(s, ",") {
		field = strings.TrimSpace(field)
		b, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("bit widths %q: %q is not a whole number; write a list such as 2,4,8", s, field)
		}
		if b < lo || b > hi {
			return nil, fmt.Errorf("bit widths %q: %d is outside %d to %d", s, b, lo, hi)
		}
		if slices.Contains(bits, b) {
			return nil, fmt.Errorf("bit widths %q: %d is given twice", s, b)
		}
		bits = append(bits, b)
	}
	slices.Sort(bits)
	return bits, nil
}

// Rank places candidate i of n sorted bit widths on the line from -1 (fewest
// bits) to 1 (most bits): -1 + 2i/(n-1), and 0 if n is 1.
func Rank(i, n int) float64 {
	if i < 0 || i >= n {
		panic(fmt.Sprintf("quant.Rank: candidate %d of %d", i, n))
	}
	if n == 1 {
		return 0
	}
	return -1 + 2*float64(i)/float64(n-1)
}

// TiltedDraw is the candidate of n that u in [0, 1) falls on under softmax(tilt*rank): a tilt above 0 favours many bits.
func TiltedDraw(n int, tilt, u float64) int {
	p, total := make([]float64, n), 0.0
	for i := range p {
		p[i] = math.Exp(tilt * Rank(i, n))
		total += p[i]
	}
	for i := range p {
		u -= p[i] / total
		if u < 0 {
			return i
		}
	}
	return n - 1
}

// checkBits says what is wrong with a list of candidates, if anything.
func checkBits(what string, bits []int, lo int) error {
	if len(bits) == 0 {
		return fmt.Errorf("%s: no bit widths given", what)
	}
	for i, b := range bits {
		if b < lo || b > MaxBits {
			return fmt.Errorf("%s: %d is outside %d to %d", what, b, lo, MaxBits)
		}
		if i > 0 && b <= bits[i-1] {
			return fmt.Errorf("%s: %v is not sorted and unique", what, bits)
		}
	}
	return nil
}
