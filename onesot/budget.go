package onesot

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// BOPsLimit is a budget of bit operations: a count, or a share of what the
// all-maximum child needs.
type BOPsLimit struct {
	Value    float64
	Relative bool
}

func (l BOPsLimit) String() string {
	if l.Relative {
		return fmt.Sprintf("%g of the all-maximum child's", l.Value)
	}
	return HumanCount(l.Value)
}

// ParseBOPs reads a share ("0.25", "25%", "1") or a count ("650M", "1.2G",
// "650000000"; K, M, G and T are powers of 1000).
func ParseBOPs(s string) (BOPsLimit, error) {
	bad := func(why string) (BOPsLimit, error) {
		return BOPsLimit{}, fmt.Errorf("BOPs budget %q: %s; write a share such as 0.25 or 25%%, or a count such as 650M or 1.2G", s, why)
	}
	number, scale, unit := cutUnit(s, map[string]float64{"%": 0.01, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12})
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v*scale, 0) {
		return bad("not a number")
	}
	if !(v > 0) {
		return bad("must be more than 0")
	}
	share := unit == "%" || unit == "" && v <= 1
	switch {
	case unit == "%" && v > 100:
		return bad("a share is at most 100%")
	case unit == "%":
		return BOPsLimit{v / 100, true}, nil // not v*0.01, which would turn 7% into 0.07000000000000001
	case !share && v*scale != math.Trunc(v*scale):
		return bad("neither a share of at most 1 nor a whole count")
	}
	return BOPsLimit{v * scale, share}, nil
}

// ParseSize reads bytes: "200KB", "200K", "1.5MB" (powers of 1000), "200KiB", "1MiB"
// (powers of 1024), "200000" or "200000B".
func ParseSize(s string) (float64, error) { return parseBytes("size", s) }

func parseBytes(what, s string) (float64, error) {
	bad := func(why string) (float64, error) {
		return 0, fmt.Errorf("%s budget %q: %s; write bytes such as 200KB, 1.5MB, 200KiB or 200000", what, s, why)
	}
	number, scale, _ := cutUnit(s, map[string]float64{
		"K": 1e3, "M": 1e6, "G": 1e9, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "B": 1})
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v*scale, 0) {
		return bad("not a number with a unit that is known")
	}
	if bytes := math.Floor(v * scale); bytes >= 1 {
		return bytes, nil
	}
	return bad("must be at least one byte")
}

// cutUnit splits "1.2G" into "1.2", 1e9 and "G"; without a unit the scale is 1.
// The longest unit that fits is taken, in either case of letters.
func cutUnit(s string, units map[string]float64) (number string, scale float64, unit string) {
	s = strings.ToUpper(strings.TrimSpace(s))
	scale = 1
	for u, f := range units {
		if strings.HasSuffix(s, u) && len(u) > len(unit) {
			unit, scale = u, f
		}
	}
	return strings.TrimSpace(strings.TrimSuffix(s, unit)), scale, unit
}

// HumanCount writes a count as people say it: 650M, 1.23G.
func HumanCount(v float64) string {
	for _, u := range []struct {
		scale float64
		unit  string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "K"}} {
		if v >= u.scale {
			return fmt.Sprintf("%.4g%s", v/u.scale, u.unit)
		}
	}
	return fmt.Sprintf("%.4g", v)
}
