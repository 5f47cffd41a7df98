// Package method lists the search systems.
package method

import (
	"fmt"

	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method/bayesianbits"
	"vimps-gpu/onesot/method/bitmixer"
	"vimps-gpu/onesot/method/dnas"
	"vimps-gpu/onesot/method/edmips"
	"vimps-gpu/onesot/method/fisher"
	"vimps-gpu/onesot/method/fn3"
	"vimps-gpu/onesot/method/haq"
	"vimps-gpu/onesot/method/oneshot"
	"vimps-gpu/onesot/method/spos"
	"vimps-gpu/onesot/method/vimps"
)

// All gives a new System of every kind, with its default options.
func All() []onesot.System {
	return []onesot.System{
		oneshot.New(),
		vimps.New(),
		edmips.New(),
		dnas.New(),
		bayesianbits.New(),
		haq.New(),
		spos.New(),
		bitmixer.New(),
		fn3.New(),
		fisher.New(),
	}
}

// Names are the systems'.
func Names() (names []string) {
	for _, s := range All() {
		names = append(names, s.Name())
	}
	return names
}

// Find gives a new System by its name.
func Find(name string) (onesot.System, error) {
	for _, s := range All() {
		if s.Name() == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("method %q: unknown; the nearest is %s", name, Nearest(name, Names()))
}
