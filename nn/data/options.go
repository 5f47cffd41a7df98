package data

import (
	"fmt"
	"strconv"
	"strings"
)

// Option is what may follow the folder or file of a spec, as in "sr:DIR,scale=2".
type Option struct {
	Name  string // "scale"
	Means string // "2, 3 or 4"
}

// options is the values given for a reader's options.
type options map[string]string

// cutOptions takes ",name=value" parts off the end of what follows a reader's name. A comma elsewhere belongs to the
// path.
func (r Reader) cutOptions(rest string) (path string, given options, err error) {
	given = options{}
	for {
		at := strings.LastIndexByte(rest, ',')
		name, value, found := strings.Cut(rest[at+1:], "=")
		if at < 0 || !found || strings.ContainsAny(name, "/ ") {
			return rest, given, nil
		}
		if !r.has(name) {
			return "", nil, fmt.Errorf("unknown option %q, want %s", name, r.optionNames())
		}
		if _, twice := given[name]; twice {
			return "", nil, fmt.Errorf("option %q is there twice", name)
		}
		given[name], rest = value, rest[:at]
	}
}

func (r Reader) has(name string) bool {
	for _, o := range r.Options {
		if o.Name == name {
			return true
		}
	}
	return false
}

func (r Reader) optionNames() string {
	var names []string
	for _, o := range r.Options {
		names = append(names, o.Name)
	}
	if len(names) == 0 {
		return "none: " + r.Form + " takes no options"
	}
	return strings.Join(names, ", ")
}

// number is a whole number from least to most.
func (o options) number(name string, otherwise, least, most int) (int, error) {
	text, given := o[name]
	if !given {
		return otherwise, nil
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < least || v > most {
		return 0, fmt.Errorf("option %s=%s: want a whole number from %d to %d", name, text, least, most)
	}
	return v, nil
}

// choice is one of the words; the first where none is given.
func (o options) choice(name string, words ...string) (string, error) {
	text, given := o[name]
	if !given {
		return words[0], nil
	}
	for _, w := range words {
		if w == text {
			return w, nil
		}
	}
	return "", fmt.Errorf("option %s=%s: want %s", name, text, strings.Join(words, " or "))
}

// numbers is n numbers from least to most, written 0.1/0.2/0.3; one stands for all.
func (o options) numbers(name string, otherwise []float32, least, most float64) ([]float32, error) {
	text, given := o[name]
	if !given {
		return otherwise, nil
	}
	parts, n := strings.Split(text, "/"), len(otherwise)
	out := make([]float32, n)
	for i := range out {
		v, err := strconv.ParseFloat(parts[min(i, len(parts)-1)], 32)
		if err != nil || !(v >= least && v <= most) || len(parts) != 1 && len(parts) != n {
			return nil, fmt.Errorf("option %s=%s: want one number or %d with / between them, each from %.3g to %.3g", name, text, n, least, most)
		}
		out[i] = float32(v)
	}
	return out, nil
}

// jitter reads "0.4" (all but the hue) or "0.4/0.4/0.4/0.1".
func (o options) jitter() (Jitter, error) {
	v, err := o.numbers("jitter", []float32{0, 0, 0, 0}, 0, 1)
	if err != nil {
		return Jitter{}, err
	}
	if !strings.Contains(o["jitter"], "/") {
		v[3] = 0
	}
	if v[3] > 0.5 {
		return Jitter{}, fmt.Errorf("option jitter=%s: want a hue, the fourth number, of at most 0.5", o["jitter"])
	}
	return Jitter{v[0], v[1], v[2], v[3]}, nil
}

// firstError is the first that is one: errors are one line.
func firstError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
