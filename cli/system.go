package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method"
)

// findSystem gives a new System by the name that run.json records.
func findSystem(name string) (onesot.System, error) {
	if name == onesot.FineTuneName {
		return &onesot.FineTune{}, nil
	}
	return method.Find(name)
}

// recordedSystem is the System of the run in dir, with its options.
func recordedSystem(dir string, c onesot.Config) (onesot.System, error) {
	s, err := findSystem(string(c.Settings.Method))
	if err == nil {
		err = onesot.SetOptions(s, c.Options)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, "run.json"), err)
	}
	return s, nil
}

// askedFlags are what Systems are asked by, beside --etas.
func askedFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: onesot.AskPenalties.String(), Usage: "train once for each, such as 0.01,0.1,1: the hardware penalty of " + asked(onesot.AskPenalties)},
		&cli.StringFlag{Name: onesot.AskBudgets.String(), Usage: "find a child for each relative cost, such as 0.1,0.2: " + asked(onesot.AskBudgets)},
	}
}

// systemFlags are the own options of Systems, each once, under a heading in the help that names the Systems.
func systemFlags() []cli.Flag {
	var flags []cli.Flag
	for name, list := range optionsByName() {
		o := list[0].option
		var owners []string
		for _, l := range list {
			owners = append(owners, l.system)
		}
		flags = append(flags, optionFlag(name, "of --method "+strings.Join(owners, ", "), o))
	}
	slices.SortFunc(flags, func(a, b cli.Flag) int { return strings.Compare(a.Names()[0], b.Names()[0]) })
	return flags
}

// asked lists the Systems that are asked in a way.
func asked(kind onesot.AskKind) string {
	var names []string
	for _, s := range method.All() {
		if s.Asks().Kind == kind {
			names = append(names, s.Name())
		}
	}
	return strings.Join(names, ", ")
}

type ownedOption struct {
	system string
	option onesot.Option
}

func optionsByName() map[string][]ownedOption {
	out := map[string][]ownedOption{}
	for _, s := range method.All() {
		for _, o := range s.Options() {
			out[o.Name] = append(out[o.Name], ownedOption{s.Name(), o})
		}
	}
	return out
}

func optionFlag(name, heading string, o onesot.Option) cli.Flag {
	text, err := json.Marshal(o.Value)
	if err != nil {
		panic(err) // *int, *float64, *bool, *string
	}
	shown := strings.Trim(string(text), `"`)
	switch o.Value.(type) {
	case *bool:
		return &cli.BoolFlag{Name: name, Category: heading, Usage: o.Usage, DefaultText: shown}
	case *int:
		return &cli.IntFlag{Name: name, Category: heading, Usage: o.Usage, DefaultText: shown}
	case *float64:
		return &cli.Float64Flag{Name: name, Category: heading, Usage: o.Usage, DefaultText: shown}
	}
	return &cli.StringFlag{Name: name, Category: heading, Usage: o.Usage, DefaultText: shown}
}

// applySystemFlags gives a System the options that flags name and the configuration a record of them all, with what
// the System is asked.
func applySystemFlags(c *cli.Context, s onesot.System, config *onesot.Config) error {
	own := map[string]bool{}
	for _, o := range s.Options() {
		own[o.Name] = true
		if !c.IsSet(o.Name) {
			continue
		}
		switch p := o.Value.(type) {
		case *bool:
			*p = c.Bool(o.Name)
		case *int:
			*p = c.Int(o.Name)
		case *float64:
			*p = c.Float64(o.Name)
		case *string:
			*p = c.String(o.Name)
		}
	}
	for name, list := range optionsByName() {
		if c.IsSet(name) && !own[name] {
			return usagef("--%s: is of --method %s; %s has no such option", name, list[0].system, s.Name())
		}
	}
	if options := onesot.OptionValues(s); len(options) > 0 {
		config.Options = options
	}
	return applyAsked(c, s, config)
}

func applyAsked(c *cli.Context, s onesot.System, config *onesot.Config) error {
	kind := s.Asks().Kind
	for _, k := range []onesot.AskKind{onesot.AskPenalties, onesot.AskBudgets} {
		name := k.String()
		if !c.IsSet(name) {
			continue
		}
		if k != kind {
			return usagef("--%s: %s is asked by --%v", name, s.Name(), kind)
		}
		values, err := parsePositive(c.String(name))
		if err != nil {
			return usagef("--%s: %w", name, err)
		}
		config.Asked = onesot.Ascending(values)
	}
	return nil
}

// parsePositive reads a list of finite numbers above 0.
func parsePositive(text string) ([]float64, error) {
	var out []float64
	for _, field := range strings.Split(text, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
		if err != nil || !(v > 0) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%q is not a number above 0; write a list such as 0.01,0.1,1", field)
		}
		out = append(out, v)
	}
	return out, nil
}
