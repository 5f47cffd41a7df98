package compare

import (
	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method"
)

// systems are those that an experiment may name, each made new.
func systems() []onesot.System { return method.All() }
