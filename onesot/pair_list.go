package onesot

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vimps-gpu/cuda"
	"vimps-gpu/quant"
)

// ParsePairs reads pairs of weight and input bits such as "2/4,4/4".
func ParsePairs(text string) ([][2]int, error) {
	var list [][2]int
	for _, word := range strings.Split(text, ",") {
		w, x, ok := strings.Cut(strings.TrimSpace(word), "/")
		weight, err1 := strconv.Atoi(w)
		input, err2 := strconv.Atoi(x)
		if !ok || err1 != nil || err2 != nil {
			return nil, fmt.Errorf("--pairs %q: %q is no pair of weight and input bits; want such as 2/4,4/4,8/8", text, word)
		}
		list = append(list, [2]int{weight, input})
	}
	return list, nil
}

// FormatPairs is the inverse of [ParsePairs].
func FormatPairs(list [][2]int) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = fmt.Sprintf("%d/%d", p[0], p[1])
	}
	return strings.Join(words, ",")
}

// DefaultPairs lists, for every candidate of the weights of a searched layer, the narrowest inputs that are no narrower, and
// the next wider: of 2,4,8 the pairs 2/2,2/4,4/4,4/8,8/8. Those of Wu et al. 2018 are of this kind (1/4,2/4,3/3,4/4,8/8,32/32).
func DefaultPairs(space *quant.Space) [][2]int {
	var list [][2]int
	for _, layer := range space.Searched() {
		inputs := space.Input[layer]
		for _, w := range space.Weight[layer] {
			from := slices.IndexFunc(inputs, func(x int) bool { return x >= w })
			if from < 0 {
				from = len(inputs) - 1
			}
			for _, x := range inputs[from:min(from+2, len(inputs))] {
				if pair := [2]int{w, x}; !slices.Contains(list, pair) {
					list = append(list, pair)
				}
			}
		}
	}
	return list
}

// AllowedPairs gives, for each searched layer of a space, the options {weight, input} of those pairs of bits that are in its
// candidates, in the order of the list. The error, one line, names a pair that no layer has or that is there twice, and a
// layer that has no pair or more than a gate has room for.
func AllowedPairs(space *quant.Space, list [][2]int) ([][][2]int, error) {
	used := make([]bool, len(list))
	var allowed [][][2]int
	for _, layer := range space.Searched() {
		var options [][2]int
		for p, bits := range list {
			w, x := slices.Index(space.Weight[layer], bits[0]), slices.Index(space.Input[layer], bits[1])
			if w >= 0 && x >= 0 {
				options = append(options, [2]int{w, x})
				used[p] = true
			}
		}
		if len(options) == 0 || len(options) > cuda.MaxBits {
			return nil, fmt.Errorf("--pairs %s: layer %s, weights %v, inputs %v, has %d of them; want 1 to %d",
				FormatPairs(list), space.Layers[layer].Name, space.Weight[layer], space.Input[layer], len(options), cuda.MaxBits)
		}
		allowed = append(allowed, options)
	}
	for p, bits := range list {
		if slices.Contains(list[:p], bits) {
			return nil, fmt.Errorf("--pairs %s: %d/%d is there twice", FormatPairs(list), bits[0], bits[1])
		}
		if !used[p] {
			return nil, fmt.Errorf("--pairs %s: no layer has %d/%d among its candidates (--weight-bits, --input-bits)", FormatPairs(list), bits[0], bits[1])
		}
	}
	return allowed, nil
}
