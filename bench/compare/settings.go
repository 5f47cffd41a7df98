package compare

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"vimps-gpu/onesot"
)

// applySettings writes settings by their flags' names. also lists other names that would have been valid.
func applySettings(s onesot.Settings, values map[string]any, also []string) (onesot.Settings, error) {
	names := settingNames()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(names, name) {
			return s, unknown("setting", name, append(names, also...))
		}
		data, err := json.Marshal(map[string]any{strings.ReplaceAll(name, "-", "_"): values[name]})
		if err == nil {
			err = json.Unmarshal(data, &s)
		}
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return s, fmt.Errorf("%s = %v: want %s", name, values[name], kindName(wrong.Type))
		}
		if err != nil {
			return s, fmt.Errorf("%s = %v: %w", name, values[name], err)
		}
	}
	return s, s.Check()
}

// notSettable are settings that the experiment decides in its own way.
var notSettable = []string{"method", "seed", "hold-out"}

// settingNames are the shared settings' names as their flags are written.
func settingNames() []string {
	var out []string
	for _, tag := range tags(onesot.Settings{}, "json") {
		if name := strings.ReplaceAll(tag, "_", "-"); !slices.Contains(notSettable, name) {
			out = append(out, name)
		}
	}
	return out
}

func hasOption(s onesot.System, name string) bool { return slices.Contains(optionNames(s), name) }

func optionNames(s onesot.System) []string {
	var out []string
	for _, o := range s.Options() {
		out = append(out, o.Name)
	}
	return out
}

// setOptions writes the system's own options.
func setOptions(s onesot.System, values map[string]any) error {
	for _, o := range s.Options() {
		value, there := values[o.Name]
		if !there {
			continue
		}
		ok := false
		switch p := o.Value.(type) {
		case *int:
			var n int64
			n, ok = value.(int64)
			*p = int(n)
		case *float64:
			*p, ok = number(value)
		case *bool:
			*p, ok = value.(bool)
		case *string:
			*p, ok = value.(string)
		default:
			panic("compare: option " + o.Name + " has a type that files do not know")
		}
		if !ok {
			return fmt.Errorf("%s = %v: want %s", o.Name, value, kindName(reflect.TypeOf(o.Value).Elem()))
		}
	}
	return nil
}

func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int, reflect.Uint64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	}
	return "a text in quotes"
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case int64:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

// textOf is a key that holds a text; without it, the default, which is not empty where the key may be absent.
func textOf(table map[string]any, key, otherwise string) (string, error) {
	v, there := table[key]
	s, ok := v.(string)
	switch {
	case !there && otherwise != "":
		return otherwise, nil
	case !there:
		return "", fmt.Errorf("no %s", key)
	case !ok || s == "":
		return "", fmt.Errorf("%s = %v: want a text in quotes", key, v)
	}
	return s, nil
}

func without(table map[string]any, names ...string) map[string]any {
	out := maps.Clone(table)
	for _, n := range names {
		delete(out, n)
	}
	return out
}

// tags are the names that a struct's fields have in files.
func tags(of any, kind string) []string {
	var out []string
	t := reflect.TypeOf(of)
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get(kind), ","); name != "" && name != "-" {
			out = append(out, name)
		}
	}
	return out
}
