package quant

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Constraints narrow what is searched, layer by layer, by patterns of names: * stands for any characters, dots and slashes
// included, ? for one. Each pattern must match a layer. In the file, which is TOML:
//
//	[pin]                                    # bits are fixed; above --first-layer and --last-layer
//	"layer1.*.conv1" = "4/8"                 # weight bits / input bits
//	"fc" = { weight = 8 }                    # one of the two
//
//	[forbid]                                 # candidates are left out
//	"layer3.*" = { weight = [2], input = [2, 4] }
//
//	[[tie]]                                  # one choice for all layers that match
//	layers = ["layer1.0.*", "layer1.1.*"]
//	kinds = ["weight", "input"]              # both where left out: the weights of all alike, the inputs of all alike
type Constraints struct {
	Pins    []PinRule    `json:"pin,omitempty"`
	Forbids []ForbidRule `json:"forbid,omitempty"`
	Ties    []TieRule    `json:"tie,omitempty"`
	File    string       `json:"-"` // that they were read from, for errors
}

// PinRule fixes bits; 0 leaves a kind free.
type PinRule struct {
	Pattern string `json:"layers"`
	Weight  int    `json:"weight,omitempty"`
	Input   int    `json:"input,omitempty"`
}

// ForbidRule takes candidates away.
type ForbidRule struct {
	Pattern string `json:"layers"`
	Weight  []int  `json:"weight,omitempty"`
	Input   []int  `json:"input,omitempty"`
}

// TieRule makes the gates of a kind one gate.
type TieRule struct {
	Patterns []string `json:"layers"`
	Weight   bool     `json:"weight"`
	Input    bool     `json:"input"`
}

// maxConstraints bounds what is read; a rule for each of a thousand layers needs a tenth of it.
const maxConstraints = 1 << 20

// ReadConstraints reads a constraints file. The error names the file and, where it can, the line.
func ReadConstraints(path string) (Constraints, error) {
	f, err := os.Open(path)
	if err != nil {
		return Constraints{}, fmt.Errorf("constraints: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConstraints+1))
	if err == nil && len(text) > maxConstraints {
		err = fmt.Errorf("longer than %d bytes", maxConstraints)
	}
	var c Constraints
	if err == nil {
		c, err = ParseConstraints(text)
	}
	if err != nil {
		return c, fmt.Errorf("constraints %s: %w", path, err)
	}
	c.File = path
	return c, nil
}

// ParseConstraints reads the text of a constraints file.
func ParseConstraints(text []byte) (Constraints, error) {
	var raw struct {
		Pin    map[string]any `toml:"pin"`
		Forbid map[string]any `toml:"forbid"`
		Tie    []struct {
			Layers []string `toml:"layers"`
			Kinds  []string `toml:"kinds"`
		} `toml:"tie"`
	}
	var c Constraints
	meta, err := toml.NewDecoder(bytes.NewReader(text)).Decode(&raw)
	if err != nil {
		return c, fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "toml: "))
	}
	for _, name := range []string{"pin", "forbid"} {
		if meta.IsDefined(name) && meta.Type(name) != "Hash" {
			return c, fmt.Errorf("%s: want a table, [%s], of patterns", name, name)
		}
	}
	for _, key := range meta.Undecoded() {
		if len(key) < 3 || key[0] != "pin" && key[0] != "forbid" { // what is below a pattern is any, and looked at below
			return c, fmt.Errorf("%s: unknown; want [pin], [forbid] and [[tie]] with layers and kinds", key)
		}
	}
	for _, pattern := range slices.Sorted(maps.Keys(raw.Pin)) {
		r, err := parsePinRule(pattern, raw.Pin[pattern])
		if err != nil {
			return c, err
		}
		c.Pins = append(c.Pins, r)
	}
	for _, pattern := range slices.Sorted(maps.Keys(raw.Forbid)) {
		r, err := parseForbidRule(pattern, raw.Forbid[pattern])
		if err != nil {
			return c, err
		}
		c.Forbids = append(c.Forbids, r)
	}
	for _, t := range raw.Tie {
		r, err := parseTieRule(t.Layers, t.Kinds)
		if err != nil {
			return c, err
		}
		c.Ties = append(c.Ties, r)
	}
	return c, nil
}

func parsePinRule(pattern string, v any) (PinRule, error) {
	r := PinRule{Pattern: pattern}
	if text, ok := v.(string); ok {
		pin, err := ParsePin(text)
		if err != nil || pin == (Pin{}) {
			return r, fmt.Errorf("pin %q: %q: want weight bits / input bits of %d to %d and %d to %d, such as 8/8", pattern, text, MinWeightBits, MaxBits, MinInputBits, MaxBits)
		}
		r.Weight, r.Input = pin.Weight, pin.Input
		return r, nil
	}
	err := eachKind("pin", pattern, v, func(k Kind, v any) error {
		bits, err := parseWidths(k, []any{v})
		if err != nil {
			return err
		}
		if k == Weight {
			r.Weight = bits[0]
		} else {
			r.Input = bits[0]
		}
		return nil
	})
	return r, err
}

func parseForbidRule(pattern string, v any) (ForbidRule, error) {
	r := ForbidRule{Pattern: pattern}
	err := eachKind("forbid", pattern, v, func(k Kind, v any) error {
		list, ok := v.([]any)
		if !ok {
			return fmt.Errorf("want a list of bits such as [2, 4]")
		}
		bits, err := parseWidths(k, list)
		if k == Weight {
			r.Weight = bits
		} else {
			r.Input = bits
		}
		return err
	})
	return r, err
}

// eachKind reads { weight = ..., input = ... }.
func eachKind(rule, pattern string, v any, read func(Kind, any) error) error {
	fields, ok := v.(map[string]any)
	if !ok || len(fields) == 0 {
		return fmt.Errorf("%s %q: want { weight = ..., input = ... } or one of the two", rule, pattern)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != Weight.String() && name != Input.String() {
			return fmt.Errorf("%s %q: %q is neither weight nor input; a name with dots stands in quotes", rule, pattern, name)
		}
		kind := Weight
		if name == Input.String() {
			kind = Input
		}
		if err := read(kind, fields[name]); err != nil {
			return fmt.Errorf("%s %q: %s: %w", rule, pattern, name, err)
		}
	}
	return nil
}

func parseWidths(k Kind, list []any) ([]int, error) {
	lo := MinWeightBits
	if k == Input {
		lo = MinInputBits
	}
	var bits []int
	for _, v := range list {
		b, ok := v.(int64)
		if !ok || b < int64(lo) || b > MaxBits {
			return nil, fmt.Errorf("%v is no number of bits of %d to %d", v, lo, MaxBits)
		}
		bits = append(bits, int(b))
	}
	if len(bits) == 0 {
		return nil, fmt.Errorf("no bits given")
	}
	slices.Sort(bits)
	return slices.Compact(bits), nil
}

func parseTieRule(layers, kinds []string) (TieRule, error) {
	r := TieRule{Patterns: layers, Weight: len(kinds) == 0, Input: len(kinds) == 0}
	if len(layers) == 0 {
		return r, fmt.Errorf(`tie: no layers given; write layers = ["PATTERN", ...]`)
	}
	for _, k := range kinds {
		switch k {
		case Weight.String():
			r.Weight = true
		case Input.String():
			r.Input = true
		default:
			return r, fmt.Errorf("tie %q: kind %q: want weight or input", layers, k)
		}
	}
	return r, nil
}
