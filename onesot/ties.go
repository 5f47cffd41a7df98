package onesot

import "fmt"

// RefuseTies is the error, in one line, of a System that cannot choose for several layers at once.
func (p *Problem) RefuseTies(system, why string) error {
	if !p.Space.HasTies() {
		return nil
	}
	return fmt.Errorf("--constraints: %s cannot have layers tied: %s; leave [[tie]] out", system, why)
}
