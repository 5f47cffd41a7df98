package compare

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// difference names the first key that two experiment files disagree about; "" where they say the same.
func difference(old, now []byte) (string, error) {
	var a, b map[string]any
	if err := toml.Unmarshal(old, &a); err != nil {
		return "", fmt.Errorf("%s: %w", experimentFile, plain(err))
	}
	if err := toml.Unmarshal(now, &b); err != nil {
		return "", err
	}
	delete(a, "out") // a directory may have moved
	delete(b, "out")
	return firstDifference(flat("", a), flat("", b)), nil
}

func firstDifference(a, b map[string]string) string {
	var names []string
	for name := range a {
		names = append(names, name)
	}
	for name := range b {
		if _, both := a[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if a[name] != b[name] {
			return fmt.Sprintf("%s = %s, now %s", name, orNone(a[name]), orNone(b[name]))
		}
	}
	return ""
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// flat lists every value below v by its dotted name.
func flat(name string, v any) map[string]string {
	out := map[string]string{}
	add := func(part string, v any) {
		for k, text := range flat(strings.TrimPrefix(name+"."+part, "."), v) {
			out[k] = text
		}
	}
	switch x := v.(type) {
	case map[string]any:
		for k, item := range x {
			add(k, item)
		}
	case []map[string]any:
		for i, item := range x {
			add(fmt.Sprint(i+1), item)
		}
	default:
		out[name] = fmt.Sprint(v)
	}
	return out
}

func asMap(v any) map[string]any {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // a struct of texts always encodes
	}
	out := map[string]any{}
	if err := json.Unmarshal(data, &out); err != nil {
		panic(err)
	}
	return out
}
