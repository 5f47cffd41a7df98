package quant

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Pin fixes the bits of a layer. The zero Pin leaves the layer to the search.
type Pin struct{ Weight, Input int }

// ParsePin reads "8/8" (weight bits / input bits) or "search".
func ParsePin(s string) (Pin, error) {
	if s == "search" {
		return Pin{}, nil
	}
	w, x, found := strings.Cut(s, "/")
	wbits, werr := strconv.Atoi(w)
	xbits, xerr := strconv.Atoi(x)
	if !found || werr != nil || xerr != nil {
		return Pin{}, fmt.Errorf(`pin %q: write weight bits / input bits such as 8/8, or "search"`, s)
	}
	if wbits == 0 && xbits == 0 {
		return Pin{}, fmt.Errorf(`pin %q: a layer needs bits; "search" leaves it to the search`, s)
	}
	p := Pin{wbits, xbits}
	return p, p.check()
}

func (p Pin) String() string {
	if p == (Pin{}) {
		return "search"
	}
	return fmt.Sprintf("%d/%d", p.Weight, p.Input)
}

func (p Pin) check() error {
	if p == (Pin{}) {
		return nil
	}
	if err := checkBits(fmt.Sprintf("pin %v: weight bits", p), []int{p.Weight}, MinWeightBits); err != nil {
		return err
	}
	return checkBits(fmt.Sprintf("pin %v: input bits", p), []int{p.Input}, MinInputBits)
}

// Policy says which bit widths are searched and what is pinned.
type Policy struct {
	WeightBits  []int // candidates of the weights, ascending, 2 to 8
	InputBits   []int // candidates of the inputs, ascending, 1 to 8
	First, Last Pin   // of the first and the last layer of the net
	Constraints Constraints
}

// DefaultPolicy searches 2, 4 and 8 bits and pins both ends of the net at 8/8.
func DefaultPolicy() Policy {
	return Policy{
		WeightBits: []int{2, 4, 8}, InputBits: []int{2, 4, 8},
		First: Pin{8, 8}, Last: Pin{8, 8},
	}
}

func (p Policy) check() error {
	if err := checkBits("weight bits", p.WeightBits, MinWeightBits); err != nil {
		return err
	}
	if err := checkBits("input bits", p.InputBits, MinInputBits); err != nil {
		return err
	}
	if err := p.First.check(); err != nil {
		return fmt.Errorf("first layer: %w", err)
	}
	if err := p.Last.check(); err != nil {
		return fmt.Errorf("last layer: %w", err)
	}
	return nil
}

// candidates are the widths of one layer's weights and input under the policy.
func (p Policy) candidates(l Layer, first, last bool) (w, x []int, err error) {
	w, x = slices.Clone(p.WeightBits), slices.Clone(p.InputBits)
	for _, end := range []struct {
		here bool
		pin  Pin
	}{{first, p.First}, {last, p.Last}} {
		if end.here && end.pin != (Pin{}) {
			w, x = []int{end.pin.Weight}, []int{end.pin.Input}
		}
	}
	if l.SignedInput && x[0] < MinWeightBits {
		x = x[1:]
	}
	if len(x) == 0 {
		return nil, nil, fmt.Errorf("input bits: layer %q has a signed input, which needs %d bits or more", l.Name, MinWeightBits)
	}
	return w, x, nil
}
