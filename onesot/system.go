package onesot

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"vimps-gpu/quant"
)

// System is a search system: it finds children of a Problem's net. All run on the same nets, quantizers, data and
// costs; each is a package below onesot/method.
type System interface {
	Name() string
	About() string                // one line, with the source
	Defaults(s Settings) Settings // the shared settings as the system wants them, from those of the model
	Options() []Option            // numbers of its own
	Asks() Asks                   // what a front is asked by
	// Check tells what the system cannot work with, in one line, before anything is trained.
	Check(p *Problem) error
	// Search finds children. It goes on from p.State, and trains nothing where p.Options.Trained says that all
	// training is done.
	Search(ctx context.Context, p *Problem) (*Found, error)
}

// Option is a number of a System's own, a flag --Name. Value points into the System: *int, *float64, *bool or *string.
type Option struct {
	Name, Usage string
	Value       any
}

// AskKind is how a front is asked for.
type AskKind int

// The kinds.
const (
	AskEtas      AskKind = iota // one training answers every hardware penalty in a range
	AskPenalties                // a training for each penalty
	AskBudgets                  // children within relative costs
)

func (k AskKind) String() string { return [...]string{"etas", "penalties", "budgets"}[k] }

// Asks is what a System's front is asked by.
type Asks struct {
	Kind    AskKind
	What    string    // a penalty is, such as "hardware penalty eta"
	Default []float64 // ascending; of AskEtas none: Settings.Etas
}

// Found is what a search gave. It holds nets until it is freed.
type Found struct {
	Points []Point // distinct children, evaluated; MarkFront has been called
	// Judge gives the judge of the net by which the system knows a child: Child is what it believes of it, Net what a
	// fine-tuning starts from.
	Judge func(ctx context.Context, a quant.Assignment) (*Judge, error)
	// Score, where not nil, ranks children without evaluating them; lower is better.
	Score       func(a quant.Assignment) float64
	Predictions []Prediction // of a System with a BitModel: pi along eta
	Notes       []string     // what else there is to say of the children, a line each
	Free        func()
}

// OptionValues are a System's options by name, as run.json records them.
func OptionValues(s System) map[string]any {
	out := map[string]any{}
	for _, o := range s.Options() {
		text, err := json.Marshal(o.Value)
		if err != nil {
			panic(err) // *int, *float64, *bool, *string
		}
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			panic(err)
		}
		out[o.Name] = v
	}
	return out
}

// SetOptions sets a System's options from what run.json records.
func SetOptions(s System, values map[string]any) error {
	known := map[string]bool{}
	for _, o := range s.Options() {
		known[o.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !known[name] {
			return fmt.Errorf("option %s: %s has no such option", name, s.Name())
		}
	}
	for _, o := range s.Options() {
		v, ok := values[o.Name]
		if !ok {
			continue
		}
		text, err := json.Marshal(v)
		if err == nil {
			err = json.Unmarshal(text, o.Value)
		}
		if err != nil {
			return fmt.Errorf("option %s: %w", o.Name, err)
		}
	}
	return nil
}
