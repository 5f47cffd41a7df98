package quant

import (
	"fmt"
	"slices"
	"strings"
)

// constrain applies constraints to the candidates of every gate: pins, then what is forbidden, then ties.
func (s *Space) constrain(c Constraints) error {
	if err := s.pin(c.Pins); err != nil {
		return err
	}
	for _, r := range c.Forbids {
		layers, err := s.match(r.Pattern)
		if err != nil {
			return fmt.Errorf("forbid: %w", err)
		}
		if err := s.forbid(r.Pattern, layers, Weight, r.Weight); err != nil {
			return err
		}
		if err := s.forbid(r.Pattern, layers, Input, r.Input); err != nil {
			return err
		}
	}
	return s.tie(c.Ties)
}

func (s *Space) candidates(layer int, k Kind) *[]int {
	if k == Weight {
		return &s.Weight[layer]
	}
	return &s.Input[layer]
}

func (s *Space) pin(rules []PinRule) error {
	by := map[gateOf]PinRule{}
	for _, r := range rules {
		layers, err := s.match(r.Pattern)
		if err != nil {
			return fmt.Errorf("pin: %w", err)
		}
		for _, layer := range layers {
			for k, bits := range [2]int{Weight: r.Weight, Input: r.Input} {
				if bits == 0 {
					continue
				}
				gate := gateOf{layer, Kind(k)}
				list := s.candidates(layer, gate.Kind)
				if before, twice := by[gate]; twice && !slices.Equal(*list, []int{bits}) {
					return fmt.Errorf("pin: the %ss of layer %q have %d bits by %q and %d by %q", gate.Kind, s.names[layer], (*list)[0], before.Pattern, bits, r.Pattern)
				}
				if gate.Kind == Input && s.Layers[layer].SignedInput && bits < MinWeightBits {
					return fmt.Errorf("pin %q: layer %q has a signed input, which needs %d bits or more", r.Pattern, s.names[layer], MinWeightBits)
				}
				by[gate], *list = r, []int{bits}
			}
		}
	}
	return nil
}

func (s *Space) forbid(pattern string, layers []int, k Kind, bits []int) error {
	for _, b := range bits {
		found := false
		for _, layer := range layers {
			list := s.candidates(layer, k)
			at := slices.Index(*list, b)
			if at < 0 {
				continue
			}
			if len(*list) == 1 {
				return fmt.Errorf("forbid %q: %d bits are all that is left for the %s of layer %q, which is pinned or has no other candidate", pattern, b, k, s.names[layer])
			}
			*list, found = slices.Delete(slices.Clone(*list), at, at+1), true
		}
		if !found {
			return fmt.Errorf("forbid %q: no layer that it matches has %d %s bits among its candidates", pattern, b, k)
		}
	}
	return nil
}

// tie makes the gates of each rule one, whose candidates are those that all of them have.
func (s *Space) tie(rules []TieRule) error {
	leads := [2][]int{s.alone(), s.alone()}
	for _, r := range rules {
		var layers []int
		for _, pattern := range r.Patterns {
			more, err := s.match(pattern)
			if err != nil {
				return fmt.Errorf("tie: %w", err)
			}
			layers = append(layers, more...)
		}
		slices.Sort(layers)
		layers = slices.Compact(layers)
		if len(layers) < 2 {
			return fmt.Errorf("tie %q: only layer %q matches; a tie needs two or more", r.Patterns, s.names[layers[0]])
		}
		for k, on := range [2]bool{Weight: r.Weight, Input: r.Input} {
			if !on {
				continue
			}
			if err := s.checkTie(r, layers, Kind(k)); err != nil {
				return err
			}
			join(leads[k], layers)
		}
	}
	return s.tieTo(leads)
}

