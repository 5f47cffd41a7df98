package method

import (
	"strings"
	"testing"

	"vimps-gpu/onesot"
)

func TestSystemsAreDistinctAndDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range All() {
		if seen[s.Name()] {
			t.Errorf("two systems are called %q", s.Name())
		}
		seen[s.Name()] = true
		if s.About() == "" || strings.Contains(s.About(), "\n") {
			t.Errorf("%s: about %q", s.Name(), s.About())
		}
		if err := s.Defaults(onesot.ModelSettings("digitsnet")).Check(); err != nil {
			t.Errorf("%s: its defaults: %v", s.Name(), err)
		}
		asks := s.Asks()
		if asks.What == "" || (asks.Kind == onesot.AskEtas) != (asks.Default == nil) {
			t.Errorf("%s: asks %+v", s.Name(), asks)
		}
		for i, v := range asks.Default {
			if i > 0 && v <= asks.Default[i-1] {
				t.Errorf("%s: %v is not ascending", s.Name(), asks.Default)
			}
		}
		for _, o := range s.Options() {
			switch o.Value.(type) {
			case *int, *float64, *bool, *string:
			default:
				t.Errorf("%s: option %s is a %T", s.Name(), o.Name, o.Value)
			}
		}
		if found, err := Find(s.Name()); err != nil || found.Name() != s.Name() {
			t.Errorf("%s: found %v, %v", s.Name(), found, err)
		}
	}
}

// Each call gives systems of their own: options of one run are not those of the next.
func TestOptionsAreNotShared(t *testing.T) {
	for i, s := range All() {
		other := All()[i].Options()
		for j, o := range s.Options() {
			if o.Value == other[j].Value {
				t.Errorf("%s: option %s is shared", s.Name(), o.Name)
			}
		}
	}
}

func TestFindNamesTheNearest(t *testing.T) {
	if _, err := Find("edmip"); err == nil || !strings.Contains(err.Error(), "edmips") {
		t.Errorf("error %v", err)
	}
}
