package onesot

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"vimps-gpu/quant"
)

// Budget reads bounds written NAME=VALUE, any number together, each name once:
//
//	bops=0.25, bops=650M   as ParseBOPs reads them
//	size=40K               bytes of the deployed net, as ParseSize reads them
//	memory=64K             peak bytes of activations
//	drop=1                 points of accuracy, or dB, below the reference
//	latency=1.5ms          the cost that the front was searched by, in its unit or, of a time, in s, ms, us or ns, or as a
//	                       share of the all-maximum child's, 50%
//	latency:FILE.csv=1.5ms any other measured cost, by its table
func (f *Front) Budget(bounds []string) (Budget, error) {
	var b Budget
	seen := map[string]bool{}
	for _, text := range bounds {
		at := strings.LastIndex(text, "=") // a file's name may have one too
		if at < 0 {
			return b, fmt.Errorf("budget %q: write NAME=VALUE, such as %s", text, boundExamples)
		}
		name, value := strings.TrimSpace(text[:at]), text[at+1:]
		if seen[name] {
			return b, fmt.Errorf("budget %s is given twice", name)
		}
		seen[name] = true
		if err := f.bound(&b, name, value); err != nil {
			return b, err
		}
	}
	return b, nil
}

const boundExamples = "bops=0.25, size=200K, memory=64K, latency=1.5ms or drop=1"

func (f *Front) bound(b *Budget, name, value string) error {
	switch name {
	case "bops":
		limit, err := ParseBOPs(value)
		b.MaxBOPs = &limit
		return err
	case "size":
		size, err := ParseSize(value)
		b.MaxSize = &size
		return err
	case "memory":
		bytes, err := parseBytes("memory", value)
		b.MaxMemory = &bytes
		return err
	case "drop":
		drop, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(drop >= 0) || math.IsInf(drop, 0) {
			return fmt.Errorf("drop budget %q: want a number of 0 or more %s", value, f.Metric.DropUnit())
		}
		b.MaxDrop = &drop
		return nil
	}
	m, most, err := f.measured(name)
	if err != nil {
		return err
	}
	if m.Value, err = parseMeasured(m, value, most); err != nil {
		return err
	}
	b.Measured = append(b.Measured, m)
	return nil
}

// measured finds the cost that a bound names, and what the all-maximum child takes of it (0: not known).
func (f *Front) measured(name string) (m MeasuredLimit, most float64, err error) {
	if f.Cost.Name == name {
		return MeasuredLimit{Name: name, Unit: f.Cost.Unit, Cost: func(p Point) float64 { return p.Cost }}, f.Cost.Max, nil
	}
	if !strings.Contains(name, ":") && !strings.HasSuffix(name, ".csv") {
		known := []string{"bops", "size", "memory", "drop"}
		if !slices.Contains(known, f.Cost.Name) {
			known = append(known, f.Cost.Name)
		}
		return m, 0, fmt.Errorf("budget %q: there is no such cost, only %s; write %s:FILE.csv=VALUE for one that a table has", name, strings.Join(known, ", "), name)
	}
	var children []quant.Assignment
	for _, p := range f.Points {
		children = append(children, p.Assignment)
	}
	space, err := quant.SpaceOf(children)
	if err != nil {
		return m, 0, err
	}
	t, err := quant.OpenCost(name, space)
	if err != nil {
		return m, 0, err
	}
	return MeasuredLimit{Name: t.Name, Unit: t.Unit, Cost: func(p Point) float64 { return t.Cost(p.Assignment) }}, 0, nil
}

// nanoseconds of the units that a time may be written in; whole numbers, so that 1500us are 1.5ms exactly.
var nanoseconds = map[string]float64{"s": 1e9, "ms": 1e6, "us": 1e3, "µs": 1e3, "ns": 1}

// parseMeasured reads a number in the unit of a cost, in another unit of time where it is one, or as a share of most.
func parseMeasured(m MeasuredLimit, text string, most float64) (float64, error) {
	bad := func(why string) (float64, error) {
		unit := m.Unit
		if unit == "" {
			unit = "the unit of its table"
		}
		return 0, fmt.Errorf("%s budget %q: %s; write a number of %s", m.Name, text, why, unit)
	}
	text = strings.TrimSpace(text)
	number := strings.TrimRight(text, "%abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZµ_/ ")
	unit := strings.TrimSpace(text[len(number):])
	times, by := 1.0, 1.0
	own, isTime := nanoseconds[m.Unit]
	given, known := nanoseconds[unit]
	switch {
	case number == "":
		return bad("not a number")
	case unit == "" || unit == m.Unit:
	case unit == "%" && most > 0:
		times, by = most, 100
	case unit == "%":
		return bad("what a share of it is, is not known")
	case isTime && known:
		times, by = given, own
	default:
		return bad("the unit is another")
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v*times, 0) {
		return bad("not a number")
	}
	if !(v > 0) {
		return bad("must be more than 0")
	}
	return v * times / by, nil
}