// checkTie refuses a mixture of searched and pinned gates: the searched ones would be pinned silently.
func (s *Space) checkTie(r TieRule, layers []int, k Kind) error {
	first := *s.candidates(layers[0], k)
	for _, layer := range layers[1:] {
		list := *s.candidates(layer, k)
		if len(first) == 1 != (len(list) == 1) {
			pinned, free := layers[0], layer
			if len(list) == 1 {
				pinned, free = layer, layers[0]
			}
			return fmt.Errorf("tie %q: the %s of layer %q is pinned at %d bits and that of %q is searched; pin both or neither (--first-layer, --last-layer, [pin])",
				r.Patterns, k, s.names[pinned], (*s.candidates(pinned, k))[0], s.names[free])
		}
	}
	return nil
}

// alone is every layer the lead of itself.
func (s *Space) alone() []int {
	leads := make([]int, len(s.Layers))
	for k := range leads {
		leads[k] = k
	}
	return leads
}

// join gives layers, and those that were joined with any of them, one lead: the first of all.
func join(leads, layers []int) {
	lead := len(leads)
	for _, layer := range layers {
		lead = min(lead, leads[layer])
	}
	var old []int
	for _, layer := range layers {
		old = append(old, leads[layer])
	}
	for layer, l := range leads {
		if slices.Contains(old, l) {
			leads[layer] = lead
		}
	}
}

func (s *Space) tieTo(leads [2][]int) error {
	for k := range leads {
		kind := Kind(k)
		for lead := range s.Layers {
			common := *s.candidates(lead, kind)
			for layer, l := range leads[k] {
				if l == lead {
					list := *s.candidates(layer, kind)
					common = slices.DeleteFunc(slices.Clone(common), func(b int) bool { return !slices.Contains(list, b) })
				}
			}
			if len(common) == 0 {
				return fmt.Errorf("tie: the %ss of layer %q and of those tied to it have no candidate in common", kind, s.names[lead])
			}
			for layer, l := range leads[k] {
				if l == lead {
					*s.candidates(layer, kind) = common
				}
			}
		}
		if !slices.Equal(leads[k], s.alone()) {
			s.lead[k] = leads[k]
		}
	}
	return s.checkConnected()
}

// match lists the layers whose names a pattern matches, one or more; the error names the nearest.
func (s *Space) match(pattern string) ([]int, error) {
	var layers []int
	for k, name := range s.names {
		if globMatch(pattern, name) {
			layers = append(layers, k)
		}
	}
	if layers == nil {
		return nil, fmt.Errorf("%q matches no layer of the net; the nearest name is %q", pattern, nearestLayer(pattern, s.names))
	}
	return layers, nil
}

// globMatch: * is any characters, ? is one.
func globMatch(pattern, name string) bool {
	p, n := []rune(pattern), []rune(name)
	star, mark := -1, 0 // the last * and where in the name what follows it was tried
	i, j := 0, 0
	for j < len(n) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == n[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(string(p[i:]), "*") == ""
}

// nearestLayer is the name that the fewest changes of the pattern's characters would make it match, of equals the first.
func nearestLayer(pattern string, names []string) string {
	best, least := "", -1
	for _, name := range names {
		if d := globDistance([]rune(pattern), []rune(name)); least < 0 || d < least {
			best, least = name, d
		}
	}
	return best
}

// globDistance counts the characters to insert, delete or replace in a pattern so that it matches a name; what a * stands for
// costs nothing.
func globDistance(pattern, name []rune) int {
	row := make([]int, len(name)+1) // from the pattern so far to each beginning of the name
	for j := range row {
		row[j] = j
	}
	for _, p := range pattern {
		corner := row[0]
		if p != '*' {
			row[0]++
		}
		for j, c := range name {
			replace, skip := corner, 1
			if p != c && p != '?' {
				replace++
			}
			corner = row[j+1]
			if p == '*' {
				replace, skip = corner, 0
			}
			row[j+1] = min(replace, row[j]+skip, row[j+1]+1)
		}
	}
	return row[len(name)]
}

type gateOf struct {
	layer int
	Kind  Kind
}
