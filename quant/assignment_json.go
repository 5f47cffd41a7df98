package quant

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// layerBits is how one layer stands in JSON. Pointers tell 0 from absent.
type layerBits struct {
	Weight *int `json:"weight"`
	Input  *int `json:"input"`
}

// MarshalJSON writes {"layer": {"weight": 4, "input": 8}, ...} in net order.
func (a Assignment) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for k, name := range a.names {
		if k > 0 {
			out.WriteByte(',')
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, fmt.Errorf("assignment: layer %q: %w", name, err)
		}
		w, x := a.Bits(k)
		fmt.Fprintf(&out, `%s:{"weight":%d,"input":%d}`, key, w, x)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// UnmarshalJSON reads what MarshalJSON wrote, keeping the order of the layers.
// It knows no Space: it checks that names are unique and widths are widths that
// exist. ParseAssignment checks the rest.
func (a *Assignment) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return fmt.Errorf(`assignment: want an object {"layer": {"weight": 4, "input": 8}, ...}`)
	}
	var names []string
	var bits []byte
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return fmt.Errorf("assignment: %w", err)
		}
		name := tok.(string) // a key of an object is always a string
		if seen[name] {
			return fmt.Errorf("assignment: layer %q stands twice", name)
		}
		seen[name] = true
		w, x, err := readLayerBits(dec)
		if err != nil {
			return fmt.Errorf("assignment: layer %q: %w", name, err)
		}
		names = append(names, name)
		bits = append(bits, byte(w), byte(x))
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("assignment: %w", err)
	}
	*a = Assignment{names, string(bits)}
	return nil
}

func readLayerBits(dec *json.Decoder) (weight, input int, err error) {
	var l layerBits
	if err := dec.Decode(&l); err != nil {
		return 0, 0, err
	}
	if l.Weight == nil || l.Input == nil {
		return 0, 0, fmt.Errorf(`want {"weight": bits, "input": bits}`)
	}
	if err := checkBits("weight bits", []int{*l.Weight}, MinWeightBits); err != nil {
		return 0, 0, err
	}
	if err := checkBits("input bits", []int{*l.Input}, MinInputBits); err != nil {
		return 0, 0, err
	}
	return *l.Weight, *l.Input, nil
}

// ParseAssignment reads a child of the space from JSON. The layers may stand in
// any order; each must be there once, with widths among its candidates.
func ParseAssignment(s *Space, data []byte) (Assignment, error) {
	var a Assignment
	if err := json.Unmarshal(data, &a); err != nil {
		return Assignment{}, err
	}
	return s.Fit(a)
}

// Fit checks an Assignment that came from a file against the space and puts its
// layers in net order. The error names the layer that is unknown or missing, or
// whose widths are not among the candidates.
func (s *Space) Fit(a Assignment) (Assignment, error) {
	w, x := make([]int, len(s.Layers)), make([]int, len(s.Layers))
	for k, name := range a.names {
		at := slices.Index(s.names, name)
		if at < 0 {
			return Assignment{}, fmt.Errorf("assignment: layer %q is not in this net", name)
		}
		w[at], x[at] = a.Bits(k)
	}
	for k, name := range s.names {
		if w[k] == 0 {
			return Assignment{}, fmt.Errorf("assignment: layer %q is missing", name)
		}
	}
	return NewAssignment(s, w, x)
}
