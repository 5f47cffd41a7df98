package compare

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"vimps-gpu/onesot"
)

// variant is a search system under settings: a method of the experiment, or an ablation.
type variant struct {
	label    string
	ablates  string // label of the method that it is an ablation of; empty: a method
	method   string
	settings onesot.Settings
	asked    []float64
	own      map[string]any // options of the system's own
}

// system is the variant's system with its own options set.
func (v *variant) system(e *Experiment) onesot.System {
	s, err := e.find(v.method)
	if err == nil {
		err = setOptions(s, v.own)
	}
	if err != nil {
		panic(err) // Load has tried it
	}
	return s
}

func (e *Experiment) find(name string) (onesot.System, error) {
	var names []string
	for _, s := range e.systems() {
		if s.Name() == name {
			return s, nil
		}
		names = append(names, s.Name())
	}
	return nil, unknown("method", name, names)
}

// variants are the methods and ablations in the order of the file.
func (e *Experiment) variants() ([]*variant, error) {
	var out []*variant
	labels := map[string]*variant{}
	for i, table := range e.Methods {
		v, err := e.method(table)
		if err != nil {
			return nil, fmt.Errorf("method %d: %w", i+1, err)
		}
		if labels[v.label] != nil {
			return nil, fmt.Errorf("method %d: %q is there twice; give one of them a label of its own", i+1, v.label)
		}
		labels[v.label] = v
		out = append(out, v)
	}
	for i, table := range e.Ablations {
		v, err := e.ablation(table, labels)
		if err != nil {
			return nil, fmt.Errorf("ablation %d: %w", i+1, err)
		}
		if labels[v.label] != nil {
			return nil, fmt.Errorf("ablation %d: %q is there twice", i+1, v.label)
		}
		labels[v.label] = v
		out = append(out, v)
	}
	return out, nil
}

func (e *Experiment) method(table map[string]any) (*variant, error) {
	name, err := textOf(table, "name", "")
	if err != nil {
		return nil, err
	}
	label, err := textOf(table, "label", name)
	if err != nil {
		return nil, err
	}
	v := &variant{label: label, method: name}
	return v, e.fill(v, without(table, "name", "label"))
}

// ablation is the method that it names, with other settings.
func (e *Experiment) ablation(table map[string]any, methods map[string]*variant) (*variant, error) {
	label, err := textOf(table, "name", "")
	if err != nil {
		return nil, err
	}
	of, err := textOf(table, "method", "")
	if err != nil {
		return nil, err
	}
	if methods[of] == nil || methods[of].ablates != "" {
		return nil, unknown("method", of, slices.Sorted(maps.Keys(methods)))
	}
	merged := map[string]any{}
	for _, m := range e.Methods {
		if own, _ := textOf(m, "label", m["name"].(string)); own == of { // variants has seen both
			merged = maps.Clone(m)
		}
	}
	maps.Copy(merged, without(table, "name", "method"))
	v := &variant{label: label, ablates: of, method: methods[of].method}
	return v, e.fill(v, without(merged, "name", "label"))
}

// fill sorts a method's keys into shared settings, own options and what the front is asked by.
func (e *Experiment) fill(v *variant, table map[string]any) error {
	if !validLabel(v.label) {
		return fmt.Errorf("label %q: want letters, digits, '-', '_', '.' and spaces, 40 at most", v.label)
	}
	s, err := e.find(v.method)
	if err != nil {
		return err
	}
	if _, there := table["epochs"]; there && e.Schedule == "equalised" && v.ablates == "" {
		return errors.New(`epochs: with schedule = "equalised" every training has the experiment's epochs; write schedule = "published" for schedules of their own`)
	}
	shared := maps.Clone(e.Settings)
	if shared == nil {
		shared = map[string]any{}
	}
	if e.Schedule == "equalised" {
		shared["epochs"] = int64(e.Epochs)
	}
	asks := s.Asks()
	v.own, v.asked = map[string]any{}, nil
	var asked any
	for key, value := range table {
		switch {
		case key == asks.Kind.String():
			asked = value
		case slices.Contains([]string{"etas", "penalties", "budgets"}, key):
			return fmt.Errorf("%s: %s is asked by %s", key, v.method, asks.Kind)
		case hasOption(s, key):
			v.own[key] = value
		default:
			shared[key] = value
		}
	}
	base := s.Defaults(e.base())
	if v.settings, err = applySettings(base, shared, append(optionNames(s), asks.Kind.String())); err != nil {
		return err
	}
	if err := setOptions(s, v.own); err != nil {
		return err
	}
	v.asked, err = askedValues(asks, asked, v.settings)
	return err
}

// askedValues are what the file gives, or the system's own default. Etas may be given as a number of them.
func askedValues(asks onesot.Asks, value any, s onesot.Settings) ([]float64, error) {
	kind := asks.Kind.String()
	count, isCount := value.(int64)
	switch {
	case value == nil && asks.Kind == onesot.AskEtas:
		return s.Etas(40), nil
	case value == nil:
		return asks.Default, nil
	case isCount && asks.Kind == onesot.AskEtas:
		if count < 1 || count > 1000 {
			return nil, fmt.Errorf("etas = %d: want 1 to 1000, or a list", count)
		}
		return s.Etas(int(count)), nil
	}
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		return nil, fmt.Errorf("%s: want a list of numbers that is not empty", kind)
	}
	var out []float64
	for _, item := range list {
		f, ok := number(item)
		if !ok || math.IsNaN(f) || math.IsInf(f, 0) || f < 0 || f == 0 && asks.Kind != onesot.AskPenalties {
			return nil, fmt.Errorf("%s: %v, want numbers above 0", kind, item)
		}
		out = append(out, f)
	}
	return onesot.Ascending(out), nil
}
